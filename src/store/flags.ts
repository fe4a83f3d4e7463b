/**
 * etcd's command line, so that a member starts where an etcd did. Values are checked here; what is wrong is a `UserError`
 * that names the flag and the remedy. (https://etcd.io/docs/v3.6/op-guide/configuration/)
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { UserError } from '../base/errors.ts';
import type { LogLevel } from '../base/log.ts';
import { parseAuthToken, type TokenScheme } from './auth/auth-token.ts';

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  /** Callers must show a certificate that it signed, where `requireClientCertificate` says so. */
  readonly caFile: string | undefined;
  readonly requireClientCertificate: boolean;
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
  readonly authToken: TokenScheme;
}

const OPTIONS = {
  name: { type: 'string', default: 'default' },
  'data-dir': { type: 'string' },
  'listen-client-urls': { type: 'string', default: 'http://localhost:2379' },
  'advertise-client-urls': { type: 'string' },
  'listen-peer-urls': { type: 'string', default: 'http://localhost:2380' },
  'initial-advertise-peer-urls': { type: 'string', default: 'http://localhost:2380' },
  'initial-cluster': { type: 'string' },
  'initial-cluster-state': { type: 'string', default: 'new' },
  'initial-cluster-token': { type: 'string', default: 'etcd-cluster' },
  'log-level': { type: 'string', default: 'info' },
  'cert-file': { type: 'string' },
  'key-file': { type: 'string' },
  'trusted-ca-file': { type: 'string' },
  'client-cert-auth': { type: 'boolean', default: false },
  'peer-cert-file': { type: 'string' },
  'peer-key-file': { type: 'string' },
  'peer-trusted-ca-file': { type: 'string' },
  'peer-client-cert-auth': { type: 'boolean', default: false },
  'auth-token': { type: 'string', default: 'simple' },
  'auth-token-ttl': { type: 'string', default: '300' },
} as const;

export const STORE_HELP = `Run a member of the store: a drop-in for etcd.

Usage: podium store [flags]

  --name <name>                        this member's name in --initial-cluster (default "default")
  --data-dir <dir>                     where it keeps its data (default "<name>.etcd")
  --listen-client-urls <urls>          where it serves clients (default "http://localhost:2379")
  --advertise-client-urls <urls>       what clients are told (default: --listen-client-urls)
  --listen-peer-urls <urls>            where it serves members (default "http://localhost:2380")
  --initial-advertise-peer-urls <urls> what members are told (default "http://localhost:2380")
  --initial-cluster <name=url,…>       all members (default "<name>=<initial-advertise-peer-urls>")
  --initial-cluster-state new|existing
  --initial-cluster-token <token>      tells clusters with the same addresses apart (default "etcd-cluster")
  --log-level debug|info|warn|error
  --cert-file, --key-file, --trusted-ca-file <pem>, --client-cert-auth                      TLS for clients
  --peer-cert-file, --peer-key-file, --peer-trusted-ca-file <pem>, --peer-client-cert-auth  TLS for members
  --auth-token simple|jwt,pub-key=<pem>,priv-key=<pem>,sign-method=<RS256|ES256|…>,ttl=<5m>
  --auth-token-ttl <seconds>           of simple tokens, from their last use (default 300)

Example, a cluster of one:
  podium store --name m1 --data-dir /tmp/m1
`;

export function parseStoreFlags(args: readonly string[]): StoreFlags {
  const values = parse(args);
  const name = values.name;
  const advertisedPeers = urls('initial-advertise-peer-urls', values['initial-advertise-peer-urls']);
  const initialCluster = values['initial-cluster'] ?? advertisedPeers.map((url) => `${name}=${url}`).join(',');
  const state = values['initial-cluster-state'];
  if (state !== 'new' && state !== 'existing') throw bad('initial-cluster-state', state, 'use "new" or "existing"');
  const members = initialMembers(initialCluster, values['initial-cluster-token']);
  const self = members.find((member) => member.name === name);
  if (self === undefined) {
    throw bad(
      'initial-cluster',
      initialCluster,
      `it does not name this member: add "${name}=<peer URL>", or change --name`,
    );
  }
  const listenClientUrls = urls('listen-client-urls', values['listen-client-urls']);
  const advertise = values['advertise-client-urls'];
  const flags: StoreFlags = {
    name,
    dataDir: values['data-dir'] ?? `${name}.etcd`,
    listenClientUrls,
    advertiseClientUrls: advertise === undefined ? listenClientUrls : urls('advertise-client-urls', advertise),
    listenPeerUrls: urls('listen-peer-urls', values['listen-peer-urls']),
    members,
    id: self.id,
    clusterId: clusterIdOf(members),
    logLevel: logLevel(values['log-level']),
    clientTls: tls('', values),
    peerTls: tls('peer-', values),
    authToken: parseAuthToken({
      text: values['auth-token'],
      ttlSeconds: Number(values['auth-token-ttl']),
      readFile: readFileSync,
    }),
  };
  checkScheme('listen-client-urls', flags.listenClientUrls, flags.clientTls, '--cert-file and --key-file');
  checkScheme('listen-peer-urls', flags.listenPeerUrls, flags.peerTls, '--peer-cert-file and --peer-key-file');
  return flags;
}

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  // Go's flags may be written with one dash or two.
  const dashed = args.map((arg) => (/^-[a-z][a-z-]+/.test(arg) ? `-${arg}` : arg));
  // … and a boolean may be given as --flag=true.
  const plain = dashed.flatMap((arg) => {
    const match = /^--((?:peer-)?client-cert-auth)=(true|false)$/.exec(arg);
    if (match === null) return [arg];
    return match[2] === 'true' ? [`--${match[1]!}`] : [];
  });
  try {
    return parseArgs({ args: plain, options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UserError(
      `${error instanceof Error ? error.message : String(error)}; "podium store --help" lists the flags`,
    );
  }
}

function bad(flag: string, value: string, remedy: string): UserError {
  return new UserError(`--${flag} ${JSON.stringify(value)}: ${remedy}`);
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
    .map(([name, peerUrls]) => ({ name, peerUrls: [...peerUrls].sort(), id: memberIdOf(peerUrls, token) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** As etcd derives it: the first eight bytes of the SHA-1 of the peer URLs and the token. Never 0. */
function memberIdOf(peerUrls: readonly string[], token: string): bigint {
  return firstUint64(createHash('sha1').update([...peerUrls].sort().join('') + token));
}

function clusterIdOf(members: readonly InitialMember[]): bigint {
  const hash = createHash('sha1');
  for (const { id } of members) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(id);
    hash.update(bytes);
  }
  return firstUint64(hash);
}

function firstUint64(hash: ReturnType<typeof createHash>): bigint {
  const id = hash.digest().readBigUInt64BE(0);
  return id === 0n ? 1n : id;
}

function logLevel(text: string): LogLevel {
  if (text === 'debug' || text === 'info' || text === 'warn' || text === 'error') return text;
  throw bad('log-level', text, 'use debug, info, warn or error');
}

function tls(prefix: '' | 'peer-', values: Values): TlsPaths | undefined {
  const certFile = values[`${prefix}cert-file`];
  const keyFile = values[`${prefix}key-file`];
  const caFile = values[`${prefix}trusted-ca-file`];
  const requireClientCertificate = values[`${prefix}client-cert-auth`];
  if (certFile === undefined && keyFile === undefined) {
    if (requireClientCertificate)
      throw bad(`${prefix}client-cert-auth`, 'true', `it needs --${prefix}cert-file and --${prefix}key-file`);
    return undefined;
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new UserError(`--${prefix}cert-file and --${prefix}key-file go together: one of them is missing`);
  }
  if (requireClientCertificate && caFile === undefined) {
    throw bad(`${prefix}client-cert-auth`, 'true', `it needs --${prefix}trusted-ca-file`);
  }
  return { certFile, keyFile, caFile, requireClientCertificate };
}

function checkScheme(flag: string, all: readonly string[], paths: TlsPaths | undefined, needed: string): void {
  for (const url of all) {
    if (url.startsWith('https:') && paths === undefined) throw bad(flag, url, `https needs ${needed}`);
    if (url.startsWith('http:') && paths !== undefined) throw bad(flag, url, 'certificates are given: write https');
  }
}
