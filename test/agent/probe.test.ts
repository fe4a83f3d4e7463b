/** Probes as they reach a container: over the machine's network, and over connections that somebody else makes. */
import { createServer as createHttp } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
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
