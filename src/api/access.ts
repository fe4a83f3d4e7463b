/**
 * Who may do what. Whoever asks is one {@link User}, whichever face he came through and whatever he showed; whether he
 * may is one function behind one interface. What stands here now knows the cluster's administrators and the cluster's own
 * parts; rules that are objects (RBAC) take the place of {@link systemAuthorizer}, and nothing else changes.
 */
import { ApiError } from '../kube/errors.ts';
import { qualifiedResource } from '../kube/resources.ts';

export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What is asked for: something of the API, or a path beside it such as `/metrics`. */
export type Attributes = ResourceAttributes | PathAttributes;

export interface ResourceAttributes {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export interface PathAttributes {
  readonly verb: string;
  readonly path: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** For the audit log and for `can-i`; may be empty. */
  readonly reason: string;
}

export interface ResourceRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
}

export interface PathRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

export interface Authorizer {
  authorize(user: User, attributes: Attributes): Decision | Promise<Decision>;
  /** What a user may do in a namespace, for `kubectl auth can-i --list`. */
  rules(user: User, namespace: string): { readonly resourceRules: readonly ResourceRule[]; readonly nonResourceRules: readonly PathRule[] };
}

export const MASTERS = 'system:masters';
export const AUTHENTICATED = 'system:authenticated';

export const ANONYMOUS: User = { name: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} };

/** Whoever reaches handlers without a connection: tests, the simulator, and gRPC in plain text on loopback. */
export const IN_PROCESS: User = { name: 'podium:in-process', uid: '', groups: [MASTERS, AUTHENTICATED], extra: {} };

/** The parts of a cluster, as the launcher issues their certificates. */
const COMPONENTS: ReadonlySet<string> = new Set(['system:kube-scheduler', 'system:kube-controller-manager']);

const EVERYTHING = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

/** What whoever is known may ask: of what the server can do, and of himself. */
const KNOWN_USER = {
  resourceRules: [
    { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
    { verbs: ['create'], apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'] },
  ],
  nonResourceRules: [
    {
      verbs: ['get'],
      nonResourceURLs: ['/', '/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', '/openid/v1/jwks', '/.well-known/openid-configuration', '/healthz', '/livez', '/readyz', '/version'],
    },
  ],
};

export const systemAuthorizer: Authorizer = {
  authorize(user, attributes) {
    if (user.groups.includes(MASTERS)) return { allowed: true, reason: 'member of system:masters' };
    if (isComponent(user)) return { allowed: true, reason: 'a part of this cluster' };
    if (user.groups.includes(AUTHENTICATED) && allows(KNOWN_USER, attributes)) return { allowed: true, reason: 'open to every known user' };
    return { allowed: false, reason: '' };
  },
  rules: (user) => (isTrusted(user) ? EVERYTHING : KNOWN_USER),
};

/** Whom the cluster cannot do without: who administers it, and what it consists of. */
export function isTrusted(user: User): boolean {
  return user.groups.includes(MASTERS) || isComponent(user);
}

function isComponent({ name, groups }: User): boolean {
  return COMPONENTS.has(name) || (name.startsWith('system:node:') && groups.includes('system:nodes'));
}

function allows(rules: ReturnType<Authorizer['rules']>, attributes: Attributes): boolean {
  const has = (list: readonly string[], value: string) => list.includes('*') || list.includes(value);
  if (!('path' in attributes)) {
    const { verb, group, resource, subresource } = attributes;
    const asked = subresource === '' ? resource : `${resource}/${subresource}`;
    return rules.resourceRules.some((rule) => has(rule.verbs, verb) && has(rule.apiGroups, group) && has(rule.resources, asked));
  }
  const { verb, path } = attributes;
  const covers = (url: string) => url === path || url === '*' || (url.endsWith('/*') && path.startsWith(url.slice(0, -1)));
  return rules.nonResourceRules.some((rule) => has(rule.verbs, verb) && rule.nonResourceURLs.some(covers));
}

/** Refuses in Kubernetes' words what the authorizer does not allow. */
export async function requireAllowed(authorizer: Authorizer, user: User, attributes: Attributes): Promise<Decision> {
  const decision = await authorizer.authorize(user, attributes);
  if (!decision.allowed) throw forbiddenFor(user, attributes, decision.reason);
  return decision;
}

function forbiddenFor(user: User, attributes: Attributes, reason: string): ApiError {
  const why = reason === '' ? '' : `: ${reason}`;
  const who = `User ${JSON.stringify(user.name)} cannot ${attributes.verb}`;
  if ('path' in attributes) return new ApiError('Forbidden', `forbidden: ${who} path ${JSON.stringify(attributes.path)}${why}`, { details: {} });
  const { group, resource, subresource, namespace, name } = attributes;
  const asked = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `${qualifiedResource({ group, resource })}${name === '' ? '' : ` ${JSON.stringify(name)}`}`;
  const message = `${what} is forbidden: ${who} resource ${JSON.stringify(asked)} in API group ${JSON.stringify(group)} ${where}${why}`;
  const details = { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource };
  return new ApiError('Forbidden', message, { details });
}

export function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized');
}
