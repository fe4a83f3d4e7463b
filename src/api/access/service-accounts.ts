/**
 * Tokens of service accounts: signed by a key of the cluster, good for some audiences and some time, and only as long as
 * the account, and the object that the token was bound to, are there with the uid that the token names.
 */
import { formatTime, type Clock } from '../../base/clock.ts';
import { createJwsKey, decodeJwsPart, type JwsKey } from '../../base/jws.ts';
import { ApiError, badRequest, invalid, invalidObject, isReason, notFound } from '../../kube/errors.ts';
import { isRecord, typed, type KubeObject } from '../../kube/types.ts';
import type { Pod } from 'kubernetes-types/core/v1.js';
import type { Random } from '../../base/random.ts';
import type { User } from '../access.ts';
import type { Ref } from '../requests.ts';
import { withAuthenticated, type TokenAuthenticator } from './authenticator.ts';

export interface ServiceAccountKeys {
  readonly issuer: string;
  /** What tokens are for that nobody asked otherwise of; the API itself is one of them. Empty: the issuer. */
  readonly audiences?: readonly string[];
  /** PEM; absent: no token is issued here. */
  readonly signingKey?: Uint8Array | undefined;
  /** PEM; tokens of each are taken, and of the signing key. */
  readonly keys: readonly Uint8Array[];
}

export interface ServiceAccountOptions extends ServiceAccountKeys {
  readonly clock: Clock;
  readonly random: Random;
  /** Reads what the caches hold; throws NotFound. */
  readonly get: (ref: Ref, resourceVersion: string) => Promise<KubeObject>;
}

const INFO = { group: 'authentication.k8s.io', version: 'v1', resource: 'tokenrequests', kind: 'TokenRequest' } as const;
const PREFIX = 'system:serviceaccount:';
const LIFETIME_SECONDS = 3_600;
const LIFETIME_SECONDS_MIN = 600;
const LIFETIME_SECONDS_MAX = 2 ** 32;
/** A verification costs a third of a millisecond: the outcome is kept. Past it the oldest is forgotten. */
const VERIFIED_MAX = 1_000;
const BOUND_KINDS: Readonly<Record<string, { readonly resource: string; readonly namespaced: boolean }>> = {
  Pod: { resource: 'pods', namespaced: true },
  Secret: { resource: 'secrets', namespaced: true },
  Node: { resource: 'nodes', namespaced: false },
};

interface Named {
  readonly name: string;
  readonly uid: string;
}

export class ServiceAccountTokens implements TokenAuthenticator {
  readonly #options: ServiceAccountOptions;
  readonly #keys: readonly JwsKey[];
  readonly #signer: JwsKey | undefined;
  readonly #audiences: readonly string[];
  readonly #verified = new Map<string, Readonly<Record<string, unknown>>>();

  constructor(options: ServiceAccountOptions) {
    this.#options = options;
    const { signingKey, keys, audiences = [], issuer } = options;
    this.#signer = signingKey === undefined ? undefined : createJwsKey({ privateKey: signingKey });
    const all = [...(this.#signer === undefined ? [] : [this.#signer]), ...keys.map((publicKey) => createJwsKey({ publicKey }))];
    // The signing key is often among the others.
    this.#keys = [...new Map(all.map((key) => [key.publicJwk?.kid, key])).values()];
    this.#audiences = audiences.length === 0 ? [issuer] : audiences;
  }

  /** RFC 7517: what others verify tokens with. */
  get jwks(): object {
    return { keys: this.#keys.map(({ publicJwk }) => publicJwk) };
  }

  openIdConfiguration(jwksUri: string): object {
    return {
      issuer: this.#options.issuer,
      jwks_uri: jwksUri,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...new Set(this.#keys.map(({ method }) => method))],
    };
  }

  async authenticateToken(token: string, audiences: readonly string[] = this.#audiences): Promise<User | undefined> {
    const claims = this.#claims(token);
    if (claims === undefined) return undefined;
    const { aud, exp, nbf, sub, jti } = claims;
    const nowSeconds = this.#options.clock.wall() / 1000;
    if (typeof exp !== 'number' || exp <= nowSeconds || (typeof nbf === 'number' && nbf > nowSeconds + 60)) return undefined;
    const good = Array.isArray(aud) ? aud : [aud];
    if (!audiences.some((audience) => good.includes(audience))) return undefined;
    const bound = boundOf(claims);
    if (bound === undefined || sub !== `${PREFIX}${bound.namespace}:${bound.account.name}`) return undefined;
    if (!(await this.#isThere('serviceaccounts', bound.namespace, bound.account))) return undefined;
    for (const [kind, { resource, namespaced }] of Object.entries(BOUND_KINDS)) {
      const one = bound.objects[kind];
      if (one !== undefined && !(await this.#isThere(resource, namespaced ? bound.namespace : '', one))) return undefined;
    }
    return userOf(bound, typeof jti === 'string' ? jti : '');
  }

  /** A TokenRequest for the account: the same with its status. */
  async request(ref: Ref, request: KubeObject): Promise<KubeObject> {
    const sign = this.#signer?.sign;
    if (sign === undefined) throw new ApiError('ServiceUnavailable', 'this API server has no key to sign tokens of service accounts with');
    const account = await this.#options.get({ ...ref, subresource: '' }, '');
    const { audiences, expirationSeconds, boundObjectRef } = decodeRequest(request);
    const bound = boundObjectRef === undefined ? undefined : await this.#boundObject(ref, boundObjectRef);
    const iat = Math.floor(this.#options.clock.wall() / 1000);
    const exp = iat + expirationSeconds;
    const aud = audiences.length === 0 ? this.#audiences : audiences;
    const named = { name: ref.name, uid: account.metadata.uid };
    const claims = {
      aud,
      exp,
      iat,
      iss: this.#options.issuer,
      jti: this.#options.random.uuid(),
      'kubernetes.io': { namespace: ref.namespace, ...bound, serviceaccount: named },
      nbf: iat,
      sub: `${PREFIX}${ref.namespace}:${ref.name}`,
    };
    const token = sign(claims, { kid: this.#signer?.publicJwk?.kid });
    const metadata = { name: ref.name, namespace: ref.namespace, uid: this.#options.random.uuid(), creationTimestamp: formatTime(iat * 1000) };
    const spec = { audiences: aud, expirationSeconds, boundObjectRef: boundObjectRef ?? null };
    const status = { token, expirationTimestamp: formatTime(exp * 1000) };
    return { kind: INFO.kind, apiVersion: 'authentication.k8s.io/v1', metadata, spec, status };
  }

  async #boundObject(ref: Ref, asked: BoundObjectRef): Promise<object> {
    const { kind, name, uid } = asked;
    const target = BOUND_KINDS[kind];
    if (target === undefined) throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(ref.name)} to object of type ${kind}`);
    const object = await this.#options.get({ ...ref, resource: target.resource, namespace: target.namespaced ? ref.namespace : '', name, subresource: '' }, '');
    const info = { group: '', resource: target.resource, kind };
    if (uid !== '' && uid !== object.metadata.uid) {
      throw new ApiError('Conflict', `Operation cannot be fulfilled on ${target.resource} ${JSON.stringify(name)}: the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`);
    }
    const pod = kind === 'Pod' ? typed<Pod>(object).spec : undefined;
    if (pod !== undefined && (pod.serviceAccountName ?? 'default') !== ref.name) {
      throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(ref.name)} to pod running with different serviceaccount name.`);
    }
    if (object.metadata.deletionTimestamp !== undefined && kind !== 'Pod') throw notFound(info, name);
    const named = { name, uid: object.metadata.uid };
    return { [kind.toLowerCase()]: named };
  }

  #claims(token: string): Readonly<Record<string, unknown>> | undefined {
    const known = this.#verified.get(token);
    if (known !== undefined) return known;
    const [head = '', body = ''] = token.split('.');
    // Most tokens that are not ours say so: no key needs to be tried.
    if (decodeJwsPart(body)?.['iss'] !== this.#options.issuer) return undefined;
    const kid = decodeJwsPart(head)?.['kid'];
    for (const key of this.#keys) {
      if (kid !== undefined && kid !== key.publicJwk?.kid) continue;
      const claims = key.verify(token);
      if (claims === undefined) continue;
      this.#verified.set(token, claims);
      if (this.#verified.size > VERIFIED_MAX) this.#verified.delete(this.#verified.keys().next().value!);
      return claims;
    }
    return undefined;
  }

  async #isThere(resource: string, namespace: string, { name, uid }: Named): Promise<boolean> {
    const ref: Ref = { group: '', version: 'v1', resource, namespace, name, subresource: '' };
    // The cache may be behind what was created a moment ago: then the store is asked.
    return (await this.#uidOf(ref, '0')) === uid || (await this.#uidOf(ref, '')) === uid;
  }

  async #uidOf(ref: Ref, resourceVersion: string): Promise<string | undefined> {
    try {
      return (await this.#options.get(ref, resourceVersion)).metadata.uid;
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

interface Bound {
  readonly namespace: string;
  readonly account: Named;
  readonly objects: Readonly<Record<string, Named | undefined>>;
}

function boundOf(claims: Readonly<Record<string, unknown>>): Bound | undefined {
  const own = claims['kubernetes.io'];
  if (!isRecord(own) || typeof own['namespace'] !== 'string') return undefined;
  const account = namedOf(own['serviceaccount']);
  if (account === undefined) return undefined;
  const objects = Object.fromEntries(Object.keys(BOUND_KINDS).map((kind) => [kind, namedOf(own[kind.toLowerCase()])]));
  return { namespace: own['namespace'], account, objects };
}

function namedOf(value: unknown): Named | undefined {
  if (!isRecord(value) || typeof value['name'] !== 'string' || typeof value['uid'] !== 'string') return undefined;
  return { name: value['name'], uid: value['uid'] };
}

function userOf({ namespace, account, objects }: Bound, jti: string): User {
  const extra: Record<string, string[]> = jti === '' ? {} : { 'authentication.kubernetes.io/credential-id': [`JTI=${jti}`] };
  for (const kind of ['Pod', 'Node']) {
    const one = objects[kind];
    if (one === undefined) continue;
    extra[`authentication.kubernetes.io/${kind.toLowerCase()}-name`] = [one.name];
    extra[`authentication.kubernetes.io/${kind.toLowerCase()}-uid`] = [one.uid];
  }
  const groups = withAuthenticated(['system:serviceaccounts', `system:serviceaccounts:${namespace}`]);
  return { name: `${PREFIX}${namespace}:${account.name}`, uid: account.uid, groups, extra };
}

interface BoundObjectRef {
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly uid: string;
}

/** Of a request whose types have been seen. */
function decodeRequest(request: KubeObject) {
  const { audiences = [], expirationSeconds = LIFETIME_SECONDS, boundObjectRef } = (request['spec'] ?? {}) as Partial<TokenRequestSpec>;
  const field = 'spec.expirationSeconds';
  if (expirationSeconds < LIFETIME_SECONDS_MIN) throw invalidObject(INFO, '', [invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes')]);
  if (expirationSeconds > LIFETIME_SECONDS_MAX) throw invalidObject(INFO, '', [invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds')]);
  return { audiences, expirationSeconds, boundObjectRef: boundObjectRef === undefined ? undefined : decodeBound(boundObjectRef) };
}

interface TokenRequestSpec {
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly boundObjectRef: Partial<BoundObjectRef>;
}

function decodeBound({ kind = '', apiVersion = '', name = '', uid = '' }: Partial<BoundObjectRef>): BoundObjectRef {
  return { kind, apiVersion, name, uid };
}
