/** Services and EndpointSlices for tests of proxies and DNS. */
import type { Endpoint, EndpointSlice, Service } from '../../../src/client/objects.ts';
import type { ProxyNode } from '../../../src/agent/core/nft-services.ts';
import type { ProxiedService } from '../../../src/agent/core/service-endpoints.ts';

export const node: ProxyNode = {
  tableName: 'podium',
  nodeName: 'here',
  podCidr: '10.244.0.0/16',
  nodePodCidr: '10.244.7.0/24',
  serviceCidr: '10.96.0.0/12',
  nodePortAddresses: [],
  ownAddresses: [],
};

export function service(name: string, spec: Partial<ProxiedService['spec']>, facts: Pick<ProxiedService, 'status'> | object = {}): ProxiedService {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'ns' }, spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec }, ...facts };
}

export interface EndpointFacts {
  readonly node?: string;
  readonly hostname?: string;
  readonly pod?: string;
  readonly conditions?: NonNullable<Endpoint['conditions']>;
}

export function endpoint(address: string, { node: nodeName = 'there', hostname, pod, conditions = { ready: true } }: EndpointFacts = {}): Endpoint {
  return {
    addresses: [address],
    conditions,
    nodeName,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', name: pod, namespace: 'ns' } }),
  };
}

export const TERMINATING = { ready: false, serving: true, terminating: true };
export const GONE = { ready: false, serving: false, terminating: true };
export const UNREADY = { ready: false, serving: false, terminating: false };

export function slice(of: string, endpoints: readonly Endpoint[], ports: EndpointSlice['ports'] = [{ name: 'http', port: 8080, protocol: 'TCP' }]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-1`, namespace: 'ns', labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    endpoints,
    ports,
  };
}

/** `count` services of three endpoints each, the first of which is on this node. */
export function manyServices(count: number): { readonly services: Service[]; readonly slices: EndpointSlice[] } {
  const at = (number: number) => `${Math.floor(number / 250)}.${(number % 250) + 1}`;
  const services = Array.from({ length: count }, (_, i) => service(`web-${i}`, { clusterIP: `10.96.${at(i)}`, type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30_000 + i }] }));
  const slices = services.map(({ metadata: { name } }, i) =>
    slice(name, [0, 1, 2].map((one) => endpoint(`10.244.${at(i * 3 + one)}`, { node: one === 0 ? 'here' : 'there' }))),
  );
  return { services, slices };
}
