/**
 * The one door of the client services: who calls, and whether he may. Handlers know nothing of it; each call gets them
 * over a `StoreCore` that speaks in its caller's name.
 *
 *   call ─► identify (token, or certificate) ─► needs table ─► refused, or a Caller ─► the handler
 *                                                  Caller.linearizable(): asks again, by what the read will see
 *                                                  Caller.propose():      credentials go along; apply asks again
 *
 * A member may lag behind the rules. So nothing is refused before it has caught up with the leader, and a read is let
 * out by the rules of the state that it reads. Writes are decided where they are applied, alike on every member.
 */
import type { Clock } from '../../base/clock.ts';
import type { Credentials } from '../../proto/auth.ts';
import type { ResponseHeader, WatchCreateRequest } from '../../proto/etcd.ts';
import { RpcCode, type AnyHandler, type BoundService, type CallContext } from '../../proto/rpc.ts';
import type { MessageCodec, MethodDescriptor, ServiceDescriptor } from '../../proto/wire.ts';
import type { StoreCore } from '../kv-service/core.ts';
import type { Command } from '../mvcc/command.ts';
import { mapStoreError, StoreError, type StoreErrorCode } from '../rpc/errors.ts';
import type { CommandOutcome, StateMachine } from '../state-machine.ts';
import type { TokenScheme } from './auth-token.ts';
import { needOfWatch, refuse, type Need } from './core/needs.ts';

export interface GuardOptions {
  readonly core: StoreCore;
  readonly clock: Clock;
  readonly tokens: TokenScheme;
  /** Clients had to show a certificate that our authority signed: its common name is a user, as in etcd. */
  readonly clientCertAuth: boolean;
}

/** What a call needs, given the state and who calls. */
export type NeedOf<Q> = (
  request: Q,
  asked: { readonly machine: StateMachine; readonly user: string | undefined },
) => Need;

type RequestOf<M> = M extends { request: MessageCodec<infer Q>; requestStream: false } ? Q : undefined;

/** One for each method, so that none is forgotten; `open` to all, user or not. */
export type Needs<S extends ServiceDescriptor> = {
  readonly [K in keyof S['methods']]: NeedOf<RequestOf<S['methods'][K]>> | 'open';
};

/** A refusal by old rules did nothing: with the present ones it may be tried again, so often. */
const ATTEMPTS_MAX = 3;

export class Guard {
  readonly #options: GuardOptions;
  /** In nobody's name, for calls without a token while authentication is off: shared, so that they cost nothing. */
  readonly anonymous: StoreCore;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.anonymous = new Caller(options.core, { identify: () => undefined, needOf: () => 'user' });
  }

  get core(): StoreCore {
    return this.#options.core;
  }

  /** Authentication is off, and the call does not say who makes it. */
  isOpenTo(context: CallContext): boolean {
    return !this.core.machine.auth.enabled && tokenOf(context) === undefined && this.#commonName(context) === undefined;
  }

  /** Throws where it is refused. */
  async enter(context: CallContext, needOf: CallerOptions['needOf']): Promise<StoreCore> {
    const caller = new Caller(this.core, { identify: () => this.#identify(context), needOf });
    if (caller.refusal() === undefined) return caller;
    await this.core.linearizable(context.signal);
    caller.check();
    return caller;
  }

  /** Why a watcher is refused, as etcd's `cancel_reason` says it. What it is let to watch it watches to its end. */
  async refuseWatch(request: WatchCreateRequest, context: CallContext): Promise<string | undefined> {
    if (!this.core.machine.auth.enabled) return undefined;
    try {
      await this.enter(context, () => needOfWatch(request));
      return undefined;
    } catch (error) {
      const known = mapStoreError(error);
      const status = known === undefined ? undefined : STATUS_NAMES.get(known.code);
      if (known === undefined || status === undefined) throw error;
      return `rpc error: code = ${status} desc = ${known.message}`;
    }
  }

  #identify(context: CallContext): Credentials | undefined | 'invalid-auth-token' {
    const { auth } = this.core.machine;
    if (!auth.enabled) return undefined;
    const token = tokenOf(context);
    const name = token === undefined ? this.#commonName(context) : undefined;
    if (name !== undefined) return asUser(name, auth.revision);
    return token === undefined ? undefined : (this.#userOf(token) ?? 'invalid-auth-token');
  }

  #userOf(token: string): Credentials | undefined {
    const { clock, tokens } = this.#options;
    const { auth } = this.core.machine;
    if (tokens.kind === 'simple') {
      const user = auth.tokens.use(token, clock.monotonic(), tokens.ttlMs);
      return user === undefined ? undefined : asUser(user, auth.revision);
    }
    const claims = tokens.jwt.verify(token, clock.wall());
    return claims === undefined ? undefined : asUser(claims.username, claims.revision);
  }

  #commonName(context: CallContext): string | undefined {
    if (!this.#options.clientCertAuth) return undefined;
    // Etcd's gateway calls with the server's own certificate: whoever is behind it is not who it names.
    if (context.metadata.get('grpcgateway-accept') !== undefined) return undefined;
    return context.identity === '' ? undefined : context.identity;
  }
}

const STATUS_NAMES: ReadonlyMap<RpcCode, string> = new Map([
  [RpcCode.INVALID_ARGUMENT, 'InvalidArgument'],
  [RpcCode.PERMISSION_DENIED, 'PermissionDenied'],
  [RpcCode.UNAUTHENTICATED, 'Unauthenticated'],
]);

function tokenOf({ metadata }: CallContext): string | undefined {
  return metadata.get('token') ?? metadata.get('authorization');
}

function asUser(name: string, revision: number): Credentials {
  return { subject: { case: 'user', value: { name, revision } } };
}

interface CallerOptions {
  readonly identify: () => Credentials | undefined | 'invalid-auth-token';
  readonly needOf: (user: string | undefined) => Need;
}

class Caller implements StoreCore {
  readonly #core: StoreCore;
  readonly #options: CallerOptions;
  #seen: { readonly revision: number; readonly who: ReturnType<CallerOptions['identify']> } | undefined;

  constructor(core: StoreCore, options: CallerOptions) {
    this.#core = core;
    this.#options = options;
  }

  get machine(): StateMachine {
    return this.#core.machine;
  }

  get leader(): bigint {
    return this.#core.leader;
  }

  header(): ResponseHeader {
    return this.#core.header();
  }

  scrubbed(): Promise<void> {
    return this.#core.scrubbed?.() ?? Promise.resolve();
  }

  async linearizable(signal?: AbortSignal): Promise<void> {
    await this.#core.linearizable(signal);
    this.check();
  }

  propose(command: Command): Promise<CommandOutcome> {
    return this.machine.auth.enabled ? this.#proposeAs(command) : this.#core.propose(command);
  }

  async #proposeAs(command: Command): Promise<CommandOutcome> {
    for (let attempt = 1; ; attempt++) {
      const who = this.#who();
      if (who === 'invalid-auth-token') throw new StoreError(who);
      const outcome = await this.#core.propose(command, who);
      if (outcome.ok || outcome.code !== 'auth-old-revision' || attempt === ATTEMPTS_MAX) return outcome;
      // A JWT stays at its revision: its holder must authenticate anew.
      if (revisionOf(this.#who()) === revisionOf(who)) return outcome;
    }
  }

  check(): void {
    const code = this.refusal();
    if (code !== undefined) throw new StoreError(code);
  }

  refusal(): StoreErrorCode | undefined {
    const { auth } = this.machine;
    if (!auth.enabled) return undefined;
    const who = this.#who();
    if (who === 'invalid-auth-token') return who;
    const user = who?.subject?.case === 'user' ? who.subject.value.name : undefined;
    return refuse(auth, who, this.#options.needOf(user))?.code;
  }

  /** Asked anew when the rules have changed: a token may have been taken back with them. */
  #who(): ReturnType<CallerOptions['identify']> {
    const { enabled, revision } = this.machine.auth;
    if (!enabled) return undefined;
    if (this.#seen?.revision !== revision || this.#seen.who === 'invalid-auth-token') {
      this.#seen = { revision, who: this.#options.identify() };
    }
    return this.#seen.who;
  }
}

function revisionOf(who: ReturnType<CallerOptions['identify']>): number {
  return who !== 'invalid-auth-token' && who?.subject?.case === 'user' ? who.subject.value.revision : 0;
}

type Call = (request: unknown, context: CallContext) => unknown;

/**
 * `build` makes the service over a core: once for calls that nobody asks about, and for each call of a user once more. A
 * service that proposes nothing, or only in the store's own name, may ignore the core that it is handed.
 */
export function guarded<S extends ServiceDescriptor>(
  guard: Guard,
  needs: Needs<S>,
  build: (core: StoreCore) => BoundService,
): BoundService {
  const plain = build(guard.core);
  const anonymous = build(guard.anonymous);
  const handlers: Record<string, AnyHandler> = {};
  for (const [name, method] of Object.entries(plain.service.methods)) {
    if (plain.handlers[name] === undefined) continue;
    // By the type of `needs` there is one for each method; which request it takes the method's descriptor says.
    const needOf = needs[name as keyof Needs<S>] as NeedOf<unknown> | 'open';
    const pick = (service: BoundService) => service.handlers[name] as Call;
    handlers[name] =
      needOf === 'open'
        ? pick(plain)
        : door(guard, method, { needOf, anonymous: pick(anonymous), of: (core) => pick(build(core)) });
  }
  return { ...plain, handlers };
}

interface Doors {
  readonly needOf: NeedOf<unknown>;
  readonly anonymous: Call;
  readonly of: (core: StoreCore) => Call;
}

function door(guard: Guard, method: MethodDescriptor<unknown, unknown>, { needOf, anonymous, of }: Doors): Call {
  const enter = (request: unknown, context: CallContext): Promise<StoreCore> =>
    guard.enter(context, (user) =>
      needOf(method.requestStream ? undefined : request, { machine: guard.core.machine, user }),
    );
  if (method.responseStream) {
    return async function* (request, context) {
      const run = guard.isOpenTo(context) ? anonymous : of(await enter(request, context));
      yield* run(request, context) as AsyncIterable<unknown>; // by the method's descriptor
    };
  }
  return (request, context) => {
    if (guard.isOpenTo(context)) return anonymous(request, context);
    return enter(request, context).then((core) => of(core)(request, context));
  };
}
