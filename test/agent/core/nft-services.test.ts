import { describe, expect, test } from 'vitest';
import { planTable, TablePlanner, type ProxyNode } from '../../../src/agent/core/nft-services.ts';
import { differenceText, ruleText, tableText } from '../../../src/agent/core/nft-table.ts';
import type { ProxiedService } from '../../../src/agent/core/service-endpoints.ts';
import type { EndpointSlice } from '../../../src/client/objects.ts';
import { fc } from '../../base/property.ts';
import { isIn, outcomesOf, type Packet } from '../nftables/interpreter.ts';
import { endpoint, GONE, manyServices, node, service, slice, TERMINATING, UNREADY } from '../nftables/objects.ts';

const machine = { addresses: ['127.0.0.1', '192.0.2.7', '10.244.7.1'] };
const OWN_POD = '10.244.7.9';
const OTHER_POD = '10.244.8.9';
const OUTSIDE = '198.51.100.1';
const CLUSTER_IP = '10.96.0.10';

interface Case {
  readonly services: readonly ProxiedService[];
  readonly slices?: readonly EndpointSlice[];
  readonly of?: Partial<ProxyNode>;
}

function ask({ services, slices = [], of = {} }: Case, packet: Partial<Packet> = {}): string[] {
  const table = planTable(services, slices, { ...node, ...of });
  const whole = { source: OWN_POD, destination: CLUSTER_IP, protocol: 'tcp', port: 80, ...packet } as const;
  return [...outcomesOf(table, whole, machine).outcomes].sort();
}

const web = (spec: Partial<ProxiedService['spec']> = {}, facts: object = {}) => service('web', { clusterIP: CLUSTER_IP, ...spec }, facts);
const two = [slice('web', [endpoint('10.244.7.2', { node: 'here' }), endpoint('10.244.8.2')])];

describe('planTable()', () => {
  test('sends what goes to a cluster address to any endpoint, masqueraded unless a pod asks', () => {
    expect(ask({ services: [web()], slices: two })).toEqual(['10.244.7.2:8080', '10.244.8.2:8080']);
    expect(ask({ services: [web()], slices: two }, { source: OTHER_POD })).toEqual(['10.244.7.2:8080', '10.244.8.2:8080']);
    expect(ask({ services: [web()], slices: two }, { source: '192.0.2.7' })).toEqual(['10.244.7.2:8080 masqueraded', '10.244.8.2:8080 masqueraded']);
  });

  test('masquerades what goes back to the pod that it came from', () => {
    expect(ask({ services: [web()], slices: two }, { source: '10.244.7.2' })).toEqual(['10.244.7.2:8080 masqueraded', '10.244.8.2:8080']);
  });

  test('refuses where there is no endpoint, and at ports that a service has not; drops at addresses that are no service', () => {
    expect(ask({ services: [web()] })).toEqual(['refuse']);
    expect(ask({ services: [web()], slices: two }, { port: 81 })).toEqual(['refuse']);
    expect(ask({ services: [web()], slices: two }, { protocol: 'udp' })).toEqual(['refuse']);
    expect(ask({ services: [web()], slices: two }, { destination: '10.96.0.11' })).toEqual(['drop']);
    expect(ask({ services: [web()], slices: two, of: { serviceCidr: undefined } }, { destination: '10.96.0.11' })).toEqual(['untouched']);
    expect(ask({ services: [web()], slices: two }, { destination: OUTSIDE })).toEqual(['untouched']);
    expect(ask({ services: [web()], slices: two, of: { ownAddresses: [CLUSTER_IP] } })).toEqual(['untouched']);
    expect(ask({ services: [web({ clusterIP: 'None' })], slices: two })).toEqual(['drop']);
  });

  test('takes endpoints that serve while they terminate only where there are no others, for node and cluster apart', () => {
    const ends = [slice('web', [endpoint('10.244.7.2', { node: 'here', conditions: TERMINATING }), endpoint('10.244.8.2'), endpoint('10.244.8.3', { conditions: UNREADY })])];
    expect(ask({ services: [web()], slices: ends })).toEqual(['10.244.8.2:8080']);
    expect(ask({ services: [web({ internalTrafficPolicy: 'Local' })], slices: ends })).toEqual(['10.244.7.2:8080']);
    const last = [slice('web', [endpoint('10.244.8.2', { conditions: TERMINATING }), endpoint('10.244.8.3', { conditions: GONE })])];
    expect(ask({ services: [web()], slices: last })).toEqual(['10.244.8.2:8080']);
  });

  test('keeps to the node where the internal policy is Local, and drops where only others have endpoints', () => {
    const local = web({ internalTrafficPolicy: 'Local' });
    expect(ask({ services: [local], slices: two })).toEqual(['10.244.7.2:8080']);
    expect(ask({ services: [local], slices: [slice('web', [endpoint('10.244.8.2')])] })).toEqual(['drop']);
    expect(ask({ services: [local] })).toEqual(['refuse']);
  });

  test('NodePort: at addresses of the node, masqueraded; of the node alone if they are given', () => {
    const services = [web({ type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] })];
    const to = (destination: string, of: Partial<ProxyNode> = {}) => ask({ services, slices: two, of }, { source: OUTSIDE, destination, port: 30080 });
    const both = ['10.244.7.2:8080 masqueraded', '10.244.8.2:8080 masqueraded'];
    expect(to('192.0.2.7')).toEqual(both);
    expect(to('127.0.0.1')).toEqual(both);
    expect(to('203.0.113.1')).toEqual(['untouched']);
    expect(to('192.0.2.7', { nodePortAddresses: ['192.0.2.7'] })).toEqual(both);
    expect(to('127.0.0.1', { nodePortAddresses: ['192.0.2.7'] })).toEqual(['untouched']);
    expect(ask({ services }, { source: OUTSIDE, destination: '192.0.2.7', port: 30080 })).toEqual(['refuse']);
  });

  test('external policy Local: the client is kept, endpoints are of this node; pods and the node itself are not held to it', () => {
    const services = [web({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ name: 'http', port: 80, nodePort: 30080 }] })];
    const from = (source: string, slices = two) => ask({ services, slices }, { source, destination: '192.0.2.7', port: 30080 });
    expect(from(OUTSIDE)).toEqual(['10.244.7.2:8080']);
    expect(from(OWN_POD)).toEqual(['10.244.7.2:8080', '10.244.8.2:8080']);
    expect(from(OTHER_POD)).toEqual(['10.244.7.2:8080 masqueraded', '10.244.8.2:8080 masqueraded']);
    expect(from('192.0.2.7')).toEqual(['10.244.7.2:8080 masqueraded', '10.244.8.2:8080 masqueraded']);
    const elsewhere = [slice('web', [endpoint('10.244.8.2')])];
    expect(from(OUTSIDE, elsewhere)).toEqual(['drop']);
    expect(from(OWN_POD, elsewhere)).toEqual(['10.244.8.2:8080']);
    expect(ask({ services, slices: elsewhere })).toEqual(['10.244.8.2:8080']);
  });

  test('external addresses and those of load balancers, with their source ranges', () => {
    const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.5'], loadBalancerSourceRanges: ['198.51.100.0/28', '10.0.0.0/8'] };
    const ingress = [{ ip: '203.0.113.6' }, { ip: '203.0.113.7', ipMode: 'Proxy' }];
    const services = [web(spec, { status: { loadBalancer: { ingress } } })];
    const to = (destination: string, source: string) => ask({ services, slices: two }, { source, destination });
    const both = ['10.244.7.2:8080 masqueraded', '10.244.8.2:8080 masqueraded'];
    expect(to('203.0.113.5', '198.51.100.77')).toEqual(both);
    expect(to('203.0.113.6', OUTSIDE)).toEqual(both);
    expect(to('203.0.113.6', '198.51.100.77')).toEqual(['drop']);
    expect(to('203.0.113.7', OUTSIDE)).toEqual(['untouched']);
  });

  test('an affinity: who is remembered goes where he went, others anywhere; the timeout is part of the set’s name', () => {
    const services = [web({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } })];
    expect(ask({ services, slices: two })).toEqual(['10.244.7.2:8080', '10.244.8.2:8080']);
    const remembered = ['aff/ns/web/tcp/http/10.244.8.2/8080/60'];
    expect(ask({ services, slices: two }, { remembered })).toEqual(['10.244.8.2:8080']);
    const table = planTable([web({ sessionAffinity: 'ClientIP' })], two, node);
    expect([...table.sets.values()].filter(({ timeoutSeconds }) => timeoutSeconds !== undefined).map(({ name, timeoutSeconds }) => [name, timeoutSeconds])).toEqual([
      ['aff/ns/web/tcp/http/10.244.7.2/8080/10800', 10800],
      ['aff/ns/web/tcp/http/10.244.8.2/8080/10800', 10800],
    ]);
  });

  test('TCP, UDP and SCTP of one port number are three', () => {
    const ports = (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }));
    const slices = [slice('web', [endpoint('10.244.8.2')], ports.map(({ name, protocol }, at) => ({ name, protocol, port: 1000 + at })))];
    const to = (protocol: 'tcp' | 'udp' | 'sctp') => ask({ services: [web({ ports })], slices }, { protocol, port: 53 });
    expect([to('tcp'), to('udp'), to('sctp')]).toEqual([['10.244.8.2:1000'], ['10.244.8.2:1001'], ['10.244.8.2:1002']]);
  });

  test('endpoints of loopback are reached where the node says', () => {
    const slices = [slice('web', [endpoint('127.0.0.1'), endpoint('127.0.0.2')])];
    expect(ask({ services: [web()], slices })).toEqual(['127.0.0.1:8080', '127.0.0.2:8080']);
    expect(ask({ services: [web()], slices, of: { loopbackAddress: '10.244.7.1' } })).toEqual(['10.244.7.1:8080']);
  });

  test('what is no address, port or name never gets into a script', () => {
    const bad = [
      service('a', { clusterIP: '10.96.0.1 }; flush ruleset; #' }),
      service('b; drop', { clusterIP: '10.96.0.2' }),
      service('c', { clusterIP: '10.96.0.3', ports: [{ name: 'x } y', port: 80 }, { port: 70_000 }, { port: 1, protocol: 'DCCP' }] }),
      service('d', { clusterIP: 'fd00::1' }),
      service('e', { clusterIP: '10.96.0.4', type: 'LoadBalancer', externalIPs: ['example.com', '1.2.3'], loadBalancerSourceRanges: ['0.0.0.0/0 accept'] }, { status: { loadBalancer: { ingress: [{ ip: '203.0.113.6' }] } } }),
    ];
    const slices = [slice('e', [endpoint('10.244.0.1; drop'), endpoint('10.244.0.256'), endpoint('10.244.0.2')])];
    const text = tableText(planTable(bad, slices, node));
    expect(text).not.toMatch(/flush ruleset|; drop|x \}|70000|DCCP|fd00|example|1\.2\.3 |accept|256/);
    expect(text).toContain('dnat to 10.244.0.2:8080');
  });
});

describe('1,000 services of 3 endpoints', () => {
  const { services, slices } = manyServices(1_000);
  const table = planTable(services, slices, node);

  test('each packet goes where the objects say', () => {
    services.forEach(({ spec: { clusterIP = '' } }, at) => {
      const targets = slices[at]!.endpoints.map(({ addresses }) => `${addresses[0]}:8080`).sort();
      const inside = outcomesOf(table, { source: '10.244.200.200', destination: clusterIP, protocol: 'tcp', port: 80 }, machine);
      expect([...inside.outcomes].sort()).toEqual(targets);
      const outside = outcomesOf(table, { source: OUTSIDE, destination: '192.0.2.7', protocol: 'tcp', port: 30_000 + at }, machine);
      expect([...outside.outcomes].sort()).toEqual(targets.map((target) => `${target} masqueraded`));
      // The set of cluster addresses, and the maps: however many services there are.
      expect(Math.max(inside.lookups, outside.lookups)).toBeLessThanOrEqual(3);
    });
  });

  test('one endpoint that goes is a difference of one chain and one element', () => {
    const planner = new TablePlanner(node);
    const before = planner.plan(services, slices);
    const changed = slices.map((one, at) => (at === 500 ? { ...one, endpoints: one.endpoints.slice(1) } : one));
    const lines = differenceText(before, planner.plan(services, changed)).trim().split('\n');
    expect(lines.map((line) => line.split(' ').slice(0, 5).join(' '))).toEqual([
      'flush chain ip podium svc/ns/web-500/tcp/http',
      'add rule ip podium svc/ns/web-500/tcp/http',
      'delete element ip podium hairpins',
    ]);
    expect(differenceText(before, planner.plan(services, slices))).toBe('');
  });
});

// --- any services, against what the objects say

const conditions = fc.constantFrom({ ready: true }, TERMINATING, GONE, UNREADY);
const anyEndpoint = fc.record({ last: fc.integer({ min: 1, max: 6 }), isHere: fc.boolean(), conditions });
const policy = fc.constantFrom('Cluster', 'Local', undefined);
const anyService = fc.record({
  endpoints: fc.array(anyEndpoint, { maxLength: 5 }),
  internal: policy,
  external: policy,
  isNodePort: fc.boolean(),
  hasExternalIp: fc.boolean(),
  affinity: fc.boolean(),
});
type AnyService = typeof anyService extends fc.Arbitrary<infer T> ? T : never;

function objectsOf(all: readonly AnyService[]) {
  const services = all.map((one, at) =>
    service(`s${at}`, {
      clusterIP: `10.96.0.${at + 1}`,
      type: one.isNodePort ? 'NodePort' : 'ClusterIP',
      ports: [{ name: 'http', port: 80, nodePort: 30_000 + at }],
      ...(one.internal === undefined ? {} : { internalTrafficPolicy: one.internal }),
      ...(one.external === undefined ? {} : { externalTrafficPolicy: one.external }),
      ...(one.hasExternalIp ? { externalIPs: [`203.0.113.${at + 1}`] } : {}),
      ...(one.affinity ? { sessionAffinity: 'ClientIP' } : {}),
    }),
  );
  const slices = all.map((one, at) => slice(`s${at}`, one.endpoints.map((each) => endpoint(addressOf(each), { node: each.isHere ? 'here' : 'there', conditions: each.conditions }))));
  return { services, slices };
}

const addressOf = ({ last, isHere }: { readonly last: number; readonly isHere: boolean }) => `10.244.${isHere ? 7 : 8}.${last}`;

/** By the words of the API's documentation, one packet at a time. */
function expected(all: readonly AnyService[], packet: Packet): string[] {
  const isAtNode = machine.addresses.includes(packet.destination);
  const at = all.findIndex((one, index) => {
    if (packet.destination === `10.96.0.${index + 1}`) return true;
    if (one.hasExternalIp && packet.destination === `203.0.113.${index + 1}` && packet.port === 80) return true;
    return one.isNodePort && isAtNode && packet.port === 30_000 + index;
  });
  const found = all[at];
  if (found === undefined) return [isIn(packet.destination, '10.96.0.0/12') ? 'drop' : 'untouched'];
  const isInternal = packet.destination === `10.96.0.${at + 1}`;
  if (isInternal && packet.port !== 80) return ['refuse'];
  const usable = (these: AnyService['endpoints']) => {
    const ready = these.filter((one) => one.conditions.ready);
    return new Set((ready.length > 0 ? ready : these.filter((one) => one.conditions === TERMINATING)).map(addressOf));
  };
  const everywhere = usable(found.endpoints);
  const here = usable(found.endpoints.filter(({ isHere }) => isHere));
  const isPod = isIn(packet.source, node.podCidr);
  const isOfNode = isPod ? isIn(packet.source, node.nodePodCidr) : machine.addresses.includes(packet.source);
  const isFree = isInternal ? found.internal !== 'Local' : found.external !== 'Local' || isPod || isOfNode;
  const targets = isFree ? everywhere : here;
  if (targets.size === 0) return [everywhere.size === 0 && here.size === 0 ? 'refuse' : 'drop'];
  const isMasqueraded = isInternal ? !isPod : found.external !== 'Local' || (isFree && !(isPod && isOfNode));
  // What another node's pod sends to a service is translated there.
  const isBack = (address: string) => address === packet.source && isOfNode;
  return [...targets].map((address) => `${address}:8080${isMasqueraded || isBack(address) ? ' masqueraded' : ''}`).sort();
}

test('planTable() does with any packet what the objects say', () => {
  const packets = fc.record({
    source: fc.oneof(fc.constantFrom(OUTSIDE, '192.0.2.7'), fc.integer({ min: 1, max: 6 }).map((last) => `10.244.7.${last}`), fc.constant('10.244.8.1')),
    destination: fc.oneof(fc.integer({ min: 1, max: 4 }).chain((n) => fc.constantFrom(`10.96.0.${n}`, `203.0.113.${n}`)), fc.constantFrom('192.0.2.7', OUTSIDE)),
    port: fc.oneof(fc.constantFrom(80, 81), fc.integer({ min: 30_000, max: 30_003 })),
    protocol: fc.constant('tcp' as const),
  });
  fc.assert(
    fc.property(fc.array(anyService, { maxLength: 4 }), fc.array(packets, { minLength: 1, maxLength: 8 }), (all, some) => {
      const { services, slices } = objectsOf(all);
      const table = planTable(services, slices, node);
      for (const packet of some) expect([...outcomesOf(table, packet, machine).outcomes].sort(), JSON.stringify(packet)).toEqual(expected(all, packet));
    }),
  );
});

test('a planner that remembers plans what one does that begins anew', () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyService, { maxLength: 4 }), { minLength: 1, maxLength: 6 }), (states) => {
      const planner = new TablePlanner(node);
      for (const { services, slices } of states.map(objectsOf)) expect(tableText(planner.plan(services, slices))).toBe(tableText(planTable(services, slices, node)));
    }),
    { numRuns: 100 },
  );
});

test('ruleText() writes many sources as a set', () => {
  expect(ruleText({ matches: [{ on: 'source', cidrs: ['10.0.0.0/8', '192.0.2.1'], isNot: true }], action: { do: 'drop' } })).toBe('ip saddr != { 10.0.0.0/8, 192.0.2.1 } drop');
});
