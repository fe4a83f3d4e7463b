/** A StoreClient straight to the handlers of members in this process: no socket, but the same bytes either way. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { directChannel } from '../proto/direct-channel.ts';
import type { BoundService } from '../proto/rpc.ts';
import { channelStoreClient } from './channel-store-client.ts';
import type { StoreClient } from './store-client.ts';

export interface DirectStoreClientOptions {
  /** The bound services of each member. */
  readonly members: readonly (readonly BoundService[])[];
  readonly clock: Clock;
  readonly log: Log;
  readonly requestTimeoutMs?: number;
}

export function directStoreClient({ members, clock, log, requestTimeoutMs }: DirectStoreClientOptions): StoreClient {
  const channels = members.map((services) => directChannel({ services, clock, log }));
  return channelStoreClient({ channels, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) });
}
