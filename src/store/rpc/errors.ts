/**
 * The store's errors: codes inside, gRPC status and text at the edge. The texts are wire format: etcd's clients
 * recognise an error by its text, so that not a letter of them may change. Our own code looks at `code` only.
 */
import { RpcCode, RpcError } from '../../proto/rpc.ts';

interface Wire {
  readonly status: RpcCode;
  readonly text: string;
}

const invalid = (text: string): Wire => ({ status: RpcCode.INVALID_ARGUMENT, text: `etcdserver: ${text}` });
const outOfRange = (text: string): Wire => ({ status: RpcCode.OUT_OF_RANGE, text: `etcdserver: ${text}` });
const exhausted = (text: string): Wire => ({ status: RpcCode.RESOURCE_EXHAUSTED, text: `etcdserver: ${text}` });
const notFound = (text: string): Wire => ({ status: RpcCode.NOT_FOUND, text: `etcdserver: ${text}` });
const precondition = (text: string): Wire => ({ status: RpcCode.FAILED_PRECONDITION, text: `etcdserver: ${text}` });
const unavailable = (text: string): Wire => ({ status: RpcCode.UNAVAILABLE, text: `etcdserver: ${text}` });

const WIRE = {
  'empty-key': invalid('key is not provided'),
  'key-not-found': invalid('key not found'),
  'value-provided': invalid('value is provided'),
  'lease-provided': invalid('lease is provided'),
  'too-many-ops': invalid('too many operations in txn request'),
  'duplicate-key': invalid('duplicate key given in txn request'),
  'invalid-client-api-version': invalid('invalid client api version'),
  'invalid-sort-option': invalid('invalid sort option'),
  'member-bad-urls': invalid('given member URLs are invalid'),
  'request-too-large': invalid('request is too large'),
  'user-empty': invalid('user name is empty'),
  'role-empty': invalid('role name is empty'),
  'auth-failed': invalid('authentication failed, invalid user ID or password'),
  'permission-not-given': invalid('permission not given'),
  'invalid-auth-management': invalid('invalid auth management'),
  'auth-old-revision': invalid('revision of auth store is old'),
  'wrong-downgrade-version-format': invalid('wrong downgrade target version format'),
  'invalid-downgrade-target-version': invalid('invalid downgrade target version'),

  compacted: outOfRange('mvcc: required revision has been compacted'),
  'future-revision': outOfRange('mvcc: required revision is a future revision'),
  'lease-ttl-too-large': outOfRange('too large lease TTL'),

  'no-space': exhausted('mvcc: database space exceeded'),
  'too-many-requests': exhausted('too many requests'),

  'lease-not-found': notFound('requested lease not found'),
  'member-not-found': notFound('member not found'),

  'lease-exists': precondition('lease already exists'),
  'member-exists': precondition('member ID already exist'),
  'peer-url-exists': precondition('Peer URLs already exists'),
  'not-enough-started-members': precondition('re-configuration failed due to not enough started members'),
  'member-not-learner': precondition('can only promote a learner member'),
  'learner-not-ready': precondition('can only promote a learner member which is in sync with leader'),
  'too-many-learners': precondition('too many learner members in cluster'),
  'cluster-id-mismatch': precondition('cluster ID mismatch'),
  'root-user-not-exist': precondition('root user does not exist'),
  'root-role-not-exist': precondition('root user does not have root role'),
  'user-exists': precondition('user name already exists'),
  'user-not-found': precondition('user name not found'),
  'role-exists': precondition('role name already exists'),
  'role-not-found': precondition('role name not found'),
  'role-not-granted': precondition('role is not granted to the user'),
  'permission-not-granted': precondition('permission is not granted to the role'),
  'auth-not-enabled': precondition('authentication is not enabled'),
  'not-leader': precondition('not leader'),
  'not-capable': precondition('not capable'),
  'not-supported-for-learner': precondition('rpc not supported for learner'),
  'bad-leader-transferee': precondition('bad leader transferee'),
  'cluster-version-unavailable': precondition('cluster version not found during downgrade'),
  'downgrade-in-process': precondition('cluster has a downgrade job in progress'),
  'no-inflight-downgrade': precondition('no inflight downgrade job'),

  'no-leader': unavailable('no leader'),
  'leader-changed': unavailable('leader changed'),
  stopped: unavailable('server stopped'),
  timeout: unavailable('request timed out'),
  'timeout-leader-failure': unavailable('request timed out, possibly due to previous leader failure'),
  'timeout-connection-lost': unavailable('request timed out, possibly due to connection lost'),
  'timeout-applied-index': unavailable('request timed out, waiting for the applied index took too long'),
  unhealthy: unavailable('unhealthy cluster'),

  'permission-denied': { status: RpcCode.PERMISSION_DENIED, text: 'etcdserver: permission denied' },
  'invalid-auth-token': { status: RpcCode.UNAUTHENTICATED, text: 'etcdserver: invalid auth token' },
  corrupt: { status: RpcCode.DATA_LOSS, text: 'etcdserver: corrupt cluster' },
  'watch-canceled': { status: RpcCode.CANCELLED, text: 'etcdserver: watch canceled' },
  'request-canceled': { status: RpcCode.CANCELLED, text: 'etcdserver: request canceled' },
  'deadline-exceeded': { status: RpcCode.DEADLINE_EXCEEDED, text: 'etcdserver: context deadline exceeded' },
} as const satisfies Record<string, Wire>;

export type StoreErrorCode = keyof typeof WIRE;

/** The text that clients see, also where it travels in a field (a watch's cancel_reason) rather than as a status. */
export function storeErrorText(code: StoreErrorCode): string {
  return WIRE[code].text;
}

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, options: { readonly cause?: unknown } = {}) {
    super(storeErrorText(code), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }
}

/** For `bind`: what a client sees of a {@link StoreError}; undefined for anything else. */
export function mapStoreError(error: unknown): RpcError | undefined {
  if (!(error instanceof StoreError)) return undefined;
  const { status, text } = WIRE[error.code];
  return new RpcError(status, text, { cause: error });
}

const CODES: ReadonlyMap<string, StoreErrorCode> = new Map(
  // WIRE's own keys.
  (Object.keys(WIRE) as StoreErrorCode[]).map((code) => [`${WIRE[code].status} ${WIRE[code].text}`, code]),
);

/** Ours, or a peer's as it came over the wire; undefined for anything else. */
export function storeErrorCodeOf(error: unknown): StoreErrorCode | undefined {
  if (error instanceof StoreError) return error.code;
  return error instanceof RpcError ? CODES.get(`${error.code} ${error.message}`) : undefined;
}
