import { expect, test } from 'vitest';
import { podNames, reachableFromPods, type Naming } from '../../../src/agent/core/pod-names.ts';
import type { AgentPod, AgentPodSpec } from '../../../src/agent/core/pod-spec.ts';

const host = { nameservers: ['192.0.2.53'], searches: ['example.com'], options: [] };
const naming: Naming = { clusterDomain: 'cluster.local', clusterDns: ['10.96.0.10'], host: () => host };

function pod(spec: Partial<AgentPodSpec>, name = 'web-0'): AgentPod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns' }, spec: { nodeName: 'node-1', containers: [], ...spec } };
}

test('podNames() calls a pod by its name, or its hostname, and with a subdomain by a long one too', () => {
  expect(podNames(pod({}), naming)).toMatchObject({ hostname: 'web-0', hostnames: ['web-0'], warnings: [] });
  expect(podNames(pod({ hostname: 'db' }), naming)).toMatchObject({ hostname: 'db', hostnames: ['db'] });
  const long = 'db.peers.ns.svc.cluster.local';
  expect(podNames(pod({ hostname: 'db', subdomain: 'peers' }), naming)).toMatchObject({ hostname: 'db', hostnames: [long, 'db'] });
  expect(podNames(pod({ hostname: 'db', subdomain: 'peers', setHostnameAsFQDN: true }), naming)).toMatchObject({ hostname: long, hostnames: [long, 'db'] });
});

test('podNames() keeps to what a hostname may be', () => {
  expect(podNames(pod({}, `${'a'.repeat(62)}.b`), naming).hostname).toBe('a'.repeat(62));
  const tooLong = podNames(pod({ subdomain: 'a'.repeat(60), setHostnameAsFQDN: true }), naming);
  expect(tooLong.hostname).toBe('web-0');
  expect(tooLong.warnings.map(({ reason }) => reason)).toEqual(['FailedCreatePodSandBox']);
});

test('podNames() finds names by the cluster’s DNS, in the node’s network as the machine does unless it says otherwise', () => {
  const own = { servers: ['10.96.0.10'], searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'], options: ['ndots:5'] };
  const machine = { servers: ['192.0.2.53'], searches: ['example.com'], options: [] };
  expect(podNames(pod({ dnsPolicy: 'ClusterFirst' }), naming).dns).toEqual(own);
  expect(podNames(pod({ dnsPolicy: 'ClusterFirst', hostNetwork: true }), naming)).toMatchObject({ hostname: 'node-1', hostnames: ['node-1'], dns: machine });
  expect(podNames(pod({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }), naming).dns).toEqual(own);
  expect(podNames(pod({ dnsPolicy: 'Default' }), naming).dns).toEqual(machine);
  const none = podNames(pod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['s'], options: [{ name: 'ndots', value: '2' }] } }), naming);
  expect(none.dns).toEqual({ servers: ['1.1.1.1'], searches: ['s'], options: ['ndots:2'] });
});

test('podNames() without a naming leaves names to the runtime', () => {
  expect(podNames(pod({ subdomain: 'peers' }), undefined)).toEqual({ hostname: 'web-0', hostnames: ['web-0'], warnings: [] });
});

test('reachableFromPods() exchanges a resolver on the machine’s loopback', () => {
  expect(reachableFromPods({ ...host, nameservers: ['127.0.0.53'] }, ['10.96.0.10']).nameservers).toEqual(['10.96.0.10']);
  expect(reachableFromPods({ ...host, nameservers: ['::1', '192.0.2.53'] }, ['10.96.0.10']).nameservers).toEqual(['192.0.2.53']);
});
