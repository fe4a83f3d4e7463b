/**
 * What a request touches, and whether its user may. One table for the guard, which refuses at the door, and for the state
 * machine, which decides: a branch of a transaction, a previous value, or the keys of a lease that one of the two forgot
 * would be a way around the rules (CVE-2026-44283).
 */
import { unreachable } from '../../../base/assert.ts';
import { concatBytes, fromLatin1, fromUtf8, prefixEnd } from '../../../base/bytes.ts';
import type { Credentials } from '../../../proto/auth.ts';
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
} from '../../../proto/etcd.ts';
import type { Command } from '../../mvcc/command.ts';
import { keyRange } from '../../mvcc/core/txn.ts';
import { refusal, type AuthRefusal, type AuthState } from './auth-state.ts';
import { isPermitted, type RangeNeed } from './permissions.ts';

/** `user`: any, as long as it is one; `root`: one with the root role. */
export type Need = 'user' | 'root' | readonly RangeNeed[];

/** The keys that hang on a lease, as latin1 strings. */
export type LeaseKeys = (lease: bigint) => readonly string[];

const NO_BYTES = new Uint8Array(0);
const SLASH = fromUtf8('/');
/** Etcd watches an empty key from the first key there can be. */
const FIRST_KEY = Uint8Array.of(0);

/** Undefined: let it. Without authentication everybody may do everything. */
export function refuse(auth: AuthState, credentials: Credentials | undefined, need: Need): AuthRefusal | undefined {
  if (!auth.enabled) return undefined;
  const subject = credentials?.subject;
  if (subject === undefined) return refusal('user-empty');
  if (subject.case === 'store') return undefined;
  const { name, revision } = subject.value;
  if (revision !== auth.revision) return refusal('auth-old-revision');
  const permissions = auth.permissionsOf(name);
  if (permissions === undefined) return refusal('permission-denied');
  if (permissions.isRoot || need === 'user') return undefined;
  if (need === 'root') return refusal('permission-denied');
  return need.every((one) => isPermitted(permissions, one)) ? undefined : refusal('permission-denied');
}

export function needOfCommand(command: Command, leaseKeys: LeaseKeys): Need {
  switch (command.kind) {
    case 'put':
      return needOfPut(command.request, leaseKeys);
    case 'delete-range':
      return needOfDelete(command.request);
    case 'txn':
      return needOfTxn(command.request, leaseKeys);
    case 'lease-revoke':
      return writeKeysOf(command.request.id, leaseKeys);
    case 'lease-grant':
      return 'user';
    case 'compaction':
    case 'lease-checkpoint':
    case 'auth':
    case 'alarm':
    case 'downgrade':
    case 'member-change':
      return 'root';
    default:
      return unreachable(command);
  }
}

export function needOfRange({ key, rangeEnd }: Pick<RangeRequest, 'key' | 'rangeEnd'>): readonly RangeNeed[] {
  return [{ access: 'read', range: keyRange(key, rangeEnd) }];
}

export function needOfWatch({ key, rangeEnd }: WatchCreateRequest): readonly RangeNeed[] {
  return needOfRange({ key: key.length === 0 ? FIRST_KEY : key, rangeEnd });
}

/** A key that joins a lease dies with it and lives by its keep-alives: who joins must be allowed to write all of them. */
export function needOfPut({ key, lease, prevKv }: PutRequest, leaseKeys: LeaseKeys): readonly RangeNeed[] {
  const range = keyRange(key, NO_BYTES);
  const needs: RangeNeed[] = [{ access: 'write', range }];
  if (prevKv) needs.push({ access: 'read', range });
  return lease === 0n ? needs : [...needs, ...writeKeysOf(lease, leaseKeys)];
}

/** A queue of locks or of an election: who stands in it reads it, and writes a key of its own there. */
export function needOfQueue(name: Uint8Array, access: 'read' | 'write'): readonly RangeNeed[] {
  const prefix = concatBytes([name, SLASH]);
  const range = keyRange(prefix, prefixEnd(prefix));
  return access === 'read' ? [{ access, range }] : [{ access: 'read', range }, { access, range }];
}

export function needOfDelete({ key, rangeEnd, prevKv }: DeleteRangeRequest): readonly RangeNeed[] {
  const range = keyRange(key, rangeEnd);
  return prevKv
    ? [
        { access: 'write', range },
        { access: 'read', range },
      ]
    : [{ access: 'write', range }];
}

/** Both branches: which one runs tells what the other's keys hold. */
export function needOfTxn({ compare, success, failure }: TxnRequest, leaseKeys: LeaseKeys): readonly RangeNeed[] {
  return [
    ...compare.flatMap((one) => needOfRange(one)),
    ...success.flatMap((op) => needOfOp(op, leaseKeys)),
    ...failure.flatMap((op) => needOfOp(op, leaseKeys)),
  ];
}

export function writeKeysOf(lease: bigint, leaseKeys: LeaseKeys): readonly RangeNeed[] {
  return leaseKeys(lease).map((key) => ({ access: 'write', range: keyRange(fromLatin1(key), NO_BYTES) }));
}

export function readKeysOf(lease: bigint, leaseKeys: LeaseKeys): readonly RangeNeed[] {
  return leaseKeys(lease).map((key) => ({ access: 'read', range: keyRange(fromLatin1(key), NO_BYTES) }));
}

function needOfOp({ request }: RequestOp, leaseKeys: LeaseKeys): readonly RangeNeed[] {
  switch (request?.case) {
    case undefined:
      return [];
    case 'requestRange':
      return needOfRange(request.value);
    case 'requestPut':
      return needOfPut(request.value, leaseKeys);
    case 'requestDeleteRange':
      return needOfDelete(request.value);
    case 'requestTxn':
      return needOfTxn(request.value, leaseKeys);
    default:
      return unreachable(request);
  }
}
