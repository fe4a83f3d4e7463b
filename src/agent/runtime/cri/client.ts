/**
 * Calls of CRI, each with a deadline: a runtime that hangs is one that is not there. What fails is told in the agent's words;
 * nothing is repeated here.
 */
import type { Millis } from '../../../base/clock.ts';
import { RpcCode, RpcError, type Channel } from '../../../proto/rpc.ts';
import type { Init, MethodDescriptor } from '../../../proto/wire.ts';
import { RuntimeError } from '../runtime.ts';

/** For what only looks. */
const LOOK_DEADLINE_MS = 10_000;

export interface CriCallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class CriClient {
  readonly #channel: Channel;
  readonly #endpoint: string;
  readonly #lookDeadlineMs: Millis;

  constructor({ channel, endpoint, lookDeadlineMs = LOOK_DEADLINE_MS }: { readonly channel: Channel; readonly endpoint: string; readonly lookDeadlineMs?: Millis | undefined }) {
    this.#channel = channel;
    this.#endpoint = endpoint;
    this.#lookDeadlineMs = lookDeadlineMs;
  }

  /** Rejects with a RuntimeError, or with the RpcError that `isUnimplemented` knows. */
  async call<Q, S>(method: MethodDescriptor<Q, S>, request: Init<Q>, { deadlineMs = this.#lookDeadlineMs, signal }: CriCallOptions = {}): Promise<S> {
    try {
      return await this.#channel.unary(method, request, { timeoutMs: deadlineMs, signal });
    } catch (error) {
      throw this.#explained(error, method.path);
    }
  }

  /** As long as it goes; ends with an error when the connection does. */
  stream<Q, S>(method: MethodDescriptor<Q, S>, request: Init<Q>, options: { readonly signal: AbortSignal; readonly metadata?: Readonly<Record<string, string>> }): AsyncIterable<S> {
    return this.#channel.serverStream(method, request, options);
  }

  #explained(error: unknown, path: string): unknown {
    if (!(error instanceof RpcError)) return error;
    // The message of the error itself is all that it says.
    const options = error.cause === undefined ? {} : { cause: error.cause };
    const name = path.slice(path.lastIndexOf('/') + 1);
    switch (error.code) {
      case RpcCode.NOT_FOUND:
        return new RuntimeError('not-found', error.message, options);
      case RpcCode.UNAVAILABLE:
        return new RuntimeError('unavailable', `${this.#endpoint} does not answer: ${lowest(error).message}`);
      case RpcCode.DEADLINE_EXCEEDED:
        return new RuntimeError('unavailable', `${this.#endpoint} did not answer ${name} in time`, options);
      case RpcCode.UNIMPLEMENTED:
        return error;
      default:
        return new RuntimeError('cannot-start', error.message, options);
    }
  }
}

/** What there was at first: the others only say where. */
function lowest(error: Error): Error {
  return error.cause instanceof Error ? lowest(error.cause) : error;
}

export function isUnimplemented(error: unknown): boolean {
  return error instanceof RpcError && error.code === RpcCode.UNIMPLEMENTED;
}

export function hasCode(error: unknown, ...codes: RuntimeError['code'][]): boolean {
  return error instanceof RuntimeError && codes.includes(error.code);
}

/** For what may be gone already. */
export async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error;
  }
}
