/**
 * etcdserverpb.Auth: users, roles, and tokens for them. Changes go through the log with what the proposer chose, a
 * password's hash or a token's letters; questions are answered from the state. Who may call what: auth/service-needs.ts.
 */
import type { AuthChange } from '../../proto/auth.ts';
import type { Auth, AuthenticateRequest, AuthUserAddRequest } from '../../proto/etcd.ts';
import type { CallContext, Handlers } from '../../proto/rpc.ts';
import type { Clock } from '../../base/clock.ts';
import type { TokenScheme } from '../auth/auth-token.ts';
import type { AuthState } from '../auth/core/auth-state.ts';
import type { PasswordHasher } from '../auth/passwords.ts';
import { headerAt, run, type StoreCore } from '../kv-service/core.ts';
import { AS_STORE } from '../mvcc/command.ts';
import { StoreError } from './errors.ts';

export interface AuthHandlersOptions {
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  readonly tokens: TokenScheme;
}

/** The rules may change between the check of a password and its token; then it is checked again, so often. */
const AUTHENTICATE_ATTEMPTS_MAX = 5;

type Change = NonNullable<AuthChange['change']>;

export function authHandlers(core: StoreCore, options: AuthHandlersOptions): Handlers<typeof Auth> {
  const change = async (one: Change) => {
    const { revision } = await run(core, { kind: 'auth', request: { change: one } }, 'auth');
    return { header: headerAt(core, revision) };
  };
  return {
    authEnable: (request) => change({ case: 'enable', value: request }),
    authDisable: (request) => change({ case: 'disable', value: request }),
    authenticate: (request, context) => authenticate(core, options, { request, context }),
    userAdd: async (request) => change({ case: 'userAdd', value: await withHash(request, options.hasher) }),
    userDelete: (request) => change({ case: 'userDelete', value: request }),
    userChangePassword: async ({ name, password }) => {
      const value = { name, password: '', hashedPassword: await options.hasher.hash(password) };
      return change({ case: 'userChangePassword', value });
    },
    userGrantRole: (request) => change({ case: 'userGrantRole', value: request }),
    userRevokeRole: (request) => change({ case: 'userRevokeRole', value: request }),
    roleAdd: (request) => change({ case: 'roleAdd', value: request }),
    roleDelete: (request) => change({ case: 'roleDelete', value: request }),
    roleGrantPermission: (request) => change({ case: 'roleGrantPermission', value: request }),
    roleRevokePermission: (request) => change({ case: 'roleRevokePermission', value: request }),
    ...authQuestions(core),
  };
}

function authQuestions(core: StoreCore) {
  const present = async ({ signal }: CallContext): Promise<AuthState> => {
    await core.linearizable(signal);
    return core.machine.auth;
  };
  return {
    async authStatus(_request, context) {
      const { enabled, revision } = await present(context);
      return { header: core.header(), enabled, authRevision: revision };
    },
    async userGet({ name }, context) {
      const user = (await present(context)).user(name);
      if (user === undefined) throw new StoreError('user-not-found');
      return { header: core.header(), roles: [...user.roles] };
    },
    async userList(_request, context) {
      return { header: core.header(), users: (await present(context)).userNames() };
    },
    async roleGet({ role }, context) {
      const permissions = (await present(context)).role(role);
      if (permissions === undefined) throw new StoreError('role-not-found');
      return { header: core.header(), perm: [...permissions] };
    },
    async roleList(_request, context) {
      return { header: core.header(), roles: (await present(context)).roleNames() };
    },
  } satisfies Handlers<typeof Auth>;
}

/** A hash that the client sends is not taken: etcd passes it over, too. */
async function withHash(request: AuthUserAddRequest, hasher: PasswordHasher): Promise<AuthUserAddRequest> {
  const { name, options, password } = request;
  const hashedPassword = options?.noPassword === true ? '' : await hasher.hash(password);
  return { name, options, password: '', hashedPassword };
}

interface AuthenticateCall {
  readonly request: AuthenticateRequest;
  readonly context: CallContext;
}

async function authenticate(core: StoreCore, options: AuthHandlersOptions, { request, context }: AuthenticateCall) {
  const { clock, hasher, tokens } = options;
  for (let attempt = 1; ; attempt++) {
    await core.linearizable(context.signal);
    const { auth } = core.machine;
    if (!auth.enabled) throw new StoreError('auth-not-enabled');
    const { revision } = auth;
    const user = auth.user(request.name);
    // Also where there is nothing to compare with: how long an answer takes must not say who is a user.
    const hasPassword = user !== undefined && !user.noPassword;
    const isRight = await hasher.verify(request.password, hasPassword ? user.password : hasher.nobody);
    if (!hasPassword || !isRight) throw new StoreError('auth-failed');
    if (tokens.kind === 'jwt') {
      const token = tokens.jwt.issue({ username: user.name, revision }, clock.wall());
      if (token === undefined) throw new StoreError('auth-failed'); // It verifies tokens that others issue.
      return { header: core.header(), token };
    }
    const assign = { user: user.name, letters: tokens.letters(), revision };
    const outcome = await core.propose(
      { kind: 'auth', request: { change: { case: 'tokenAssign', value: assign } } },
      AS_STORE,
    );
    if (outcome.ok && outcome.result.kind === 'auth') return { header: core.header(), token: outcome.result.token };
    const isOutrun = !outcome.ok && outcome.code === 'auth-old-revision';
    if (!isOutrun || attempt === AUTHENTICATE_ATTEMPTS_MAX) {
      throw new StoreError(outcome.ok ? 'auth-failed' : outcome.code);
    }
  }
}
