/** The class of a pod, by what its containers ask for and may use. */
import type { PodSpec } from 'kubernetes-types/core/v1.js';

const COMPUTE = ['cpu', 'memory'];

export type QosClass = 'BestEffort' | 'Burstable' | 'Guaranteed';

export function qosClass(spec: PodSpec): QosClass {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const asks = containers.some(({ resources }) => Object.keys({ ...resources?.requests, ...resources?.limits }).some((name) => COMPUTE.includes(name)));
  if (!asks) return 'BestEffort';
  const guaranteed = containers.every(({ resources }) =>
    COMPUTE.every((name) => {
      const limit = resources?.limits?.[name];
      return limit !== undefined && (resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
