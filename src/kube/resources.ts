/** The kinds that every part knows by name: what a resource is called in each of its places. */

export interface ResourceInfo {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural, as in a path: `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** `all` is what `get all` shows. */
  readonly categories: readonly string[];
}

interface Row {
  readonly group?: string;
  readonly version?: string;
  readonly resource: string;
  readonly kind: string;
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly all?: true;
}

/** Where a word names several, the first is meant: what is used most stands first. */
const rows: readonly Row[] = [
  { resource: 'namespaces', kind: 'Namespace', short: ['ns'], cluster: true },
  { resource: 'nodes', kind: 'Node', short: ['no'], cluster: true },
  { resource: 'pods', kind: 'Pod', short: ['po'], all: true },
  { resource: 'replicationcontrollers', kind: 'ReplicationController', short: ['rc'], all: true },
  { resource: 'services', kind: 'Service', short: ['svc'], all: true },
  { resource: 'endpoints', kind: 'Endpoints', short: ['ep'] },
  { resource: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { resource: 'secrets', kind: 'Secret' },
  { resource: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'] },
  { resource: 'events', kind: 'Event', short: ['ev'] },
  { resource: 'persistentvolumes', kind: 'PersistentVolume', short: ['pv'], cluster: true },
  { resource: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', short: ['pvc'] },
  { resource: 'limitranges', kind: 'LimitRange', short: ['limits'] },
  { resource: 'resourcequotas', kind: 'ResourceQuota', short: ['quota'] },
  { resource: 'podtemplates', kind: 'PodTemplate' },
  { group: 'apps', resource: 'daemonsets', kind: 'DaemonSet', short: ['ds'], all: true },
  { group: 'apps', resource: 'deployments', kind: 'Deployment', short: ['deploy'], all: true },
  { group: 'apps', resource: 'replicasets', kind: 'ReplicaSet', short: ['rs'], all: true },
  { group: 'apps', resource: 'statefulsets', kind: 'StatefulSet', short: ['sts'], all: true },
  { group: 'apps', resource: 'controllerrevisions', kind: 'ControllerRevision' },
  { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler', short: ['hpa'], all: true },
  { group: 'batch', resource: 'cronjobs', kind: 'CronJob', short: ['cj'], all: true },
  { group: 'batch', resource: 'jobs', kind: 'Job', all: true },
  { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', kind: 'CertificateSigningRequest', short: ['csr'], cluster: true },
  { group: 'coordination.k8s.io', resource: 'leases', kind: 'Lease' },
  { group: 'discovery.k8s.io', resource: 'endpointslices', kind: 'EndpointSlice' },
  { group: 'networking.k8s.io', resource: 'ingressclasses', kind: 'IngressClass', cluster: true },
  { group: 'networking.k8s.io', resource: 'ingresses', kind: 'Ingress', short: ['ing'] },
  { group: 'networking.k8s.io', resource: 'ipaddresses', kind: 'IPAddress', short: ['ip'], cluster: true },
  { group: 'networking.k8s.io', resource: 'networkpolicies', kind: 'NetworkPolicy', short: ['netpol'] },
  { group: 'networking.k8s.io', resource: 'servicecidrs', kind: 'ServiceCIDR', cluster: true },
  { group: 'node.k8s.io', resource: 'runtimeclasses', kind: 'RuntimeClass', cluster: true },
  { group: 'policy', resource: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', short: ['pdb'] },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings', kind: 'ClusterRoleBinding', cluster: true },
  { group: 'rbac.authorization.k8s.io', resource: 'clusterroles', kind: 'ClusterRole', cluster: true },
  { group: 'rbac.authorization.k8s.io', resource: 'rolebindings', kind: 'RoleBinding' },
  { group: 'rbac.authorization.k8s.io', resource: 'roles', kind: 'Role' },
  { group: 'scheduling.k8s.io', resource: 'priorityclasses', kind: 'PriorityClass', short: ['pc'], cluster: true },
  { group: 'storage.k8s.io', resource: 'csidrivers', kind: 'CSIDriver', cluster: true },
  { group: 'storage.k8s.io', resource: 'csinodes', kind: 'CSINode', cluster: true },
  { group: 'storage.k8s.io', resource: 'csistoragecapacities', kind: 'CSIStorageCapacity' },
  { group: 'storage.k8s.io', resource: 'storageclasses', kind: 'StorageClass', short: ['sc'], cluster: true },
  { group: 'storage.k8s.io', resource: 'volumeattachments', kind: 'VolumeAttachment', cluster: true },
  { group: 'storage.k8s.io', resource: 'volumeattributesclasses', kind: 'VolumeAttributesClass', short: ['vac'], cluster: true },
];

export const RESOURCES: readonly ResourceInfo[] = rows.map((row) => ({
  group: row.group ?? '',
  version: row.version ?? 'v1',
  resource: row.resource,
  kind: row.kind,
  singular: row.kind.toLowerCase(),
  shortNames: row.short ?? [],
  namespaced: row.cluster !== true,
  categories: row.all === true ? ['all'] : [],
}));

/** `v1`, `apps/v1`: what stands in an object's apiVersion. */
export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `pods`, `deployments.apps`: how messages name a resource. */
export function qualifiedResource({ group, resource }: { readonly group: string; readonly resource: string }): string {
  return group === '' ? resource : `${resource}.${group}`;
}

/** `Pod`, `Deployment.apps`: how messages name a kind. */
export function qualifiedKind({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return group === '' ? kind : `${kind}.${group}`;
}

/** By what a person types: plural, singular, short name or kind, in any case, with or without `.group` or `.version.group`. */
export function findResource(word: string): ResourceInfo | undefined {
  const [name = '', ...rest] = word.toLowerCase().split('.');
  const suffix = rest.join('.');
  return RESOURCES.find((info) => {
    const isNamed = info.resource === name || info.singular === name || info.shortNames.includes(name);
    return isNamed && (suffix === '' || suffix === info.group || suffix === `${info.version}.${info.group}`);
  });
}

export function findKind(apiVersion: string, kind: string): ResourceInfo | undefined {
  return RESOURCES.find((info) => info.kind === kind && apiVersionOf(info) === apiVersion);
}
