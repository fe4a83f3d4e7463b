/**
 * Who may call what while authentication is on, method by method. As etcd has it since its release of 2026 that closed
 * the calls which asked nobody (compaction, leases, alarms, the list of members).
 */
import type { Auth, Cluster, Election, KV, Lease, Lock, Maintenance } from '../../proto/etcd.ts';
import { ROOT } from './core/auth-state.ts';
import { needOfDelete, needOfPut, needOfQueue, needOfRange, needOfTxn, readKeysOf, writeKeysOf, type Need } from './core/needs.ts';
import type { Needs } from './guard.ts';

const root = (): Need => 'root';
const anyUser = (): Need => 'user';

export const KV_NEEDS: Needs<typeof KV> = {
  range: (request) => needOfRange(request),
  rangeStream: (request) => needOfRange(request),
  put: (request, { machine }) => needOfPut(request, machine.leaseKeys),
  deleteRange: (request) => needOfDelete(request),
  txn: (request, { machine }) => needOfTxn(request, machine.leaseKeys),
  compact: root,
};

export const LEASE_NEEDS: Needs<typeof Lease> = {
  leaseGrant: anyUser,
  leaseRevoke: ({ id }, { machine }) => writeKeysOf(id, machine.leaseKeys),
  leaseKeepAlive: anyUser,
  leaseTimeToLive: ({ id, keys }, { machine }) => (keys ? readKeysOf(id, machine.leaseKeys) : 'user'),
  leaseLeases: anyUser,
};

const KEY_ONLY = { rangeEnd: new Uint8Array(0), prevKv: false };
const NO_KEY = new Uint8Array(0);

export const LOCK_NEEDS: Needs<typeof Lock> = {
  lock: ({ name }) => needOfQueue(name, 'write'),
  unlock: ({ key }) => needOfDelete({ key, ...KEY_ONLY }),
};

export const ELECTION_NEEDS: Needs<typeof Election> = {
  campaign: ({ name }) => needOfQueue(name, 'write'),
  proclaim: ({ leader }) => needOfDelete({ key: leader?.key ?? NO_KEY, ...KEY_ONLY }),
  leader: ({ name }) => needOfQueue(name, 'read'),
  observe: ({ name }) => needOfQueue(name, 'read'),
  resign: ({ leader }) => needOfDelete({ key: leader?.key ?? NO_KEY, ...KEY_ONLY }),
};

/** Whoever finds the members by one of them asks for the list; to change it is root's. */
export const CLUSTER_NEEDS: Needs<typeof Cluster> = {
  memberAdd: root,
  memberRemove: root,
  memberUpdate: root,
  memberList: anyUser,
  memberPromote: root,
};

/** `status` tells nothing of what is stored, and health checks have no user. */
export const MAINTENANCE_NEEDS: Needs<typeof Maintenance> = {
  alarm: root,
  status: 'open',
  defragment: root,
  hash: root,
  hashKV: root,
  snapshot: root,
  moveLeader: root,
  downgrade: root,
};

/** Everybody may see what he is himself. */
export const AUTH_NEEDS: Needs<typeof Auth> = {
  authEnable: root,
  authDisable: root,
  authStatus: root,
  authenticate: 'open',
  userAdd: root,
  userGet: ({ name }, { user }) => (name === user ? 'user' : 'root'),
  userList: root,
  userDelete: root,
  userChangePassword: root,
  userGrantRole: root,
  userRevokeRole: root,
  roleAdd: root,
  roleGet: ({ role }, { machine, user }) =>
    role !== ROOT && user !== undefined && machine.auth.user(user)?.roles.includes(role) === true ? 'user' : 'root',
  roleList: root,
  roleDelete: root,
  roleGrantPermission: root,
  roleRevokePermission: root,
};
