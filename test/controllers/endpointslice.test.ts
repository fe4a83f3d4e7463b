import { expect, test } from 'vitest';
import type { EndpointSlice, Pod, Service } from '../../src/client/objects.ts';
import { planEndpointSlices } from '../../src/controllers/endpointslice/plan.ts';

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'ns', uid: 's' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
});

interface Like {
  readonly ports?: Readonly<Record<string, number>>;
  readonly spec?: Partial<Pod['spec']>;
  readonly ready?: boolean;
  readonly isDeleted?: boolean;
}

let last = 0;
function pod(name: string, { ports = { http: 8080 }, spec = {}, ready = true, isDeleted = false }: Like = {}): Pod {
  const list = Object.entries(ports).map(([portName, containerPort]) => ({ name: portName, containerPort }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ns', uid: name, labels: { app: 'web' }, ...(isDeleted ? { deletionTimestamp: '2024-01-01T00:00:00Z' } : {}) },
    spec: { containers: [{ name: 'c', image: 'i', ports: list }], nodeName: 'n', ...spec },
    status: { phase: 'Running', podIP: `10.244.0.${++last}`, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

/** What is made where nothing is there: each slice as `port: pod+` (ready), `pod~` (serves while it ends) or `pod-`. */
function slicesOf(of: Service, pods: readonly Pod[]): string[] {
  const { actions } = planEndpointSlices({ service: of, pods, slices: [], endpoints: undefined });
  const made = actions.flatMap((action): EndpointSlice[] => (action.kind === 'create-slice' ? [action.slice] : []));
  const shown = ({ ready, serving, terminating }: NonNullable<EndpointSlice['endpoints'][number]['conditions']>) => (ready ? '+' : serving === true && terminating === true ? '~' : '-');
  return made.map(({ ports = [], endpoints }) => `${ports.map(({ port }) => port).join() || 'no port'}: ${endpoints.map(({ targetRef, conditions }) => `${targetRef?.name}${shown(conditions ?? {})}`).join(' ')}`);
}

test('planEndpointSlices() has a slice for each number that a named port has, side cars’ included, and one of pods that have none', () => {
  const sidecar = pod('sidecar', { ports: {}, spec: { initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always', ports: [{ name: 'http', containerPort: 9090 }] }] } });
  const ended = pod('ended', { ports: {}, spec: { initContainers: [{ name: 's', image: 'i', ports: [{ name: 'http', containerPort: 9090 }] }] } });
  const pods = [pod('a'), pod('b', { ports: { http: 8081 } }), pod('c'), sidecar, ended];
  expect(slicesOf(service(), pods).sort()).toEqual(['8080: a+ c+', '8081: b+', '9090: sidecar+', 'no port: ended+']);
  expect(slicesOf(service({ ports: [{ port: 80, targetPort: '8088' }] }), [pod('a')])).toEqual(['8088: a+']);
});

test('planEndpointSlices() tells who is ready, who serves while it ends, and publishes all where that is asked for', () => {
  const pods = [pod('a'), pod('b', { ready: false }), pod('c', { isDeleted: true }), pod('d', { ready: false, isDeleted: true })];
  expect(slicesOf(service(), pods)).toEqual(['8080: a+ b- c~ d-']);
  expect(slicesOf(service({ publishNotReadyAddresses: true }), pods)).toEqual(['8080: a+ b+ c+ d+']);
});

test('planEndpointSlices() gives a hostname below the service that the pod names, and below no other', () => {
  const pods = [pod('a', { spec: { hostname: 'one', subdomain: 'web' } }), pod('b', { spec: { hostname: 'two', subdomain: 'other' } }), pod('c', { spec: { hostname: 'three' } })];
  const { actions } = planEndpointSlices({ service: service(), pods, slices: [], endpoints: undefined });
  const hostnames = actions.flatMap((action) => (action.kind === 'create-slice' ? action.slice.endpoints.map(({ hostname }) => hostname) : []));
  expect(hostnames).toEqual(['one', undefined, undefined]);
});
