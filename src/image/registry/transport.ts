/**
 * Requests to registries: redirects followed, plain http only where it may be, a connection that says nothing given up. It knows
 * nothing of images, and retries nothing.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { Millis } from '../../base/clock.ts';
import { AbortedError, systemErrorCode } from '../../base/errors.ts';
import { mayBePlain, type RegistrySettings } from '../core/registries.ts';

export interface HttpRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A PEM file of authorities, or ''. */
  readonly caFile: string;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly url: URL;
  /** Must be read or destroyed. */
  readonly body: IncomingMessage;
}

/** No answer, or none that counts. Whether another try may help is in `isPassing`. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly isPassing: boolean;

  constructor(message: string, { isPassing, cause }: { readonly isPassing: boolean; readonly cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause });
    this.isPassing = isPassing;
  }
}

const REDIRECTS_MAX = 5;
const CONNECTIONS_PER_HOST_MAX = 8;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Names that do not exist and certificates that do not fit stay so. */
const LASTING = /^(?:ENOTFOUND$|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS|ERR_SSL|EPROTO$|HPE_)/;

export class RegistryTransport {
  readonly #settings: readonly RegistrySettings[];
  readonly #idleMs: Millis;
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS_PER_HOST_MAX });
  readonly #https = new Map<string, HttpsAgent>();

  constructor(settings: readonly RegistrySettings[], idleMs: Millis) {
    this.#settings = settings;
    this.#idleMs = idleMs;
  }

  async request(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    let at = url;
    let { headers = {} } = request;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(at, { ...request, headers });
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      if (redirects === REDIRECTS_MAX)
        throw new TransportError(`${url.host} redirects more than ${REDIRECTS_MAX} times`, { isPassing: false });
      if (!URL.canParse(location, at.href))
        throw new TransportError(`${at.host} redirects to what is no URL`, { isPassing: false });
      const next = new URL(location, at);
      // Credentials are for who asked for them; storage behind a registry has its own in the URL.
      if (next.origin !== at.origin) headers = without(headers, 'authorization');
      at = next;
    }
  }

  close(): void {
    this.#http.destroy();
    for (const agent of this.#https.values()) agent.destroy();
  }

  #once(url: URL, { method = 'GET', headers, body, caFile, signal }: HttpRequest): Promise<HttpAnswer> {
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new TransportError(`${url.protocol} is not spoken`, { isPassing: false });
    const isPlain = url.protocol === 'http:';
    if (isPlain && !mayBePlain(url, this.#settings)) {
      throw new TransportError(
        `http://${url.host} is neither loopback nor allowed by plainHttp in the registries' configuration`,
        { isPassing: false },
      );
    }
    const options: RequestOptions = {
      method,
      headers: { ...headers, 'user-agent': 'podium' },
      agent: isPlain ? this.#http : this.#agentFor(caFile),
      timeout: this.#idleMs,
    };
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(new AbortedError(`asking ${url.host}`));
      const request = isPlain ? httpRequest(url, options) : httpsRequest(url, options);
      let answering: IncomingMessage | undefined;
      // Who reads the answer is to hear why it ended.
      const giveUp = (why: Error) => void (answering ?? request).destroy(why);
      const onAbort = () => giveUp(new AbortedError(`asking ${url.host}`));
      signal?.addEventListener('abort', onAbort, { once: true });
      request.on('timeout', () =>
        giveUp(new TransportError(`${url.host} has said nothing for ${this.#idleMs} ms`, { isPassing: true })),
      );
      request.on('close', () => signal?.removeEventListener('abort', onAbort));
      request.on('error', (cause) => reject(asTransportError(url, cause)));
      request.on('response', (answer) => {
        answering = answer;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, url, body: answer });
      });
      request.end(body);
    });
  }

  #agentFor(caFile: string): HttpsAgent {
    let agent = this.#https.get(caFile);
    if (agent === undefined) {
      const ca = caFile === '' ? {} : { ca: [...rootCertificates, readAuthority(caFile)] };
      agent = new HttpsAgent({ keepAlive: true, maxSockets: CONNECTIONS_PER_HOST_MAX, ...ca });
      this.#https.set(caFile, agent);
    }
    return agent;
  }
}

function readAuthority(caFile: string): string {
  try {
    return readFileSync(caFile, 'utf8');
  } catch (cause) {
    throw new TransportError(`the registries' configuration names the authority ${caFile}, which cannot be read`, {
      isPassing: false,
      cause,
    });
  }
}

export function asTransportError(url: URL, cause: unknown): Error {
  if (cause instanceof AbortedError || cause instanceof TransportError) return cause;
  const isPassing = !LASTING.test(systemErrorCode(cause) ?? '');
  return new TransportError(`no answer from ${url.host}`, { isPassing, cause });
}

function without(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}

/** The whole of a small answer; one that goes on is refused. */
export async function readBody({ body, url }: HttpAnswer, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      const bytes = chunk as Buffer; // no encoding was asked for
      size += bytes.length;
      if (size > bytesMax)
        throw new TransportError(`${url.host} answers with more than ${bytesMax} bytes`, { isPassing: false });
      parts.push(bytes);
    }
  } catch (cause) {
    throw asTransportError(url, cause);
  } finally {
    body.destroy();
  }
  return Buffer.concat(parts);
}
