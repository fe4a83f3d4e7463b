/**
 * What is only ever created: questions that are answered at once and kept nowhere. Who am I, may I, may he, whose token is
 * this; and a token for a service account, which is a subresource of it. Both faces answer them here.
 */
import { assert } from '../base/assert.ts';
import { formatTime, type Clock } from '../base/clock.ts';
import { badRequest, invalid, invalidObject, unknownResource, type FieldError } from '../kube/errors.ts';
import { apiVersionOf, type ResourceInfo } from '../kube/resources.ts';
import { isRecord, type KubeObject, type ObjectMeta } from '../kube/types.ts';
import type { Attributes, Authorizer, User } from './access.ts';
import type { Authenticator } from './access/authenticator.ts';
import type { ServiceAccountTokens } from './access/service-accounts.ts';
import type { ServedResource } from './core/discovery.ts';
import { decodeAs, type FieldValidation } from './core/draft.ts';
import type { Ref } from './requests.ts';

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
      [info(AUTHORIZATION, 'SelfSubjectAccessReview'), ({ user, spec }) => this.#reviewAccess(user, spec)],
      [info(AUTHORIZATION, 'SubjectAccessReview'), ({ spec }) => this.#reviewAccess(subjectOf(spec), spec)],
      [info(AUTHORIZATION, 'LocalSubjectAccessReview', true), ({ spec }) => this.#reviewAccess(subjectOf(spec), spec)],
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

  async create(ref: Ref, body: unknown, { user, fieldValidation = 'Ignore' }: { readonly user: User; readonly fieldValidation?: FieldValidation }): Promise<KubeObject> {
    if (!isRecord(body)) throw badRequest('the body of the request is not an object');
    if (isTokenRequest(ref)) {
      if (this.#options.tokens === undefined) throw unknownResource();
      const request = { group: AUTHENTICATION, version: 'v1', kind: 'TokenRequest' };
      return this.#options.tokens.request(ref, decodeAs(request, 'AuthenticationV1TokenRequest', body, fieldValidation));
    }
    const row = this.#answers.get(keyOf(ref))!;
    const { kind } = row.info;
    const sent = decodeAs(row.info, `V1${kind}`, body, fieldValidation);
    const spec = isRecord(sent['spec']) ? sent['spec'] : {};
    const metadata = present(sent.metadata);
    if (row.info.group === AUTHORIZATION && kind !== 'SelfSubjectRulesReview') checkAccessReview(row.info, { metadata, spec, ref });
    const status = await row.answer({ user, spec, ref });
    const created = kind === 'SelfSubjectReview' ? { creationTimestamp: formatTime(this.#options.clock.wall()) } : {};
    const shown = { ...metadata, ...created } as unknown as ObjectMeta; // what is kept nowhere needs no name
    return { kind, apiVersion: apiVersionOf(row.info), metadata: shown, ...(sent['spec'] === undefined ? {} : { spec }), status };
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

  async #reviewAccess(user: User, spec: Readonly<Record<string, unknown>>): Promise<object> {
    const attributes = attributesOf(spec);
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

/** Without what is empty. */
function present(metadata: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined && value !== ''));
}

interface Review {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly ref: Ref;
}

/** Of whom and of what is asked, and nothing beside it. */
function checkAccessReview(info: ResourceInfo, { metadata: { namespace, managedFields: _, ...metadata }, spec, ref }: Review): void {
  const errors: FieldError[] = [];
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (isRecord(resourceAttributes) === isRecord(nonResourceAttributes)) {
    errors.push(invalid('spec', spec, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'));
  }
  const groups = spec['groups'];
  const isOfSomebody = textOf(spec, 'user') !== '' || (Array.isArray(groups) && groups.length > 0);
  if (info.kind !== 'SelfSubjectAccessReview' && !isOfSomebody) errors.push(invalid('spec.user', '', 'at least one of user or group must be specified'));
  const rest = info.namespaced || namespace === undefined ? metadata : { ...metadata, namespace };
  if (Object.keys(rest).length > 0) errors.push(invalid('metadata', rest, info.namespaced ? 'must be empty except for namespace' : 'must be empty'));
  if (info.namespaced) {
    if (isRecord(resourceAttributes) && textOf(resourceAttributes, 'namespace') !== ref.namespace) {
      errors.push(invalid('spec.resourceAttributes.namespace', textOf(resourceAttributes, 'namespace'), 'must match metadata.namespace'));
    }
    if (isRecord(nonResourceAttributes)) errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request'));
  }
  if (errors.length > 0) throw invalidObject(info, '', errors);
}

/** As `authentication.k8s.io` has it. */
export function userInfo({ name, uid, groups, extra }: User): object {
  return { username: name, ...(uid === '' ? {} : { uid }), groups, ...(Object.keys(extra).length === 0 ? {} : { extra }) };
}

function subjectOf(spec: Readonly<Record<string, unknown>>): User {
  const groups = Array.isArray(spec['groups']) ? spec['groups'].map(String) : [];
  return { name: textOf(spec, 'user'), uid: textOf(spec, 'uid'), groups, extra: {} };
}

function attributesOf({ resourceAttributes, nonResourceAttributes }: Readonly<Record<string, unknown>>): Attributes {
  if (isRecord(nonResourceAttributes)) return { verb: textOf(nonResourceAttributes, 'verb'), path: textOf(nonResourceAttributes, 'path') };
  assert(isRecord(resourceAttributes), 'a review asks about something');
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
