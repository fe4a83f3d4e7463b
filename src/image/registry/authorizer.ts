/**
 * How a registry is convinced: it refuses with a challenge, and is answered with a user and password (Basic), or with a token that
 * a server which it names gives for them (distribution's token authentication; OAuth2 for a refresh token).
 *
 * Credentials are tried one after the other, at last none at all: a token for nobody is what public images need.
 */
import type { Credentials } from '../core/credentials.ts';
import { parseChallenges, type Challenge } from '../core/challenge.ts';
import { isRecord } from '../../kube/types.ts';
import { readBody, type RegistryTransport } from './transport.ts';

export interface AuthorizerOptions {
  readonly transport: RegistryTransport;
  readonly credentials: readonly Credentials[];
  /** `repository:library/busybox:pull`. */
  readonly scope: string;
  readonly caFile: string;
}

const TOKEN_BYTES_MAX = 1024 * 1024;

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #candidates: ReadonlyArray<Credentials | undefined>;
  #at = 0;
  #header: string | undefined;
  /** The header was taken once: a refusal later means that the token is over. */
  #hasWorked = false;
  #renewing: Promise<boolean> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#candidates = [...options.credentials, undefined];
  }

  get header(): string | undefined {
    return this.#header;
  }

  /** A request with `header` was let in. */
  accepted(header: string | undefined): void {
    if (header === this.#header && header !== undefined) this.#hasWorked = true;
  }

  /** A request with `header` was refused. True: there is another header to try. Several that were refused at once share it. */
  async refused(header: string | undefined, challenge: string | undefined, signal?: AbortSignal): Promise<boolean> {
    if (header !== this.#header) return true;
    this.#renewing ??= this.#renew(parseChallenges(challenge ?? ''), signal).finally(
      () => (this.#renewing = undefined),
    );
    return this.#renewing;
  }

  async #renew(challenges: readonly Challenge[], signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#header !== undefined && !this.#hasWorked) this.#at++;
    this.#hasWorked = false;
    for (; this.#at < this.#candidates.length; this.#at++) {
      const header = await this.#headerFor(this.#candidates[this.#at], challenges, signal);
      if (header === undefined || header === this.#header) continue;
      this.#header = header;
      return true;
    }
    return false;
  }

  async #headerFor(
    credentials: Credentials | undefined,
    challenges: readonly Challenge[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`;
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    if (bearer !== undefined) {
      const token = await this.#fetchToken(bearer.parameters, credentials, signal);
      return token === undefined ? undefined : `Bearer ${token}`;
    }
    const isBasic = challenges.some(({ scheme }) => scheme === 'basic');
    return isBasic && credentials !== undefined && credentials.username !== '' ? basic(credentials) : undefined;
  }

  /** Undefined: it is not given for these credentials. */
  async #fetchToken(
    parameters: ReadonlyMap<string, string>,
    credentials: Credentials | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const { transport, caFile } = this.#options;
    const realm = parameters.get('realm') ?? '';
    if (!URL.canParse(realm)) return undefined;
    const fields = new URLSearchParams();
    const service = parameters.get('service');
    if (service !== undefined) fields.set('service', service);
    fields.set('scope', parameters.get('scope') ?? this.#options.scope);
    const url = new URL(realm);
    const common = { caFile, signal };
    let answer;
    if (credentials?.identityToken !== undefined) {
      fields.set('grant_type', 'refresh_token');
      fields.set('client_id', 'podium');
      fields.set('refresh_token', credentials.identityToken);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      answer = await transport.request(url, { ...common, method: 'POST', headers, body: fields.toString() });
    } else {
      for (const [name, value] of fields) url.searchParams.set(name, value);
      const headers =
        credentials === undefined || credentials.username === '' ? {} : { authorization: basic(credentials) };
      answer = await transport.request(url, { ...common, headers });
    }
    const body = await readBody(answer, TOKEN_BYTES_MAX);
    return answer.status === 200 ? readToken(body.toString('utf8')) : undefined;
  }
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function readToken(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // a page that is no answer of a token server
  }
  if (!isRecord(value)) return undefined;
  const token = value['token'] ?? value['access_token'];
  // A line break would begin another header.
  return typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}
