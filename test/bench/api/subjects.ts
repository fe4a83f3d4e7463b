/**
 * What is measured: an API server as a process of its own, on a store of real members. Podium's on Podium's store and on
 * an etcd; and a kube-apiserver, where one is named, on the very same etcd under a prefix of its own.
 */
import { generateKeyPairSync } from 'node:crypto';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prefixEnd } from '../../../src/base/bytes.ts';
import { sleep } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { V8_FLAGS_API_SERVER } from '../../../src/cluster/parts.ts';
import type { StoreClient } from '../../../src/etcd/store-client.ts';
import { authority } from '../../grpc/authority.ts';
import { MemberProcess, ROOT, findTool, freePorts, startStoreCluster, versionOf, type StoreCluster } from '../../processes.ts';
import type { BenchOptions } from '../options.ts';

export const TOKEN = 'bench-token';
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 2;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Subject {
  readonly name: string;
  readonly kind: 'podium' | 'kube-apiserver';
  readonly port: number;
  readonly kubeconfig: string;
  readonly #server: MemberProcess;
  readonly #client: StoreClient;
  #session: ClientHttp2Session | undefined;

  constructor(options: { readonly name: string; readonly kind: 'podium' | 'kube-apiserver'; readonly port: number; readonly server: MemberProcess; readonly store: StoreCluster }) {
    const { name, kind, port, server, store } = options;
    this.name = name;
    this.kind = kind;
    this.port = port;
    this.#server = server;
    this.#client = store.client();
    this.kubeconfig = join(server.dataDir, `kubeconfig-${kind}-${port}`);
    writeKubeconfig(this.kubeconfig, port);
  }

  /** Of the API server. */
  get pid(): number {
    const { pid } = this.#server;
    if (pid === undefined) throw new Error(`${this.name} does not run:\n${this.#server.output}`);
    return pid;
  }

  /** Milliseconds from the start of the process to `/readyz`. */
  async start(): Promise<number> {
    const startedAt = systemClock.monotonic();
    this.#server.start();
    for (;;) {
      const status = await this.request('GET', '/readyz').then((answer) => answer.status, () => 0);
      const ms = systemClock.monotonic() - startedAt;
      if (status === 200) return ms;
      if (!this.#server.isRunning || ms > READY_TIMEOUT_MS) throw new Error(`${this.name} is not ready:\n${this.#server.output}`);
      await sleep(systemClock, POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#session?.destroy();
    this.#session = undefined;
    if (this.#server.isRunning) await this.#server.stop();
  }

  /** On one connection, which is kept. */
  request(method: string, path: string, body?: object, type = 'application/json'): Promise<Answer> {
    const session = (this.#session ??= this.#connect());
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':method': method, ':path': path, authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': type }) });
      let status = 0;
      const parts: Buffer[] = [];
      stream.on('response', (headers) => (status = headers[':status'] ?? 0));
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', reject);
      // A stream of a connection that breaks may end without an error.
      stream.on('close', () => (status === 0 ? reject(new Error('no answer')) : resolve({ status, text: Buffer.concat(parts).toString() })));
      stream.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async create(path: string, body: object): Promise<void> {
    const { status, text } = await this.request('POST', path, body);
    if (status !== 201 && status !== 409) throw new Error(`${this.name}: ${path}: ${status} ${text}`);
  }

  /** Names of the pods that the store has in a namespace. */
  async storedPods(namespace: string): Promise<string[]> {
    const prefix = Buffer.from(this.#podsPrefix(namespace));
    const { kvs } = await this.#client.range({ key: prefix, rangeEnd: prefixEnd(prefix), keysOnly: true });
    return kvs.map(({ key }) => Buffer.from(key).toString().slice(prefix.length));
  }

  async countPods(namespace: string): Promise<number> {
    const prefix = Buffer.from(this.#podsPrefix(namespace));
    return (await this.#client.range({ key: prefix, rangeEnd: prefixEnd(prefix), countOnly: true })).count;
  }

  /** Behind the server's back, so that no round pays for another's tidying up; resolves when its cache has seen it. */
  async removePods(namespace: string): Promise<void> {
    const prefix = Buffer.from(this.#podsPrefix(namespace));
    await this.#client.deleteRange({ key: prefix, rangeEnd: prefixEnd(prefix) });
    const deadline = systemClock.monotonic() + READY_TIMEOUT_MS;
    for (;;) {
      const { text } = await this.request('GET', `/api/v1/namespaces/${namespace}/pods?resourceVersion=0`);
      if (/"items":\s*(?:\[\s*\]|null)/.test(text)) return;
      if (systemClock.monotonic() > deadline) throw new Error(`${this.name} still lists pods of ${namespace} that are gone`);
      await sleep(systemClock, 50);
    }
  }

  #podsPrefix(namespace: string): string {
    return this.kind === 'podium' ? `/registry/core/pods/${namespace}/` : `${KUBE_PREFIX}/pods/${namespace}/`;
  }

  #connect(): ClientHttp2Session {
    const session = connectHttp2(`https://127.0.0.1:${this.port}`, { rejectUnauthorized: false });
    const forget = () => {
      if (this.#session === session) this.#session = undefined;
    };
    session.on('error', forget);
    session.on('close', forget);
    return session;
  }
}

/** Beside what an API server of ours keeps in the same etcd. */
const KUBE_PREFIX = '/kube';

export interface Subjects {
  readonly all: readonly Subject[];
  stop(): Promise<void>;
}

/** All on their stores; none is started. */
export async function makeSubjects(options: BenchOptions): Promise<Subjects> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-api-'));
  const files = await writeFiles(dir);
  const stores: StoreCluster[] = [];
  const all: Subject[] = [];
  const stop = async () => {
    await Promise.all(all.map((subject) => subject.stop()));
    await Promise.all(stores.map((store) => store.stop()));
    rmSync(dir, { recursive: true, force: true });
  };
  const { members, profileDir, kubeApiServer } = options;
  const podium = async (store: StoreCluster, storeName: string) => {
    const [port, grpcPort] = await freePorts(2);
    const profiling = profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profileDir];
    const args = [...V8_FLAGS_API_SERVER, ...profiling, join(ROOT, 'dist', 'src', 'main.js'), 'apiserver', ...flags(store, files), ...['--secure-port', String(port), '--grpc-port', String(grpcPort)]];
    const server = new MemberProcess({ name: `podium-${store.kind}`, clientAddress: `127.0.0.1:${port}`, dataDir: dir, command: process.execPath, args });
    all.push(new Subject({ name: `podium on ${storeName}`, kind: 'podium', port: port!, server, store }));
  };
  try {
    if (options.stores.includes('podium')) {
      const store = await startStoreCluster({ kind: 'podium', members });
      stores.push(store);
      await podium(store, 'podium');
    }
    const etcd = options.etcd ?? findTool('etcd');
    if (options.stores.includes('etcd') && etcd !== undefined) {
      const store = await startStoreCluster({ kind: 'etcd', members, program: etcd });
      stores.push(store);
      const etcdName = versionOf(etcd, ['--version']).replace(/ [Vv]ersion:/, '');
      await podium(store, etcdName);
      if (kubeApiServer !== undefined && profileDir === undefined) all.push(await kubeSubject({ program: kubeApiServer, store, storeName: etcdName, dir, files }));
    }
    return { all, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Files {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly tokens: string;
  readonly accountKey: string;
}

async function writeFiles(dir: string): Promise<Files> {
  const { ca, issue } = await authority();
  const { cert, key } = await issue('apiserver');
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    cert: file('apiserver.crt', cert),
    key: file('apiserver.key', key),
    ca: file('ca.crt', ca),
    tokens: file('tokens.csv', `${TOKEN},admin,1,"system:masters"\n`),
    accountKey: file('accounts.key', privateKey.export({ type: 'sec1', format: 'pem' })),
  };
}

/** What both kinds of API server have by the same name. */
function flags(store: StoreCluster, { cert, key, ca, tokens }: Files): string[] {
  return [
    ...['--etcd-servers', store.members.map(({ clientAddress }) => `http://${clientAddress}`).join(',')],
    ...['--tls-cert-file', cert, '--tls-private-key-file', key, '--client-ca-file', ca, '--token-auth-file', tokens],
    ...['--bind-address', '127.0.0.1'],
  ];
}

async function kubeSubject({ program, store, storeName, dir, files }: { readonly program: string; readonly store: StoreCluster; readonly storeName: string; readonly dir: string; readonly files: Files }): Promise<Subject> {
  const [port] = await freePorts(1);
  const args = [
    ...flags(store, files),
    ...['--secure-port', String(port), '--etcd-prefix', KUBE_PREFIX, '--service-cluster-ip-range', '10.96.0.0/16'],
    ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', files.accountKey, '--service-account-signing-key-file', files.accountKey],
    // No controller makes the accounts that pods would need.
    ...['--disable-admission-plugins', 'ServiceAccount', '--authorization-mode', 'RBAC'],
  ];
  const server = new MemberProcess({ name: 'kube-apiserver', clientAddress: `127.0.0.1:${port}`, dataDir: dir, command: program, args });
  const version = versionOf(program, ['--version']).replace('Kubernetes ', 'kube-apiserver ');
  return new Subject({ name: `${version} on ${storeName}`, kind: 'kube-apiserver', port: port!, server, store });
}

function writeKubeconfig(path: string, port: number): void {
  const name = 'bench';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name, user: { token: TOKEN } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  };
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
}
