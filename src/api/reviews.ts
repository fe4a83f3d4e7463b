/**
 * What is only ever created: questions that are answered at once and kept nowhere. Who am I, may I, may he, whose token is
 * this; and a token for a service account, which is a subresource of it. Both faces answer them here.
 */
import { formatTime, type Clock } from '../base/clock.ts';
import { badRequest, invalid, invalidObject, unknownResource } from '../kube/errors.ts';
import { apiVersionOf, type ResourceInfo } from '../kube/resources.ts';
import { isRecord, type KubeObject } from '../kube/types.ts';
import type { Attributes, Authorizer, User } from './access.ts';
import type { Authenticator } from './access/authenticator.ts';
import type { ServiceAccountTokens } from './access/service-accounts.ts';
import type { ServedResource } from './core/discovery.ts';
import type { Ref } from './registry.ts';

export interface ReviewsOptions {
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** undefined: there are no tokens of service accounts. */
  readonly tokens: ServiceAccountTokens | undefined;
}

interface Asked {
  readonly user: User;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly ref: Ref;
}

type Answer = (asked: Asked) => Promise<object>;

const info = (group: string, kind: string, namespaced = false): ResourceInfo => ({
  group,
  version: 'v1',
  resource: `${kind.toLowerCase()}s`,
  kind,
  singular: kind.toLowerCase(),
  shortNames: [],
  namespaced,
  categories: [],
});

const AUTHENTICATION = 'authentication.k8s.io';
const AUTHORIZATION = 'authorization.k8s.io';

export class Reviews {
  readonly #answers: ReadonlyMap<string, { readonly info: ResourceInfo; readonly answer: Answer }>;
  readonly #options: ReviewsOptions;

  constructor(options: ReviewsOptions) {
    this.#options = options;
    const rows: readonly (readonly [ResourceInfo, Answer])[] = [
      [info(AUTHENTICATION, 'SelfSubjectReview'), ({ user }) => Promise.resolve({ userInfo: userInfo(user) })],
      [info(AUTHENTICATION, 'TokenReview'), (asked) => this.#reviewToken(asked)],
      [info(AUTHORIZATION, 'SelfSubjectAccessReview'), ({ user, spec }) => this.#reviewAccess(user, spec, 'SelfSubjectAccessReview')],
      [info(AUTHORIZATION, 'SubjectAccessReview'), ({ spec }) => this.#reviewAccess(subjectOf(spec), spec, 'SubjectAccessReview')],
      [info(AUTHORIZATION, 'LocalSubjectAccessReview', true), ({ spec }) => this.#reviewAccess(subjectOf(spec), spec, 'LocalSubjectAccessReview')],
      [info(AUTHORIZATION, 'SelfSubjectRulesReview'), (asked) => this.#reviewRules(asked)],
    ];
    this.#answers = new Map(rows.map(([row, answer]) => [keyOf(row), { info: row, answer }]));
  }

  get served(): readonly ServedResource[] {
    return [...this.#answers.values()].map((one) => ({ info: one.info, verbs: ['create'], subresources: [] }));
  }

  has(ref: Pick<Ref, 'group' | 'version' | 'resource' | 'subresource'>): boolean {
    return isTokenRequest(ref) || (ref.subresource === '' && this.#answers.has(keyOf(ref)));
  }

  async create(ref: Ref, body: unknown, { user }: { readonly user: User }): Promise<KubeObject> {
    if (isTokenRequest(ref)) {
      if (this.#options.tokens === undefined) throw unknownResource();
      checkKind(body, { kind: 'TokenRequest', apiVersion: `${AUTHENTICATION}/v1` });
      return this.#options.tokens.request(ref, body);
    }
    const row = this.#answers.get(keyOf(ref))!;
    const apiVersion = apiVersionOf(row.info);
    const sent = checkKind(body, { kind: row.info.kind, apiVersion });
    const spec = isRecord(sent['spec']) ? sent['spec'] : {};
    const metadata = isRecord(sent['metadata']) ? sent['metadata'] : {};
    const name = typeof metadata['name'] === 'string' ? metadata['name'] : '';
    const status = await row.answer({ user, spec, ref });
    const isDated = row.info.kind === 'SelfSubjectReview';
    const created = isDated ? { creationTimestamp: formatTime(this.#options.clock.wall()) } : {};
    return { kind: row.info.kind, apiVersion, metadata: { ...metadata, name, ...created }, ...(sent['spec'] === undefined ? {} : { spec }), status };
  }

  async #reviewToken({ spec }: Asked): Promise<object> {
    const { token = '', audiences } = spec;
    if (typeof token !== 'string' || token === '') throw badRequest('token is required for TokenReview in authentication');
    const asked = Array.isArray(audiences) && audiences.length > 0 ? audiences.map(String) : undefined;
    const user = await this.#options.authenticator.authenticateToken(token, asked);
    // A static token is for the API server alone, whoever asks.
    if (user === undefined) return { authenticated: false, user: {}, error: 'invalid bearer token' };
    return { authenticated: true, user: userInfo(user), ...(asked === undefined ? {} : { audiences: asked }) };
  }

  async #reviewAccess(user: User, spec: Readonly<Record<string, unknown>>, kind: string): Promise<object> {
    const attributes = attributesOf(spec, kind);
    const { allowed, reason } = await this.#options.authorizer.authorize(user, attributes);
    return { allowed, ...(reason === '' ? {} : { reason }) };
  }

  #reviewRules({ user, spec }: Asked): Promise<object> {
    const namespace = textOf(spec, 'namespace');
    if (namespace === '') throw badRequest('no namespace on request');
    return Promise.resolve({ ...this.#options.authorizer.rules(user, namespace), incomplete: false });
  }
}

const isTokenRequest = ({ group, resource, subresource }: Pick<Ref, 'group' | 'resource' | 'subresource'>) =>
  group === '' && resource === 'serviceaccounts' && subresource === 'token';

const keyOf = ({ group, version, resource }: Pick<Ref, 'group' | 'version' | 'resource'>) => `${group}/${version}/${resource}`;

function checkKind(body: unknown, wanted: { readonly kind: string; readonly apiVersion: string }): Readonly<Record<string, unknown>> {
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  const { kind = wanted.kind, apiVersion = wanted.apiVersion } = body;
  if (kind === wanted.kind && apiVersion === wanted.apiVersion) return body;
  const found = `${String(apiVersion)}, Kind=${String(kind)}`;
  throw badRequest(`the object provided is unrecognized (must be of type ${wanted.kind} in ${wanted.apiVersion}, not ${found})`);
}

/** As `authentication.k8s.io` has it. */
export function userInfo({ name, uid, groups, extra }: User): object {
  return { username: name, ...(uid === '' ? {} : { uid }), groups, ...(Object.keys(extra).length === 0 ? {} : { extra }) };
}

function subjectOf(spec: Readonly<Record<string, unknown>>): User {
  const groups = Array.isArray(spec['groups']) ? spec['groups'].map(String) : [];
  return { name: textOf(spec, 'user'), uid: textOf(spec, 'uid'), groups, extra: {} };
}

function attributesOf(spec: Readonly<Record<string, unknown>>, kind: string): Attributes {
  const { resourceAttributes, nonResourceAttributes } = spec;
  const refused = (detail: string) => invalidObject({ group: AUTHORIZATION, resource: `${kind.toLowerCase()}s`, kind }, '', [invalid('spec', {}, detail)]);
  if (isRecord(resourceAttributes) && isRecord(nonResourceAttributes)) throw refused('cannot specify both resourceAttributes and nonResourceAttributes');
  if (isRecord(nonResourceAttributes)) return { verb: textOf(nonResourceAttributes, 'verb'), path: textOf(nonResourceAttributes, 'path') };
  if (!isRecord(resourceAttributes)) throw refused('exactly one of nonResourceAttributes or resourceAttributes must be specified');
  const text = (field: string) => textOf(resourceAttributes, field);
  return {
    verb: text('verb'),
    group: text('group'),
    version: text('version'),
    resource: text('resource'),
    subresource: text('subresource'),
    namespace: text('namespace'),
    name: text('name'),
  };
}

function textOf(record: Readonly<Record<string, unknown>>, field: string): string {
  const value = record[field];
  return typeof value === 'string' ? value : '';
}
