/** What of one pod was tried in vain: why, for the waiting states of its containers, and when it is tried again. */
import type { Clock, Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import { ContainerStartError } from './container-starter.ts';
import type { Reason } from './core/pod-plan.ts';
import type { Say } from './pod-events.ts';

/** The pod's own, among the names of containers. */
export const SANDBOX = '';

/** A container that cannot be made (no such ConfigMap) is tried again after this, doubling. */
export const RETRY_FIRST_MS: Millis = 500;
const RETRY_MAX_MS: Millis = 20_000;

export interface Waiting extends Reason {
  /** Monotonic. */
  readonly retryAtMs: Millis;
  readonly tries: number;
  /** What it waits for, if that is its image. */
  readonly image?: string;
}

export interface Attempt {
  /** The container's, or `SANDBOX`, or any other that is no container's. */
  readonly name: string;
  /** Reason and text of the event that tells of a failure. */
  readonly event: (why: string, error: unknown) => readonly [reason: string, message: string];
  readonly work: () => Promise<void>;
}

export class PodRetries {
  readonly #clock: Clock;
  readonly #say: Say;
  readonly #waiting = new Map<string, Waiting>();

  constructor({ clock, say }: { readonly clock: Clock; readonly say: Say }) {
    this.#clock = clock;
    this.#say = say;
  }

  get waiting(): ReadonlyMap<string, Waiting> {
    return this.#waiting;
  }

  isDue(name: string): boolean {
    const known = this.#waiting.get(name);
    return known === undefined || known.retryAtMs <= this.#clock.monotonic();
  }

  wait(name: string, waiting: Waiting): void {
    this.#waiting.set(name, waiting);
  }

  forget(name: string): void {
    this.#waiting.delete(name);
  }

  /** What all of them waited for may be there. */
  hurryAll(): void {
    const retryAtMs = this.#clock.monotonic();
    for (const [name, waiting] of this.#waiting) this.#waiting.set(name, { ...waiting, retryAtMs });
  }

  /** What fails is tried again later, and says why in the meantime. True: something is different now, plan again. */
  async attempt({ name, event, work }: Attempt): Promise<boolean> {
    if (!this.isDue(name)) return false;
    const known = this.#waiting.get(name);
    try {
      await work();
      this.#waiting.delete(name);
      return true;
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      const tries = (known?.tries ?? 0) + 1;
      const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
      const retryAtMs = this.#clock.monotonic() + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tries - 1));
      const isSaid = error instanceof ContainerStartError && error.isSaid;
      const message = isSaid ? error.message : describeError(error);
      // A program that could not be started has run, and failed: its attempt counts, and its record says why.
      const hasFailedToRun = reason === 'RunContainerError';
      if (hasFailedToRun) this.#waiting.delete(name);
      else this.#waiting.set(name, { reason, message, retryAtMs, tries });
      // Each time, as the kubelet does: the recorder counts, and people see that it is still so.
      if (!isSaid) this.#say('Warning', ...event(message, error), name === SANDBOX ? undefined : name);
      // Plan once more, for the status; the retry time keeps it from trying again at once.
      return hasFailedToRun || known?.message !== message;
    }
  }
}
