// Written by scripts/generate.ts from proto/podium/auth.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
} from './etcd.ts';

export interface Credentials {
  subject: { case: 'user'; value: UserAt } | { case: 'store'; value: boolean } | undefined;
}

export const Credentials: MessageCodec<Credentials> = codec<Credentials>(
  'podium.auth.v1.Credentials',
  (w, m) => {
    {
      const one = m.subject;
      if (one !== undefined)
        switch (one.case) {
          case 'user': {
            const start = w.open(10);
            UserAt.write(w, one.value);
            w.close(start);
            break;
          }
          case 'store': {
            w.uint32(16).bool(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: Credentials = { subject: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.subject = { case: 'user', value: UserAt.read(r, to) };
          r.leave(to);
          break;
        }
        case 16: {
          m.subject = { case: 'store', value: r.bool() };
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    subject: (() => {
      const one = m.subject;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'user':
          return { case: one.case, value: UserAt.create(one.value) };
        case 'store':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export interface UserAt {
  name: string;
  revision: number;
}

export const UserAt: MessageCodec<UserAt> = codec<UserAt>(
  'podium.auth.v1.UserAt',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
    if (m.revision) {
      w.uint32(16).uint64(m.revision);
    }
  },
  (r, end) => {
    const m: UserAt = { name: '', revision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        case 16: {
          m.revision = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '', revision: m.revision ?? 0 }),
);

export interface AuthChange {
  change:
    | { case: 'enable'; value: AuthEnableRequest }
    | { case: 'disable'; value: AuthDisableRequest }
    | { case: 'userAdd'; value: AuthUserAddRequest }
    | { case: 'userDelete'; value: AuthUserDeleteRequest }
    | { case: 'userChangePassword'; value: AuthUserChangePasswordRequest }
    | { case: 'userGrantRole'; value: AuthUserGrantRoleRequest }
    | { case: 'userRevokeRole'; value: AuthUserRevokeRoleRequest }
    | { case: 'roleAdd'; value: AuthRoleAddRequest }
    | { case: 'roleDelete'; value: AuthRoleDeleteRequest }
    | { case: 'roleGrantPermission'; value: AuthRoleGrantPermissionRequest }
    | { case: 'roleRevokePermission'; value: AuthRoleRevokePermissionRequest }
    | { case: 'tokenAssign'; value: TokenAssign }
    | undefined;
}

export const AuthChange: MessageCodec<AuthChange> = codec<AuthChange>(
  'podium.auth.v1.AuthChange',
  (w, m) => {
    {
      const one = m.change;
      if (one !== undefined)
        switch (one.case) {
          case 'enable': {
            const start = w.open(10);
            AuthEnableRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'disable': {
            const start = w.open(18);
            AuthDisableRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'userAdd': {
            const start = w.open(26);
            AuthUserAddRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'userDelete': {
            const start = w.open(34);
            AuthUserDeleteRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'userChangePassword': {
            const start = w.open(42);
            AuthUserChangePasswordRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'userGrantRole': {
            const start = w.open(50);
            AuthUserGrantRoleRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'userRevokeRole': {
            const start = w.open(58);
            AuthUserRevokeRoleRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'roleAdd': {
            const start = w.open(66);
            AuthRoleAddRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'roleDelete': {
            const start = w.open(74);
            AuthRoleDeleteRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'roleGrantPermission': {
            const start = w.open(82);
            AuthRoleGrantPermissionRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'roleRevokePermission': {
            const start = w.open(90);
            AuthRoleRevokePermissionRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'tokenAssign': {
            const start = w.open(98);
            TokenAssign.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: AuthChange = { change: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.change = { case: 'enable', value: AuthEnableRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 18: {
          const to = r.enter();
          m.change = { case: 'disable', value: AuthDisableRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 26: {
          const to = r.enter();
          m.change = { case: 'userAdd', value: AuthUserAddRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.change = { case: 'userDelete', value: AuthUserDeleteRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.change = { case: 'userChangePassword', value: AuthUserChangePasswordRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          m.change = { case: 'userGrantRole', value: AuthUserGrantRoleRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 58: {
          const to = r.enter();
          m.change = { case: 'userRevokeRole', value: AuthUserRevokeRoleRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 66: {
          const to = r.enter();
          m.change = { case: 'roleAdd', value: AuthRoleAddRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 74: {
          const to = r.enter();
          m.change = { case: 'roleDelete', value: AuthRoleDeleteRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 82: {
          const to = r.enter();
          m.change = { case: 'roleGrantPermission', value: AuthRoleGrantPermissionRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 90: {
          const to = r.enter();
          m.change = { case: 'roleRevokePermission', value: AuthRoleRevokePermissionRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 98: {
          const to = r.enter();
          m.change = { case: 'tokenAssign', value: TokenAssign.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    change: (() => {
      const one = m.change;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'enable':
          return { case: one.case, value: AuthEnableRequest.create(one.value) };
        case 'disable':
          return { case: one.case, value: AuthDisableRequest.create(one.value) };
        case 'userAdd':
          return { case: one.case, value: AuthUserAddRequest.create(one.value) };
        case 'userDelete':
          return { case: one.case, value: AuthUserDeleteRequest.create(one.value) };
        case 'userChangePassword':
          return { case: one.case, value: AuthUserChangePasswordRequest.create(one.value) };
        case 'userGrantRole':
          return { case: one.case, value: AuthUserGrantRoleRequest.create(one.value) };
        case 'userRevokeRole':
          return { case: one.case, value: AuthUserRevokeRoleRequest.create(one.value) };
        case 'roleAdd':
          return { case: one.case, value: AuthRoleAddRequest.create(one.value) };
        case 'roleDelete':
          return { case: one.case, value: AuthRoleDeleteRequest.create(one.value) };
        case 'roleGrantPermission':
          return { case: one.case, value: AuthRoleGrantPermissionRequest.create(one.value) };
        case 'roleRevokePermission':
          return { case: one.case, value: AuthRoleRevokePermissionRequest.create(one.value) };
        case 'tokenAssign':
          return { case: one.case, value: TokenAssign.create(one.value) };
      }
    })(),
  }),
);

export interface TokenAssign {
  user: string;
  letters: string;
  revision: number;
}

export const TokenAssign: MessageCodec<TokenAssign> = codec<TokenAssign>(
  'podium.auth.v1.TokenAssign',
  (w, m) => {
    if (m.user) {
      w.uint32(10).string(m.user);
    }
    if (m.letters) {
      w.uint32(18).string(m.letters);
    }
    if (m.revision) {
      w.uint32(24).uint64(m.revision);
    }
  },
  (r, end) => {
    const m: TokenAssign = { user: '', letters: '', revision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.user = r.string();
          break;
        }
        case 18: {
          m.letters = r.string();
          break;
        }
        case 24: {
          m.revision = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ user: m.user ?? '', letters: m.letters ?? '', revision: m.revision ?? 0 }),
);

export interface AuthStatusRow {
  enabled: boolean;
  revision: number;
}

export const AuthStatusRow: MessageCodec<AuthStatusRow> = codec<AuthStatusRow>(
  'podium.auth.v1.AuthStatusRow',
  (w, m) => {
    if (m.enabled) {
      w.uint32(8).bool(m.enabled);
    }
    if (m.revision) {
      w.uint32(16).uint64(m.revision);
    }
  },
  (r, end) => {
    const m: AuthStatusRow = { enabled: false, revision: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.enabled = r.bool();
          break;
        }
        case 16: {
          m.revision = r.uint64();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ enabled: m.enabled ?? false, revision: m.revision ?? 0 }),
);
