/** All kinds that are built in, in the order in which discovery names them. */
import { cronJobs, jobs } from './batch.ts';
import type { Kind } from './kind.ts';
import { ingressClasses, ingresses, ipAddresses, networkPolicies, serviceCidrs } from './networking.ts';
import { configMaps, events, leases, namespaces, nodes, secrets, serviceAccounts } from './plain.ts';
import { podKind, type PodRules } from './pod.ts';
import {
  certificateSigningRequests,
  clusterRoleBindings,
  clusterRoles,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  priorityClasses,
  roleBindings,
  roles,
  runtimeClasses,
} from './policy.ts';
import { limitRanges, resourceQuotas } from './quotas.ts';
import { endpoints, endpointSlices, services } from './service.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  volumeAttachments,
  volumeAttributesClasses,
} from './storage-kinds.ts';
import { newEvents, olderAutoscalers } from './views.ts';
import { controllerRevisions, daemonSets, deployments, podTemplates, replicaSets, replicationControllers, statefulSets } from './workloads.ts';

export function builtInKinds(rules: PodRules): readonly Kind[] {
  const core = [namespaces, nodes, podKind(rules), replicationControllers, services, endpoints, configMaps, secrets, serviceAccounts, events];
  const coreStorage = [persistentVolumes, persistentVolumeClaims, limitRanges, resourceQuotas, podTemplates];
  const apps = [daemonSets, deployments, replicaSets, statefulSets, controllerRevisions];
  const batch = [cronJobs, jobs];
  const network = [endpointSlices, ingressClasses, ingresses, ipAddresses, networkPolicies, serviceCidrs];
  const rbac = [clusterRoleBindings, clusterRoles, roleBindings, roles];
  const storage = [csiDrivers, csiNodes, csiStorageCapacities, storageClasses, volumeAttachments, volumeAttributesClasses];
  const others = [horizontalPodAutoscalers, certificateSigningRequests, leases, runtimeClasses, podDisruptionBudgets, priorityClasses];
  return [...core, ...coreStorage, ...apps, ...batch, ...network, ...rbac, ...storage, ...others, newEvents, olderAutoscalers];
}
