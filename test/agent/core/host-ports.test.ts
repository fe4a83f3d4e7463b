/** A pod's ports of its node: which there are, and what the rules and the proxy make of them. */
import { expect, test } from 'vitest';
import { hostPortsOf } from '../../../src/agent/core/host-ports.ts';
import { planTable } from '../../../src/agent/core/nft-services.ts';
import type { AgentPod, AgentPodSpec, ContainerPort } from '../../../src/agent/core/pod-spec.ts';
import { planProxy } from '../../../src/agent/core/proxy-rules.ts';
import { outcomesOf, type Packet } from '../nftables/interpreter.ts';
import { endpoint, node, service, slice } from '../nftables/objects.ts';

const POD_IP = '10.244.7.2';
const machine = { addresses: ['127.0.0.1', '192.0.2.7', '10.244.7.1'] };

function pod(name: string, ports: readonly ContainerPort[], spec: Partial<AgentPodSpec> = {}, status: AgentPod['status'] = { podIP: POD_IP, phase: 'Running' }): AgentPod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns' }, spec: { containers: [{ name: 'c', image: 'i', ports }], ...spec }, ...(status === undefined ? {} : { status }) };
}

const web = { containerPort: 8080, hostPort: 80, protocol: 'TCP' };

test('hostPortsOf() lists those of pods that have an address and have not ended, in one order', () => {
  const pods = [
    pod('b', [web, { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.7' }, { containerPort: 9 }]),
    pod('a', [{ ...web, hostIP: '0.0.0.0' }]),
    pod('ended', [web], {}, { podIP: POD_IP, phase: 'Succeeded' }),
    pod('waiting', [web], {}, { phase: 'Pending' }),
    pod('of-the-machine', [{ ...web, containerPort: 80 }], { hostNetwork: true }, { podIP: '127.0.0.1', phase: 'Running' }),
  ];
  const found = hostPortsOf(pods).map(({ name, protocol, hostPort, hostIp, port }) => [name, protocol, hostPort, hostIp, port]);
  expect(found).toEqual([['a', 'TCP', 80, '', 8080], ['b', 'TCP', 80, '', 8080], ['b', 'UDP', 53, '192.0.2.7', 53]]);
  expect(hostPortsOf(pods.toReversed()).map(({ name }) => name)).toEqual(['a', 'b', 'b']);
});

function ask(packet: Partial<Packet>, ports: readonly ContainerPort[] = [web], spec: Partial<AgentPodSpec> = {}): string[] {
  const services = [service('web', { clusterIP: '10.96.0.9', type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] })];
  const table = planTable(services, [slice('web', [endpoint('10.244.7.5', { node: 'here' })])], node, hostPortsOf([pod('p', ports, spec)]));
  return [...outcomesOf(table, { source: '198.51.100.1', destination: '192.0.2.7', protocol: 'tcp', port: 80, ...packet }, machine).outcomes];
}

test('the rules of a node send them to the pod; the client keeps its address unless it is the node or the pod itself', () => {
  expect(ask({})).toEqual([`${POD_IP}:8080`]);
  expect(ask({ source: '10.244.8.3', destination: '10.244.7.1' })).toEqual([`${POD_IP}:8080`]);
  expect(ask({ source: '127.0.0.1', destination: '127.0.0.1' })).toEqual([`${POD_IP}:8080 masqueraded`]);
  expect(ask({ source: POD_IP })).toEqual([`${POD_IP}:8080 masqueraded`]);
  expect(ask({ protocol: 'udp' })).toEqual(['untouched']);
  expect(ask({ destination: '203.0.113.9' })).toEqual(['untouched']);
  expect(ask({ destination: '10.96.0.9' })).toEqual(['10.244.7.5:8080 masqueraded']);
});

test('the rules keep to the address of the node that is named; a pod of the node’s network needs none; a NodePort goes first', () => {
  const named = [{ ...web, hostIP: '192.0.2.7' }];
  expect(ask({}, named)).toEqual([`${POD_IP}:8080`]);
  expect(ask({ destination: '10.244.7.1' }, named)).toEqual(['untouched']);
  expect(ask({}, [web], { hostNetwork: true })).toEqual(['untouched']);
  expect(ask({ port: 30_080 }, [{ ...web, hostPort: 30_080 }])).toEqual(['10.244.7.5:8080 masqueraded']);
});

test('planProxy() listens for them on the machine, moved by the port base', () => {
  const rules = (ports: readonly ContainerPort[], portBase = 0) =>
    planProxy({ services: [], slices: [], hostPorts: hostPortsOf([pod('p', ports)]), nodePortAddress: '127.0.0.1', portBase }).map(({ key, targets }) => [key, targets]);
  expect(rules([web], 1000)).toEqual([['127.0.0.1:1080', [{ address: POD_IP, port: 8080 }]]]);
  expect(rules([{ ...web, protocol: 'UDP' }, web]).map(([key]) => key)).toEqual(['127.0.0.1:80', '127.0.0.1:80/udp']);
  expect(rules([{ ...web, protocol: 'SCTP' }]).map(([key]) => key)).toEqual(['127.0.0.1:80/sctp']); // for the proxy to say that it does not serve it
  expect(rules([{ ...web, hostIP: '192.0.2.7' }])).toEqual([]);
  expect(rules([{ ...web, hostPort: 65_000 }], 1000)).toEqual([]);
});
