/**
 * How the values of fields come together when several clients write one object: what Kubernetes' OpenAPI document says
 * with `x-kubernetes-list-type`, `-list-map-keys`, `-map-type` and `-patch-merge-key`, and the models of the generated
 * source lack. Lists and structs that the table does not name are, as there: lists atomic, structs and maps granular.
 *
 * Server-side apply looks at `keys`, `set` and `atomic`, strategic merge patch at `merge` and `retainKeys`; the two do
 * not always agree (a container's ports are told apart by port and protocol, but patched by port alone).
 */
import { modelFields } from './schema.ts';

interface ListTopology {
  /** Items are maps, told apart by these fields. */
  readonly keys?: readonly string[];
  /** Items are scalars, each at most once. */
  readonly isSet?: true;
  /** The field that strategic merge patch finds an item by; true: scalars, merged as a set. */
  readonly merge?: string | true;
  /** A patch may say which fields of the value stay: those of another kind of volume shall not. */
  readonly retainKeys?: true;
  /** A patch's value is taken whole. */
  readonly replace?: true;
}

const by = (...keys: readonly string[]): ListTopology => ({ keys, merge: keys[0]! });
const CONDITIONS: Readonly<Record<string, ListTopology>> = { conditions: by('type') };
const CONTAINER: Readonly<Record<string, ListTopology>> = {
  env: by('name'),
  ports: by('containerPort', 'protocol'),
  volumeDevices: by('devicePath'),
  volumeMounts: by('mountPath'),
};
const SET: ListTopology = { isSet: true };

/** By model and field. */
export const LISTS: Readonly<Record<string, Readonly<Record<string, ListTopology>>>> = {
  V1ObjectMeta: { finalizers: { isSet: true, merge: true }, ownerReferences: by('uid') },
  V1PodSpec: {
    containers: by('name'),
    ephemeralContainers: by('name'),
    hostAliases: by('ip'),
    imagePullSecrets: by('name'),
    initContainers: by('name'),
    resourceClaims: { ...by('name'), retainKeys: true },
    schedulingGates: by('name'),
    topologySpreadConstraints: by('topologyKey', 'whenUnsatisfiable'),
    volumes: { ...by('name'), retainKeys: true },
  },
  V1Container: CONTAINER,
  V1EphemeralContainer: CONTAINER,
  V1ContainerStatus: { allocatedResourcesStatus: by('name'), volumeMounts: by('mountPath') },
  V1ContainerRestartRuleOnExitCodes: { values: SET },
  V1ResourceRequirements: { claims: { keys: ['name'] } },
  V1ResourceStatus: { resources: { keys: ['resourceID'] } },
  V1PodStatus: {
    ...CONDITIONS,
    hostIPs: { merge: 'ip' },
    podIPs: by('ip'),
    resourceClaimStatuses: { ...by('name'), retainKeys: true },
  },
  V1ServiceSpec: { ports: by('port', 'protocol') },
  V1ServiceAccount: { secrets: by('name') },
  V1NodeSpec: { podCIDRs: { isSet: true, merge: true } },
  V1NodeStatus: { ...CONDITIONS, addresses: by('type') },
  V1Endpoint: { addresses: SET },
  V1DeploymentSpec: { strategy: { retainKeys: true } },
  V1PodFailurePolicyOnExitCodesRequirement: { values: SET },
  V1UncountedTerminatedPods: { failed: SET, succeeded: SET },
  V1CSIDriverSpec: { volumeLifecycleModes: SET },
  V1CSINodeSpec: { drivers: by('name') },
  V1DaemonSetStatus: CONDITIONS,
  V1DeploymentStatus: CONDITIONS,
  V1ReplicaSetStatus: CONDITIONS,
  V1StatefulSetStatus: CONDITIONS,
  V1ReplicationControllerStatus: CONDITIONS,
  V1JobStatus: { conditions: { merge: 'type' } },
  V2HorizontalPodAutoscalerStatus: CONDITIONS,
  V1CertificateSigningRequestStatus: { conditions: { keys: ['type'] } },
  V1NamespaceStatus: CONDITIONS,
  V1PersistentVolumeClaimStatus: CONDITIONS,
  V1PodDisruptionBudgetSpec: { selector: { replace: true } },
  V1PodDisruptionBudgetStatus: CONDITIONS,
  V1ServiceStatus: CONDITIONS,
  V1ServiceCIDRStatus: CONDITIONS,
  V1ComponentStatus: CONDITIONS,
};

/** Structs and maps that one client owns whole, by model or by model and field. */
export const ATOMIC: ReadonlySet<string> = new Set([
  'V1CrossVersionObjectReference',
  'V1ConfigMapKeySelector',
  'V1EndpointAddress',
  'CoreV1EndpointPort',
  'DiscoveryV1EndpointPort',
  'V1FileKeySelector',
  'V1LocalObjectReference',
  'V1NodeSelector',
  'V1NodeSelectorTerm',
  'V1ObjectFieldSelector',
  'V1ObjectReference',
  'V1ResourceFieldSelector',
  'V1ScopeSelector',
  'V1SecretKeySelector',
  'V1SecretReference',
  'V1TopologySelectorTerm',
  'V1TypedLocalObjectReference',
  'V1LabelSelector',
  'V1OwnerReference',
  'V1ServiceBackendPort',
  'V1RoleRef',
  'RbacV1Subject',
  'V1PodSpec.nodeSelector',
  'V1ReplicationControllerSpec.selector',
  'V1ServiceSpec.selector',
  'V1Scheduling.nodeSelector',
]);

/** Values of key fields that an item may leave out. */
export const KEY_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  V1ContainerPort: { protocol: 'TCP' },
  V1ServicePort: { protocol: 'TCP' },
};

/** What a value at some place may be, as server-side apply sees it. */
export type Shape =
  | { readonly kind: 'scalar' }
  /** What it is, is told by the value: records are granular maps, lists atomic. */
  | { readonly kind: 'any' }
  | { readonly kind: 'struct'; readonly model: string; readonly isAtomic: boolean }
  | { readonly kind: 'map'; readonly element: Shape; readonly isAtomic: boolean }
  | { readonly kind: 'list'; readonly element: Shape; readonly relation: 'atomic' | 'set' }
  | { readonly kind: 'list'; readonly element: Shape; readonly relation: 'map'; readonly keys: readonly string[] };

const SCALAR: Shape = { kind: 'scalar' };
const ANY: Shape = { kind: 'any' };
const shapes = new Map<string, ReadonlyMap<string, Shape>>();

export function structShape(model: string): Shape {
  return { kind: 'struct', model, isAtomic: ATOMIC.has(model) };
}

/** The fields of a model; made at the first question. */
export function fieldShapes(model: string): ReadonlyMap<string, Shape> {
  let fields = shapes.get(model);
  if (fields === undefined) {
    fields = new Map([...(modelFields(model) ?? [])].map(([name, { base, container }]): [string, Shape] => [name, shapeOf(`${model}.${name}`, base, container)]));
    shapes.set(model, fields);
  }
  return fields;
}

function shapeOf(place: string, base: string, container: 'one' | 'list' | 'map'): Shape {
  const element = modelFields(base) !== undefined ? structShape(base) : base === 'any' ? ANY : SCALAR;
  if (container === 'one') return ATOMIC.has(place) && element.kind === 'struct' ? { ...element, isAtomic: true } : element;
  if (container === 'map') return { kind: 'map', element, isAtomic: ATOMIC.has(place) };
  const [model = '', field = ''] = place.split('.');
  const { keys, isSet } = LISTS[model]?.[field] ?? {};
  if (keys !== undefined) return { kind: 'list', element, relation: 'map', keys };
  return { kind: 'list', element, relation: isSet === true ? 'set' : 'atomic' };
}
