/** Who may come in and what he may do, on both faces, and what is written down of it. */
import { expect, test } from 'vitest';
import { systemAuthorizer, type Attributes, type User } from '../../../src/api/access.ts';
import { bearerOf, subjectOf } from '../../../src/api/access/authenticator.ts';
import { parseTokenFile } from '../../../src/api/access/token-file.ts';
import { Encoding, Resources } from '../../../src/proto/api.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { RpcError } from '../../../src/proto/rpc.ts';
import { decodeStatusDetails } from '../../../src/proto/struct.ts';
import { pod, quiet, ref } from '../fixture.ts';
import { refusalOf, startRest, VIEWER_TOKEN, type RestClient } from './fixture.ts';

const PODS = '/api/v1/namespaces/default/pods';
const review = (group: string, kind: string, spec?: object) => ({ apiVersion: `${group}/v1`, kind, ...(spec === undefined ? {} : { spec }) });
const AUTHORIZATION = '/apis/authorization.k8s.io/v1';
const AUTHENTICATION = '/apis/authentication.k8s.io/v1';

const userInfoOf = async (client: RestClient) => (await client.request('POST', `${AUTHENTICATION}/selfsubjectreviews`, { body: review('authentication.k8s.io', 'SelfSubjectReview') })).body.status;

test('a certificate or a token says who one is; nobody is let in but to health and version', async () => {
  const { client, certificates } = await startRest();
  const nobody = client({});
  expect(refusalOf(await nobody.get('/api/v1/pods'))).toBe('401 Unauthorized: Unauthorized');
  for (const path of ['/healthz', '/livez', '/readyz', '/version']) expect([path, (await nobody.get(path)).status]).toEqual([path, 200]);
  for (const path of ['/metrics', '/api', '/openid/v1/jwks', '/nowhere']) expect([path, (await nobody.get(path)).status]).toEqual([path, path === '/nowhere' ? 404 : 401]);
  expect((await client({ token: 'wrong' }).get('/healthz')).status).toBe(200);
  expect(refusalOf(await client({ certificate: certificates.stranger }).get('/api/v1/pods'))).toBe('401 Unauthorized: Unauthorized');
  expect(await userInfoOf(client({ certificate: certificates.admin }))).toEqual({ userInfo: { username: 'alice', groups: ['system:masters', 'system:authenticated'] } });
  // A certificate goes before a token.
  expect(await userInfoOf(client({ certificate: certificates.admin, token: VIEWER_TOKEN }))).toMatchObject({ userInfo: { username: 'alice' } });
  expect(await userInfoOf(client({ token: VIEWER_TOKEN }))).toEqual({ userInfo: { username: 'viewer', uid: '7', groups: ['viewers', 'system:authenticated'] } });
});

test('who may not is told in Kubernetes` words', async () => {
  const { client } = await startRest();
  const viewer = client({ token: VIEWER_TOKEN });
  const refused = await viewer.get(PODS);
  expect(refusalOf(refused)).toBe('403 Forbidden: pods is forbidden: User "viewer" cannot list resource "pods" in API group "" in the namespace "default"');
  expect(refused.body.details).toEqual({ kind: 'pods' });
  const named = await viewer.request('DELETE', '/apis/apps/v1/namespaces/a/deployments/web');
  expect(refusalOf(named)).toBe('403 Forbidden: deployments.apps "web" is forbidden: User "viewer" cannot delete resource "deployments" in API group "apps" in the namespace "a"');
  expect(refusalOf(await viewer.get('/api/v1/nodes'))).toContain('cannot list resource "nodes" in API group "" at the cluster scope');
  expect(refusalOf(await viewer.get(`${PODS}/p/log`))).toContain('cannot get resource "pods/log"');
  expect(refusalOf(await viewer.get('/metrics'))).toBe('403 Forbidden: forbidden: User "viewer" cannot get path "/metrics"');
  // What the server can do is open to every known user.
  for (const path of ['/api', '/apis/apps/v1', '/openid/v1/jwks']) expect([path, (await viewer.get(path)).status]).toEqual([path, 200]);
});

test('can-i answers for oneself and for others', async () => {
  const { client } = await startRest();
  const [admin, viewer] = [client(), client({ token: VIEWER_TOKEN })];
  const attributes = { namespace: 'default', verb: 'create', resource: 'pods' };
  const mayI = async (one: RestClient) => (await one.request('POST', `${AUTHORIZATION}/selfsubjectaccessreviews`, { body: review('authorization.k8s.io', 'SelfSubjectAccessReview', { resourceAttributes: attributes }) })).body.status;
  expect([await mayI(admin), await mayI(viewer)]).toMatchObject([{ allowed: true }, { allowed: false }]);
  const spec = { user: 'x', groups: ['system:masters'], resourceAttributes: attributes };
  const other = { body: review('authorization.k8s.io', 'SubjectAccessReview', spec) };
  expect((await admin.request('POST', `${AUTHORIZATION}/subjectaccessreviews`, other)).body.status).toMatchObject({ allowed: true });
  expect(refusalOf(await viewer.request('POST', `${AUTHORIZATION}/subjectaccessreviews`, other))).toContain('403 Forbidden');
  const rules = { body: review('authorization.k8s.io', 'SelfSubjectRulesReview', { namespace: 'default' }) };
  expect((await admin.request('POST', `${AUTHORIZATION}/selfsubjectrulesreviews`, rules)).body.status).toMatchObject({ resourceRules: [{ verbs: ['*'] }], incomplete: false });
  expect(refusalOf(await admin.request('POST', `${AUTHORIZATION}/selfsubjectaccessreviews`, { body: review('authorization.k8s.io', 'SelfSubjectAccessReview', {}) }))).toContain('422 Invalid');
  expect(refusalOf(await admin.get(`${AUTHORIZATION}/selfsubjectaccessreviews`))).toContain('405 MethodNotAllowed');
});

test('a service account`s token is good for its time, its audience, and as long as the account and the pod are there', async () => {
  const { client, api, clock } = await startRest();
  const admin = client();
  await api.create(ref('serviceaccounts'), { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } });
  await api.create(ref('pods'), pod('p', { serviceAccountName: 'robot' }));
  const path = '/api/v1/namespaces/default/serviceaccounts/robot/token';
  const request = (spec: object) => admin.request('POST', path, { body: review('authentication.k8s.io', 'TokenRequest', spec) });
  const tokenOf = async (spec: object = {}) => ((await request(spec)).body.status as { token: string }).token;
  const token = await tokenOf();
  const who = await userInfoOf(client({ token }));
  expect(who).toMatchObject({ userInfo: { username: 'system:serviceaccount:default:robot', groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'] } });
  expect(refusalOf(await client({ token }).get(PODS))).toContain('403 Forbidden: pods is forbidden: User "system:serviceaccount:default:robot"');
  expect(refusalOf(await request({ expirationSeconds: 5 }))).toContain('422 Invalid: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5');
  // For somebody else.
  const other = await tokenOf({ audiences: ['vault'] });
  expect((await client({ token: other }).get('/api')).status).toBe(401);
  const reviewed = async (text: string, audiences?: string[]) => (await admin.request('POST', `${AUTHENTICATION}/tokenreviews`, { body: review('authentication.k8s.io', 'TokenReview', { token: text, audiences }) })).body.status;
  expect(await reviewed(other, ['vault'])).toMatchObject({ authenticated: true, audiences: ['vault'], user: { username: 'system:serviceaccount:default:robot' } });
  expect([await reviewed(other), await reviewed('nonsense')]).toMatchObject([{ authenticated: false }, { authenticated: false }]);
  // Damaged, or signed by nobody.
  const [head, body, signature] = token.split('.');
  for (const bad of [`${head}.${body}.${signature!.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`, `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`]) {
    expect((await client({ token: bad }).get('/api')).status).toBe(401);
  }
  // Bound to a pod.
  const bound = await tokenOf({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } });
  expect((await client({ token: bound }).get('/api')).status).toBe(200);
  await api.delete(ref('pods', 'p'), { gracePeriodSeconds: 0 });
  expect((await client({ token: bound }).get('/api')).status).toBe(401);
  // The account made again is another.
  await api.delete(ref('serviceaccounts', 'robot'));
  expect((await client({ token }).get('/api')).status).toBe(401);
  await api.create(ref('serviceaccounts'), { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } });
  expect((await client({ token }).get('/api')).status).toBe(401);
  // As kubectl 1.30 asks.
  const unsaid = await request({ audiences: null, boundObjectRef: null, expirationSeconds: null });
  expect([unsaid.status, unsaid.body.spec]).toEqual([201, { audiences: ['https://issuer.test'], expirationSeconds: 3600, boundObjectRef: null }]);
  expect(refusalOf(await request({ audiences: 'x' }))).toContain('400 BadRequest: TokenRequest in version "v1" cannot be handled as a TokenRequest: json: cannot unmarshal string');
  const brief = await tokenOf({ expirationSeconds: 600 });
  expect((await client({ token: brief }).get('/api')).status).toBe(200);
  await clock.advance(601_000);
  expect((await client({ token: brief }).get('/api')).status).toBe(401);
});

test('a new pod has the volume with its token where tokens are issued, by every way of making it', async () => {
  const { api } = await startRest();
  await api.create(ref('serviceaccounts'), { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'mute' }, automountServiceAccountToken: false });
  const volumesOf = ({ object }: { readonly object: object }) => ((object as { spec: { volumes?: { name: string }[] } }).spec.volumes ?? []).map(({ name }) => name.replace(/-[a-z0-9]{5}$/, '-*'));
  expect(volumesOf(await api.create(ref('pods'), pod('one', {})))).toEqual(['kube-api-access-*']);
  expect(volumesOf(await api.apply(ref('pods', 'two'), pod('two', {}), { fieldManager: 'test' }))).toEqual(['kube-api-access-*']);
  expect(volumesOf(await api.create(ref('pods'), pod('mute', { serviceAccountName: 'mute' })))).toEqual([]);
});

test('whoever verifies tokens elsewhere finds the keys', async () => {
  const client = (await startRest()).client();
  const keys = JSON.parse((await client.get('/openid/v1/jwks')).text) as { keys: object[] };
  expect(keys.keys).toMatchObject([{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: expect.any(String) }]);
  expect(JSON.parse((await client.get('/.well-known/openid-configuration')).text)).toMatchObject({ issuer: 'https://issuer.test', jwks_uri: expect.stringContaining('/openid/v1/jwks') });
});

test('who may impersonate asks as another, and gets no more than the other would', async () => {
  const { client } = await startRest();
  const as = { 'impersonate-user': 'bob', 'impersonate-group': 'readers' };
  expect(refusalOf(await client().get(PODS, as))).toContain('403 Forbidden: pods is forbidden: User "bob" cannot list');
  expect((await client().get(PODS, { 'impersonate-user': 'bob', 'impersonate-group': 'system:masters' })).status).toBe(200);
  expect(refusalOf(await client({ token: VIEWER_TOKEN }).get('/api', { 'impersonate-user': 'admin' }))).toContain('403 Forbidden: users "admin" is forbidden: User "viewer" cannot impersonate resource "users"');
  expect(refusalOf(await client().get(PODS, { 'impersonate-group': 'x' }))).toContain('400 BadRequest');
});

test('the audit log names who asked for what, what came of it, and no body', async () => {
  const { client, audit, certificates } = await startRest();
  const admin = client({ certificate: certificates.admin });
  await admin.request('POST', '/api/v1/namespaces/default/secrets', { body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { password: 'hunter2' } } });
  await client({ token: VIEWER_TOKEN }).get(PODS, { 'audit-id': 'mine' });
  expect(audit).toHaveLength(2);
  expect(audit[0]).toMatchObject({
    kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'Metadata', stage: 'ResponseComplete', verb: 'create', requestURI: '/api/v1/namespaces/default/secrets',
    user: { username: 'alice' }, objectRef: { resource: 'secrets', namespace: 'default', apiVersion: 'v1' }, responseStatus: { code: 201 }, sourceIPs: ['127.0.0.1'],
    annotations: { 'authorization.k8s.io/decision': 'allow' },
  });
  expect(audit[1]).toMatchObject({ auditID: 'mine', responseStatus: { code: 403, reason: 'Forbidden' }, annotations: { 'authorization.k8s.io/decision': 'forbid' } });
  expect(JSON.stringify(audit)).not.toContain('hunter2');
});

test('the gRPC face asks the same guard, by the certificate, and writes the same log', async () => {
  const { server, clock, audit } = await startRest();
  const channel = (identity: string, organizations: readonly string[]) => directChannel({ services: server.services, clock, log: quiet, identity, organizations });
  const list = (identity: string, organizations: readonly string[]) => channel(identity, organizations).unary(Resources.methods.list, { ref: ref('configmaps'), encoding: Encoding.JSON });
  expect((await list('system:kube-scheduler', [])).items).toEqual([]);
  expect((await list('system:node:n1', ['system:nodes'])).items).toEqual([]);
  const refused: unknown = await list('eve', ['nobodies']).catch((error: unknown) => error);
  if (!(refused instanceof RpcError)) throw new Error('it was not refused');
  expect(decodeStatusDetails(refused.details!)).toMatchObject({ code: 403, reason: 'Forbidden', message: 'configmaps is forbidden: User "eve" cannot list resource "configmaps" in API group "" in the namespace "default"' });
  expect(audit.at(-1)).toMatchObject({ verb: 'list', requestURI: '/api/v1/namespaces/default/configmaps', user: { username: 'eve', groups: ['nobodies', 'system:authenticated'] }, responseStatus: { code: 403 } });
  const whoami = await channel('system:kube-scheduler', []).unary(Resources.methods.create, {
    ref: { group: 'authentication.k8s.io', version: 'v1', resource: 'selfsubjectreviews' },
    object: { encoding: { case: 'json', value: Buffer.from(JSON.stringify(review('authentication.k8s.io', 'SelfSubjectReview'))) } },
    encoding: Encoding.JSON,
  });
  expect(Buffer.from((whoami.object?.encoding?.value ?? new Uint8Array()) as Uint8Array).toString()).toContain('"username":"system:kube-scheduler"');
});

test('systemAuthorizer allows masters and parts all, others to ask of themselves', async () => {
  const user = (name: string, ...groups: string[]): User => ({ name, uid: '', groups, extra: {} });
  const pods: Attributes = { verb: 'list', group: '', version: 'v1', resource: 'pods', subresource: '', namespace: '', name: '' };
  const allowed = async (who: User, attributes: Attributes = pods) => (await systemAuthorizer.authorize(who, attributes)).allowed;
  expect(await Promise.all([user('a', 'system:masters'), user('system:kube-controller-manager'), user('system:node:n', 'system:nodes')].map((who) => allowed(who)))).toEqual([true, true, true]);
  // A name alone makes no node, and a group alone none either.
  expect(await Promise.all([user('system:node:n'), user('x', 'system:nodes'), user('a', 'system:authenticated')].map((who) => allowed(who)))).toEqual([false, false, false]);
  expect(await allowed(user('a', 'system:authenticated'), { verb: 'get', path: '/apis/apps' })).toBe(true);
  expect(await allowed(user('a', 'system:authenticated'), { verb: 'post', path: '/apis' })).toBe(false);
  expect(await allowed(user('a'), { verb: 'get', path: '/apis' })).toBe(false);
});

test('what is shown is read strictly', async () => {
  expect(['Bearer abc', 'bearer  abc ', 'Basic abc', undefined, 'Bearer', 'Bearer a b'].map(bearerOf)).toEqual(['abc', 'abc', undefined, undefined, '', '']);
  expect(subjectOf({ CN: 'a', O: ['x', 'y'] })).toEqual({ commonName: 'a', organizations: ['x', 'y'] });
  expect([subjectOf({ O: 'x' }), subjectOf(undefined), subjectOf({ CN: '' })]).toEqual([undefined, undefined, undefined]);
  const tokens = parseTokenFile('# a remark\n\nt1,bob,7,"a, b"\nt2,eve,\n', 'f');
  expect([await tokens.authenticateToken('t1'), await tokens.authenticateToken('t2'), await tokens.authenticateToken('t3')]).toEqual([
    { name: 'bob', uid: '7', groups: ['a', 'b', 'system:authenticated'], extra: {} },
    { name: 'eve', uid: '', groups: ['system:authenticated'], extra: {} },
    undefined,
  ]);
  expect(() => parseTokenFile('ok,a,b\nbroken\n', 'tokens.csv')).toThrow('tokens.csv:2: must be token,user,uid');
});

