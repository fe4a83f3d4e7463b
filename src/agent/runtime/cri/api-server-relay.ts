/**
 * API servers that listen on the machine's loopback, for pods: a pod's own loopback leads nowhere, and packets to the machine's
 * are not taken from outside of it. So the rules of the Service `kubernetes` lead to an address of the node's, where this listens.
 *
 *   pod ─► 10.96.0.1:443 ─ rules ─► 10.96.0.10:6443 ─ this ─► 127.0.0.1:6443
 *
 * Of the Service `kubernetes` alone: whoever may write EndpointSlices could reach all that listens on the machine by others.
 */
import type { EndpointSlice, Service } from '../../../client/objects.ts';
import type { ProxyRule, Target } from '../../core/proxy-rules.ts';
import { slicesByService } from '../../core/service-endpoints.ts';
import type { ServiceProxy } from '../../proxy.ts';
import type { ServiceFollower } from '../../service-follower.ts';

export interface ApiServerRelayOptions {
  /** Where it listens. */
  readonly address: string;
  readonly proxy: ServiceProxy;
}

const API_SERVERS = 'default/kubernetes';

export class ApiServerRelay implements ServiceFollower {
  readonly #options: ApiServerRelayOptions;

  constructor(options: ApiServerRelayOptions) {
    this.#options = options;
  }

  update(_: readonly Service[], slices: readonly EndpointSlice[]): void {
    const { address, proxy } = this.#options;
    proxy.apply(relayRules(slices, address));
  }

  close(): Promise<void> {
    return this.#options.proxy.close();
  }
}

/** One for each port; what serves at one port of several addresses of the loopback is one another's stand-in. */
export function relayRules(slices: readonly EndpointSlice[], address: string): ProxyRule[] {
  const targets = new Map<number, Target[]>();
  for (const { endpoints = [], ports = [] } of slicesByService(slices).get(API_SERVERS) ?? []) {
    for (const { port } of ports ?? []) {
      if (port === undefined) continue;
      const own = endpoints.flatMap(({ addresses }) => addresses.filter((one) => one.startsWith('127.')).map((one) => ({ address: one, port })));
      if (own.length > 0) targets.set(port, [...(targets.get(port) ?? []), ...own]);
    }
  }
  return [...targets].map(([port, own]) => ({ key: `${address}:${port}`, protocol: 'tcp', address, port, service: API_SERVERS, targets: own }));
}
