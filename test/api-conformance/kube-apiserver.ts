/** A real kube-apiserver as a subject: a process on a real etcd, asked over REST. Its clock is the system's. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { RestClient } from '../api/rest/fixture.ts';
import { authority } from '../grpc/authority.ts';
import { MemberProcess, findTool, freePorts, startStoreCluster, type StoreCluster } from '../processes.ts';
import { TOKENS, TOKEN_FILE, compact, type FaceName, type Server } from './podium.ts';
import { RestApi } from './rest-api.ts';
import { placeOf, type Limited, type Limits, type Subject } from './subject.ts';

const READY_MS = 60_000;
const LOOK_MS = 200;

export class KubeApiserver implements Server {
  readonly faces = ['rest'] as const;
  readonly #program: string;
  readonly #etcd: StoreCluster;
  readonly #process: MemberProcess;
  readonly #port: number;
  readonly #ca: Uint8Array;
  readonly #clients: RestClient[] = [];

  private constructor({ program, etcd, process, port, ca }: { readonly program: string; readonly etcd: StoreCluster; readonly process: MemberProcess; readonly port: number; readonly ca: Uint8Array }) {
    this.#program = program;
    this.#etcd = etcd;
    this.#process = process;
    this.#port = port;
    this.#ca = ca;
  }

  static async start(program: string): Promise<KubeApiserver> {
    return KubeApiserver.#begin(program, await startStoreCluster({ kind: 'etcd', program: findTool('etcd-current') }), []);
  }

  static async #begin(program: string, etcd: StoreCluster, flags: readonly string[]): Promise<KubeApiserver> {
    const { ca, issue } = await authority();
    const { cert, key } = await issue('apiserver');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const [port] = await freePorts(1);
    const dir = join(etcd.dir, `kube-apiserver-${port}`);
    mkdirSync(dir);
    const file = (name: string, content: string | Uint8Array) => {
      const path = join(dir, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const serviceAccountKey = file('sa.key', privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const args = [
      ...['--etcd-servers', `http://${etcd.members[0]!.clientAddress}`, '--bind-address', '127.0.0.1', '--secure-port', String(port)],
      ...['--tls-cert-file', file('apiserver.crt', cert), '--tls-private-key-file', file('apiserver.key', key)],
      ...['--client-ca-file', file('ca.crt', ca), '--token-auth-file', file('tokens.csv', TOKEN_FILE)],
      ...['--service-account-issuer', 'https://issuer.test', '--service-account-key-file', serviceAccountKey],
      ...['--service-account-signing-key-file', serviceAccountKey, '--service-cluster-ip-range', '10.96.0.0/16'],
      // Nobody makes service accounts here.
      ...['--disable-admission-plugins', 'ServiceAccount', '--authorization-mode', 'RBAC', '--anonymous-auth=false'],
      ...flags,
    ];
    const child = new MemberProcess({ name: 'kube-apiserver', clientAddress: `127.0.0.1:${port}`, dataDir: dir, command: program, args });
    const server = new KubeApiserver({ program, etcd, process: child, port: port!, ca });
    child.start();
    try {
      await server.#untilReady();
    } catch (error) {
      await server.#end();
      throw error;
    }
    return server;
  }

  #as(token: string | undefined): RestClient {
    const client = new RestClient(this.#port, this.#ca, token === undefined ? {} : { token });
    this.#clients.push(client);
    return client;
  }

  subject(_face: FaceName, namespace: string): Subject {
    const as = (token: string | undefined) => this.#as(token);
    const rest = as(TOKENS.admin);
    const unable = () => Promise.reject(new Error('a kube-apiserver cannot be made to: the case says so'));
    return {
      traits: ['rest', 'kube-apiserver'],
      namespace,
      rest,
      api: new RestApi(rest),
      viewer: new RestApi(as(TOKENS.viewer)),
      restAs: as,
      at: (resource, name, subresource) => placeOf(namespace, resource, name, subresource),
      skip: () => Promise.resolve(),
      compact: () => compact(this.#etcd.client()),
      unheard: unable,
      limited: (limits, work) => this.#limited(limits, work),
      restart: unable,
    };
  }

  async #limited({ mutating = 200 }: Limits, work: (limited: Limited) => Promise<void>): Promise<void> {
    const flags = ['--enable-priority-and-fairness=false', '--max-mutating-requests-inflight', String(mutating)];
    const server = await KubeApiserver.#begin(this.#program, this.#etcd, flags);
    try {
      const [rest, viewer] = [server.#as(TOKENS.admin), server.#as(TOKENS.viewer)];
      await work({ rest, viewer, api: new RestApi(rest), stranger: new RestApi(viewer) });
    } finally {
      await server.#end();
    }
  }

  async stop(): Promise<void> {
    await this.#end();
    await this.#etcd.stop();
  }

  async #end(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#process.stop();
  }

  async #untilReady(): Promise<void> {
    const deadline = systemClock.monotonic() + READY_MS;
    while (this.#process.isRunning && systemClock.monotonic() < deadline) {
      const client = new RestClient(this.#port, this.#ca, { token: TOKENS.admin });
      const answer = await client.get('/readyz').catch(() => undefined);
      client.close();
      if (answer?.status === 200) return;
      await sleep(systemClock, LOOK_MS);
    }
    throw new Error(`kube-apiserver is not ready:\n${this.#process.output}`);
  }
}
