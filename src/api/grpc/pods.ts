/** podium.api.v1.Pods over {@link PodLogs}. */
import { Pods } from '../../proto/api.ts';
import { bind, type BoundService } from '../../proto/rpc.ts';
import type { PodLogs } from '../pod-logs.ts';
import { mapApiError } from './resources.ts';

export function podsService(logs: PodLogs): BoundService {
  return bind(
    Pods,
    {
      logs: async function* (request, { signal }) {
        for await (const data of await logs.open(request, signal)) yield { data };
      },
    },
    mapApiError,
  );
}
