import { expect, test } from 'vitest';
import { parseResolvConf, podDns, type PodDnsInput, type PodDnsSpec } from '../../../src/agent/core/resolv-conf.ts';

const host = parseResolvConf('# of the machine\nnameserver 192.0.2.53\nsearch old.example\nsearch corp.example. lab.example # two\noptions timeout:1 rotate\n');

function of(spec: PodDnsSpec, more: Partial<PodDnsInput> = {}) {
  return podDns({ namespace: 'ns', spec, clusterDomain: 'cluster.local', clusterDns: ['10.96.0.2'], host, ...more });
}

const CLUSTER = 'search ns.svc.cluster.local svc.cluster.local cluster.local corp.example lab.example\nnameserver 10.96.0.2\noptions ndots:5\n';
const HOST = 'search corp.example lab.example\nnameserver 192.0.2.53\noptions timeout:1 rotate\n';

test('parseResolvConf() reads what a resolver does', () => {
  expect(host).toEqual({ nameservers: ['192.0.2.53'], searches: ['corp.example', 'lab.example'], options: ['timeout:1', 'rotate'] });
  expect(parseResolvConf('')).toEqual({ nameservers: [], searches: [], options: [] });
});

test('podDns() follows the policy; a pod in the machine’s network has the machine’s names, unless it says otherwise', () => {
  expect(of({}).text).toBe(CLUSTER);
  expect(of({ dnsPolicy: 'ClusterFirst', hostNetwork: true }).text).toBe(HOST);
  expect(of({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }).text).toBe(CLUSTER);
  expect(of({ dnsPolicy: 'Default' }).text).toBe(HOST);
  expect(of({ dnsPolicy: 'None' }).text).toBe('');
});

test('podDns() without a cluster DNS takes the machine’s, and says so', () => {
  const made = of({}, { clusterDns: [] });
  expect(made.text).toBe(HOST);
  expect(made.warnings.map(({ reason }) => reason)).toEqual(['MissingClusterDNS']);
  expect(of({ dnsPolicy: 'Default' }, { clusterDns: [] }).warnings).toEqual([]);
});

test('podDns() merges dnsConfig: once each, options by their names', () => {
  const dnsConfig = {
    nameservers: ['10.96.0.2', '192.0.2.1'],
    searches: ['my.example', 'cluster.local'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }, { value: 'nameless' }],
  };
  expect(of({ dnsConfig }).text).toBe(
    'search ns.svc.cluster.local svc.cluster.local cluster.local corp.example lab.example my.example\nnameserver 10.96.0.2\nnameserver 192.0.2.1\noptions ndots:2 edns0\n',
  );
  expect(of({ dnsPolicy: 'None', dnsConfig }).text).toBe('search my.example cluster.local\nnameserver 10.96.0.2\nnameserver 192.0.2.1\noptions ndots:2 edns0\n');
  expect(of({ dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1\nnameserver 192.0.2.2'] } }).text).toBe('');
});

test('podDns() keeps to the limits, and says what it left out', () => {
  const many = of({ dnsConfig: { nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'], searches: Array.from({ length: 40 }, (_, at) => `s${at}.example`) } });
  expect(many.nameservers).toEqual(['10.96.0.2', '192.0.2.1', '192.0.2.2']);
  expect(many.searches).toHaveLength(32);
  expect(many.warnings.map(({ reason }) => reason)).toEqual(['DNSConfigForming', 'DNSConfigForming']);
  const long = of({ dnsConfig: { searches: Array.from({ length: 20 }, (_, at) => `${'x'.repeat(200)}${at}`) } });
  expect(long.searches.join(' ').length).toBeLessThanOrEqual(2_048);
  expect(long.searches.length).toBeGreaterThan(10);
});
