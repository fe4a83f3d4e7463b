/**
 * Writes a pod's status to the API server, and its end. One write at a time, the latest counts; the server may be away for
 * minutes while the pod goes on.
 */
import { describeError } from '../base/errors.ts';
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isConflict, isNotFound } from '../client/api-error.ts';
import type { AgentPod, AgentPodStatus } from './core/pod-spec.ts';

export interface PodStatusWriterOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: Tasks;
  readonly signal: AbortSignal;
  /** The newest that is known of the object; undefined: there is none yet. */
  readonly object: () => AgentPod | undefined;
  /** It stands for a pod of a file, which does not end with it: it is never deleted here. */
  readonly isMirror: boolean;
  /** What shall be written; undefined: nothing (yet, or any more). */
  readonly wanted: () => { readonly status: AgentPodStatus; readonly isOver: boolean } | undefined;
  /** An answer of the API server is news like any other. */
  readonly onPod: (pod: AgentPod) => void;
  readonly onRemoved: () => void;
  readonly wake: () => void;
}

const RETRY_FIRST_MS: Millis = 100;
const RETRY_MAX_MS: Millis = 5_000;
/** After so many conflicts in a row the next one waits. */
const CONFLICTS_MAX = 5;

export class PodStatusWriter {
  readonly #options: PodStatusWriterOptions;
  #isWriting = false;
  #lastWrite: { readonly sent: string; readonly answered: string } | undefined;
  #failures = 0;

  constructor(options: PodStatusWriterOptions) {
    this.#options = options;
  }

  /** Writes what is wanted, unless the API server has it. */
  publish(): void {
    const { signal, tasks } = this.#options;
    if (this.#isWriting || signal.aborted || !this.#owesWrite()) return;
    this.#isWriting = true;
    const work = this.#write()
      .then(() => {
        this.#failures = 0;
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#isWriting = false;
      });
    // What came up during the write is written next; nothing owed ends it.
    tasks.run(work.then(() => this.publish()));
  }

  #owesWrite(): boolean {
    const wanted = this.#options.wanted();
    const pod = this.#options.object();
    return wanted !== undefined && pod !== undefined && (this.#owesDeletion() || this.#owesStatus(pod, wanted.status));
  }

  #owesDeletion(): boolean {
    return this.#options.wanted()?.isOver === true && !this.#options.isMirror;
  }

  #owesStatus(pod: AgentPod, status: AgentPodStatus): boolean {
    const sent = canonical(status);
    const cached = canonical(pod.status ?? {});
    if (sent === cached) return false;
    // What the server made of our write need not be what we sent.
    return this.#lastWrite?.sent !== sent || this.#lastWrite.answered !== cached;
  }

  async #write(): Promise<void> {
    const { api, onPod, onRemoved } = this.#options;
    const pod = this.#options.object();
    const wanted = this.#options.wanted();
    if (pod === undefined || wanted === undefined) return;
    const { namespace, name, uid } = pod.metadata;
    const ref = inNamespace(resources.pods, namespace);
    if (this.#owesStatus(pod, wanted.status)) {
      const answer = await api.updateStatus<AgentPod>(ref, { ...pod, status: wanted.status });
      this.#lastWrite = { sent: canonical(wanted.status), answered: canonical(answer.status ?? {}) };
      onPod(answer);
    }
    if (!this.#owesDeletion()) return;
    await api.delete(ref, name, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }) });
    // The news of it may come late; the containers are gone already.
    onRemoved();
  }

  async #failed(error: unknown): Promise<void> {
    const { api, clock, log, signal, isMirror, onPod, onRemoved, wake } = this.#options;
    const { namespace, name = '', uid } = this.#options.object()?.metadata ?? {};
    // Whoever keeps a mirror hears of its news, and makes it again.
    if ((isConflict(error) || isNotFound(error)) && !isMirror) {
      try {
        const fresh = await api.get<AgentPod>(inNamespace(resources.pods, namespace), name);
        if (fresh.metadata.uid !== uid) return onRemoved();
        onPod(fresh);
        if (++this.#failures < CONFLICTS_MAX) return wake();
      } catch (failure) {
        if (isNotFound(failure)) return onRemoved();
      }
    }
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(10, this.#failures++));
    log.debug({ namespace, pod: name, error: describeError(error) }, 'pod: status not written');
    await sleep(clock, delayMs, signal);
  }
}

/** JSON with sorted keys and without undefined: equal for equal objects. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
