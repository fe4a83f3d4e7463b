/** What the clients of a load asked and were answered, with times, as core/revision-check.ts judges it. */
import { type Clock, type Millis, sleep } from '../base/clock.ts';
import { AbortedError } from '../base/errors.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { StoreOperation } from './core/revision-check.ts';
import type { StoreRequest } from './core/store-model.ts';
import type { Answered } from './requests.ts';

export interface Recording {
  readonly operations: readonly StoreOperation[];
  /** Requests answered and, by their gRPC code, failed. */
  readonly answered: number;
  readonly failed: ReadonlyMap<string, number>;
}

/** What a cluster in trouble may answer. Everything else is a bug, and ends the load. */
const EXPECTED_FAILURES: ReadonlySet<RpcCode> = new Set([
  RpcCode.UNAVAILABLE,
  RpcCode.DEADLINE_EXCEEDED,
  RpcCode.CANCELLED,
  RpcCode.RESOURCE_EXHAUSTED,
]);

/** A deadline that etcd passes on as it comes, without a code of its own: only the text tells. */
const BARE_DEADLINE = 'context deadline exceeded';

export function isExpectedFailure(error: unknown): error is RpcError {
  if (!(error instanceof RpcError)) return false;
  return EXPECTED_FAILURES.has(error.code) || (error.code === RpcCode.UNKNOWN && error.message.includes(BARE_DEADLINE));
}

export class Recorder implements Recording {
  readonly operations: StoreOperation[] = [];
  readonly failed = new Map<string, number>();
  answered = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get now(): Millis {
    return this.#clock.monotonic();
  }

  /** Of an unanswered operation nobody knows whether and when it happened. */
  unanswered(client: number, request: StoreRequest, calledAt: Millis): void {
    this.operations.push({ client, request, answered: undefined, calledAt, answeredAt: this.now });
  }

  fail(error: RpcError): void {
    const name = Object.entries(RpcCode).find(([, code]) => code === error.code)?.[0] ?? String(error.code);
    this.failed.set(name, (this.failed.get(name) ?? 0) + 1);
  }

  /** Calls, and records what came of it. A write that failed may have happened, unless it never left. */
  async ask(client: number, request: StoreRequest, call: () => Promise<Answered>, serializable = false): Promise<Answered> {
    const calledAt = this.now;
    try {
      const answered = await call();
      this.answered++;
      const operation = { client, request, answered, calledAt, answeredAt: this.now };
      this.operations.push(serializable ? { ...operation, serializable } : operation);
      return answered;
    } catch (error) {
      // A read that failed says nothing.
      const mayHaveHappened = request.kind !== 'range' && !(error instanceof RpcError && error.notSent);
      if (mayHaveHappened) this.unanswered(client, request, calledAt);
      throw error;
    }
  }
}

/** A pause that the end of the load cuts short. */
export async function pause(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  await sleep(clock, ms, signal).catch((error: unknown) => {
    if (!(error instanceof AbortedError)) throw error;
  });
}
