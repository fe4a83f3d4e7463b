/** All kinds that are built in. */
import { configMaps, events, leases, namespaces, nodes, secrets, serviceAccounts } from './plain.ts';
import type { Kind } from './kind.ts';
import { podKind, type PodRules } from './pod.ts';
import { endpoints, endpointSlices, services } from './service.ts';
import { deployments, replicaSets } from './workloads.ts';

export function builtInKinds(rules: PodRules): readonly Kind[] {
  return [
    namespaces,
    nodes,
    podKind(rules),
    services,
    endpoints,
    configMaps,
    secrets,
    serviceAccounts,
    events,
    deployments,
    replicaSets,
    endpointSlices,
    leases,
  ];
}
