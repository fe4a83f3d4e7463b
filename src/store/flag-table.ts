/**
 * etcd's flags (those of 3.6 and 3.7, and the `experimental-` names before them): what each takes, and what becomes of
 * it. flags.ts reads a command line by it and checks the values.
 */
export interface Flag {
  readonly name: string;
  /** `duration` as Go writes it (1h30m), `milliseconds` and `count` plain numbers from 0, `integer` also below. */
  readonly type: 'text' | 'boolean' | 'duration' | 'milliseconds' | 'count' | 'integer';
  /** Empty: nothing is set. */
  readonly initial: string;
  readonly help: string;
  /** `ignored`: Podium does not need it, and says so when it is given. `refused`: to go on without it would be wrong. */
  readonly use: 'used' | 'ignored' | 'refused';
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

const used = (name: string, type: Flag['type'], initial: string, help: string): Flag => ({
  name,
  type,
  initial,
  help,
  use: 'used',
});
const text = (name: string, initial: string, help: string) => used(name, 'text', initial, help);
const boolean = (name: string, initial: 'true' | 'false', help: string) => used(name, 'boolean', initial, help);
const ignored = (type: Flag['type'], why: string, names: readonly string[]): Flag[] =>
  names.map((name) => ({ name, type, initial: '', help: why, use: 'ignored' }));
/** It has a value, as others look at it, and no effect here. */
const unheeded = (flag: Flag, why: string): Flag => ({ ...flag, help: why, use: 'ignored' });
const refused = (name: string, type: Flag['type'], why: string): Flag => ({
  name,
  type,
  initial: '',
  help: why,
  use: 'refused',
});

const MEMBER: readonly Flag[] = [
  text('name', 'default', "this member's name in --initial-cluster"),
  text('data-dir', '', 'where it keeps its data (default "<name>.etcd")'),
  text('wal-dir', '', 'where it keeps its log (default: in --data-dir)'),
  used('snapshot-count', 'count', '10000', 'entries of the log between snapshots'),
  used('snapshot-catchup-entries', 'count', '5000', 'entries that are kept for slow followers'),
  used('heartbeat-interval', 'milliseconds', '', 'between heartbeats of a leader (default 400)'),
  used('election-timeout', 'milliseconds', '1000', 'without a leader before an election; at least 5 heartbeats'),
  text('listen-client-urls', 'http://localhost:2379', 'where it serves clients'),
  unheeded(text('listen-client-http-urls', '', ''), 'HTTP is served beside gRPC, on --listen-client-urls'),
  text('listen-peer-urls', 'http://localhost:2380', 'where it serves members'),
  used('quota-backend-bytes', 'integer', '0', 'size at which writes are refused; 0: 2 GiB, negative: none'),
  used('max-txn-ops', 'count', '128', 'operations of a transaction'),
  used('max-request-bytes', 'count', '1572864', 'size of a request'),
  used('max-concurrent-streams', 'count', '10000', 'calls of one connection at a time; 0: no limit'),
  used('grpc-keepalive-interval', 'duration', '10s', 'between pings of a quiet connection; 0: none'),
  used('grpc-keepalive-timeout', 'duration', '10s', 'before a connection that answers no ping is closed'),
  used('watch-progress-notify-interval', 'duration', '10m', 'between progress notifications of a quiet watch'),
  text('grpc-server', 'lean', 'which gRPC serves and calls members: "lean" is our own'),
  boolean('enable-grpc-gateway', 'true', 'serve JSON below /v3/'),
];

const CLUSTER: readonly Flag[] = [
  text('initial-advertise-peer-urls', 'http://localhost:2380', 'what members are told'),
  text('initial-cluster', '', 'all members, name=URL,… (default "<name>=<initial-advertise-peer-urls>")'),
  text('initial-cluster-state', 'new', '"new", or "existing" for a member that was added'),
  text('initial-cluster-token', 'etcd-cluster', 'tells clusters with the same addresses apart'),
  text('advertise-client-urls', '', 'what clients are told (default: --listen-client-urls)'),
  boolean('strict-reconfig-check', 'true', 'refuse a change of members that would lose the quorum'),
  used('max-learners', 'count', '1', 'learners at a time; the leader’s counts'),
  boolean('enable-lease-checkpoint', 'true', 'a new leader goes on counting a long lease where its checkpoint left it'),
  unheeded(boolean('enable-lease-checkpoint-persist', 'true', ''), 'checkpoints of leases are always kept'),
  text('auto-compaction-mode', 'periodic', '"periodic" or "revision"'),
  text('auto-compaction-retention', '0', 'a duration (hours without a unit), or so many revisions; 0: off'),
];

const SECURITY: readonly Flag[] = [
  text('cert-file', '', 'the certificate for clients; read again when it changes'),
  text('key-file', '', 'its key'),
  text('trusted-ca-file', '', 'who signs the certificates of clients'),
  boolean('client-cert-auth', 'false', 'clients must show a certificate'),
  text('client-crl-file', '', 'certificates of clients that count no more; as PEM, and of every CA in their chain'),
  text('peer-cert-file', '', 'the certificate for members, shown and asked for; read again when it changes'),
  text('peer-key-file', '', 'its key'),
  text('peer-trusted-ca-file', '', 'who signs the certificates of members'),
  boolean('peer-client-cert-auth', 'false', 'members must show a certificate'),
  text('peer-crl-file', '', 'certificates of members that count no more, likewise'),
  text('peer-cert-allowed-cn', '', 'common names that a member may have, separated by commas'),
  boolean('auto-tls', 'false', 'make a certificate for clients in --data-dir; nobody can tell it from another'),
  boolean('peer-auto-tls', 'false', 'the same for members: what they say is secret, who they are is not checked'),
  text('auth-token', 'simple', '"simple", or "jwt,pub-key=…,priv-key=…,sign-method=…,ttl=…"'),
  unheeded(used('bcrypt-cost', 'count', '10', ''), 'passwords are hashed by scrypt'),
  used('auth-token-ttl', 'count', '300', 'seconds that a simple token lives'),
  unheeded(text('cors', '*', ''), 'browsers are not let call from other origins'),
  unheeded(text('host-whitelist', '*', ''), 'any host name is taken'),
];

const OBSERVATION: readonly Flag[] = [
  text('listen-metrics-urls', '', 'where it serves metrics and health as well'),
  text('metrics', 'basic', '"basic", or "extensive": also how long each call takes'),
  unheeded(boolean('enable-pprof', 'false', ''), 'profiles are taken with node --cpu-prof'),
  text('log-level', 'info', 'debug, info, warn, error, dpanic, panic or fatal'),
  text('log-outputs', 'default', 'stderr, stdout or files, separated by commas'),
  text('logger', 'zap', 'only "zap", whose form is not kept: lines are JSON'),
  boolean('initial-corrupt-check', 'false', 'compare with the other members before serving'),
  used('corrupt-check-time', 'duration', '0s', 'between comparisons of all members; 0: none'),
  boolean('compact-hash-check-enabled', 'false', 'compare with the other members what a compaction left'),
  used('compact-hash-check-time', 'duration', '1m', 'between such comparisons, where this member leads'),
  text('feature-gates', '', 'Name=true|false,…: InitialCorruptCheck, CompactHashCheck, LeaseCheckpoint, …'),
  text('experimental-fault-hooks', '', 'for tests: make this member fail on purpose; 127.0.0.1:port to arm faults at, or "env"'),
  text('config-file', '', 'flags as YAML; others, and the environment, are then not looked at'),
];

const IGNORED: readonly Flag[] = [
  ...ignored('count', 'files of the log are kept by what members still need', ['max-wals', 'max-snapshots']),
  ...ignored('text', 'there is no bbolt', ['backend-bbolt-freelist-type']),
  ...ignored('duration', 'batches go to disk by their age and size', ['backend-batch-interval']),
  ...ignored('integer', 'batches go to disk by their age and size', ['backend-batch-limit']),
  ...ignored('duration', 'pings are answered however often they come', ['grpc-keepalive-min-time']),
  ...ignored('boolean', 'Node.js sets its own socket options', ['socket-reuse-port', 'socket-reuse-address']),
  ...ignored('duration', 'the connection of a member that hangs is closed by its keepalive', [
    'raft-read-timeout',
    'raft-write-timeout',
  ]),
  ...ignored('boolean', 'it is always so', ['pre-vote', 'initial-election-tick-advance']),
  ...ignored('boolean', 'it is always so', ['txn-mode-write-with-shared-buffer']),
  ...ignored('boolean', 'every write is synced', ['unsafe-no-fsync']),
  ...ignored('boolean', 'a defragmentation stops nothing', ['stop-grpc-service-on-defrag']),
  ...ignored('count', 'space is given back while it runs', ['bootstrap-defrag-threshold-megabytes']),
  ...ignored('boolean', 'memory is not locked', ['memory-mlock']),
  ...ignored('integer', 'compactions are spread out as they are', ['compaction-batch-limit']),
  ...ignored('duration', 'compactions are spread out as they are', ['compaction-sleep-interval']),
  ...ignored('duration', 'there is nothing to check', ['downgrade-check-time']),
  ...ignored('duration', 'slow requests are not logged', ['warning-apply-duration', 'warning-unary-request-duration']),
  ...ignored('boolean', 'lines are JSON and not sampled or rotated', ['enable-log-rotation', 'disable-log-sampling']),
  ...ignored('text', 'lines are JSON and not sampled or rotated', ['log-rotation-config-json', 'log-format']),
  ...ignored('boolean', 'traces are not sent', ['enable-distributed-tracing']),
  ...ignored('text', 'traces are not sent', [
    'distributed-tracing-address',
    'distributed-tracing-service-name',
    'distributed-tracing-instance-id',
  ]),
  ...ignored('count', 'traces are not sent', ['distributed-tracing-sampling-rate']),
  ...ignored('boolean', 'names in certificates of members are not compared with addresses', [
    'peer-skip-client-san-verification',
  ]),
  ...ignored('text', 'the server’s own certificate is shown where one is asked for', [
    'client-cert-file',
    'client-key-file',
    'peer-client-cert-file',
    'peer-client-key-file',
  ]),
  ...ignored('count', 'a certificate that is made here lives a year', ['self-signed-cert-validity']),
  ...ignored('boolean', 'there is no v2 interface', ['enable-v2']),
  ...ignored('text', 'there is no v2 interface', ['v2-deprecation']),
];

const NO_DISCOVERY = 'members are named by --initial-cluster';
const REFUSED: readonly Flag[] = [
  refused('client-cert-allowed-hostname', 'text', 'certificates are checked by their CA alone'),
  refused('peer-cert-allowed-hostname', 'text', 'use --peer-cert-allowed-cn'),
  refused('cipher-suites', 'text', 'Node.js chooses them; its --tls-cipher-list changes its choice'),
  refused('force-new-cluster', 'boolean', 'a member’s data is not made a cluster of its own by a flag'),
  ...['discovery', 'discovery-srv', 'discovery-srv-name', 'discovery-endpoints', 'discovery-token'].map((name) =>
    refused(name, 'text', NO_DISCOVERY),
  ),
];

/** What Node.js is told for the whole process. */
const TLS_VERSIONS: readonly Flag[] = [
  text('tls-min-version', 'TLS1.2', 'TLS1.2 or TLS1.3'),
  text('tls-max-version', '', 'TLS1.2 or TLS1.3'),
];

export const FLAG_GROUPS: readonly FlagGroup[] = [
  { title: 'Member', flags: MEMBER },
  { title: 'Cluster', flags: CLUSTER },
  { title: 'Security', flags: [...SECURITY, ...TLS_VERSIONS] },
  { title: 'Observation', flags: OBSERVATION },
  { title: 'Accepted, and without an effect', flags: IGNORED },
  { title: 'Refused', flags: REFUSED },
];

const BY_NAME = new Map(FLAG_GROUPS.flatMap(({ flags }) => flags).map((flag) => [flag.name, flag]));

export const FLAG_NAMES: readonly string[] = [...BY_NAME.keys()];

/** Of its own name or, as etcd 3.5 calls it, `experimental-` and its name. */
export function flagOf(name: string): Flag | undefined {
  return BY_NAME.get(name) ?? BY_NAME.get(name.replace(/^experimental-/, ''));
}

/** etcd's feature gates; those with a flag of ours stand for it. */
export const FEATURE_GATES: ReadonlyMap<string, string | undefined> = new Map([
  ['InitialCorruptCheck', 'initial-corrupt-check'],
  ['CompactHashCheck', 'compact-hash-check-enabled'],
  ['LeaseCheckpoint', 'enable-lease-checkpoint'],
  ['LeaseCheckpointPersist', undefined],
  ['StopGRPCServiceOnDefrag', undefined],
  ['TxnModeWriteWithSharedBuffer', undefined],
  ['SetMemberLocalAddr', undefined],
  ['FastLeaseKeepAlive', undefined],
  ['PriorityRequest', undefined],
  ['AllAlpha', undefined],
  ['AllBeta', undefined],
]);
