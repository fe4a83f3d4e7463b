/**
 * A registry on loopback, by the distribution protocol, that can be made to misbehave: it asks for credentials, cuts, stalls,
 * errs, redirects, lies.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { digestOf, type TestImage } from './images.ts';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly status: number;
}

export interface Misbehaviour {
  /** `pull` of which requests: those whose path holds this. */
  readonly path: string;
  /** So many times, then it behaves. */
  times: number;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** It says nothing any more after so many bytes. */
  readonly stallAfter?: number;
  readonly body?: Buffer;
  readonly ignoresRange?: boolean;
}

export class TestRegistry {
  readonly seen: SeenRequest[] = [];
  /** `user:password` that it wants. */
  credentials: string | undefined;
  scheme: 'basic' | 'bearer' = 'bearer';
  /** Repositories that anybody may read with a token. */
  publicRepositories = new Set<string>();
  readonly misbehaviours: Misbehaviour[] = [];
  /** For blobs: answered with a redirect to there. */
  storage: string | undefined;
  readonly #manifests = new Map<string, Buffer>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #server: Server;
  #tokens = 0;
  /** A token is good for so many requests. */
  tokenUses = Infinity;
  readonly #uses = new Map<string, number>();

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<TestRegistry> {
    const registry = new TestRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the registry does not listen');
    return `127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  push(repository: string, tag: string, image: TestImage): string {
    for (const [digest, bytes] of image.blobs) this.#blobs.set(digest, bytes);
    return this.pushManifest(repository, tag, image.manifest);
  }

  pushManifest(repository: string, tag: string, bytes: Buffer): string {
    const digest = digestOf(bytes);
    this.#manifests.set(`${repository}/manifests/${tag}`, bytes);
    this.#manifests.set(`${repository}/manifests/${digest}`, bytes);
    return digest;
  }

  setBlob(digest: string, bytes: Buffer): void {
    this.#blobs.set(digest, bytes);
  }

  misbehave(misbehaviour: Misbehaviour): void {
    this.misbehaviours.push(misbehaviour);
  }

  count(part: string): number {
    return this.seen.filter(({ path, method }) => method === 'GET' && path.includes(part)).length;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    response.on('close', () => {
      const { authorization, range } = request.headers;
      this.seen.push({
        method: request.method ?? '',
        path: url.pathname + url.search,
        authorization,
        range,
        status: response.statusCode,
      });
    });
    if (url.pathname === '/token') return this.#token(request, response, url);
    const odd = this.misbehaviours.find(({ path, times }) => times > 0 && url.pathname.includes(path));
    if (odd !== undefined) odd.times--;
    if (odd?.status !== undefined)
      return void response
        .writeHead(odd.status, odd.headers)
        .end(odd.body ?? '{"errors":[{"message":"made to fail"}]}');
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(url.pathname)?.[1] ?? '';
    if (!url.pathname.startsWith('/storage/') && !this.#isAllowed(request, repository))
      return this.#challenge(response, repository);
    const key = url.pathname.replace(/^\/v2\//, '');
    const digest = /(?:blobs|storage)\/(sha256:[0-9a-f]{64})$/.exec(key)?.[1];
    if (digest !== undefined && this.storage !== undefined && !url.pathname.startsWith('/storage/')) {
      return void response.writeHead(307, { location: `${this.storage}/storage/${digest}` }).end();
    }
    const bytes = odd?.body ?? (digest === undefined ? this.#manifests.get(key) : this.#blobs.get(digest));
    if (bytes === undefined)
      return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    this.#send(request, response, bytes, { isManifest: digest === undefined, odd });
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer,
    { isManifest, odd }: { isManifest: boolean; odd: Misbehaviour | undefined },
  ): void {
    const from = odd?.ignoresRange === true ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = bytes.subarray(from);
    const type = isManifest
      ? { 'content-type': String(JSON.parse(bytes.toString()).mediaType), 'docker-content-digest': digestOf(bytes) }
      : {};
    response.writeHead(from > 0 ? 206 : 200, {
      ...type,
      'content-length': body.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
      ...odd?.headers,
    });
    if (request.method === 'HEAD') return void response.end();
    if (odd?.cutAfter !== undefined)
      return void response.write(body.subarray(0, odd.cutAfter), () => response.destroy());
    if (odd?.stallAfter !== undefined) return void response.write(body.subarray(0, odd.stallAfter));
    response.end(body);
  }

  #isAllowed(request: IncomingMessage, repository: string): boolean {
    if (this.credentials === undefined) return true;
    const { authorization = '' } = request.headers;
    if (this.scheme === 'basic') return authorization === `Basic ${Buffer.from(this.credentials).toString('base64')}`;
    const uses = this.#uses.get(authorization) ?? 0;
    this.#uses.set(authorization, uses + 1);
    return authorization.startsWith(`Bearer ${Buffer.from(repository).toString('hex')}.`) && uses < this.tokenUses;
  }

  #challenge(response: ServerResponse, repository: string): void {
    const bearer = `Bearer realm="http://${this.host}/token",service="test",scope="repository:${repository}:pull"`;
    response
      .writeHead(401, { 'www-authenticate': this.scheme === 'basic' ? 'Basic realm="test"' : bearer })
      .end('{"errors":[{"message":"authentication required"}]}');
  }

  #token(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const repository = /^repository:(.+):pull$/.exec(url.searchParams.get('scope') ?? '')?.[1] ?? '';
    const wanted = `Basic ${Buffer.from(this.credentials ?? '').toString('base64')}`;
    const isPublic = request.headers.authorization === undefined && this.publicRepositories.has(repository);
    if (request.headers.authorization !== wanted && !isPublic) return void response.writeHead(401).end('{}');
    response.end(
      JSON.stringify({ token: `${Buffer.from(repository).toString('hex')}.${++this.#tokens}`, expires_in: 60 }),
    );
  }
}
