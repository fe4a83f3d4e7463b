/** A real kube-apiserver as a subject: a process on a real etcd, asked over REST. Its clock is the system's. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { RestClient } from '../api/rest/fixture.ts';
import { authority } from '../grpc/authority.ts';
import { MemberProcess, findTool, freePorts, startStoreCluster, type StoreCluster } from '../processes.ts';
import { TOKENS, TOKEN_FILE, compact, type FaceName, type Server } from './podium.ts';
import { RestApi } from './rest-api.ts';
import { placeOf, type Subject } from './subject.ts';

const READY_MS = 60_000;
const LOOK_MS = 200;

export class KubeApiserver implements Server {
  readonly faces = ['rest'] as const;
  readonly #etcd: StoreCluster;
  readonly #process: MemberProcess;
  readonly #port: number;
  readonly #ca: Uint8Array;
  readonly #clients: RestClient[] = [];

  private constructor(etcd: StoreCluster, process: MemberProcess, port: number, ca: Uint8Array) {
    this.#etcd = etcd;
    this.#process = process;
    this.#port = port;
    this.#ca = ca;
  }

  static async start(program: string): Promise<KubeApiserver> {
    const etcd = await startStoreCluster({ kind: 'etcd', program: findTool('etcd-current') });
    const { ca, issue } = await authority();
    const { cert, key } = await issue('apiserver');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const file = (name: string, content: string | Uint8Array) => {
      const path = join(etcd.dir, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const serviceAccountKey = file('sa.key', privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const [port] = await freePorts(1);
    const args = [
      ...['--etcd-servers', `http://${etcd.members[0]!.clientAddress}`, '--bind-address', '127.0.0.1', '--secure-port', String(port)],
      ...['--tls-cert-file', file('apiserver.crt', cert), '--tls-private-key-file', file('apiserver.key', key)],
      ...['--client-ca-file', file('ca.crt', ca), '--token-auth-file', file('tokens.csv', TOKEN_FILE)],
      ...['--service-account-issuer', 'https://issuer.test', '--service-account-key-file', serviceAccountKey],
      ...['--service-account-signing-key-file', serviceAccountKey, '--service-cluster-ip-range', '10.96.0.0/16'],
      // Nobody makes service accounts here.
      ...['--disable-admission-plugins', 'ServiceAccount', '--authorization-mode', 'RBAC', '--anonymous-auth=false'],
    ];
    const child = new MemberProcess({ name: 'kube-apiserver', clientAddress: `127.0.0.1:${port}`, dataDir: etcd.dir, command: program, args });
    const server = new KubeApiserver(etcd, child, port!, ca);
    child.start();
    try {
      await server.#untilReady();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  subject(_face: FaceName, namespace: string): Subject {
    const as = (token: string | undefined) => {
      const client = new RestClient(this.#port, this.#ca, token === undefined ? {} : { token });
      this.#clients.push(client);
      return client;
    };
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
      restart: unable,
    };
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#process.stop();
    await this.#etcd.stop();
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
