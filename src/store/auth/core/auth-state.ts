/**
 * Users, roles, and whether authentication is on: replicated, in rows of the backend, changed by the log alone. Each
 * change of the rules makes a new auth revision; a command that was let in by older rules is refused when it is applied,
 * on every member alike (etcd's #14571).
 *
 *   row a 's'          on or off, and the revision      (podium.auth.v1.AuthStatusRow)
 *   row a 'u' <name>   a user                           (authpb.User)
 *   row a 'r' <name>   a role                           (authpb.Role)
 */
import { unreachable } from '../../../base/assert.ts';
import { compareBytes, equalBytes, fromUtf8, toLatin1, toUtf8 } from '../../../base/bytes.ts';
import { AuthStatusRow, type AuthChange } from '../../../proto/auth.ts';
import {
  Role,
  User,
  type AuthRoleGrantPermissionRequest,
  type AuthRoleRevokePermissionRequest,
  type AuthUserAddRequest,
  type Permission,
} from '../../../proto/etcd.ts';
import type { BackendKey, BackendRow } from '../../mvcc/backend.ts';
import { isValidPermissionRange, mergePermissions, type UserPermissions } from './permissions.ts';
import { SimpleTokens } from './simple-tokens.ts';

export const AUTH_ROWS = { from: 'a', to: 'b' } as const;
const STATUS_ROW: BackendKey = 'as';
const USER_ROW = 'au';
const ROLE_ROW = 'ar';

/** The user, and the role, that may do everything. */
export const ROOT = 'root';
/** 0 is nobody's. */
const FIRST_AUTH_REVISION = 1;

export type AuthRefusalCode =
  | 'user-empty'
  | 'role-empty'
  | 'user-exists'
  | 'user-not-found'
  | 'role-exists'
  | 'role-not-found'
  | 'role-not-granted'
  | 'permission-not-given'
  | 'permission-not-granted'
  | 'invalid-auth-management'
  | 'root-user-not-exist'
  | 'root-role-not-exist'
  | 'auth-not-enabled'
  | 'auth-failed'
  | 'auth-old-revision'
  | 'permission-denied';

export interface AuthRefusal {
  readonly ok: false;
  readonly code: AuthRefusalCode;
}

type Change = NonNullable<AuthChange['change']>;

interface UserRecord {
  readonly name: string;
  /** As the proposer's hasher wrote it; empty where the user has none. */
  readonly password: string;
  readonly noPassword: boolean;
  /** In byte order. */
  readonly roles: readonly string[];
}

/** Where its rows go. */
export interface AuthRows {
  put(key: BackendKey, value: Uint8Array): void;
  delete(key: BackendKey): void;
}

export class AuthState {
  readonly tokens = new SimpleTokens();
  readonly #rows: AuthRows;
  readonly #users = new Map<string, UserRecord>();
  /** The permissions of each role, by key. */
  readonly #roles = new Map<string, readonly Permission[]>();
  /** Made when asked for, void after any change. */
  readonly #merged = new Map<string, UserPermissions>();
  #enabled = false;
  #revision = FIRST_AUTH_REVISION;

  constructor(rows: AuthRows) {
    this.#rows = rows;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  get revision(): number {
    return this.#revision;
  }

  user(name: string): UserRecord | undefined {
    return this.#users.get(name);
  }

  role(name: string): readonly Permission[] | undefined {
    return this.#roles.get(name);
  }

  /** In byte order. */
  userNames(): string[] {
    return sorted(this.#users.keys());
  }

  roleNames(): string[] {
    return sorted(this.#roles.keys());
  }

  /** Undefined: there is no such user. */
  permissionsOf(name: string): UserPermissions | undefined {
    const known = this.#merged.get(name);
    if (known !== undefined) return known;
    const user = this.#users.get(name);
    if (user === undefined) return undefined;
    const permissions = user.roles.flatMap((role) => this.#roles.get(role) ?? []);
    const merged = mergePermissions(user.roles.includes(ROOT), permissions);
    this.#merged.set(name, merged);
    return merged;
  }

  /** At boot. */
  load({ key, value }: BackendRow): void {
    if (key === STATUS_ROW) {
      const { enabled, revision } = AuthStatusRow.decode(value);
      this.#enabled = enabled;
      this.#revision = revision;
    } else if (key.startsWith(USER_ROW)) {
      const { name, password, roles, options } = User.decode(value);
      const noPassword = options?.noPassword ?? false;
      this.#users.set(toUtf8(name), { name: toUtf8(name), password: toUtf8(password), noPassword, roles });
    } else if (key.startsWith(ROLE_ROW)) {
      const { name, keyPermission } = Role.decode(value);
      this.#roles.set(toUtf8(name), keyPermission);
    } else throw new Error('a row of authentication that is not known');
  }

  /** Everything that is replicated, for comparing members. */
  snapshot(): readonly unknown[] {
    const permissions = (role: string) =>
      this.#roles.get(role)!.map(({ permType, key, rangeEnd }) => [permType, toLatin1(key), toLatin1(rangeEnd)]);
    return [
      this.#enabled,
      this.#revision,
      this.userNames().map((name) => this.#users.get(name)),
      this.roleNames().map((name) => [name, permissions(name)]),
    ];
  }

  /** `index` is the entry's; it completes a token, as etcd's. Answers the token, where one was assigned. */
  apply(change: Change, index: number): { readonly ok: true; readonly token?: string } | AuthRefusal {
    switch (change.case) {
      case 'enable':
        return answer(this.#enable());
      case 'disable':
        return answer(this.#disable());
      case 'userAdd':
        return answer(this.#addUser(change.value));
      case 'userDelete':
        return answer(this.#deleteUser(change.value.name));
      case 'userChangePassword':
        return answer(this.#changePassword(change.value.name, change.value.hashedPassword));
      case 'userGrantRole':
        return answer(this.#grantRole(change.value.user, change.value.role));
      case 'userRevokeRole':
        return answer(this.#revokeRole(change.value.name, change.value.role));
      case 'roleAdd':
        return answer(this.#addRole(change.value.name));
      case 'roleDelete':
        return answer(this.#deleteRole(change.value.role));
      case 'roleGrantPermission':
        return answer(this.#grantPermission(change.value));
      case 'roleRevokePermission':
        return answer(this.#revokePermission(change.value));
      case 'tokenAssign': {
        const { user, letters, revision } = change.value;
        return this.#assignToken({ user, token: `${letters}.${index}`, revision });
      }
      default:
        return unreachable(change);
    }
  }

  #enable(): AuthRefusalCode | undefined {
    if (this.#enabled) return undefined;
    const root = this.#users.get(ROOT);
    if (root === undefined) return 'root-user-not-exist';
    if (!root.roles.includes(ROOT)) return 'root-role-not-exist';
    this.#enabled = true;
    this.#writeStatus();
    return undefined;
  }

  #disable(): undefined {
    if (!this.#enabled) return;
    this.#enabled = false;
    this.tokens.clear();
    this.#changed();
  }

  #addUser({ name, options, hashedPassword }: AuthUserAddRequest): AuthRefusalCode | undefined {
    if (name === '') return 'user-empty';
    if (this.#users.has(name)) return 'user-exists';
    const noPassword = options?.noPassword ?? false;
    this.#putUser({ name, password: noPassword ? '' : hashedPassword, noPassword, roles: [] });
    return undefined;
  }

  #deleteUser(name: string): AuthRefusalCode | undefined {
    if (this.#enabled && name === ROOT) return 'invalid-auth-management';
    if (!this.#users.delete(name)) return 'user-not-found';
    this.#rows.delete(userRow(name));
    this.tokens.forgetUser(name);
    this.#changed();
    return undefined;
  }

  #changePassword(name: string, hashed: string): AuthRefusalCode | undefined {
    const user = this.#users.get(name);
    if (user === undefined) return 'user-not-found';
    this.#putUser({ ...user, password: user.noPassword ? '' : hashed });
    this.tokens.forgetUser(name);
    return undefined;
  }

  #grantRole(name: string, role: string): AuthRefusalCode | undefined {
    const user = this.#users.get(name);
    if (user === undefined) return 'user-not-found';
    // The root role need not be there to be granted: it permits everything by its name.
    if (role !== ROOT && !this.#roles.has(role)) return 'role-not-found';
    if (!user.roles.includes(role)) this.#putUser({ ...user, roles: sorted([...user.roles, role]) });
    return undefined;
  }

  #revokeRole(name: string, role: string): AuthRefusalCode | undefined {
    if (this.#enabled && name === ROOT && role === ROOT) return 'invalid-auth-management';
    const user = this.#users.get(name);
    if (user === undefined) return 'user-not-found';
    if (!user.roles.includes(role)) return 'role-not-granted';
    this.#putUser({ ...user, roles: user.roles.filter((one) => one !== role) });
    this.tokens.forgetUser(name);
    return undefined;
  }

  #addRole(name: string): AuthRefusalCode | undefined {
    if (name === '') return 'role-empty';
    if (this.#roles.has(name)) return 'role-exists';
    this.#putRole(name, []);
    return undefined;
  }

  #deleteRole(name: string): AuthRefusalCode | undefined {
    if (this.#enabled && name === ROOT) return 'invalid-auth-management';
    if (!this.#roles.delete(name)) return 'role-not-found';
    this.#rows.delete(roleRow(name));
    for (const user of [...this.#users.values()]) {
      if (!user.roles.includes(name)) continue;
      this.#writeUser({ ...user, roles: user.roles.filter((one) => one !== name) });
      this.tokens.forgetUser(user.name);
    }
    this.#changed();
    return undefined;
  }

  #grantPermission({ name, perm }: AuthRoleGrantPermissionRequest): AuthRefusalCode | undefined {
    if (perm === undefined) return 'permission-not-given';
    if (!isValidPermissionRange(perm)) return 'invalid-auth-management';
    const permissions = this.#roles.get(name);
    if (permissions === undefined) return 'role-not-found';
    const others = permissions.filter((one) => !isSameRange(one, perm));
    this.#putRole(
      name,
      [...others, perm].sort((a, b) => compareBytes(a.key, b.key) || compareBytes(a.rangeEnd, b.rangeEnd)),
    );
    return undefined;
  }

  #revokePermission(request: AuthRoleRevokePermissionRequest): AuthRefusalCode | undefined {
    const permissions = this.#roles.get(request.role);
    if (permissions === undefined) return 'role-not-found';
    const others = permissions.filter((one) => !isSameRange(one, request));
    if (others.length === permissions.length) return 'permission-not-granted';
    this.#putRole(request.role, others);
    return undefined;
  }

  #assignToken(assign: { readonly user: string; readonly token: string; readonly revision: number }) {
    if (!this.#enabled) return refusal('auth-not-enabled');
    // The password may have been another since it was checked: the proposer checks again.
    if (assign.revision !== this.#revision) return refusal('auth-old-revision');
    if (!this.#users.has(assign.user)) return refusal('auth-failed');
    this.tokens.assign(assign.token, assign.user);
    return { ok: true, token: assign.token } as const;
  }

  #putUser(user: UserRecord): void {
    this.#writeUser(user);
    this.#changed();
  }

  #writeUser(user: UserRecord): void {
    this.#users.set(user.name, user);
    const { name, password, noPassword, roles } = user;
    const row = { name: fromUtf8(name), password: fromUtf8(password), roles: [...roles], options: { noPassword } };
    this.#rows.put(userRow(name), User.encode(row));
  }

  #putRole(name: string, permissions: readonly Permission[]): void {
    this.#roles.set(name, permissions);
    this.#rows.put(roleRow(name), Role.encode({ name: fromUtf8(name), keyPermission: [...permissions] }));
    this.#changed();
  }

  #changed(): void {
    this.#merged.clear();
    this.#revision++;
    this.#writeStatus();
  }

  #writeStatus(): void {
    this.#rows.put(STATUS_ROW, AuthStatusRow.encode({ enabled: this.#enabled, revision: this.#revision }));
  }
}

function answer(code: AuthRefusalCode | undefined): { readonly ok: true } | AuthRefusal {
  return code === undefined ? { ok: true } : refusal(code);
}

export function refusal(code: AuthRefusalCode): AuthRefusal {
  return { ok: false, code };
}

type WithRange = Pick<Permission, 'key' | 'rangeEnd'>;

function isSameRange(a: WithRange, b: WithRange): boolean {
  return equalBytes(a.key, b.key) && equalBytes(a.rangeEnd, b.rangeEnd);
}

function userRow(name: string): BackendKey {
  return USER_ROW + toLatin1(fromUtf8(name));
}

function roleRow(name: string): BackendKey {
  return ROLE_ROW + toLatin1(fromUtf8(name));
}

function sorted(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => compareBytes(fromUtf8(a), fromUtf8(b)));
}
