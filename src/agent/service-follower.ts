/** What the agent tells of Services and EndpointSlices: a service proxy, or the cluster's DNS. */
import type { EndpointSlice, Service } from '../client/objects.ts';
import type { HostPort } from './core/host-ports.ts';

export interface ServiceFollower {
  /** All there are, from now on, and the ports of this node that its pods have. Many changes at once become one call. */
  update(services: readonly Service[], slices: readonly EndpointSlice[], hostPorts?: readonly HostPort[]): void;
  close(): Promise<void>;
}
