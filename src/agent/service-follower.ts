/** What the agent tells of Services and EndpointSlices: a service proxy, or the cluster's DNS. */
import type { EndpointSlice, Service } from '../client/objects.ts';

export interface ServiceFollower {
  /** All there are, from now on. Many changes at once become one call. */
  update(services: readonly Service[], slices: readonly EndpointSlice[]): void;
  close(): Promise<void>;
}
