/** What every cluster has from its first moment: whichever API server is first makes it. */
import type { KubeObject } from '../kube/types.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Above whatever a person may give, so that what the cluster cannot do without never makes room for anything. */
const PRIORITIES = [
  { name: 'system-cluster-critical', value: 2_000_000_000, description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.' },
  { name: 'system-node-critical', value: 2_000_001_000, description: 'Used for system critical pods that must not be moved from their current node.' },
];

export function firstObjects(): readonly KubeObject[] {
  return [
    ...NAMESPACES.map((name): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    ...PRIORITIES.map(({ name, value, description }): KubeObject => ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value,
      description,
    })),
  ];
}
