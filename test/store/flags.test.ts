import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configFileOf, readConfigFile } from '../../src/store/config-file.ts';
import { FLAG_NAMES } from '../../src/store/flag-table.ts';
import { addressOf, parseStoreFlags, storeHelp } from '../../src/store/flags.ts';

const three = 'a=http://127.0.0.1:2380,b=http://127.0.0.1:12380,c=http://127.0.0.1:22380';

test('parseStoreFlags() without flags is a cluster of one on etcd’s ports', () => {
  const flags = parseStoreFlags([]);
  expect(flags).toMatchObject({ name: 'default', dataDir: 'default.etcd', listenClientUrls: ['http://localhost:2379'] });
  expect(flags.members).toHaveLength(1);
  expect(flags.clientTls).toBeUndefined();
});

test('parseStoreFlags() derives the ids that etcd derives', () => {
  // What a real etcd, started without flags, logs of itself.
  const one = parseStoreFlags(['--name', 'default', '--initial-cluster', 'default=http://localhost:2380']);
  expect(one.id.toString(16)).toBe('8e9e05c52164694d');
  expect(one.clusterId.toString(16)).toBe('cdf818194e3a8c32');
});

test('parseStoreFlags() gives all members the same ids, and each its own', () => {
  const members = ['a', 'b', 'c'].map((name) => parseStoreFlags(['--name', name, '--initial-cluster', three]));
  expect(new Set(members.map(({ clusterId }) => clusterId)).size).toBe(1);
  expect(new Set(members.map(({ id }) => id)).size).toBe(3);
  expect(members[0]!.members).toEqual(members[1]!.members);
  expect(members[0]!.members.map(({ id }) => id)).toEqual([...members[0]!.members.map(({ id }) => id)].sort((x, y) => (x < y ? -1 : 1)));
  const other = parseStoreFlags(['--name', 'a', '--initial-cluster', three, '--initial-cluster-token', 'other']);
  expect(other.clusterId).not.toBe(members[0]!.clusterId);
});

test('parseStoreFlags() takes one dash or two, a space or =', () => {
  expect(parseStoreFlags(['-name=x', '--data-dir', '/tmp/x', '-initial-cluster', 'x=http://127.0.0.1:1']).dataDir).toBe('/tmp/x');
});

test.each([
  [['--nmae', 'x'], /nmae/],
  [['--name', 'x', '--initial-cluster', three], /does not name this member: add "x=<peer URL>"/],
  [['--initial-cluster', 'a=http://h:1,b=http://h:1', '--name', 'a'], /a and b have the same peer URL/],
  [['--initial-cluster', 'http://h:1'], /write name=URL/],
  [['--listen-client-urls', '127.0.0.1:2379'], /listen-client-urls/],
  [['--listen-client-urls', 'http://127.0.0.1'], /the port is missing/],
  [['--listen-client-urls', 'https://127.0.0.1:2379'], /https needs --cert-file and --key-file/],
  [['--cert-file', 'x'], /go together/],
  [['--client-cert-auth'], /needs --cert-file/],
  [['--initial-cluster-state', 'old'], /use "new" or "existing"/],
  [['--log-level', 'loud'], /use debug, info, warn or error/],
])('parseStoreFlags(%j) is refused, naming the flag and the remedy', (args, message) => {
  expect(() => parseStoreFlags(args)).toThrow(message);
});

test.each([
  [['--dta-dir', 'x'], /there is no flag --dta-dir: did you mean --data-dir\?/],
  [['stray'], /"stray" is not a flag/],
  [['--client-cert-auth', 'false'], /"false" is not a flag/],
  [['--name'], /--name needs a value/],
  [['--election-timeout', '1000', '--heartbeat-interval', '201'], /at least 5 times --heartbeat-interval/],
  [['--election-timeout', '400'], /at least 5 times --heartbeat-interval, which is 100/],
  [['--election-timeout', '60000'], /at most 50000/],
  [['--heartbeat-interval', '1.5'], /write a whole number/],
  [['--max-txn-ops', '-1'], /must not be negative/],
  [['--grpc-keepalive-interval', '5'], /write a duration such as 5m/],
  [['--strict-reconfig-check=maybe'], /use true or false/],
  [['--auto-compaction-mode', 'never'], /use "periodic" or "revision"/],
  [['--auto-compaction-mode', 'revision', '--auto-compaction-retention', '5m'], /a number of revisions/],
  [['--client-crl-file', 'x'], /it needs --client-cert-auth/],
  [['--max-learners=0'], /it must be above 0/],
  [['--compact-hash-check-enabled', '--compact-hash-check-time=0'], /it must be above 0/],
  [['--corrupt-check-time=-1m'], /must not be negative/],
  [['--auth-token=jwt,sign-method=HS256,ttl=5'], /no duration such as 5m/],
  [['--auth-token=jwt,sign-method=HS256,ttl=0'], /lets no token live/],
  [['--auto-tls'], /certificates are given: write https/],
  [['--auto-tls', '--client-cert-auth'], /needs --trusted-ca-file/],
  [['--force-new-cluster'], /not supported/],
  [['--discovery-srv', 'example.org'], /members are named by --initial-cluster/],
  [['--feature-gates', 'InitialCorruptChek=true'], /did you mean InitialCorruptCheck\?/],
  [['--max-request-bytes', '100000000'], /at most/],
  [['--logger', 'capnslog'], /use "zap"/],
])('parseStoreFlags(%j) is refused as etcd would, with the remedy', (args, message) => {
  expect(() => parseStoreFlags(args)).toThrow(message);
});

test('parseStoreFlags() reads numbers, durations, booleans and lists', () => {
  const flags = parseStoreFlags([
    ...['--snapshot-count=500', '--heartbeat-interval=29', '--election-timeout=271', '--quota-backend-bytes=-1'],
    ...['--max-txn-ops', '256', '--max-request-bytes', '2097152', '--max-concurrent-streams', '50'],
    ...['--grpc-keepalive-interval', '2h', '--grpc-keepalive-timeout=1m30s', '--strict-reconfig-check=false'],
    ...['--auto-compaction-retention', '5m', '--log-outputs', 'stdout,/tmp/x.log', '--wal-dir', '/tmp/wal'],
    ...['--peer-cert-allowed-cn', 'a, b', '--listen-metrics-urls', 'http://127.0.0.1:1', '--log-level', 'panic'],
  ]);
  expect(flags).toMatchObject({
    ...{ snapshotEntries: 500, heartbeatMs: 29, electionMs: 271, quotaBytes: -1, txnOpsMax: 256 },
    ...{ requestBytesMax: 2_097_152, streamsPerConnectionMax: 50, keepaliveTimeMs: 7_200_000 },
    ...{ keepaliveTimeoutMs: 90_000, strictReconfigCheck: false, autoCompactionMode: 'periodic' },
    ...{ autoCompactionRetention: 300_000, logOutputs: ['stdout', '/tmp/x.log'], walDir: '/tmp/wal' },
    ...{ peerAllowedCns: ['a', 'b'], listenMetricsUrls: ['http://127.0.0.1:1'], logLevel: 'error', notices: [] },
  });
});

test('parseStoreFlags() takes 0 streams for no limit, and no number past what HTTP/2 has', () => {
  for (const text of ['0', '4294967295', '99999999999']) {
    expect(parseStoreFlags(['--max-concurrent-streams', text]).streamsPerConnectionMax).toBe(0xffff_ffff);
  }
});

test('parseStoreFlags() keeps its own heartbeat, but not beside an election timeout that it is too long for', () => {
  expect(parseStoreFlags([]).heartbeatMs).toBeUndefined();
  expect(parseStoreFlags(['--election-timeout', '500'])).toMatchObject({ heartbeatMs: 100, electionMs: 500 });
});

test('parseStoreFlags() takes a retention as hours, a duration or revisions', () => {
  const retention = (...args: readonly string[]) => parseStoreFlags(args).autoCompactionRetention;
  expect(retention()).toBe(0);
  expect(retention('--auto-compaction-retention=2')).toBe(7_200_000);
  expect(retention('--auto-compaction-retention=1h30m')).toBe(5_400_000);
  expect(retention('--auto-compaction-mode=revision', '--auto-compaction-retention=1000')).toBe(1000);
});

test('parseStoreFlags() takes a variable for every flag, and the flag before it', () => {
  const env = { ETCD_NAME: 'v', ETCD_SNAPSHOT_COUNT: '7', ETCD_CLIENT_CERT_AUTH: 'false', ETCD_DATA_DIR: '', PATH: '/bin' };
  const flags = parseStoreFlags(['--snapshot-count', '8'], { env });
  expect(flags).toMatchObject({ name: 'v', snapshotEntries: 8, dataDir: 'v.etcd', notices: [] });
  expect(() => parseStoreFlags([], { env: { ETCD_ELECTION_TIMEOUT: '1' } })).toThrow(/--election-timeout "1"/);
  expect(parseStoreFlags([], { env: { ETCD_NONSENSE: '1' } }).notices).toEqual([
    'the variable ETCD_NONSENSE stands for no flag',
  ]);
});

test('parseStoreFlags() takes a name of 3.5 and a feature gate for the flag', () => {
  expect(parseStoreFlags(['--experimental-initial-corrupt-check']).initialCorruptCheck).toBe(true);
  expect(parseStoreFlags(['--experimental-initial-corrupt-check=true']).initialCorruptCheck).toBe(true);
  expect(parseStoreFlags(['--feature-gates=InitialCorruptCheck=true,LeaseCheckpoint=false']).initialCorruptCheck).toBe(true);
  expect(parseStoreFlags([]).initialCorruptCheck).toBe(false);
  expect(parseStoreFlags(['--experimental-watch-progress-notify-interval=5s']).watchProgressMs).toBe(5000);
  const env = { ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME: '1m', ETCD_CORRUPT_CHECK_TIME: '2m' };
  expect(parseStoreFlags([], { env }).corruptCheckTimeMs).toBe(120_000);
});

test('parseStoreFlags() writes checkpoints of leases unless it is told not to, by the flag or the gate', () => {
  const of = (...args: readonly string[]) => parseStoreFlags(args).leaseCheckpoints;
  expect(of()).toBe(true);
  expect(of('--experimental-enable-lease-checkpoint')).toBe(true);
  expect(of('--experimental-enable-lease-checkpoint=false')).toBe(false);
  expect(of('--feature-gates=LeaseCheckpoint=false')).toBe(false);
  expect(of('--feature-gates=LeaseCheckpoint=true,LeaseCheckpointPersist=true')).toBe(true);
  expect(parseStoreFlags(['--experimental-enable-lease-checkpoint-persist']).notices).toEqual([
    '--enable-lease-checkpoint-persist has no effect: checkpoints of leases are always kept',
  ]);
});

test('parseStoreFlags() compares compactions each minute where it is asked to', () => {
  const of = (...args: readonly string[]) => parseStoreFlags(args).compactHashCheckMs;
  expect(of('--compact-hash-check-time=5m')).toBe(0);
  expect(of('--experimental-compact-hash-check-enabled')).toBe(60_000);
  expect(of('--compact-hash-check-enabled', '--experimental-compact-hash-check-time=90s')).toBe(90_000);
  expect(of('--feature-gates=CompactHashCheck=true')).toBe(60_000);
});

test('parseStoreFlags() takes --max-learners and revocation lists, and --bcrypt-cost with a notice', () => {
  expect(parseStoreFlags([]).learnersMax).toBe(1);
  expect(parseStoreFlags(['--experimental-max-learners=3']).learnersMax).toBe(3);
  expect(parseStoreFlags(['--bcrypt-cost=4']).notices).toEqual(['--bcrypt-cost has no effect: passwords are hashed by scrypt']);
  const tls = ['cert-file', 'key-file', 'trusted-ca-file'].map((flag) => `--${flag}=x`);
  const client = ['--client-cert-auth', '--client-crl-file=revoked.pem', '--listen-client-urls=https://127.0.0.1:1'];
  expect(parseStoreFlags([...tls, ...client]).clientTls).toMatchObject({ crlFile: 'revoked.pem' });
});

test('parseStoreFlags() takes what Podium does not need, and says so', () => {
  expect(parseStoreFlags(['--max-wals', '9', '--socket-reuse-port', '--pre-vote=true']).notices).toEqual([
    '--max-wals has no effect: files of the log are kept by what members still need',
    '--socket-reuse-port has no effect: Node.js sets its own socket options',
    '--pre-vote has no effect: it is always so',
  ]);
  expect(parseStoreFlags(['--auto-tls=false', '--force-new-cluster=false']).notices).toEqual([]);
});

test('storeHelp() lists every flag once', () => {
  const listed = [...storeHelp().matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) => name);
  expect(listed.slice(0, FLAG_NAMES.length)).toEqual(FLAG_NAMES);
});

test('readConfigFile() is the flags as YAML, beside which nothing else is looked at', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'podium-flags-')), 'etcd.yaml');
  writeFileSync(
    path,
    [
      'name: f',
      'snapshot-count: 9',
      'log-outputs: [stderr]',
      'watch-progress-notify-interval: 5000000000',
      'corrupt-check-time: 3s',
      'listen-client-urls: https://127.0.0.1:1',
      'client-transport-security: {cert-file: c, key-file: k, trusted-ca-file: a, client-cert-auth: true}',
    ].join('\n'),
  );
  const args = ['--config-file', path, '--name', 'line'];
  expect(configFileOf(args, {})).toBe(path);
  expect(configFileOf([`-config-file=${path}`], {})).toBe(path);
  expect(configFileOf([], { ETCD_CONFIG_FILE: path })).toBe(path);
  const flags = parseStoreFlags(args, { env: { ETCD_NAME: 'v' }, file: await readConfigFile(path) });
  expect(flags).toMatchObject({
    ...{ name: 'f', snapshotEntries: 9, watchProgressMs: 5000, corruptCheckTimeMs: 3000 },
    clientTls: { certFile: 'c', keyFile: 'k', caFile: 'a', requireClientCertificate: true },
    notices: ['--name is not looked at beside --config-file'],
  });
  await expect(readConfigFile(`${path}.none`)).rejects.toThrow(/cannot be read/);
});

test('addressOf() is what a socket listens on', () => {
  expect(addressOf('https://127.0.0.1:2379')).toBe('127.0.0.1:2379');
});
