/** Probes as they reach a container: over the machine's network, and over connections that somebody else makes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { HealthService } from '../../src/grpc/health.ts';
import { LeanServer } from '../../src/grpc/lean/lean-server.ts';
import { NetworkProber, type ProbeAction } from '../../src/agent/probe.ts';
import type { Dial } from '../../src/agent/proxy.ts';
import { SimulatedRuntime } from '../../src/agent/runtime/simulated.ts';

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => void server.close());
  return (server.address() as AddressInfo).port;
};
/** An address that is nowhere on this machine stands for one that only `dial` reaches. */
const ELSEWHERE = '192.0.2.1';
const dialHere: Dial = ({ port }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => resolve(socket)).on('error', reject);
  });
const runtime = new SimulatedRuntime({ clock: systemClock, podCidr: '10.1.0.0/24' });
const probe = (action: ProbeAction, dial: Dial | undefined) => {
  const ip = dial === undefined ? '127.0.0.1' : ELSEWHERE;
  return new NetworkProber(runtime, systemClock, dial).probe(action, { ip, container: { name: 'a', image: 'x' }, containerId: 'p/a/0' }, 1_000);
};

test.each([['this machine', undefined], ['a connection that was made elsewhere', dialHere]] as const)('probes over %s', async (_, dial) => {
  const http = await listen(createHttp((request, response) => response.writeHead(request.url === '/ok' ? 200 : 503).end()));
  expect(await probe({ httpGet: { path: '/ok', port: http } }, dial)).toMatchObject({ isSuccess: true });
  expect(await probe({ httpGet: { path: '/no', port: http } }, dial)).toEqual({ isSuccess: false, message: 'HTTP probe failed with statuscode: 503' });
  expect(await probe({ tcpSocket: { port: http } }, dial)).toMatchObject({ isSuccess: true });
  const silent = createServer();
  const closed = await listen(silent);
  await new Promise((resolve) => silent.close(resolve));
  expect(await probe({ tcpSocket: { port: closed } }, dial)).toMatchObject({ isSuccess: false });
  expect(await probe({ httpGet: { port: closed } }, dial)).toMatchObject({ isSuccess: false });
});

test.each([['this machine', undefined], ['a connection that was made elsewhere', dialHere]] as const)('a gRPC probe over %s asks for the health of its service', async (_, dial) => {
  const health = new HealthService('serving');
  health.set('slow', 'not-serving');
  const server = new LeanServer({ log: silentLog, services: [health.bound] });
  const port = await listen(createServer()).then(async (free) => {
    await ends.pop()!();
    return free;
  });
  await server.listen([`127.0.0.1:${port}`]);
  ends.push(() => server.stop(0));
  expect(await probe({ grpc: { port } }, dial)).toEqual({ isSuccess: true, message: '' });
  expect(await probe({ grpc: { port, service: 'slow' } }, dial)).toEqual({ isSuccess: false, message: 'service unhealthy (responded with "NOT_SERVING")' });
  expect(await probe({ grpc: { port, service: 'unknown' } }, dial)).toEqual({ isSuccess: false, message: 'error: health rpc probe failed: rpc error: code = 5' });
});

test('a gRPC probe of what answers nothing ends at its time', async () => {
  const port = await listen(createServer((socket) => ends.push(() => void socket.destroy())));
  expect(await probe({ grpc: { port } }, undefined)).toMatchObject({ isSuccess: false, message: expect.stringContaining('timeout') as string });
});

test('an HTTP probe follows redirects within its host, and one that leads elsewhere is a success with a warning', async () => {
  const asked: string[] = [];
  const port = await listen(createHttp((request, response) => {
    asked.push(`${request.url} ${request.headers.host ?? ''} ${request.headers['user-agent'] ?? ''} ${String(request.headers['x-many'] ?? '')}`);
    const to: Record<string, string> = { '/moved': '/ok', '/round': '/round', '/away': 'http://elsewhere.example/', '/lost': '/no' };
    const location = to[request.url ?? ''];
    if (location !== undefined) return response.writeHead(302, { location }).end('gone away');
    response.writeHead(request.url === '/ok' ? 204 : 500).end();
  }));
  const get = (path: string, httpHeaders?: { name: string; value: string }[]) => probe({ httpGet: { path, port, ...(httpHeaders === undefined ? {} : { httpHeaders }) } }, undefined);
  expect(await get('/moved')).toEqual({ isSuccess: true, message: '' });
  expect(await get('/lost')).toEqual({ isSuccess: false, message: 'HTTP probe failed with statuscode: 500' });
  expect(await get('/away')).toEqual({ isSuccess: true, message: '', warning: 'Probe terminated redirects, Response body: gone away' });
  expect(await get('/round')).toEqual({ isSuccess: false, message: `Get "http://127.0.0.1:${port}/round": stopped after 10 redirects` });
  asked.splice(0);
  await get('/ok', [{ name: 'Host', value: 'web.example' }, { name: 'User-Agent', value: 'mine' }, { name: 'X-Many', value: 'a' }, { name: 'X-Many', value: 'b' }]);
  expect(asked).toEqual(['/ok web.example mine a, b']);
});

test('an HTTPS probe checks no certificate; who does not answer or is not there is said as the kubelet says it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'podium-probe-'));
  ends.push(() => rmSync(directory, { recursive: true }));
  await ensurePki(directory, [{ name: 'web', commonName: 'somebody-else' }], new Date());
  const { certFile, keyFile } = tlsFiles(directory, 'web');
  const port = await listen(createHttps({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (_, response) => response.end('ok')));
  expect(await probe({ httpGet: { port, scheme: 'HTTPS' } }, undefined)).toEqual({ isSuccess: true, message: '' });
  expect(await probe({ httpGet: { port, scheme: 'HTTPS' } }, dialHere)).toEqual({ isSuccess: true, message: '' });
  const silent = await listen(createServer((socket) => ends.push(() => void socket.destroy())));
  const waited = await new NetworkProber(runtime, systemClock).probe({ httpGet: { port: silent } }, { ip: '127.0.0.1', container: { name: 'a', image: 'x' }, containerId: 'p/a/0' }, 100);
  expect(waited.message).toBe(`Get "http://127.0.0.1:${silent}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`);
  const named = { name: 'a', image: 'x', ports: [{ name: 'web', containerPort: 1 }] };
  const refused = await new NetworkProber(runtime, systemClock).probe({ httpGet: { port: 'web' } }, { ip: '127.0.0.1', container: named, containerId: 'p/a/0' }, 1_000);
  expect(refused.message).toBe('Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused');
  expect(await probe({ tcpSocket: { port: 1 } }, undefined)).toEqual({ isSuccess: false, message: 'dial tcp 127.0.0.1:1: connect: connection refused' });
  expect(await probe({ httpGet: { port: 'nowhere' } }, undefined)).toEqual({ isSuccess: false, message: `couldn't find port: "nowhere"` });
});
