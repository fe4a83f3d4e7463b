/**
 * How the agent hears of what happens in the runtime: by CRI's events, where it has them (containerd from 1.7 on, CRI-O); by
 * containerd's own, on the same socket, where it has not; else by looking each second, as the kubelet does. Events only say
 * that it is time to look: one that is missed costs nothing but a while.
 */
import { sleep, type Clock, type Millis } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { Events, RuntimeService } from '../../../proto/cri.ts';
import { RpcCode, RpcError } from '../../../proto/rpc.ts';
import { isUnimplemented, type CriClient } from './client.ts';

/** Without events, and while the runtime does not answer. */
const POLL_MS = 1_000;
/** With events. */
const POLL_SELDOM_MS = 10_000;
/** containerd tells others of an end before it has noted it itself. */
const LOOKS_AFTER_EVENT_MS: readonly Millis[] = [5, 20, 60, 200, 500];
const SUBSCRIBE_AGAIN_MS = 1_000;
/** A source that ends so often without a single event is none: some runtimes have it, and have it switched off. */
const SILENT_ENDS_MAX = 3;

const CONTAINERD_FILTERS = ['topic=="/tasks/exit"', 'topic=="/tasks/oom"'];
/** Where containerd keeps what CRI makes. */
const CONTAINERD_NAMESPACE = 'k8s.io';

export interface WatchOptions {
  readonly client: CriClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Looks at everything; answers whether it has found a change, rejects when the runtime does not answer. */
  readonly look: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

export class RuntimeWatch {
  readonly #options: WatchOptions;
  #source: 'cri' | 'containerd' | 'none' = 'cri';
  #isSubscribed = false;
  #silentEnds = 0;
  /** Looks that are due after an event. */
  #due: Millis[] = [];
  #wake: AbortController = new AbortController();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Both loops, until the signal fires. */
  async run(): Promise<void> {
    await Promise.all([this.#looks(), this.#subscriptions()]);
  }

  /** Something has happened: look soon, and again. */
  hurry(): void {
    this.#lookSoon(LOOKS_AFTER_EVENT_MS);
  }

  #lookSoon(afterMs: readonly Millis[]): void {
    this.#due = [...afterMs];
    this.#wake.abort();
  }

  #nextSource(): void {
    this.#silentEnds = 0;
    this.#source = this.#source === 'cri' ? 'containerd' : 'none';
    if (this.#source === 'none') this.#options.log.info({}, 'cri: the runtime has no events, it is looked at each second');
  }

  async #looks(): Promise<void> {
    const { clock, look, signal } = this.#options;
    while (!signal.aborted) {
      const waitMs = this.#due.shift() ?? (this.#isSubscribed ? POLL_SELDOM_MS : POLL_MS);
      this.#wake = new AbortController();
      await sleep(clock, waitMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined); // woken
      // Hurried just now: begin with the first wait.
      if (this.#wake.signal.aborted) continue;
      if (!signal.aborted) await look().catch(() => undefined); // whoever looks has noted that it does not answer
    }
  }

  async #subscriptions(): Promise<void> {
    const { clock, log, signal } = this.#options;
    while (!signal.aborted && this.#source !== 'none') {
      try {
        for await (const event of this.#subscribe()) {
          void event;
          this.#isSubscribed = true;
          this.#silentEnds = 0;
          this.hurry();
        }
      } catch (error) {
        if (signal.aborted) return;
        // Only of one that answers something is it the source's fault.
        const isAnswer = error instanceof RpcError && error.code !== RpcCode.UNAVAILABLE && error.code !== RpcCode.CANCELLED;
        if (isUnimplemented(error) || (isAnswer && ++this.#silentEnds >= SILENT_ENDS_MAX)) {
          this.#nextSource();
          continue;
        }
        log.debug({ error: describeError(error) }, 'cri: no events, subscribing again');
      } finally {
        this.#isSubscribed = false;
      }
      this.#lookSoon([0]);
      await sleep(clock, SUBSCRIBE_AGAIN_MS, signal).catch(() => undefined); // the loop ends
    }
  }

  #subscribe(): AsyncIterable<unknown> {
    const { client, signal } = this.#options;
    this.#isSubscribed = this.#source === 'containerd';
    if (this.#source === 'cri') return client.stream(RuntimeService.methods.getContainerEvents, {}, { signal });
    const metadata = { 'containerd-namespace': CONTAINERD_NAMESPACE };
    return client.stream(Events.methods.subscribe, { filters: CONTAINERD_FILTERS }, { signal, metadata });
  }
}
