/**
 * etcd's command line, so that a member starts where an etcd did. Values are checked here; what is wrong is a `UserError`
 * that names the flag and the remedy. The flags themselves are in flag-table.ts, where values come from in
 * flag-values.ts. (https://etcd.io/docs/v3.6/op-guide/configuration/)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDuration } from '../base/duration.ts';
import { UserError } from '../base/errors.ts';
import type { LogLevel } from '../base/log.ts';
import { tlsFiles } from '../base/pki.ts';
import { parseAuthToken, type TokenScheme } from './auth/auth-token.ts';
import type { FaultAddress } from './faults/process-faults.ts';
import { FLAG_GROUPS } from './flag-table.ts';
import { bad, FlagValues, type FlagSources } from './flag-values.ts';
import { clusterIdOf, memberIdOf } from './membership/identity.ts';

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  /** Callers must show a certificate that it signed, where `requireClientCertificate` says so. */
  readonly caFile: string | undefined;
  readonly requireClientCertificate: boolean;
  /** Of certificates that count no more, as their CA says. */
  readonly crlFile?: string | undefined;
  /** With --auto-tls: the files are made when they are not there, for these hosts, and signed by nobody that others know. */
  readonly madeFor?: readonly string[];
}

export interface InitialMember {
  readonly name: string;
  readonly id: bigint;
  /** `https://127.0.0.1:2380` */
  readonly peerUrls: readonly string[];
}

export interface StoreFlags {
  readonly name: string;
  readonly dataDir: string;
  readonly listenClientUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  readonly listenPeerUrls: readonly string[];
  /** Sorted by id, this member among them. */
  readonly members: readonly InitialMember[];
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly logLevel: LogLevel;
  readonly clientTls: TlsPaths | undefined;
  readonly peerTls: TlsPaths | undefined;
  /** Common names that a peer's certificate may have; empty: any. */
  readonly peerAllowedCns: readonly string[];
  readonly tlsMinVersion: TlsVersion;
  readonly tlsMaxVersion: TlsVersion;
  readonly walDir: string | undefined;
  /** Where the others find this member. */
  readonly advertisedPeers: readonly string[];
  /** `existing`: it joins a cluster that runs; ids are the cluster's to say, not the flags'. */
  readonly initialClusterState: 'new' | 'existing';
  readonly strictReconfigCheck: boolean;
  readonly snapshotEntries: number;
  readonly catchUpEntries: number;
  /** undefined: the member's own choice. */
  readonly heartbeatMs: number | undefined;
  readonly electionMs: number;
  /** 0: the default, negative: no quota. */
  readonly quotaBytes: number;
  readonly txnOpsMax: number;
  readonly requestBytesMax: number;
  readonly streamsPerConnectionMax: number;
  /** 0: no pings. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly watchProgressMs: number;
  readonly autoCompactionMode: 'periodic' | 'revision';
  /** Milliseconds in the mode `periodic`, else revisions; 0: off. */
  readonly autoCompactionRetention: number;
  readonly initialCorruptCheck: boolean;
  /** 0: never. */
  readonly corruptCheckTimeMs: number;
  /** Between comparisons of what compactions left; 0: none. */
  readonly compactHashCheckMs: number;
  readonly leaseCheckpoints: boolean;
  readonly learnersMax: number;
  readonly authToken: TokenScheme;
  readonly listenMetricsUrls: readonly string[];
  readonly enableGateway: boolean;
  readonly grpcServer: 'lean' | 'grpc-js';
  /** Among the metrics. */
  readonly hasCallTimes: boolean;
  /** Undefined: off. `address`: where faults are armed; without one PODIUM_FAULTS alone says. */
  readonly faultHooks: { readonly address: FaultAddress | undefined } | undefined;
  /** `stderr`, `stdout`, or paths. */
  readonly logOutputs: readonly string[];
  /** For standard error: what was given and has no effect. */
  readonly notices: readonly string[];
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** etcd's, past which no election timeout helps. */
const ELECTION_MS_MAX = 50_000;
/** etcd's, of a flag that says nothing of it. */
const HEARTBEAT_MS_DEFAULT = 100;
const HEARTBEATS_PER_ELECTION_MIN = 5;
/** Members send each other 64 MiB at most, and a request must fit into what they send. */
const REQUEST_BYTES_MAX = 32 * 1024 * 1024;
/** What HTTP/2 has a number for. */
const STREAMS_MAX = 0xffff_ffff;
const HOUR_MS = 3_600_000;
/** Of Node.js: a longer one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Grouped, each flag with what it is without being given. */
export function storeHelp(): string {
  const groups = FLAG_GROUPS.map(({ title, flags }) => {
    const lines = flags.map(({ name, type, initial, help }) => {
      const value = type === 'boolean' ? '' : ` <${type === 'text' ? 'value' : type}>`;
      return `  --${`${name}${value}`.padEnd(44)} ${help}${initial === '' ? '' : ` (default ${initial})`}`;
    });
    return `${title}:\n${lines.join('\n')}\n`;
  });
  return `Run a member of the store: a drop-in for etcd.

Usage: podium store [flags]
       podium store --version

A flag is written as -name or --name, its value behind a space or =; a boolean is on by itself, or --name=false.
Without a flag the variable ETCD_<NAME> is taken (ETCD_DATA_DIR for --data-dir).

${groups.join('\n')}
Besides a member:
  podium store recover --data-dir <dir>   a quorum is lost for good: make this member a cluster of one, and say what is lost
  podium store migrate --help             copy a live etcd's keys, and follow it
  podium store snapshot --help            check and restore what \`etcdctl snapshot save\` wrote
  podium store top --help                 what the members do, live

Faults on purpose, with --experimental-fault-hooks=127.0.0.1:22381 (as gofail has them):
  curl 127.0.0.1:22381/                                     the points, and what is armed there
  curl -X PUT -d 'panic' 127.0.0.1:22381/raftBeforeSave     end as by a crash before the next write of the log
  curl -X PUT -d '1*sleep(1000)' 127.0.0.1:22381/beforeApply; curl -X DELETE disarms
  PODIUM_FAULTS='afterCommit=3*sleep(50)->panic;…'          armed from the start

Example, a cluster of one:
  podium store --name m1 --data-dir /tmp/m1
`;
}

export function parseStoreFlags(args: readonly string[], sources: FlagSources = {}): StoreFlags {
  const values = new FlagValues(args, sources);
  const own = identity(values);
  const flags: StoreFlags = {
    ...own,
    ...addresses(values),
    ...consensus(values),
    ...limits(values),
    ...maintenance(values),
    ...security(values, own.dataDir),
    ...observation(values),
    walDir: values.optional('wal-dir'),
    notices: values.notices,
  };
  checkScheme('listen-client-urls', flags.listenClientUrls, flags.clientTls, '--cert-file and --key-file');
  checkScheme('listen-peer-urls', flags.listenPeerUrls, flags.peerTls, '--peer-cert-file and --peer-key-file');
  return flags;
}

function identity(values: FlagValues) {
  const name = values.text('name');
  const advertisedPeers = urls('initial-advertise-peer-urls', values.text('initial-advertise-peer-urls'));
  const initialCluster =
    values.optional('initial-cluster') ?? advertisedPeers.map((url) => `${name}=${url}`).join(',');
  const initialClusterState = oneOf(values, 'initial-cluster-state', ['new', 'existing']);
  const members = initialMembers(initialCluster, values.text('initial-cluster-token'));
  const self = members.find((member) => member.name === name);
  if (self === undefined) {
    throw bad(
      'initial-cluster',
      initialCluster,
      `it does not name this member: add "${name}=<peer URL>", or change --name`,
    );
  }
  const dataDir = values.optional('data-dir') ?? `${name}.etcd`;
  const ids = members.map(({ id }) => id);
  return { name, dataDir, members, advertisedPeers, id: self.id, clusterId: clusterIdOf(ids), initialClusterState };
}

function addresses(values: FlagValues) {
  const listenClientUrls = urls('listen-client-urls', values.text('listen-client-urls'));
  const advertise = values.optional('advertise-client-urls');
  const some = (flag: string) => (values.text(flag) === '' ? [] : urls(flag, values.text(flag)));
  return {
    listenClientUrls,
    advertiseClientUrls: advertise === undefined ? listenClientUrls : urls('advertise-client-urls', advertise),
    listenPeerUrls: urls('listen-peer-urls', values.text('listen-peer-urls')),
    listenMetricsUrls: some('listen-metrics-urls'),
  };
}

function consensus(values: FlagValues) {
  const electionMs = values.number('election-timeout');
  const given = values.optional('heartbeat-interval') === undefined ? undefined : values.number('heartbeat-interval');
  if (given === 0) throw bad('heartbeat-interval', '0', 'it must be above 0');
  const heartbeatMs = given ?? HEARTBEAT_MS_DEFAULT;
  if (electionMs < HEARTBEATS_PER_ELECTION_MIN * heartbeatMs) {
    const remedy = `it must be at least ${HEARTBEATS_PER_ELECTION_MIN} times --heartbeat-interval, which is ${heartbeatMs}`;
    throw bad('election-timeout', String(electionMs), remedy);
  }
  if (electionMs > ELECTION_MS_MAX)
    throw bad('election-timeout', String(electionMs), `it must be at most ${ELECTION_MS_MAX}`);
  const snapshotEntries = values.number('snapshot-count');
  if (snapshotEntries === 0) throw bad('snapshot-count', '0', 'it must be above 0');
  const isElectionGiven = values.isGiven('election-timeout');
  return {
    electionMs,
    // Our own heartbeat is for our own election timeout; with another one it is etcd's share of it.
    heartbeatMs: given ?? (isElectionGiven ? Math.floor(electionMs / HEARTBEATS_PER_ELECTION_MIN) : undefined),
    snapshotEntries,
    catchUpEntries: values.number('snapshot-catchup-entries'),
    strictReconfigCheck: values.boolean('strict-reconfig-check'),
    learnersMax: learnersMax(values),
  };
}

function learnersMax(values: FlagValues): number {
  const max = values.number('max-learners');
  if (max === 0) throw bad('max-learners', '0', 'it must be above 0');
  return max;
}

function limits(values: FlagValues) {
  const requestBytesMax = values.number('max-request-bytes');
  if (requestBytesMax > REQUEST_BYTES_MAX)
    throw bad('max-request-bytes', String(requestBytesMax), `it must be at most ${REQUEST_BYTES_MAX}`);
  return {
    quotaBytes: values.number('quota-backend-bytes'),
    txnOpsMax: values.number('max-txn-ops'),
    requestBytesMax,
    // grpc-go's rule: 0 is no limit.
    streamsPerConnectionMax: Math.min(values.number('max-concurrent-streams') || STREAMS_MAX, STREAMS_MAX),
    keepaliveTimeMs: timerMs(values, 'grpc-keepalive-interval'),
    keepaliveTimeoutMs: timerMs(values, 'grpc-keepalive-timeout') || TIMER_MS_MAX,
    watchProgressMs: timerMs(values, 'watch-progress-notify-interval'),
  };
}

function timerMs(values: FlagValues, flag: string): number {
  return Math.min(values.durationMs(flag), TIMER_MS_MAX);
}

function maintenance(values: FlagValues) {
  const autoCompactionMode = oneOf(values, 'auto-compaction-mode', ['periodic', 'revision']);
  return {
    autoCompactionMode,
    autoCompactionRetention: retention(autoCompactionMode, values.text('auto-compaction-retention')),
    initialCorruptCheck: values.boolean('initial-corrupt-check'),
    corruptCheckTimeMs: values.durationMs('corrupt-check-time'),
    compactHashCheckMs: values.boolean('compact-hash-check-enabled') ? compactHashCheckMs(values) : 0,
    leaseCheckpoints: values.boolean('enable-lease-checkpoint'),
  };
}

function compactHashCheckMs(values: FlagValues): number {
  const ms = timerMs(values, 'compact-hash-check-time');
  if (ms === 0) throw bad('compact-hash-check-time', values.text('compact-hash-check-time'), 'it must be above 0');
  return ms;
}

/** etcd's rule: a plain number is hours, or revisions. */
function retention(mode: 'periodic' | 'revision', text: string): number {
  const isPlain = /^\d+$/.test(text);
  if (mode === 'revision') {
    if (isPlain) return Number(text);
    throw bad('auto-compaction-retention', text, 'with --auto-compaction-mode=revision it is a number of revisions');
  }
  const ms = isPlain ? Number(text) * HOUR_MS : parseDuration(text);
  if (ms === undefined || ms < 0) throw bad('auto-compaction-retention', text, 'write a duration such as 30m, or hours');
  return ms;
}

function security(values: FlagValues, dataDir: string) {
  return {
    clientTls: tls('', values) ?? autoTls('', values, dataDir),
    peerTls: tls('peer-', values) ?? autoTls('peer-', values, dataDir),
    peerAllowedCns: values.list('peer-cert-allowed-cn'),
    tlsMinVersion: tlsVersion(values, 'tls-min-version'),
    tlsMaxVersion: values.text('tls-max-version') === '' ? ('TLSv1.3' as const) : tlsVersion(values, 'tls-max-version'),
    authToken: parseAuthToken({
      text: values.text('auth-token'),
      ttlSeconds: values.number('auth-token-ttl'),
      readFile: readFileSync,
    }),
  };
}

function tlsVersion(values: FlagValues, flag: string): TlsVersion {
  return oneOf(values, flag, ['TLS1.2', 'TLS1.3']) === 'TLS1.2' ? 'TLSv1.2' : 'TLSv1.3';
}

function observation(values: FlagValues) {
  oneOf(values, 'logger', ['zap']);
  return {
    logLevel: logLevel(values.text('log-level')),
    logOutputs: values.list('log-outputs').map((output) => (isJournal(output) ? 'stderr' : output)),
    enableGateway: values.boolean('enable-grpc-gateway'),
    grpcServer: oneOf(values, 'grpc-server', ['lean', 'grpc-js']),
    // As in etcd whatever else it says is basic.
    hasCallTimes: values.text('metrics') === 'extensive',
    faultHooks: faultHooks(values.text('experimental-fault-hooks')),
  };
}

/** Whoever reaches the address can end the member: it is this machine's own. */
function faultHooks(text: string): StoreFlags['faultHooks'] {
  if (text === '') return undefined;
  if (text === 'env') return { address: undefined };
  const [, host = '', digits = ''] = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port === 0 || port > 65_535)
    throw bad('experimental-fault-hooks', text, 'write "env", or a loopback address with its port such as 127.0.0.1:22381');
  return { address: { host: host === '[::1]' ? '::1' : host, port } };
}

/** Systemd keeps what a service writes to standard error in its journal. */
function isJournal(output: string): boolean {
  return output === 'default' || output === 'systemd/journal';
}

function oneOf<T extends string>(values: FlagValues, flag: string, allowed: readonly T[]): T {
  const text = values.text(flag);
  const found = allowed.find((each) => each === text);
  if (found === undefined) throw bad(flag, text, `use ${allowed.map((each) => `"${each}"`).join(' or ')}`);
  return found;
}

function urls(flag: string, text: string): string[] {
  return text.split(',').map((part) => {
    let url: URL;
    try {
      url = new URL(part);
    } catch {
      throw bad(flag, part, 'not a URL: write http://host:port or https://host:port');
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw bad(flag, part, 'the scheme must be http or https');
    if (url.port === '') throw bad(flag, part, 'the port is missing');
    if (url.pathname !== '/' || url.search !== '') throw bad(flag, part, 'it must end with the port');
    return `${url.protocol}//${url.host}`;
  });
}

/** `host:port`, as sockets want it. */
export function addressOf(url: string): string {
  return new URL(url).host;
}

function initialMembers(text: string, token: string): InitialMember[] {
  const byName = new Map<string, string[]>();
  for (const part of text.split(',')) {
    const [, name, url] = /^([^=]+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || url === undefined)
      throw bad('initial-cluster', part, 'write name=URL, separated by commas');
    byName.set(name, [...(byName.get(name) ?? []), ...urls('initial-cluster', url)]);
  }
  const seen = new Map<string, string>();
  for (const [name, peerUrls] of byName) {
    for (const url of peerUrls) {
      const other = seen.get(url);
      if (other !== undefined) throw bad('initial-cluster', text, `${other} and ${name} have the same peer URL ${url}`);
      seen.set(url, name);
    }
  }
  return [...byName]
    .map(([name, peerUrls]) => ({ name, peerUrls: [...peerUrls].sort(), id: memberIdOf(peerUrls, { token }) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Levels above error are of messages that end the process: here they are errors. */
function logLevel(text: string): LogLevel {
  if (text === 'debug' || text === 'info' || text === 'warn' || text === 'error') return text;
  if (text === 'dpanic' || text === 'panic' || text === 'fatal') return 'error';
  throw bad('log-level', text, 'use debug, info, warn or error');
}

function tls(prefix: '' | 'peer-', values: FlagValues): TlsPaths | undefined {
  const certFile = values.optional(`${prefix}cert-file`);
  const keyFile = values.optional(`${prefix}key-file`);
  const caFile = values.optional(`${prefix}trusted-ca-file`);
  const requireClientCertificate = values.boolean(`${prefix}client-cert-auth`);
  const crlFile = values.optional(crlFlag(prefix));
  if (crlFile !== undefined && !requireClientCertificate)
    throw bad(crlFlag(prefix), crlFile, `it needs --${prefix}client-cert-auth: nobody else shows a certificate`);
  if (certFile === undefined && keyFile === undefined) {
    if (requireClientCertificate && !values.boolean(`${prefix}auto-tls`))
      throw bad(`${prefix}client-cert-auth`, 'true', `it needs --${prefix}cert-file and --${prefix}key-file`);
    return undefined;
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new UserError(`--${prefix}cert-file and --${prefix}key-file go together: one of them is missing`);
  }
  if (requireClientCertificate && caFile === undefined) {
    throw bad(`${prefix}client-cert-auth`, 'true', `it needs --${prefix}trusted-ca-file`);
  }
  return { certFile, keyFile, caFile, requireClientCertificate, crlFile };
}

function crlFlag(prefix: '' | 'peer-'): string {
  return prefix === '' ? 'client-crl-file' : 'peer-crl-file';
}

/** Where etcd keeps them, in our file names. */
function autoTls(prefix: '' | 'peer-', values: FlagValues, dataDir: string): TlsPaths | undefined {
  if (!values.boolean(`${prefix}auto-tls`)) return undefined;
  const requireClientCertificate = values.boolean(`${prefix}client-cert-auth`);
  const trusted = values.optional(`${prefix}trusted-ca-file`);
  if (requireClientCertificate && trusted === undefined) {
    throw bad(`${prefix}client-cert-auth`, 'true', `it needs --${prefix}trusted-ca-file`);
  }
  const { certFile, keyFile, caFile } = tlsFiles(join(dataDir, 'fixtures', prefix === '' ? 'client' : 'peer'), 'server');
  const listen = `listen-${prefix === '' ? 'client' : 'peer'}-urls`;
  const madeFor = urls(listen, values.text(listen)).map((url) => new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'));
  const crlFile = values.optional(crlFlag(prefix));
  return { certFile, keyFile, caFile: trusted ?? caFile, requireClientCertificate, crlFile, madeFor };
}

function checkScheme(flag: string, all: readonly string[], paths: TlsPaths | undefined, needed: string): void {
  for (const url of all) {
    if (url.startsWith('https:') && paths === undefined) throw bad(flag, url, `https needs ${needed}`);
    if (url.startsWith('http:') && paths !== undefined) throw bad(flag, url, 'certificates are given: write https');
  }
}
