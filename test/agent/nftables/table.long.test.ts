/** What nft makes of the proxy's scripts: changes applied one by one come to what a whole table is. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NftablesProxy } from '../../../src/agent/nftables/nftables-proxy.ts';
import { missingForConntrack, missingForNftables } from '../../../src/agent/nftables/probe.ts';
import { toolRunner } from '../../../src/agent/nftables/tool.ts';
import { planTable } from '../../../src/agent/core/nft-services.ts';
import { differingObjects } from '../../../src/agent/core/nft-output.ts';
import { tableText } from '../../../src/agent/core/nft-table.ts';
import { silentLog, type Log } from '../../../src/base/log.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import type { EndpointSlice, Service } from '../../../src/client/objects.ts';
import { missingForNetworks, Namespace, until } from './network.ts';
import { endpoint, manyServices, node, service, slice, TERMINATING } from './objects.ts';

const reason = missingForNetworks();
if (reason !== undefined && process.env['CI'] !== undefined) throw new Error(reason);
const why = reason === undefined ? '' : ` (${reason})`;
const SEED = Number(process.env['NFTABLES_SEED'] ?? 1);
const STEPS = 25;

let namespace: Namespace;
const proxies: NftablesProxy[] = [];

beforeAll(async () => {
  if (reason === undefined) namespace = await Namespace.make();
});

afterAll(async () => {
  for (const proxy of proxies) await proxy.close();
  namespace?.close();
});

function makeProxy(log: Log = silentLog): NftablesProxy {
  const proxy = new NftablesProxy({ node, run: namespace.run, clock: systemClock, log });
  proxies.push(proxy);
  return proxy;
}

/** Names of what is not as nft makes it of the whole table. */
async function wrongIn(services: readonly Service[], slices: readonly EndpointSlice[]): Promise<string[]> {
  const script = tableText(planTable(services, slices, node));
  const scratch = await namespace.run(['unshare', '--net', 'sh', '-c', 'nft -f - && nft -s list table ip podium'], script);
  expect([scratch.stderr, scratch.code]).toEqual(['', 0]);
  return differingObjects(await namespace.sh('nft -s list table ip podium'), scratch.stdout);
}

function randomState(random: Random): { readonly services: Service[]; readonly slices: EndpointSlice[] } {
  const services: Service[] = [];
  const slices: EndpointSlice[] = [];
  for (let at = 0; at < 5; at++) {
    if (random.chance(0.2)) continue;
    const protocol = random.pick(['TCP', 'UDP', 'SCTP']);
    services.push(
      service(`s${at}`, {
        // One in ten claims another's address.
        clusterIP: random.chance(0.1) ? 'None' : `10.96.0.${random.chance(0.1) ? 1 : at + 1}`,
        type: random.pick(['ClusterIP', 'NodePort', 'LoadBalancer']),
        ports: [{ name: 'one', port: 80, protocol, nodePort: 30_000 + at }, ...(random.chance(0.3) ? [{ name: 'two', port: 81, nodePort: 30_100 + at }] : [])],
        internalTrafficPolicy: random.pick(['Cluster', 'Local']),
        externalTrafficPolicy: random.pick(['Cluster', 'Local']),
        ...(random.chance(0.3) ? { externalIPs: ['203.0.113.1'], loadBalancerSourceRanges: ['10.0.0.0/8', '192.0.2.0/24'] } : {}),
        ...(random.chance(0.4) ? { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: random.pick([60, 600]) } } } : {}),
      }, random.chance(0.5) ? { status: { loadBalancer: { ingress: [{ ip: `203.0.113.${at + 10}` }] } } } : {}),
    );
    const endpoints = Array.from({ length: random.below(4) }, () =>
      endpoint(`10.244.0.${random.between(1, 5)}`, { node: random.pick(['here', 'there']), conditions: random.chance(0.2) ? TERMINATING : { ready: true } }),
    );
    slices.push(slice(`s${at}`, endpoints, [{ name: 'one', port: 8080, protocol }, { name: 'two', port: 8081, protocol: 'TCP' }]));
  }
  return { services, slices };
}

test.skipIf(reason !== undefined)(`any changes, one after the other, come to the whole table; so does a start over what is there${why}`, async () => {
  const random = seededRandom(SEED).fork('nftables');
  let proxy = makeProxy();
  for (let step = 0; step < STEPS; step++) {
    if (random.chance(0.1)) {
      await proxy.close();
      proxy = makeProxy();
    }
    const { services, slices } = randomState(random);
    const { resyncs } = proxy.stats;
    const isNew = proxy.stats.transactions === 0;
    proxy.update(services, slices);
    await proxy.settled();
    expect(proxy.stats, `NFTABLES_SEED=${SEED}, step ${step}`).toMatchObject({ failures: 0, replacements: 0, resyncs: isNew ? 1 : resyncs });
    expect(await wrongIn(services, slices), `NFTABLES_SEED=${SEED}, step ${step}`).toEqual([]);
  }
});

test.skipIf(reason !== undefined)('what others do to the table is found and undone, by a look at it or by the next change', async () => {
  const { services, slices } = manyServices(3);
  const proxy = makeProxy();
  const settle = async (some: readonly Service[]) => {
    proxy.update(some, slices);
    await proxy.settled();
  };
  const look = async () => {
    proxy.check();
    await proxy.settled();
  };
  await settle(services);
  await look();
  await look();
  expect(proxy.stats).toMatchObject({ foreignChanges: 0, resyncs: 1 });
  await namespace.sh('nft add rule ip podium services drop; nft delete element ip podium hairpins { 10.244.0.1 . 10.244.0.1 }; nft add chain ip podium more');
  await look();
  expect(proxy.stats).toMatchObject({ foreignChanges: 1, resyncs: 2, replacements: 0 });
  expect(await wrongIn(services, slices)).toEqual([]);
  await namespace.sh('nft delete table ip podium');
  await look();
  expect(proxy.stats).toMatchObject({ foreignChanges: 2, resyncs: 3, failures: 0 });
  expect(await wrongIn(services, slices)).toEqual([]);
  await namespace.sh('nft delete table ip podium');
  await settle(services.slice(1));
  expect(proxy.stats).toMatchObject({ resyncs: 4, failures: 0 });
  expect(await wrongIn(services.slice(1), slices)).toEqual([]);
});

test.skipIf(reason !== undefined)('what is there to work with is found out by doing it, and leaves nothing behind', async () => {
  const before = await namespace.sh('nft list tables');
  expect([await missingForNftables(namespace.run), await missingForConntrack(namespace.run)]).toEqual([undefined, undefined]);
  expect(await namespace.sh('nft list tables')).toBe(before);
  const none = toolRunner(systemClock, ['/nonexistent/nsenter']);
  expect(await missingForNftables(none)).toMatch(/^nftables: .*ENOENT/);
  expect(await missingForConntrack(none)).toMatch(/^conntrack: .*ENOENT/);
});

test.skipIf(reason !== undefined)('a table of another make is replaced', async () => {
  await namespace.sh('nft delete table ip podium; nft -f - <<EOF\ntable ip podium { set hairpins { type inet_service; }; chain services { type filter hook input priority 0; }; }\nEOF');
  const { services, slices } = manyServices(2);
  const proxy = makeProxy();
  proxy.update(services, slices);
  await proxy.settled();
  expect(proxy.stats).toMatchObject({ replacements: 1, failures: 0 });
  expect(await wrongIn(services, slices)).toEqual([]);
});

test.skipIf(reason !== undefined)('1,000 services of 3 endpoints: whole, and one endpoint less by one small transaction', async () => {
  const { services, slices } = manyServices(1_000);
  let script = '';
  const run: typeof namespace.run = (argv, input) => {
    if (argv[1] === '-f') script = input ?? '';
    return namespace.run(argv, input);
  };
  const proxy = new NftablesProxy({ node, run, clock: systemClock, log: silentLog });
  proxies.push(proxy);
  proxy.update(services, slices);
  await proxy.settled();
  const changed = slices.map((one, at) => (at === 500 ? { ...one, endpoints: one.endpoints.slice(1) } : one));
  proxy.update(services, changed);
  await proxy.settled();
  expect(script.split('\n').length).toBe(4);
  expect(proxy.stats).toMatchObject({ resyncs: 1, failures: 0, transactions: 2 });
  expect(await wrongIn(services, changed)).toEqual([]);
});

const userReason = missingForNetworks('anybody');
if (userReason !== undefined && process.env['CI'] !== undefined) throw new Error(userReason);

test.skipIf(userReason !== undefined)(`who is not root of the machine may send less at once: then in parts${userReason === undefined ? '' : ` (${userReason})`}`, async () => {
  const own = await Namespace.make({ isUser: true });
  const { services, slices } = manyServices(500);
  let scripts = 0;
  const run: typeof own.run = (argv, input) => {
    if (argv[1] === '-f') scripts++;
    return own.run(argv, input);
  };
  const proxy = new NftablesProxy({ node, run, clock: systemClock, log: silentLog });
  try {
    proxy.update(services, slices);
    await proxy.settled();
    proxy.check();
    await proxy.settled();
    proxy.update(services.slice(150), slices);
    await proxy.settled();
    proxy.check();
    await proxy.settled();
    expect(proxy.stats).toMatchObject({ transactions: 2, resyncs: 1, failures: 0, foreignChanges: 0 });
    expect(scripts).toBeGreaterThan(4);
  } finally {
    await proxy.close();
    own.close();
  }
});

test.skipIf(reason !== undefined)('an error names the rule, nothing is applied by halves, and it is tried again', async () => {
  const { services, slices } = manyServices(2);
  const few = [{ ...slices[0]!, endpoints: slices[0]!.endpoints.slice(1) }, slices[1]!];
  let isBroken = false;
  const errors: object[] = [];
  // What nft refuses: a rule that is cut off, in the middle of a script.
  const run: typeof namespace.run = (argv, input) => namespace.run(argv, isBroken ? input?.replace(/ : 10\.244\.\S+ \. 8080 \}/, ' : }') : input);
  const proxy = new NftablesProxy({ node, run, clock: systemClock, log: { ...silentLog, warn: (facts) => errors.push(facts) } });
  proxies.push(proxy);
  proxy.update(services, slices);
  await proxy.settled();
  isBroken = true;
  proxy.update(services, few);
  await until('two failures', () => proxy.stats.failures >= 2);
  expect(await wrongIn(services, slices)).toEqual([]);
  expect(JSON.stringify(errors)).toMatch(/syntax error.* in: add rule ip podium svc\/ns\/web-0\/tcp\/http /);
  isBroken = false;
  await proxy.settled();
  expect(await wrongIn(services, few)).toEqual([]);
  // The same of a look that finds something, and cannot mend it at first.
  await namespace.sh('nft delete table ip podium');
  isBroken = true;
  const { failures } = proxy.stats;
  proxy.check();
  await until('another failure', () => proxy.stats.failures > failures);
  isBroken = false;
  await proxy.settled();
  expect(await wrongIn(services, few)).toEqual([]);
});
