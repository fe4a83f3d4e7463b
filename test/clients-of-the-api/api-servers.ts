/**
 * API servers as real processes on a store of real processes, Podium's or an etcd, with one address before them all: a
 * balancer that hands each new connection to the next server that takes it, and breaks it when that server dies. It
 * stands for whatever a cluster's clients have for it; TLS goes through it untouched.
 */
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { RestClient } from '../api/rest/fixture.ts';
import { authority } from '../grpc/authority.ts';
import { MemberProcess, ROOT, freePorts, startStoreCluster, type StoreCluster, type StoreKind } from '../processes.ts';

export const ADMIN_TOKEN = 'admin-token';
const READY_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** As src/cluster/parts.ts starts an API server. */
const V8_FLAGS: readonly string[] = ['--max-semi-space-size=8'];

export interface ApiServersOptions {
  readonly count: number;
  readonly store?: StoreKind;
  readonly members?: number;
  /** Before the script. */
  readonly nodeArgs?: readonly string[];
}

export class ApiServers {
  readonly store: StoreCluster;
  readonly servers: readonly MemberProcess[];
  readonly balancer: Balancer;
  /** Of the balancer, for kubectl and the client libraries. */
  readonly kubeconfig: string;
  readonly ca: Uint8Array;
  readonly #clients: RestClient[] = [];

  private constructor(parts: Pick<ApiServers, 'store' | 'servers' | 'balancer' | 'ca'>) {
    this.store = parts.store;
    this.servers = parts.servers;
    this.balancer = parts.balancer;
    this.ca = parts.ca;
    this.kubeconfig = join(parts.store.dir, 'kubeconfig');
    writeKubeconfig(this.kubeconfig, parts.ca, parts.balancer.port);
  }

  /** Resolves when every server is ready. */
  static async start({ count, store: kind = 'podium', members = 1, nodeArgs = V8_FLAGS }: ApiServersOptions): Promise<ApiServers> {
    const store = await startStoreCluster({ kind, members });
    const { ca, issue } = await authority();
    const { cert, key } = await issue('apiserver');
    const file = (name: string, content: string | Uint8Array) => {
      const path = join(store.dir, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const flags = [
      ...['--etcd-servers', store.members.map(({ clientAddress }) => `http://${clientAddress}`).join(',')],
      ...['--tls-cert-file', file('apiserver.crt', cert), '--tls-private-key-file', file('apiserver.key', key)],
      ...['--client-ca-file', file('ca.crt', ca), '--token-auth-file', file('tokens.csv', `${ADMIN_TOKEN},admin,,"system:masters"\n`)],
    ];
    const ports = await freePorts(2 * count);
    const servers = Array.from({ length: count }, (_, at) => {
      const [port, grpcPort] = [ports[2 * at]!, ports[2 * at + 1]!];
      const args = [...nodeArgs, join(ROOT, 'dist', 'src', 'main.js'), 'apiserver', ...flags, '--secure-port', String(port), '--grpc-port', String(grpcPort)];
      return new MemberProcess({ name: `apiserver-${at + 1}`, clientAddress: `127.0.0.1:${port}`, dataDir: store.dir, command: process.execPath, args });
    });
    const balancer = await Balancer.open(servers.map(({ clientAddress }) => portOf(clientAddress)));
    const all = new ApiServers({ store, servers, balancer, ca });
    for (const server of servers) server.start();
    try {
      await Promise.all(servers.map((server) => all.untilReady(server)));
    } catch (error) {
      await all.stop();
      throw error;
    }
    return all;
  }

  /** Of one server, or of the balancer. To be closed by whoever opens many. */
  client(server?: MemberProcess): RestClient {
    const client = new RestClient(server === undefined ? this.balancer.port : portOf(server.clientAddress), this.ca, { token: ADMIN_TOKEN });
    this.#clients.push(client);
    return client;
  }

  async untilReady(server: MemberProcess): Promise<void> {
    const deadline = systemClock.monotonic() + READY_TIMEOUT_MS;
    let last = '';
    while (server.isRunning && systemClock.monotonic() < deadline) {
      const client = new RestClient(portOf(server.clientAddress), this.ca, { token: ADMIN_TOKEN });
      try {
        const { status, text } = await bounded(client.get('/readyz'), client);
        if (status === 200) return;
        last = text;
      } catch (error) {
        last = String(error);
      } finally {
        client.close();
      }
      await sleep(systemClock, 10);
    }
    throw new Error(`${server.name} is not ready: ${last}\n${server.output}`);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.balancer.close();
    await Promise.all(this.servers.map((server) => server.kill()));
    await this.store.stop();
  }
}

/** A request that is not answered in time fails with its connection. */
export async function bounded<T>(answer: Promise<T>, client: RestClient): Promise<T> {
  const timer = setTimeout(() => client.session.destroy(new Error('no answer in time')), REQUEST_TIMEOUT_MS);
  let hear = () => {};
  const gone = new Promise<never>((_, reject) => {
    hear = () => reject(new Error('the connection is closed'));
    client.session.once('close', hear);
  });
  try {
    return await Promise.race([answer, gone]);
  } finally {
    clearTimeout(timer);
    client.session.off('close', hear);
  }
}

export class Balancer {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, targets: readonly number[]) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port; // it listens on TCP
    let turn = 0;
    server.on('connection', (socket) => this.#carry(socket, targets, turn++));
  }

  static async open(targets: readonly number[]): Promise<Balancer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Balancer(server, targets);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(near: Socket, targets: readonly number[], turn: number, tried = 0): void {
    this.#sockets.add(near);
    near.on('error', () => {});
    if (tried === targets.length) return void near.destroy();
    const far = connect(targets[(turn + tried) % targets.length]!, '127.0.0.1');
    let isOpen = false;
    far.setNoDelay(true);
    near.setNoDelay(true);
    far.on('connect', () => {
      isOpen = true;
      this.#sockets.add(far);
      near.pipe(far).pipe(near);
    });
    far.on('error', () => {});
    far.on('close', () => {
      this.#sockets.delete(far);
      if (isOpen || near.destroyed) return void near.destroy();
      this.#carry(near, targets, turn, tried + 1);
    });
    near.once('close', () => {
      this.#sockets.delete(near);
      far.destroy();
    });
  }
}

function portOf(address: string): number {
  return Number(address.split(':')[1]);
}

function writeKubeconfig(path: string, ca: Uint8Array, port: number): void {
  const name = 'test';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token: ADMIN_TOKEN } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  };
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
}
