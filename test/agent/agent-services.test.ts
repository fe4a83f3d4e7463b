/** What the agent tells of Services, to the cluster's DNS. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { expect, test } from 'vitest';
import { NodeAgent } from '../../src/agent/agent.ts';
import { DnsServer } from '../../src/agent/dns/dns-server.ts';
import { SimulatedRuntime } from '../../src/agent/runtime/simulated.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import { FakeApi } from '../client/fake-api.ts';
import { agentOptions } from './agent-options.ts';
import { service } from './nftables/objects.ts';

const ADDRESS = '127.251.0.53';
const clock = systemClock;

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, ADDRESS, () => done()));
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(() => done()));
  return port;
}

test('the DNS of an agent knows the services that there are, and ends with it', async () => {
  const api = new FakeApi(() => new Date(clock.wall()).toISOString());
  const dns = new DnsServer({ domain: 'cluster.local', ownCidrs: [], upstreams: [], clock, random: seededRandom(1), log: silentLog });
  const port = await freePort();
  await dns.listen(ADDRESS, port);
  const podCidr = '127.251.16.0/20';
  const runtime = new SimulatedRuntime({ clock, podCidr });
  const agent = new NodeAgent(agentOptions({ api, clock, runtime, podCidr, heartbeatMs: 200, leaseDurationMs: 4_000, followers: [dns] }));
  const services = inNamespace(resources.services, 'ns');
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`${ADDRESS}:${port}`]);
  const ask = (name: string) => resolver.resolve4(`${name}.ns.svc.cluster.local`).then(String, (error: { code?: string }) => error.code);
  const when = async (name: string, wanted: string) => {
    let last: string | undefined;
    for (const startedAtMs = clock.monotonic(); clock.monotonic() - startedAtMs < 8_000; ) {
      last = await ask(name);
      if (last === wanted) return;
    }
    throw new Error(`${name} is ${last}, not ${wanted}`);
  };
  await api.create(services, service('web', { clusterIP: '10.96.0.10' }));
  await agent.start();
  await when('web', '10.96.0.10');
  await api.create(services, service('late', { clusterIP: '10.96.0.11' }));
  await when('late', '10.96.0.11');
  await api.delete(services, 'web');
  await when('web', 'ENOTFOUND');
  await agent.stop();
  expect(await ask('late')).toMatch(/^E(TIMEOUT|CONNREFUSED)$/);
});
