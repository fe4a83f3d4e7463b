/** A gRPC call at the door that both faces have: who calls, is there room, may he, and what is written down of it. */
import { ApiError } from '../../kube/errors.ts';
import { RpcError, type CallContext } from '../../proto/rpc.ts';
import { IN_PROCESS, requireAllowed, type ResourceAttributes, type User } from '../access.ts';
import { userOfCertificate } from '../access/authenticator.ts';
import type { Guard } from '../access/guard.ts';
import type { AuditEntry } from '../audit.ts';
import { pathOf } from '../core/path.ts';
import type { InFlight } from '../in-flight.ts';
import type { Ref } from '../requests.ts';

export interface Streamed {
  readonly verb: string;
  readonly ref: Ref;
  readonly isLongRunning: boolean;
}

export class Admission {
  readonly #guard: Guard;
  readonly #inFlight: InFlight;

  constructor(guard: Guard, inFlight: InFlight) {
    this.#guard = guard;
    this.#inFlight = inFlight;
  }

  async unary<T>(context: CallContext, verb: string, ref: Ref, run: (user: User) => Promise<T>): Promise<T> {
    const user = callerOf(context);
    const leave = this.#inFlight.enter(verb === 'get' || verb === 'list' ? 'readOnly' : 'mutating', user);
    let entry: AuditEntry | undefined;
    try {
      entry = await this.#allowed(user, context, verb, ref);
      const result = await run(user);
      entry?.write('ResponseComplete', { code: 200 });
      return result;
    } catch (error) {
      tell(entry, error);
      throw error;
    } finally {
      leave();
    }
  }

  /** A watch, or a log; a log that is not followed is a reading like any other. */
  async *stream<T>(context: CallContext, { verb, ref, isLongRunning }: Streamed, run: () => AsyncIterable<T>): AsyncGenerator<T> {
    const user = callerOf(context);
    const leave = this.#inFlight.enter(isLongRunning ? 'longRunning' : 'readOnly', user);
    let entry: AuditEntry | undefined;
    try {
      entry = await this.#allowed(user, context, verb, ref);
      yield* run();
      entry?.write('ResponseComplete', { code: 200 });
    } catch (error) {
      tell(entry, error);
      throw error;
    } finally {
      leave();
    }
  }

  async #allowed(user: User, context: CallContext, verb: string, ref: Ref): Promise<AuditEntry | undefined> {
    const attributes: ResourceAttributes = { verb, ...ref };
    const audited = (decision: { readonly allowed: boolean; readonly reason: string }) =>
      this.#guard.begin({ requestUri: pathOf(ref), user, attributes, sourceIp: context.peer, userAgent: context.metadata.get('user-agent') ?? '', decision });
    try {
      const decision = await requireAllowed(this.#guard.authorizer, user, attributes);
      return audited(decision);
    } catch (error) {
      tell(audited({ allowed: false, reason: '' }), error);
      throw error;
    }
  }
}

/** By his certificate; over a channel that has none he is of this process or, in plain text, of this machine. */
function callerOf({ identity, organizations = [] }: CallContext): User {
  return identity === undefined ? IN_PROCESS : userOfCertificate({ commonName: identity, organizations });
}

function tell(entry: AuditEntry | undefined, error: unknown): void {
  if (entry === undefined) return;
  const known = error instanceof ApiError ? error : undefined;
  const message = error instanceof ApiError || error instanceof RpcError ? error.message : 'internal error';
  entry.write('ResponseComplete', { code: known?.code ?? 500, reason: known?.reason ?? 'InternalError', message });
}
