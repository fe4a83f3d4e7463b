/**
 * From a method and a path to what is meant by them: Kubernetes' paths as they have been since 1.0. Pure; it knows no
 * kind, so that `/api/v1/namespaces/a/things` is a resource called `things`, which the registry may not have.
 */
import type { Ref } from '../../requests.ts';

export type Verb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection';

export type HealthCheck = 'healthz' | 'livez' | 'readyz';

export type Route =
  /** `rest`: what comes behind the subresource; of a proxy as it came, for it is somebody else's to read. */
  | { readonly kind: 'resource'; readonly ref: Ref; readonly isWatchPath: boolean; readonly rest: string }
  /** `/api`, `/apis`, `/apis/apps`, `/apis/apps/v1`; absent parts are undefined, the core group is ''. */
  | { readonly kind: 'discovery'; readonly group: string | undefined; readonly version: string | undefined }
  | { readonly kind: 'openapi'; readonly groupVersion: string }
  | { readonly kind: 'openapi-v2' }
  | { readonly kind: 'health'; readonly check: HealthCheck; readonly one: string }
  | { readonly kind: 'version' | 'metrics' | 'jwks' | 'issuer' | 'root' }
  | { readonly kind: 'none' };

/** What of a namespace is asked for by `/namespaces/NAME/…` and is not a resource in it. */
const NAMESPACE_PARTS: ReadonlySet<string> = new Set(['status', 'finalize']);
const NONE: Route = { kind: 'none' };
const PROXY = /^(\/api\/v1\/(?:namespaces\/[^/]+\/(?:pods|services)|nodes)\/[^/]+\/proxy)(\/.*)?$/;

/** Undefined: an escape sequence in it is broken. */
export function parsePath(path: string): Route | undefined {
  const [, proxy, behind = ''] = PROXY.exec(path) ?? [];
  if (proxy === undefined) return parseOwn(path);
  const route = parseOwn(proxy);
  return route?.kind === 'resource' ? { ...route, rest: behind } : route;
}

function parseOwn(path: string): Route | undefined {
  const [first = '', ...rest] = path.slice(1).split('/');
  // One slash at the end is as none.
  if (rest.length > 0 && rest.at(-1) === '') rest.pop();
  if (rest.includes('')) return NONE;
  const parts = decoded(rest);
  if (parts === undefined) return undefined;
  switch (first) {
    case 'api':
      return parts.length === 0 ? { kind: 'discovery', group: '', version: undefined } : inGroup('', parts);
    case 'apis':
      if (parts.length === 0) return { kind: 'discovery', group: undefined, version: undefined };
      return inGroup(parts[0]!, parts.slice(1));
    case 'openapi':
      if (parts.join('/') === 'v2') return { kind: 'openapi-v2' };
      return parts[0] === 'v3' ? { kind: 'openapi', groupVersion: parts.slice(1).join('/') } : openIdOr(first, parts);
    case 'healthz':
    case 'livez':
    case 'readyz':
      return { kind: 'health', check: first, one: parts.join('/') };
    case 'version':
    case 'metrics':
      return parts.length === 0 ? { kind: first } : NONE;
    case '':
      return { kind: 'root' };
    default:
      return openIdOr(first, parts);
  }
}

function openIdOr(first: string, parts: readonly string[]): Route {
  const path = [first, ...parts].join('/');
  if (path === 'openid/v1/jwks') return { kind: 'jwks' };
  return path === '.well-known/openid-configuration' ? { kind: 'issuer' } : NONE;
}

function inGroup(group: string, [version, ...parts]: readonly string[]): Route {
  if (version === undefined || parts.length === 0) return { kind: 'discovery', group, version };
  const isWatchPath = parts[0] === 'watch';
  const [first, second, third, ...more] = isWatchPath ? parts.slice(1) : parts;
  if (first === undefined) return NONE;
  const route = (resource: string, namespace: string, [name = '', subresource = '', ...rest]: readonly string[]): Route => ({
    kind: 'resource',
    ref: { group, version, resource, namespace, name, subresource },
    isWatchPath,
    rest: rest.join('/'),
  });
  const isInNamespace = first === 'namespaces' && second !== undefined && third !== undefined && !NAMESPACE_PARTS.has(third);
  if (isInNamespace) return route(third, second, more);
  return route(first, '', [second, third, ...more].filter((part) => part !== undefined));
}

function decoded(parts: readonly string[]): string[] | undefined {
  try {
    return parts.map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}

/** Undefined: the method does nothing here. */
export function verbOf(method: string, { ref, isWatchPath }: { readonly ref: Ref; readonly isWatchPath: boolean }, watches: boolean): Verb | undefined {
  switch (method) {
    case 'GET':
      if (isWatchPath) return 'watch';
      if (ref.name !== '') return 'get';
      return watches ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return ref.name === '' ? 'deletecollection' : 'delete';
    case 'HEAD':
    case 'OPTIONS':
      // Of whoever is behind it.
      return ref.subresource === 'proxy' ? 'get' : undefined;
    default:
      return undefined;
  }
}
