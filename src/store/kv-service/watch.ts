/**
 * etcdserverpb.Watch: one stream, many watchers. The hub decides what is owed (mvcc/core/watch-hub.ts); this pulls it at
 * the client's pace, and hands the client's requests over at the pace of the answers.
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import type { Random } from '../../base/random.ts';
import type { Watch, WatchCreateRequest, WatchRequest, WatchResponse } from '../../proto/etcd.ts';
import type { CallContext, Handlers, StreamAnswer } from '../../proto/rpc.ts';
import type { WatchStream } from '../mvcc/core/watch-hub.ts';
import type { SharedMessage, WatchMessage } from '../mvcc/core/watch-messages.ts';
import type { FaultHooks } from '../faults/fault-hooks.ts';
import { StoreError } from '../rpc/errors.ts';
import { requireLeader, wantsLeader, type StoreCore } from './core.ts';
import { REQUEST_BYTES_MAX } from './validate.ts';
import { WatchAnswers } from './watch-answers.ts';

/** etcd's --watch-progress-notify-interval. */
export const PROGRESS_INTERVAL_MS = 10 * 60 * 1000;
export const PROGRESS_INTERVAL_MS_MIN = 100;
/** A tenth more at random, so that streams that began together drift apart. */
const PROGRESS_JITTER = 0.1;
/** Answers that wait for a slow client before its next request is read. */
const ANSWERS_AHEAD_MAX = 128;
/** A stream that requires a leader ends after so many election timeouts without one. */
const NO_LEADER_ELECTIONS = 3;
const ELECTION_MS = 1000;
/** Around the largest request, in one response where the watcher asked for fragments. */
const FRAGMENT_OVERHEAD_BYTES = 512 * 1024;

export interface WatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly progressIntervalMs?: Millis;
  readonly electionMs?: Millis;
  readonly requestBytesMax?: number;
  readonly faults?: FaultHooks | undefined;
  /** Asked before a watcher is made: why not, as its client is told; undefined: let it be. */
  readonly refuse?: (request: WatchCreateRequest, context: CallContext) => Promise<string | undefined>;
}

export function watchHandlers(core: StoreCore, options: WatchOptions): Handlers<typeof Watch> {
  const answers = new WatchAnswers(core, (options.requestBytesMax ?? REQUEST_BYTES_MAX) + FRAGMENT_OVERHEAD_BYTES);
  return { watch: (requests, context) => watch(core, options, { requests, context, answers }) };
}

interface Call {
  readonly requests: AsyncIterable<WatchRequest>;
  readonly context: CallContext;
  /** Of all streams: many watch the same. */
  readonly answers: WatchAnswers;
}

async function* watch(core: StoreCore, options: WatchOptions, call: Call): AsyncGenerator<StreamAnswer<WatchResponse>> {
  requireLeader(core, call.context);
  const session = new Session(core, options, call);
  const { faults } = options;
  try {
    for (;;) {
      if (faults !== undefined && session.isBehind) await faults.at('beforeSyncWatchers');
      const message = session.next();
      if (message === 'end') return;
      if (message === 'wait') await session.woken();
      else if (message === 'pause') await session.pause();
      else {
        if (faults !== undefined) await faults.at('beforeSendWatchResponse');
        for (const answer of call.answers.to(message)) yield answer;
      }
    }
  } finally {
    session.close();
  }
}

class Session {
  readonly #core: StoreCore;
  readonly #options: WatchOptions;
  readonly #context: CallContext;
  readonly #stream: WatchStream;
  readonly #timers = new Set<Timer>();
  #isAwake = false;
  #sleeper: Deferred<void> | undefined;
  /** The reader of requests, while it waits for the client to take answers. */
  #reader: Deferred<void> | undefined;
  #isClosed = false;
  #failure: unknown;
  #hasProgressTimer = false;

  constructor(core: StoreCore, options: WatchOptions, { requests, context }: Omit<Call, 'answers'>) {
    this.#core = core;
    this.#options = options;
    this.#context = context;
    this.#stream = core.machine.hub.openStream(() => this.#wake());
    context.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (wantsLeader(context)) this.#watchLeader(0);
    this.#read(requests).catch((error: unknown) => this.#fail(error));
  }

  next(): WatchMessage | SharedMessage | 'pause' | 'wait' | 'end' {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#context.signal.aborted) return 'end';
    this.#isAwake = false;
    const message = this.#stream.nextOfAll();
    if (this.#stream.queued < ANSWERS_AHEAD_MAX) this.#reader?.resolve();
    return message ?? 'wait';
  }

  /** A watcher of it has history to read. */
  get isBehind(): boolean {
    return !this.#stream.isSynced;
  }

  async woken(): Promise<void> {
    if (this.#isAwake) return;
    this.#sleeper = deferred();
    await this.#sleeper.promise;
  }

  /** Lets the others of this process have a turn. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(0, resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#context.signal.removeEventListener('abort', this.#onAbort);
    for (const timer of this.#timers) timer.cancel();
    this.#stream.close();
    this.#reader?.resolve();
  }

  readonly #onAbort = (): void => this.#wake();

  #wake(): void {
    this.#isAwake = true;
    this.#sleeper?.resolve();
    this.#sleeper = undefined;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** When the client has no more requests the events go on, as in etcd: grpcurl closes its side at once. */
  async #read(requests: AsyncIterable<WatchRequest>): Promise<void> {
    for await (const { requestUnion } of requests) {
      if (this.#isClosed) return;
      switch (requestUnion?.case) {
        case 'createRequest':
          await this.#create(requestUnion.value);
          break;
        case 'cancelRequest':
          this.#stream.cancel(requestUnion.value.watchId);
          break;
        case 'progressRequest':
          if (this.#options.faults !== undefined) await this.#options.faults.at('beforeProgressIfSync');
          if (!this.#isClosed) this.#stream.requestProgress();
          break;
        default:
        // Etcd passes over what it does not know.
      }
      while (this.#stream.queued >= ANSWERS_AHEAD_MAX && !this.#isClosed) {
        this.#reader = deferred();
        await this.#reader.promise;
      }
    }
  }

  async #create(request: WatchCreateRequest): Promise<void> {
    const { refuse } = this.#options;
    const refusal = refuse === undefined ? undefined : await refuse(request, this.#context);
    if (this.#isClosed) return;
    if (refusal !== undefined) return this.#stream.refuse(refusal);
    this.#stream.create(request);
    if (request.progressNotify) this.#startProgress();
  }

  #startProgress(): void {
    if (this.#hasProgressTimer) return;
    this.#hasProgressTimer = true;
    const { progressIntervalMs = PROGRESS_INTERVAL_MS, random } = this.#options;
    const intervalMs = Math.max(progressIntervalMs, PROGRESS_INTERVAL_MS_MIN);
    const periodMs = intervalMs * (1 + PROGRESS_JITTER * random.float());
    const tick = (): void => {
      this.#stream.progressTick();
      this.#after(periodMs, tick);
    };
    this.#after(periodMs, tick);
  }

  #watchLeader(elections: number): void {
    const { electionMs = ELECTION_MS } = this.#options;
    this.#after(electionMs, () => {
      const without = this.#core.leader === 0n ? elections + 1 : 0;
      if (without >= NO_LEADER_ELECTIONS) this.#fail(new StoreError('no-leader'));
      else this.#watchLeader(without);
    });
  }

  #after(delayMs: Millis, run: () => void): void {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }
}
