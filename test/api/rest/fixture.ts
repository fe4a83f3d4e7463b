/** An API server with its REST face on a free port, over the dumb store and on a driven clock, and a client of it. */
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { generateKeyPairSync } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { parseTokenFile } from '../../../src/api/access/token-file.ts';
import type { InFlightLimits } from '../../../src/api/in-flight.ts';
import { RestFace } from '../../../src/api/rest/face.ts';
import type { RestLimits } from '../../../src/api/rest/limits.ts';
import type { WatchLimits } from '../../../src/api/watch-cache.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { StoreClient } from '../../../src/etcd/store-client.ts';
import type { Channel } from '../../../src/proto/rpc.ts';
import { authority, type Issued } from '../../grpc/authority.ts';
import { quiet, startServer, type Fixture } from '../fixture.ts';
import type { MemoryStore } from '../memory-store.ts';

export const ADMIN_TOKEN = 'admin-token';
export const VIEWER_TOKEN = 'viewer-token';
const TOKENS = `${ADMIN_TOKEN},admin,,"system:masters"\n${VIEWER_TOKEN},viewer,7,"viewers"\n`;

interface Certificates {
  readonly ca: Uint8Array;
  readonly server: Issued;
  readonly admin: Issued;
  readonly node: Issued;
  readonly stranger: Issued;
}

let made: Promise<Certificates> | undefined;

async function makeCertificates(): Promise<Certificates> {
  const { ca, issue } = await authority();
  const other = await authority();
  return {
    ca,
    server: await issue('apiserver'),
    admin: await issue('alice', 'system:masters'),
    node: await issue('system:node:n1', 'system:nodes'),
    stranger: await other.issue('mallory', 'system:masters'),
  };
}

export interface RestFixture extends Fixture {
  readonly face: RestFace;
  readonly port: number;
  readonly certificates: Certificates;
  readonly audit: readonly Record<string, unknown>[];
  /** Over HTTP/2, as the administrator by token unless said otherwise. */
  client(as?: ClientIdentity): RestClient;
}

export interface ClientIdentity {
  readonly token?: string;
  readonly certificate?: Issued;
}

export interface RestOptions {
  readonly limits?: Partial<RestLimits & InFlightLimits>;
  readonly watchLimits?: WatchLimits;
  readonly store?: MemoryStore;
  readonly connectToNode?: (address: string) => Channel;
  readonly stores?: readonly StoreClient[];
}

export async function startRest(options: RestOptions = {}): Promise<RestFixture> {
  const certificates = await (made ??= makeCertificates());
  const { ca, server: own } = certificates;
  const audit: Record<string, unknown>[] = [];
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const fixture = await startServer({
    ...(options.store === undefined ? {} : { store: options.store }),
    ...(options.connectToNode === undefined ? {} : { connectToNode: options.connectToNode }),
    ...(options.stores === undefined ? {} : { stores: options.stores }),
    watchLimits: options.watchLimits ?? {},
    inFlightLimits: options.limits ?? {},
    access: {
      tokens: [parseTokenFile(TOKENS, 'tokens.csv')],
      serviceAccounts: { issuer: 'https://issuer.test', keys: [], signingKey: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })) },
      writeAudit: (line) => audit.push(JSON.parse(line) as Record<string, unknown>),
    },
  });
  const face = new RestFace({
    apiServer: fixture.server,
    tls: { cert: own.cert, key: own.key, clientCa: ca },
    clock: fixture.clock,
    random: seededRandom('rest'),
    log: quiet,
    programVersion: '0.1.0',
    limits: options.limits ?? {},
  });
  const port = await face.listen('127.0.0.1:0');
  const clients: RestClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.close();
    await face.stop();
    await fixture.server.stop();
  });
  const client = (as: ClientIdentity = { token: ADMIN_TOKEN }) => {
    const one = new RestClient(port, ca, as);
    clients.push(one);
    return one;
  };
  return { ...fixture, face, port, certificates, audit, client };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** Of a JSON answer; of another there is none. */
  readonly body: Body;
}

/** What tests look at in any document; which of it there is, each test says. */
export interface Body {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly continue: string;
    readonly remainingItemCount: number;
    readonly deletionGracePeriodSeconds: number;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly items: readonly Body[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: Body | null }[];
  readonly columnDefinitions: readonly unknown[] | null;
  readonly data: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: unknown;
  readonly message: string;
  readonly reason: string;
  readonly code: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Sent {
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class RestClient {
  readonly session: ClientHttp2Session;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(port: number, ca: Uint8Array, { token, certificate }: ClientIdentity) {
    const own = certificate === undefined ? {} : { cert: Buffer.from(certificate.cert), key: Buffer.from(certificate.key) };
    this.session = connect(`https://127.0.0.1:${port}`, { ca: Buffer.from(ca), ...own });
    this.session.on('error', () => {});
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  stream(method: string, path: string, sent: Sent = {}): ClientHttp2Stream {
    const body = sent.bytes ?? (sent.body === undefined ? undefined : Buffer.from(JSON.stringify(sent.body)));
    const type = body === undefined ? {} : { 'content-type': sent.type ?? 'application/json' };
    const stream = this.session.request({ ':method': method, ':path': path, ...this.#headers, ...type, ...sent.headers }, { endStream: false });
    stream.end(body);
    return stream;
  }

  request(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    return answerOf(this.stream(method, path, sent));
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request('GET', path, { headers });
  }

  watch(path: string, headers: Readonly<Record<string, string>> = {}): Watch {
    return new Watch(this.stream('GET', path, { headers }));
  }

  close(): void {
    this.session.destroy();
  }
}

export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
    const chunks: Buffer[] = [];
    stream.on('response', (received) => (headers = received));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString();
      const isJson = headers['content-type']?.startsWith('application/json') === true && headers['content-encoding'] === undefined;
      resolve({ status: headers[':status'] ?? 0, headers, bytes, text, body: (isJson && text !== '' ? JSON.parse(text) : undefined) as Body });
    });
  });
}

export interface Frame {
  readonly type: string;
  readonly object: Body;
}

/** The lines of a watch. */
export class Watch {
  readonly stream: ClientHttp2Stream;
  readonly #frames: Frame[] = [];
  readonly #status: Promise<number>;
  #rest = '';
  #wake: () => void = () => {};
  #isOver = false;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    this.#status = new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'] ?? 0)));
    stream.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString()).split('\n');
      this.#rest = lines.pop() ?? '';
      this.#frames.push(...lines.map((line) => JSON.parse(line) as Frame));
      this.#wake();
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Resolves once the head of the answer is there. */
  open(): Promise<number> {
    return this.#status;
  }

  /** undefined: the watch is over. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#frames.shift();
  }

  async take(count: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count) {
      const frame = await this.next();
      taken.push(frame === undefined ? 'END' : `${frame.type} ${frame.type === 'ERROR' ? frame.object.reason : (frame.object.metadata.name ?? '')}`.trim());
      if (frame === undefined) break;
    }
    return taken;
  }

  async rest(): Promise<string[]> {
    const taken: string[] = [];
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) taken.push(frame.type);
    return taken;
  }

  close(): void {
    this.stream.close();
  }
}

/** `code Reason: message` of a Status. */
export function refusalOf({ status, body }: Answer): string {
  return `${status} ${body.reason}: ${body.message}`;
}
