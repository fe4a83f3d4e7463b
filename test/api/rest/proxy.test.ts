/** HTTP to pods and services by way of the API server: real servers behind a played agent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Node } from '../../../src/proto/node.ts';
import { bind, RpcCode, RpcError, type CallContext } from '../../../src/proto/rpc.ts';
import type { PortInput } from '../../../src/proto/streams.ts';
import { pod, quiet, ref } from '../fixture.ts';
import { ADMIN_TOKEN, startRest, VIEWER_TOKEN, type RestFixture } from './fixture.ts';

const PODS = '/api/v1/namespaces/default/pods';
const SERVICES = '/api/v1/namespaces/default/services';

/** Connections that are open to what is behind the pod. */
let open = 0;

/** Connects to whoever listens there on this machine, whichever pod is meant. */
async function* forward(inputs: AsyncIterable<PortInput>, { signal }: CallContext) {
  const iterator = inputs[Symbol.asyncIterator]();
  const first = await iterator.next();
  const start = first.done === true ? undefined : first.value.input;
  if (start?.case !== 'start') throw new RpcError(RpcCode.INVALID_ARGUMENT, 'a start');
  const socket = connect({ host: '127.0.0.1', port: start.value.port, allowHalfOpen: true });
  signal.addEventListener('abort', () => socket.destroy());
  await once(socket, 'connect').catch(() => {
    throw new RpcError(RpcCode.FAILED_PRECONDITION, `failed to connect to 127.0.0.1:${start.value.port}: connection refused`);
  });
  open++;
  socket.once('close', () => open--);
  yield { output: { case: 'started' as const, value: {} } };
  void (async () => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      if (next.value.input?.case === 'data') socket.write(next.value.input.value);
      if (next.value.input?.case === 'end') socket.end();
    }
  })().catch(() => socket.destroy());
  for await (const bytes of socket) yield { output: { case: 'data' as const, value: bytes as Uint8Array } };
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Says what it was asked. */
function echo(): Promise<number> {
  const server = createServer((call, response) => void answer(call, response));
  const answer = async (call: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const part of call) parts.push(part as Buffer);
    const { method, url, headers } = call;
    response.setHeader('x-own', ['1', '2']);
    response.statusCode = url?.includes('teapot') === true ? 418 : 200;
    if (url === '/away') return response.writeHead(302, { location: '/there?x=1' }).end();
    if (url === '/elsewhere') return response.writeHead(302, { location: 'https://example.com/' }).end();
    if (url === '/broken') return response.writeHead(200, { 'content-length': 100 }).write('half', () => call.socket.destroy());
    if (url === '/cut') return response.write('half', () => call.socket.destroy());
    if (url === '/slow') return response.write('first\n'); // and never ends
    return response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(parts).toString() }));
  };
  server.on('upgrade', (call: IncomingMessage, socket: Duplex) => {
    if (call.headers['sec-websocket-protocol'] !== 'chat') return void socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello ');
    socket.pipe(socket);
  });
  return listening(server);
}

interface World extends RestFixture {
  /** Where the server behind the pod listens. */
  readonly behind: number;
}

async function world(): Promise<World> {
  let clock = new DrivenClock();
  const connectToNode = () => directChannel({ services: [bind(Node, { portForward: forward })], clock, log: quiet });
  const fixture = await startRest({ connectToNode });
  clock = fixture.clock;
  const behind = await echo();
  const { api } = fixture;
  await api.create(ref('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const status = { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } };
  await api.patch(ref('nodes', 'n1', '', 'status'), { type: 'merge', body: { status } });
  await api.create(ref('pods', '', 'default'), pod('web', { nodeName: 'n1', containers: [{ name: 'a', image: 'x' }, { name: 'b', image: 'x', ports: [{ containerPort: behind }] }] }));
  const ports = [{ name: 'http', port: 80, targetPort: behind }, { name: 'other', port: 81, targetPort: behind }];
  await api.create(ref('services', '', 'default'), { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { ports } });
  return { ...fixture, behind };
}

async function endpoints({ api, behind }: World, conditions: object = { ready: true }, targetRef: object | undefined = { kind: 'Pod', name: 'web', namespace: 'default' }): Promise<void> {
  await api.create({ ...ref('endpointslices', '', 'default'), group: 'discovery.k8s.io' }, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: behind, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.9'], conditions, ...(targetRef === undefined ? {} : { targetRef }) }],
  });
}

interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function send({ port, certificates }: RestFixture, path: string, { body, ...options }: RequestOptions & { readonly body?: string } = {}, token = ADMIN_TOKEN): Promise<Answer> {
  const call = request({ host: '127.0.0.1', port, path, ca: Buffer.from(certificates.ca), agent: false, ...options, headers: { authorization: `Bearer ${token}`, ...(options.headers as object) } });
  call.end(body);
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of answer) text += String(part);
  return { code: answer.statusCode ?? 0, headers: answer.headers, text };
}

const messageOf = ({ text }: Answer) => (JSON.parse(text) as { message: string }).message;

interface Echoed {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const echoed = ({ text }: Answer) => JSON.parse(text) as Echoed;

test('a request goes to the pod as it came, without what lets its sender in, and the answer comes back', async () => {
  const all = await world();
  const path = `${PODS}/web/proxy/a%2Fb//c/?x=1&y=%20+z&x`;
  const headers = { 'x-mine': 'yes', connection: 'x-hop', 'x-hop': 'no', 'content-type': 'text/plain' };
  const answer = await send(all, path, { method: 'PUT', headers, body: 'tea please' });
  expect([answer.code, answer.headers['x-own']]).toEqual([200, '1, 2']);
  const { method, url, headers: seen, body } = echoed(answer);
  expect([method, url, body]).toEqual(['PUT', '/a%2Fb//c/?x=1&y=%20+z&x', 'tea please']);
  expect(seen).toMatchObject({ 'x-mine': 'yes', 'content-type': 'text/plain', 'x-forwarded-uri': `${PODS}/web/proxy`, 'x-forwarded-proto': 'https', host: `web:${all.behind}` });
  expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['authorization']));
  expect(seen['x-hop']).toBeUndefined();
  const others = await Promise.all(['POST', 'PATCH', 'DELETE', 'OPTIONS'].map((one) => send(all, `${PODS}/web:${all.behind}/proxy/`, { method: one })));
  expect(others.map((one) => echoed(one).method)).toEqual(['POST', 'PATCH', 'DELETE', 'OPTIONS']);
  expect(await send(all, `${PODS}/web/proxy/teapot`, { method: 'HEAD' })).toMatchObject({ code: 418, text: '' });
});

test('redirects lead back below the proxy, and a page at the root is asked for with a slash', async () => {
  const all = await world();
  expect((await send(all, `${PODS}/web/proxy/away`)).headers.location).toBe(`${PODS}/web/proxy/there?x=1`);
  expect((await send(all, `${PODS}/web/proxy/elsewhere`)).headers.location).toBe('https://example.com/');
  expect(await send(all, `${PODS}/web/proxy?a=1`)).toMatchObject({ code: 301, headers: { location: `${PODS}/web/proxy/?a=1` } });
});

test('a service’s goes to a pod that is ready, by the port’s name or number', async () => {
  const all = await world();
  const ask = async (name: string) => {
    const answer = await send(all, `${SERVICES}/${name}/proxy/x`);
    return answer.code === 200 ? echoed(answer).url : `${answer.code} ${messageOf(answer)}`;
  };
  expect(await ask('web:http')).toBe('503 no endpoints available for service "web"');
  await endpoints(all);
  expect([await ask('web:http'), await ask('web:80'), await ask('http:web:http')]).toEqual(['/x', '/x', '/x']);
  expect(await ask('web')).toBe('503 no endpoints available for service "web"');
  expect(await ask('web:other')).toBe('503 no endpoints available for service "web"');
  expect(await ask('web:82')).toBe('503 no service port 82 found for service "web"');
  expect(await ask('none:80')).toBe('404 services "none" not found');
  expect(await ask('ftp:web:80')).toBe('400 invalid service request "ftp:web:80"');
});

test('endpoints that are not ready are not asked, and those that are no pods cannot be', async () => {
  const [first, second] = [await world(), await world()];
  await endpoints(first, { ready: false });
  expect(messageOf(await send(first, `${SERVICES}/web:http/proxy/`))).toBe('no endpoints available for service "web"');
  await endpoints(second, { ready: true }, { kind: 'Node', name: 'n1' });
  expect(messageOf(await send(second, `${SERVICES}/web:http/proxy/`))).toMatch(/^the endpoints of service "web" are no pods/);
});

test('what cannot be reached says so; half an answer does not look whole; nodes serve no HTTP; who may not is refused', async () => {
  const all = await world();
  const nobody = await send(all, `${PODS}/web:1/proxy/`);
  expect([nobody.code, messageOf(nobody)]).toEqual([503, 'error trying to reach service: Internal error occurred: failed to connect to 127.0.0.1:1: connection refused'.replace('Internal error occurred: ', '')]);
  expect(messageOf(await send(all, `${PODS}/none/proxy/`))).toBe('pods "none" not found');
  expect(messageOf(await send(all, `${PODS}/web:x/proxy/`))).toBe('invalid pod request "web:x"');
  for (const path of ['broken', 'cut']) await expect(send(all, `${PODS}/web/proxy/${path}`)).rejects.toThrow(/aborted|hang up/);
  expect((await send(all, '/api/v1/nodes/n1/proxy/metrics')).code).toBe(501);
  expect((await send(all, `${PODS}/web/proxy/`, { method: 'POST' }, VIEWER_TOKEN)).code).toBe(403);
});

test('an answer streams, over HTTP/2 too, and the connection goes with its client', async () => {
  const { port, certificates } = await world();
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: Buffer.from(certificates.ca) });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ':path': `${PODS}/web/proxy/slow`, authorization: `Bearer ${ADMIN_TOKEN}` });
  const [first] = (await once(stream, 'data')) as [Buffer];
  expect(first.toString()).toBe('first\n');
  expect(open).toBe(1);
  stream.close();
  await expect.poll(() => open).toBe(0);
});

async function upgrade({ port, certificates }: World, protocol: string): Promise<{ readonly code: number; readonly headers: IncomingMessage['headers']; readonly socket: Duplex | undefined }> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-protocol': protocol };
  const call = request({ host: '127.0.0.1', port, path: `${PODS}/web/proxy/socket`, ca: Buffer.from(certificates.ca), agent: false, headers });
  call.end();
  return new Promise((resolve, reject) => {
    call.once('error', reject);
    call.once('upgrade', (answer, socket) => resolve({ code: answer.statusCode ?? 0, headers: answer.headers, socket }));
    call.once('response', (answer) => resolve({ code: answer.statusCode ?? 0, headers: answer.headers, socket: undefined }));
  });
}

test('a connection is upgraded by the pod, or refused by it', async () => {
  const all = await world();
  const { code, headers, socket } = await upgrade(all, 'chat');
  expect([code, headers['sec-websocket-protocol']]).toEqual([101, 'chat']);
  let text = '';
  socket!.on('data', (bytes: Buffer) => (text += bytes.toString()));
  socket!.write('world');
  await expect.poll(() => text).toBe('hello world');
  socket!.destroy();
  expect(await upgrade(all, 'other')).toMatchObject({ code: 400, socket: undefined });
});

test('a server that keeps its connection open behind an answer is let go', async () => {
  const all = await world();
  const stubborn = createTcpServer((socket) => socket.on('error', () => undefined).once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')));
  await once(stubborn.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void stubborn.close());
  expect((await send(all, `${PODS}/web:${(stubborn.address() as AddressInfo).port}/proxy/`)).text).toBe('ok');
  await expect.poll(() => open).toBe(0);
});

test('TLS to a pod, whoever signed its certificate', async () => {
  const all = await world();
  const { server } = all.certificates;
  const secure = createTlsServer({ key: Buffer.from(server.key), cert: Buffer.from(server.cert) }, (call, response) => response.end(`secret ${call.url}`));
  const port = await listening(secure as unknown as Server);
  expect((await send(all, `${PODS}/https:web:${port}/proxy/x`)).text).toBe('secret /x');
});
