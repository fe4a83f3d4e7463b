/** What a node answers balancers that ask it, at a port that a Service has for it, for endpoints of its own. */
import type { EndpointSlice, Service } from '../../client/objects.ts';
import { isReady, slicesByService, serviceKeyOf, type ProxiedService } from './service-endpoints.ts';

export interface ServiceHealth {
  readonly port: number;
  readonly namespace: string;
  readonly name: string;
  /** Ready, and of this node. */
  readonly localEndpoints: number;
}

/** Of services of type LoadBalancer whose external traffic stays on the node that it comes to. */
export function planServiceHealth(services: readonly ProxiedService[], slices: readonly EndpointSlice[], nodeName: string): ServiceHealth[] {
  const slicesOf = slicesByService(slices);
  return services.flatMap((service) => {
    const { type, externalTrafficPolicy, healthCheckNodePort = 0 } = service.spec;
    if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || healthCheckNodePort === 0) return [];
    const { namespace = '', name } = service.metadata;
    return [{ port: healthCheckNodePort, namespace, name, localEndpoints: localOf(service, slicesOf, nodeName) }];
  });
}

function localOf(service: Service, slicesOf: ReadonlyMap<string, readonly EndpointSlice[]>, nodeName: string): number {
  const endpoints = (slicesOf.get(serviceKeyOf(service)) ?? []).flatMap((slice) => slice.endpoints ?? []);
  const local = endpoints.filter((endpoint) => endpoint.nodeName === nodeName && isReady(endpoint));
  return new Set(local.map(({ addresses }) => addresses[0])).size;
}

/** As kube-proxy answers. */
export function healthAnswer({ namespace, name, localEndpoints }: ServiceHealth): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const body = JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }, null, '\t');
  const headers = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff', 'X-Load-Balancing-Endpoint-Weight': String(localEndpoints) };
  return { status: localEndpoints > 0 ? 200 : 503, headers, body: `${body}\n` };
}
