/** The server beside its resources: documents, health, limits, HTTP/1.1, slow senders, and its stop. */
import { request as httpsRequest } from 'node:https';
import { expect, test } from 'vitest';
import { bind } from '../../../src/proto/rpc.ts';
import { Node } from '../../../src/proto/node.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { fromUtf8 } from '../../../src/base/bytes.ts';
import { until } from '../../until.ts';
import { configMap, pod, quiet, ref } from '../fixture.ts';
import { MemoryStore } from '../memory-store.ts';
import { ADMIN_TOKEN, VIEWER_TOKEN, answerOf, refusalOf, startRest, type Answer } from './fixture.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

test('version, health with its checks, discovery, and what is not served yet', async () => {
  const { client: connect } = await startRest();
  const client = connect();
  expect((await client.get('/version')).body).toMatchObject({ major: '1', minor: '34', gitVersion: 'v1.34.0+podium.0.1.0' });
  expect((await client.get('/readyz')).text).toBe('ok');
  expect((await client.get('/readyz?verbose')).text).toBe('[+]ping ok\n[+]log ok\n[+]informer-sync ok\n[+]shutdown ok\nreadyz check passed\n');
  expect([(await client.get('/livez/ping')).text, (await client.get('/livez/nope')).status]).toEqual(['ok', 404]);
  expect((await client.get('/api')).body).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
  const aggregated = await client.get('/apis', { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json' });
  expect(aggregated.headers['content-type']).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
  expect((JSON.parse(aggregated.text) as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name)).toContain('authorization.k8s.io');
  expect((await client.get('/apis/apps/v1')).body).toMatchObject({ kind: 'APIResourceList', groupVersion: 'apps/v1' });
  expect(refusalOf(await client.request('POST', '/version', { body: {} }))).toContain('405 MethodNotAllowed');
});

/** As a kube-apiserver was seen to do it. */
test.each([
  ['/healthz', 200, 200], ['/livez/ping', 200, 200], ['/readyz', 200, 200], ['/readyz/nope', 404, 404], ['/metrics', 200, 200],
  ['/openapi/v3', 200, 200], ['/openapi/v3/api/v1', 200, 200], ['/openapi/v2', 200, 200], ['/apis', 200, 200], ['/apis/apps', 200, 200], ['/', 200, 200],
  ['/version', 405, 405], ['/api', 405, 405], ['/api/v1', 405, 405], ['/apis/apps/v1', 405, 405], ['/openid/v1/jwks', 405, 405],
  ['/.well-known/openid-configuration', 405, 405], ['/api/v2', 404, 404], ['/apis/nope', 404, 404], ['/nope', 404, 404],
  ['/api/v1/namespaces/default', 405, 405], ['/api/v1/namespaces/default/pods/x/log', 405, 405],
])('%s: HEAD is answered %i, a method that is none there %i', async (path, head, other) => {
  const client = (await startRest()).client();
  const got = await client.get(path);
  const answer = await client.request('HEAD', path);
  expect([answer.status, answer.text]).toEqual([head, '']);
  if (head === 200 && path !== '/metrics') expect(answer.headers['content-length']).toBe(String(got.bytes.length));
  for (const method of ['POST', 'OPTIONS']) expect((await client.request(method, path)).status, method).toBe(other);
});

test('health is open to all who read it, and to nobody else', async () => {
  const anybody = (await startRest()).client({});
  const codes = await Promise.all(['GET', 'HEAD', 'POST'].map(async (method) => (await anybody.request(method, '/healthz')).status));
  expect(codes).toEqual([200, 200, 401]);
});

test('schemas are served, each at the address that the index names', async () => {
  const client = (await startRest()).client();
  const { paths } = JSON.parse((await client.get('/openapi/v3')).text) as { paths: Record<string, { serverRelativeURL: string }> };
  expect(Object.keys(paths)).toContain('apis/apps/v1');
  const { body } = await client.get(paths['apis/apps/v1']!.serverRelativeURL);
  expect(body).toMatchObject({ openapi: '3.0.0', components: { schemas: { 'io.k8s.api.apps.v1.Deployment': {} } } });
  expect((await client.get('/openapi/v3/apis/x')).status).toBe(404);
});

test('metrics count requests by what was asked and what came of it', async () => {
  const client = (await startRest()).client();
  await client.get(CONFIG_MAPS);
  await client.get(`${CONFIG_MAPS}/nope`);
  await client.get('/no/such/path');
  await client.request('PATCH', `${CONFIG_MAPS}/x?fieldManager=me&dryRun=All`, { type: 'application/apply-patch+yaml', body: configMap('x') });
  await client.request('POST', CONFIG_MAPS, { body: configMap('y') });
  await client.watch(`${CONFIG_MAPS}?watch=1`).open();
  const { text, headers } = await client.get('/metrics');
  expect(headers['content-type']).toContain('text/plain; version=0.0.4');
  const series = (verb: string, scope: string, dryRun = '') => `verb="${verb}",group="",version="v1",resource="configmaps",subresource="",scope="${scope}",dry_run="${dryRun}",component="apiserver"`;
  expect(text).toContain(`apiserver_request_total{${series('LIST', 'namespace')},code="200"} 1`);
  expect(text).toContain(`apiserver_request_total{${series('GET', 'resource')},code="404"} 1`);
  expect(text).toContain(`apiserver_request_total{${series('APPLY', 'resource', 'All')},code="201"} 1`);
  expect(text).toContain(`apiserver_request_duration_seconds_bucket{${series('LIST', 'namespace')},le="+Inf"} 1`);
  expect(text).toContain(`apiserver_longrunning_requests{${series('WATCH', 'namespace').replace('dry_run="",', '')}} 1`);
  expect(text).toMatch(/apiserver_current_inflight_requests\{request_kind="readOnly"\} \d/);
  expect(text).toContain('apiserver_storage_objects{resource="configmaps"} 1');
  expect(text).toMatch(/apiserver_storage_objects\{resource="namespaces"\} 4/);
  expect(text).toContain('apiserver_registered_watchers{group="",version="v1",kind="ConfigMap"} 1');
  for (const name of ['resource_version', 'events_received_total', 'events_dispatched_total', 'initializations_total']) {
    expect(text).toMatch(new RegExp(`apiserver_watch_cache_${name}\\{group="",resource="configmaps"\\} \\d`));
  }
  expect(text).toContain('apiserver_terminated_watchers_total{group="",resource="configmaps"} 0');
  expect(text).toMatch(/kubernetes_build_info\{major="1",minor="34",git_version="v1.34.0\+podium[^"]*",platform="[^"]+"\} 1/);
  expect(text).toMatch(/process_resident_memory_bytes \d+/);
  expect(text).not.toContain('such');
});

/** A store whose reads wait until they are let go. */
class HeldStore extends MemoryStore {
  held = false;
  readonly #waiting: (() => void)[] = [];

  override async range(...request: Parameters<MemoryStore['range']>): ReturnType<MemoryStore['range']> {
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return super.range(...request);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  release(): void {
    this.held = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

test('more requests at work than are allowed are 429; writes and reads are counted apart', async () => {
  const store = new HeldStore();
  const { client: connect } = await startRest({ store, limits: { readOnlyInFlightMax: 2, mutatingInFlightMax: 1 } });
  const [client, viewer] = [connect(), connect({ token: VIEWER_TOKEN })];
  store.held = true;
  const reads = [client.get(`${CONFIG_MAPS}/a`), client.get(`${CONFIG_MAPS}/b`)];
  await until('two reads wait for the store', () => store.waiting === 2);
  const third = await viewer.get(`${CONFIG_MAPS}/c`);
  expect([refusalOf(third), third.headers['retry-after']]).toEqual(['429 TooManyRequests: the server has received too many requests and has asked us to try again later', '1']);
  expect((await client.get('/readyz')).status).toBe(200);
  const write = client.request('DELETE', `${CONFIG_MAPS}/a`);
  await until('a write waits too', () => store.waiting >= 3);
  expect((await viewer.request('DELETE', `${CONFIG_MAPS}/b`)).status).toBe(429);
  store.release();
  expect((await Promise.all([...reads, write])).map(({ status }) => status)).toEqual([404, 404, 404]);
  expect((await viewer.get(`${CONFIG_MAPS}/c`)).status).toBe(403);
});

test('a request that takes too long is 504, by the server`s time or the client`s', async () => {
  const store = new HeldStore();
  const { client: connect, clock } = await startRest({ store, limits: { requestTimeoutMs: 20_000 } });
  const client = connect();
  store.held = true;
  const [own, asked] = [client.get(`${CONFIG_MAPS}/a`), client.get(`${CONFIG_MAPS}/a?timeout=5s`)];
  await until('both wait for the store', () => store.waiting === 2);
  await clock.advance(5_001);
  expect(refusalOf(await asked)).toContain('504 Timeout: Timeout: request did not complete within the allotted timeout');
  await clock.advance(15_000);
  expect((await own).status).toBe(504);
  store.release();
});

test('a sender that does not send is answered, and the stream closed', async () => {
  const { client: connect, clock } = await startRest({ limits: { bodyTimeoutMs: 3_000 } });
  const client = connect();
  const stream = client.session.request({ ':method': 'POST', ':path': CONFIG_MAPS, authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' });
  stream.write('{"apiVersion":');
  let answer: Answer | undefined;
  void answerOf(stream).then((got) => (answer = got));
  stream.once('response', () => stream.end());
  // The time runs from when the server begins to wait for the body.
  for (let round = 0; round < 100 && answer === undefined; round++) await clock.advance(1_000);
  if (answer === undefined) throw new Error('the sender was not answered');
  expect(refusalOf(answer)).toBe('504 Timeout: the body of the request did not arrive within 3 s');
});

test('a body that is too large is refused before it has come, and the connection goes on', async () => {
  const client = (await startRest({ limits: { bodyBytesMax: 10_000 } })).client();
  const big = await client.request('POST', CONFIG_MAPS, { body: configMap('x', { a: 'x'.repeat(5_000_000) }) });
  expect(big.status).toBe(413);
  expect((await client.get(CONFIG_MAPS)).status).toBe(200);
});

test('HTTP/1.1 on the same port: requests, a watch, and connections that stay', async () => {
  const { port, certificates, api } = await startRest();
  const options = { host: '127.0.0.1', port, ca: Buffer.from(certificates.ca), headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
  const get = (path: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      httpsRequest({ ...options, path }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      }).on('error', reject).end();
    });
  expect((await get('/api/v1/namespaces')).text).toContain('"kind":"NamespaceList"');
  expect((await get(`${CONFIG_MAPS}/x`)).status).toBe(404);
  const line = new Promise<string>((resolve, reject) => {
    httpsRequest({ ...options, path: `${CONFIG_MAPS}?watch=1` }, (response) => {
      response.once('data', (chunk: Buffer) => {
        resolve(chunk.toString());
        response.destroy();
      });
      void api.create(ref('configmaps'), configMap('x'));
    }).on('error', reject).end();
  });
  expect(JSON.parse(await line)).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'x' } } });
});

test('another protocol is refused with a Status, which clients print', async () => {
  const { port, certificates } = await startRest();
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, connection: 'Upgrade', upgrade: 'SPDY/3.1' };
  const ask = (path: string) =>
    new Promise<[number | undefined, unknown]>((resolve, reject) => {
      httpsRequest({ host: '127.0.0.1', port, ca: Buffer.from(certificates.ca), headers, path, method: 'POST' }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve([response.statusCode, JSON.parse(text)]));
      }).on('error', reject).end();
    });
  const refused = (code: number, reason: string, message: string) => [code, expect.objectContaining({ kind: 'Status', reason, message, code })];
  expect(await ask('/api/v1/nodes/n/proxy/stats')).toEqual(refused(501, 'NotImplemented', 'the agent of a node serves no HTTP: it is asked over gRPC alone'));
  expect(await ask('/api/v1/namespaces/default/pods/p/exec?command=ls')).toEqual(refused(404, 'NotFound', 'pods "p" not found'));
  expect(await ask('/%zz')).toEqual(refused(404, 'NotFound', 'the server could not find the requested resource'));
});

test('logs pass through with every option, and what goes wrong first is a Status', async () => {
  const asked: unknown[] = [];
  const clock = new DrivenClock();
  const agent = bind(Node, {
    logs: async function* (request) {
      asked.push(request);
      yield { data: fromUtf8('one\n') };
      yield { data: fromUtf8('two\n') };
    },
  });
  const { client: connect, api } = await startRest({ connectToNode: () => directChannel({ services: [agent], clock, log: quiet }) });
  const client = connect();
  await api.create(ref('pods'), pod('p'));
  const path = '/api/v1/namespaces/default/pods/p/log';
  expect(refusalOf(await client.get(path))).toBe('400 BadRequest: pod p does not have a host assigned');
  await api.create(ref('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } };
  await api.patch(ref('nodes', 'n1', '', 'status'), { type: 'merge', body: { status } });
  await api.create(ref('pods', 'p', 'default', 'binding'), { metadata: { name: 'p' }, target: { name: 'n1' } });
  const read = await client.get(`${path}?follow=true&tailLines=5&timestamps=1&previous=0&sinceSeconds=60&limitBytes=100`);
  expect([read.status, read.headers['content-type'], read.text]).toEqual([200, 'text/plain', 'one\ntwo\n']);
  expect(asked[0]).toMatchObject({ container: 'main', follow: true, tailLines: 5, timestamps: true, previous: false, sinceSeconds: 60, limitBytes: 100 });
  expect(refusalOf(await client.get(`${path}?container=nope`))).toBe('400 BadRequest: container nope is not valid for pod p');
  expect(refusalOf(await client.get(`${path}?tailLines=-1`))).toContain('422 Invalid');
  expect(refusalOf(await client.request('DELETE', path))).toContain('405 MethodNotAllowed');
});

test('a server that stops fails readyz first, and lets what is at work finish', async () => {
  const store = new HeldStore();
  const { client: connect, face, clock } = await startRest({ store });
  const client = connect();
  const stopping = face.stop(5_000);
  const ready = await client.get('/readyz');
  expect([ready.status, ready.text]).toEqual([500, expect.stringContaining('[-]shutdown failed: reason withheld')]);
  expect((await client.get('/livez')).status).toBe(200);
  store.held = true;
  const last = client.get(`${CONFIG_MAPS}/x`);
  await until('a request is at work', () => store.waiting === 1);
  await clock.advance(5_001);
  store.release();
  expect((await last).status).toBe(404);
  await stopping;
});
