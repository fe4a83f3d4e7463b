/** podium.api.v1.Pods over {@link PodLogs}. */
import { Pods } from '../../proto/api.ts';
import { bind, type BoundService } from '../../proto/rpc.ts';
import type { PodLogs } from '../pod-logs.ts';
import type { Admission } from './admission.ts';
import { mapApiError } from './resources.ts';

export function podsService(logs: PodLogs, admission: Admission): BoundService {
  return bind(
    Pods,
    {
      logs: (request, context) => {
        const { namespace, name } = request;
        const ref = { group: '', version: 'v1', resource: 'pods', namespace, name, subresource: 'log' };
        return admission.stream(context, { verb: 'get', ref, isLongRunning: request.follow }, async function* () {
          for await (const data of await logs.open(request, context.signal)) yield { data };
        });
      },
    },
    mapApiError,
  );
}
