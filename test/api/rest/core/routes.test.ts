import { expect, test } from 'vitest';
import { parsePath, verbOf, type Route } from '../../../../src/api/rest/core/routes.ts';

const shown = (route: Route | undefined): string => {
  if (route === undefined) return 'broken';
  if (route.kind !== 'resource') return Object.values(route).map((part) => part ?? '-').join(' ').trim();
  const { group, version, resource, namespace, name, subresource } = route.ref;
  const place = [group || 'core', version, namespace === '' ? '*' : namespace, resource, name, subresource].filter((part) => part !== '');
  return `${route.isWatchPath ? 'watch ' : ''}${place.join(' ')}${route.rest === '' ? '' : ` + ${route.rest}`}`;
};

test.each([
  ['/api', 'discovery  -'],
  ['/api/', 'discovery  -'],
  ['/apis', 'discovery - -'],
  ['/apis/apps', 'discovery apps -'],
  ['/api/v1', 'discovery  v1'],
  ['/apis/apps/v1', 'discovery apps v1'],
  ['/api/v1/pods', 'core v1 * pods'],
  ['/api/v1/nodes/n1', 'core v1 * nodes n1'],
  ['/api/v1/nodes/n1/status', 'core v1 * nodes n1 status'],
  ['/api/v1/namespaces', 'core v1 * namespaces'],
  ['/api/v1/namespaces/a', 'core v1 * namespaces a'],
  ['/api/v1/namespaces/a/status', 'core v1 * namespaces a status'],
  ['/api/v1/namespaces/a/finalize', 'core v1 * namespaces a finalize'],
  ['/api/v1/namespaces/a/pods', 'core v1 a pods'],
  ['/api/v1/namespaces/a/pods/p/log', 'core v1 a pods p log'],
  ['/api/v1/namespaces/a/services/s:80/proxy/x/y', 'core v1 a services s:80 proxy + /x/y'],
  ['/api/v1/namespaces/a/pods/p/proxy', 'core v1 a pods p proxy'],
  ['/api/v1/namespaces/a/pods/p/proxy//x%2Fy/', 'core v1 a pods p proxy + //x%2Fy/'],
  ['/api/v1/nodes/n/proxy/', 'core v1 * nodes n proxy + /'],
  ['/apis/apps/v1/namespaces/a/deployments/d/scale', 'apps v1 a deployments d scale'],
  ['/apis/apps/v1/watch/namespaces/a/deployments/d', 'watch apps v1 a deployments d'],
  ['/api/v1/watch/pods', 'watch core v1 * pods'],
  ['/api/v1/namespaces/a/configmaps/x%2Fy', 'core v1 a configmaps x/y'],
  ['/api/v1/pods/%zz', 'broken'],
  ['/api//v1/pods', 'none'],
  ['/api/v1/watch', 'none'],
  ['/healthz', 'health healthz'],
  ['/readyz/ping', 'health readyz ping'],
  ['/openapi/v3', 'openapi'],
  ['/openapi/v3/apis/apps/v1', 'openapi apis/apps/v1'],
  ['/openapi/v2', 'openapi-v2'],
  ['/openid/v1/jwks', 'jwks'],
  ['/.well-known/openid-configuration', 'issuer'],
  ['/version', 'version'],
  ['/version/x', 'none'],
  ['/', 'root'],
  ['/elsewhere', 'none'],
])('parsePath(%s) is %s', (path, wanted) => {
  expect(shown(parsePath(path))).toBe(wanted);
});

test('verbOf() tells list from get, a watch by its query or its path, and a collection by the missing name', () => {
  const at = (path: string) => {
    const route = parsePath(path);
    if (route?.kind !== 'resource') throw new Error(path);
    return route;
  };
  const [all, one, legacy] = [at('/api/v1/pods'), at('/api/v1/nodes/n'), at('/api/v1/watch/pods')];
  expect([verbOf('GET', all, false), verbOf('GET', all, true), verbOf('GET', one, true), verbOf('GET', legacy, false)]).toEqual(['list', 'watch', 'get', 'watch']);
  expect([verbOf('DELETE', all, false), verbOf('DELETE', one, false)]).toEqual(['deletecollection', 'delete']);
  expect([verbOf('OPTIONS', all, false), verbOf('HEAD', one, false)]).toEqual([undefined, undefined]);
});
