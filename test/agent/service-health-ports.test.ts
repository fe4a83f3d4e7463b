/** What balancers are answered at `healthCheckNodePort`, by real sockets. */
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { EndpointSlice, Service } from '../../src/client/objects.ts';
import { planServiceHealth } from '../../src/agent/core/service-health.ts';
import { ServiceHealthPorts } from '../../src/agent/service-health-ports.ts';
import { until } from '../until.ts';

const ADDRESS = '127.252.3.1';
const PORT = 18_190;
const PORT_BASE = 7;

const service = (spec: object = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'ns' },
  spec: { type: 'LoadBalancer', clusterIP: '10.96.0.9', ports: [{ port: 80 }], ...{ externalTrafficPolicy: 'Local', healthCheckNodePort: PORT }, ...spec },
});

/** `node/ready` of each endpoint. */
const slice = (...endpoints: readonly string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's', namespace: 'ns', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: endpoints.map((text, i) => {
    const [nodeName = '', ready] = text.split('/');
    return { addresses: [`10.244.1.${i + 2}`], nodeName, conditions: { ready: ready === 'ready' } };
  }),
});

const health = (services: readonly Service[], ...endpoints: readonly string[]) => planServiceHealth(services, [slice(...endpoints)], 'node-1');

test('planServiceHealth() counts what is ready and of this node', () => {
  const counted = health([service()], 'node-1/ready', 'node-1/ready', 'node-1/ending', 'node-2/ready');
  expect(counted).toEqual([{ port: PORT, namespace: 'ns', name: 'web', localEndpoints: 2 }]);
  expect(health([service({ externalTrafficPolicy: 'Cluster' }), service({ type: 'NodePort' }), service({ healthCheckNodePort: 0 })])).toEqual([]);
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function ports(): ServiceHealthPorts {
  const made = new ServiceHealthPorts({ nodeName: 'node-1', address: ADDRESS, portBase: PORT_BASE, clock: systemClock, log: silentLog });
  closing.push(() => made.close());
  return made;
}

const ask = () => fetch(`http://${ADDRESS}:${PORT + PORT_BASE}/healthz`).catch(() => undefined); // nobody listens
const answers = (status: number) => until(`status ${status}`, async () => ((await ask())?.status === status ? ask() : undefined));

test('200 with an endpoint of its own, 503 without, nobody when the service goes', async () => {
  const one = ports();
  one.update([service()], [slice('node-1/ready', 'node-2/ready')]);
  const answer = await answers(200);
  expect(answer.headers.get('x-load-balancing-endpoint-weight')).toBe('1');
  expect(await answer.json()).toEqual({ service: { namespace: 'ns', name: 'web' }, localEndpoints: 1, serviceProxyHealthy: true });
  one.update([service()], [slice('node-2/ready')]);
  expect(await (await answers(503)).json()).toMatchObject({ localEndpoints: 0 });
  one.update([service({ externalTrafficPolicy: 'Cluster' })], [slice('node-1/ready')]);
  await until('nobody listens', async () => (await ask()) === undefined);
});

test('a port that somebody has is taken when it is free', async () => {
  const other = createServer((socket) => socket.destroy()).listen(PORT + PORT_BASE, ADDRESS);
  await until('the other listens', () => other.listening);
  ports().update([service()], [slice('node-1/ready')]);
  await new Promise((done) => other.close(done));
  await answers(200);
});
