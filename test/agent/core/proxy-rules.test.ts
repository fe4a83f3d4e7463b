import { expect, test } from 'vitest';
import type { Endpoint, EndpointSlice, Service } from '../../../src/client/objects.ts';
import { isRouted, planProxy } from '../../../src/agent/core/proxy-rules.ts';

const service = (spec: object, name = 'web'): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'ns' },
  spec: { clusterIP: '127.128.0.1', ports: [{ name: 'http', port: 80, nodePort: 30080 }], ...spec },
});

const endpoint = (address: string, conditions: Endpoint['conditions'] = { ready: true }): Endpoint => ({ addresses: [address], conditions: conditions! });

const slice = (endpoints: readonly Endpoint[], facts: object = {}): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's', namespace: 'ns', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 }],
  endpoints,
  ...facts,
});

const plan = (services: readonly Service[], slices: readonly EndpointSlice[], portBase = 0) =>
  planProxy({ services, slices, nodePortAddress: '127.0.0.1', portBase });
const targets = (slices: readonly EndpointSlice[]) => plan([service({})], slices)[0]!.targets.map(({ address, port }) => `${address}:${port}`);

test('planProxy() listens on the cluster address and on the NodePort, moved by the port base', () => {
  expect(plan([service({})], []).map(({ key }) => key)).toEqual(['127.128.0.1:80']);
  expect(plan([service({ type: 'NodePort' })], [], 1000).map(({ key }) => key)).toEqual(['127.0.0.1:31080', '127.128.0.1:80']);
  expect(plan([service({ clusterIP: 'None' }), service({ type: 'ExternalName', clusterIP: '' }, 'other')], [])).toEqual([]);
  const both = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol, nodePort: 30053 }));
  expect(plan([service({ type: 'NodePort', ports: both })], []).map(({ key, protocol }) => [key, protocol])).toEqual([
    ['127.0.0.1:30053', 'tcp'],
    ['127.0.0.1:30053/sctp', 'sctp'],
    ['127.0.0.1:30053/udp', 'udp'],
    ['127.128.0.1:53', 'tcp'],
    ['127.128.0.1:53/sctp', 'sctp'],
    ['127.128.0.1:53/udp', 'udp'],
  ]);
});

test('planProxy() sends to ready endpoints of all slices, in one order whatever theirs is', () => {
  const one = slice([endpoint('127.9.0.2'), endpoint('127.9.0.1'), endpoint('127.9.0.3', { ready: false })]);
  const two = slice([endpoint('127.9.0.1'), { addresses: ['127.9.0.4'] }]);
  expect(targets([one, two])).toEqual(['127.9.0.1:8080', '127.9.0.2:8080', '127.9.0.4:8080']);
  expect(targets([two, one])).toEqual(targets([one, two]));
});

test('planProxy() falls back to endpoints that serve while they terminate, if there are no others', () => {
  const serving = endpoint('127.9.0.1', { ready: false, serving: true, terminating: true });
  const dead = endpoint('127.9.0.2', { ready: false, serving: false, terminating: true });
  const unready = endpoint('127.9.0.3', { ready: false, serving: false });
  expect(targets([slice([serving, dead, unready])])).toEqual(['127.9.0.1:8080']);
  expect(targets([slice([serving, dead, unready, endpoint('127.9.0.4')])])).toEqual(['127.9.0.4:8080']);
});

test('planProxy() keeps to the service, the port name, and IPv4', () => {
  const ready = [endpoint('127.9.0.1')];
  expect(targets([slice(ready, { ports: [{ name: 'other', port: 1 }] })])).toEqual([]);
  expect(targets([slice(ready, { addressType: 'IPv6' })])).toEqual([]);
  expect(targets([slice(ready, { metadata: { name: 's', namespace: 'elsewhere', labels: { 'kubernetes.io/service-name': 'web' } } })])).toEqual([]);
});

test('isRouted() knows who gets new connections', () => {
  const slices = [slice([endpoint('127.9.0.1'), endpoint('127.9.0.2', { ready: false, serving: true, terminating: true })])];
  expect([isRouted(slices, '127.9.0.1'), isRouted(slices, '127.9.0.2'), isRouted(slices, '127.9.0.3')]).toEqual([true, false, false]);
});
