/** One repository on one server, by the distribution protocol (OCI distribution-spec): manifests, and blobs from any byte on. */
import type { IncomingMessage } from 'node:http';
import { sleep, type Clock, type Millis } from '../../base/clock.ts';
import { describeError, systemErrorCode } from '../../base/errors.ts';
import { isRecord } from '../../kube/types.ts';
import type { Credentials } from '../core/credentials.ts';
import { isDigest } from '../core/digest.ts';
import { MANIFEST_BYTES_MAX, MANIFEST_TYPES } from '../core/manifest.ts';
import type { ImageReference } from '../core/reference.ts';
import type { Endpoint } from '../core/registries.ts';
import { sha256Of } from '../store-layout.ts';
import { Authorizer } from './authorizer.ts';
import { readBody, TransportError, type HttpAnswer, type RegistryTransport } from './transport.ts';

export type RegistryErrorCode = 'not-found' | 'denied' | 'unavailable' | 'bad-answer';

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: RegistryErrorCode;
  /** Another try may help. */
  readonly isPassing: boolean;
  /** What the registry asks to wait before it. */
  readonly retryAfterMs: Millis;

  constructor(
    code: RegistryErrorCode,
    message: string,
    {
      isPassing = false,
      retryAfterMs = 0,
      cause,
    }: { isPassing?: boolean; retryAfterMs?: Millis; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.isPassing = isPassing;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface RetryLimits {
  readonly attempts: number;
  readonly firstMs: Millis;
  readonly maxMs: Millis;
}

export interface RegistryClientOptions {
  readonly endpoint: Endpoint;
  readonly reference: ImageReference;
  readonly credentials: readonly Credentials[];
  readonly transport: RegistryTransport;
  readonly clock: Clock;
  readonly retry: RetryLimits;
  readonly onRetry?: (what: string, why: string, delayMs: Millis) => void;
}

export interface FetchedManifest {
  readonly text: string;
  readonly digest: string;
  readonly mediaType: string;
}

export interface BlobStream {
  /** The byte that it begins with: 0 where the server does not know ranges. */
  readonly offset: number;
  readonly body: IncomingMessage;
  readonly url: URL;
}

const ERROR_BYTES_MAX = 64 * 1024;

export class RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #authorizer: Authorizer;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    const { transport, credentials, reference, endpoint } = options;
    this.#authorizer = new Authorizer({
      transport,
      credentials,
      caFile: endpoint.caFile,
      scope: `repository:${reference.path}:pull`,
    });
  }

  get host(): string {
    return new URL(this.#options.endpoint.baseUrl).host;
  }

  /** The digest that a tag has now; undefined: the registry does not say so without the manifest. */
  async resolve(tag: string, signal?: AbortSignal): Promise<string | undefined> {
    const answer = await this.#retried(`manifest ${tag}`, signal, () =>
      this.#ask(`manifests/${tag}`, { method: 'HEAD', accepts: MANIFEST_TYPES, signal }),
    );
    answer.body.destroy();
    const digest = answer.headers['docker-content-digest'];
    return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
  }

  /** By tag or digest; of a digest the content is compared with it. */
  async manifest(name: string, signal?: AbortSignal): Promise<FetchedManifest> {
    return this.#retried(`manifest ${name}`, signal, async () => {
      const answer = await this.#ask(`manifests/${name}`, { accepts: MANIFEST_TYPES, signal });
      const body = await readBody(answer, MANIFEST_BYTES_MAX);
      const digest = sha256Of(body);
      if (isDigest(name) && digest !== name)
        throw new RegistryError('bad-answer', `${this.host} sent a manifest of digest ${digest} for ${name}`);
      return { text: body.toString('utf8'), digest, mediaType: answer.headers['content-type'] ?? '' };
    });
  }

  /** Not tried again here: whoever reads it goes on from where it broke off. */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<BlobStream> {
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const answer = await this.#ask(`blobs/${digest}`, { accepts: ['*/*'], headers, signal });
    const { body, url } = answer;
    if (answer.status !== 206) return { offset: 0, body, url };
    const begin = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1];
    if (begin === undefined || Number(begin) > offset) {
      body.destroy();
      throw new RegistryError('bad-answer', `${url.host} sent another range than was asked for`, { isPassing: true });
    }
    return { offset: Number(begin), body, url };
  }

  /** 2xx, or an error. */
  async #ask(
    path: string,
    request: {
      method?: 'GET' | 'HEAD';
      accepts: readonly string[];
      headers?: Record<string, string>;
      signal: AbortSignal | undefined;
    },
  ): Promise<HttpAnswer> {
    const { endpoint, reference, transport } = this.#options;
    const query = endpoint.isMirror ? `?ns=${encodeURIComponent(reference.host)}` : '';
    const url = new URL(`${endpoint.baseUrl}/v2/${reference.path}/${path}${query}`);
    for (;;) {
      const { header } = this.#authorizer;
      const headers = {
        ...request.headers,
        accept: request.accepts.join(', '),
        ...(header === undefined ? {} : { authorization: header }),
      };
      const answer = await transport.request(url, {
        method: request.method ?? 'GET',
        headers,
        caFile: endpoint.caFile,
        signal: request.signal,
      });
      if (answer.status >= 200 && answer.status < 300) {
        this.#authorizer.accepted(header);
        return answer;
      }
      // Where a redirect led to may not say whom credentials are shown to.
      const isOwn = answer.url.origin === url.origin;
      const mayTryAnother = isOwn && (answer.status === 401 || (answer.status === 403 && header !== undefined));
      const challenge = answer.headers['www-authenticate'];
      if (mayTryAnother && (await this.#authorizer.refused(header, challenge, request.signal))) {
        answer.body.destroy();
        continue;
      }
      throw await this.#refusal(answer);
    }
  }

  async #refusal(answer: HttpAnswer): Promise<RegistryError> {
    const { status, url } = answer;
    const said = await readBody(answer, ERROR_BYTES_MAX).then(errorText, () => ''); // what it says besides the status is a help, no more
    const detail = said === '' ? '' : `: ${said}`;
    if (status === 404) return new RegistryError('not-found', `not found on ${url.host}${detail}`);
    if (status === 401 || status === 403) {
      return new RegistryError(
        'denied',
        `pull access denied by ${url.host} (${status}): the repository does not exist, or needs an image pull secret that fits${detail}`,
      );
    }
    if (status === 408 || status === 429 || status >= 500) {
      const seconds = Number(answer.headers['retry-after'] ?? 0);
      const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
      return new RegistryError('unavailable', `${url.host} answers ${status}${detail}`, {
        isPassing: true,
        retryAfterMs,
      });
    }
    return new RegistryError('bad-answer', `${url.host} answers ${status}${detail}`);
  }

  async #retried<T>(what: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const { retry, clock, onRetry } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (!isPassing(error) || isNobodyThere(error) || attempt >= retry.attempts) throw asUnavailable(error);
        const delayMs = retryDelay(error, attempt, retry);
        onRetry?.(what, describeError(error), delayMs);
        await sleep(clock, delayMs, signal);
      }
    }
  }
}

export function isPassing(error: unknown): boolean {
  return (error instanceof RegistryError || error instanceof TransportError) && error.isPassing;
}

/** It may come, but not in a moment: whoever waits for it shall know. A download that has begun is another matter. */
function isNobodyThere(error: unknown): boolean {
  return error instanceof TransportError && systemErrorCode(error.cause) === 'ECONNREFUSED';
}

export function retryDelay(error: unknown, attempt: number, { firstMs, maxMs }: RetryLimits): Millis {
  const asked = error instanceof RegistryError ? error.retryAfterMs : 0;
  return Math.min(maxMs, Math.max(asked, firstMs * 2 ** (attempt - 1)));
}

export function asUnavailable(error: unknown): unknown {
  if (error instanceof TransportError)
    return new RegistryError('unavailable', error.message, { isPassing: error.isPassing, cause: error.cause });
  return error;
}

/** `{ errors: [{ code, message }] }`, as registries write it; '' for anything else. */
function errorText(body: Buffer): string {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return '';
  }
  const errors: unknown = isRecord(value) ? value['errors'] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const message = isRecord(first) ? (first['message'] ?? first['code']) : undefined;
  return typeof message === 'string' ? message.replace(/[\0-\x1f\x7f]+/g, ' ').slice(0, 200) : '';
}
