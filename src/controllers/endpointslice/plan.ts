/** A Service's endpoints, from the pods that its selector finds: EndpointSlices, and Endpoints that say the same. */
import type {
  Endpoint,
  EndpointAddress,
  EndpointPort,
  Endpoints,
  EndpointSlice,
  EndpointSubset,
  ObjectReference,
  Pod,
  Service,
  StringMap,
} from '../../client/objects.ts';
import { selectorMatches } from '../../kube/selector.ts';
import { equalJson } from '../../kube/types.ts';
import { SERVICE_NAME_LABEL } from '../context.ts';
import { compareText, controllerReference, hashSuffix, isDeleting, isFinished, isReady, plan, type Plan } from '../plan.ts';

export type EndpointSliceAction =
  | { readonly kind: 'create-slice' | 'update-slice' | 'delete-slice'; readonly slice: EndpointSlice }
  | { readonly kind: 'create-endpoints' | 'update-endpoints' | 'delete-endpoints'; readonly endpoints: Endpoints };

export interface EndpointSliceInput {
  /** undefined: it is gone. */
  readonly service: Service | undefined;
  /** The pods of its namespace. */
  readonly pods: readonly Pod[];
  /** The slices that carry its name. */
  readonly slices: readonly EndpointSlice[];
  /** The Endpoints of its name. */
  readonly endpoints: Endpoints | undefined;
}

/** As Kubernetes: a slice stays small enough that one changed endpoint is a small event. */
export const ENDPOINTS_PER_SLICE_MAX = 100;
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';
const ENDPOINTS_MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const ENDPOINTS_MANAGER = 'endpoint-controller';

/** Pods whose named ports lead to the same numbers. */
interface Group {
  readonly ports: readonly EndpointPort[];
  readonly pods: Pod[];
}

export function planEndpointSlices(input: EndpointSliceInput): Plan<EndpointSliceAction> {
  const { service } = input;
  const mine = input.slices.filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER);
  const isManaged = service?.spec.selector !== undefined && service.spec.type !== 'ExternalName';
  if (service === undefined || !isManaged || isDeleting(service)) {
    const actions: EndpointSliceAction[] = mine.map((slice) => ({ kind: 'delete-slice', slice }));
    const { endpoints } = input;
    if (endpoints !== undefined && isOurs(endpoints)) actions.push({ kind: 'delete-endpoints', endpoints });
    return plan(actions);
  }
  const groups = groupsOf(service, input.pods);
  return plan([...sliceActions(service, groups, mine), ...endpointsActions(service, groups, input.endpoints)]);
}

function groupsOf(service: Service, pods: readonly Pod[]): Group[] {
  const groups = new Map<string, Group>();
  const selector = { matchLabels: service.spec.selector ?? {} };
  const selected = pods.filter(
    (pod) => (pod.status?.podIP ?? '') !== '' && !isFinished(pod) && selectorMatches(selector, pod.metadata.labels),
  );
  selected.sort((a, b) => compareText(a.metadata.name, b.metadata.name));
  for (const pod of selected) {
    const ports = portsOf(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  // A Service without pods still has one slice, which says so.
  if (groups.size === 0) return [{ ports: [], pods: [] }];
  return [...groups].sort(([a], [b]) => compareText(a, b)).map(([, group]) => group);
}

function portsOf({ spec }: Service, pod: Pod): EndpointPort[] {
  return (spec.ports ?? []).flatMap(({ name = '', port, targetPort = port, protocol = 'TCP', appProtocol }) => {
    const number = typeof targetPort === 'number' ? targetPort : namedPort(pod, targetPort, protocol);
    if (number === undefined) return [];
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  // A number in quotes is a number.
  if (/^\d+$/.test(name)) return Number(name);
  // Side cars serve, too; other init containers have ended by then.
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...pod.spec.containers, ...sidecars].flatMap((container) => container.ports ?? []);
  return ports.find((each) => each.name === name && (each.protocol ?? 'TCP') === protocol)?.containerPort;
}

function sliceActions(service: Service, groups: readonly Group[], mine: readonly EndpointSlice[]): EndpointSliceAction[] {
  const wanted = groups.flatMap(({ ports, pods }) => {
    const endpoints = pods.map((pod) => endpointOf(service, pod));
    const chunks: (readonly Endpoint[])[] = [];
    for (let i = 0; i === 0 || i < endpoints.length; i += ENDPOINTS_PER_SLICE_MAX) {
      chunks.push(endpoints.slice(i, i + ENDPOINTS_PER_SLICE_MAX));
    }
    return chunks.map((chunk) => ({ ports, endpoints: chunk }));
  });
  const actions: EndpointSliceAction[] = [];
  const byName = new Map(mine.map((slice) => [slice.metadata.name, slice]));
  wanted.forEach((content, index) => {
    const slice = sliceOf(service, index, content);
    const known = byName.get(slice.metadata.name);
    byName.delete(slice.metadata.name);
    if (known === undefined) actions.push({ kind: 'create-slice', slice });
    else if (!isSameSlice(known, slice)) {
      actions.push({ kind: 'update-slice', slice: { ...slice, metadata: { ...known.metadata, labels: slice.metadata.labels! } } });
    }
  });
  for (const slice of byName.values()) actions.push({ kind: 'delete-slice', slice });
  return actions;
}

function sliceOf(service: Service, index: number, content: Pick<EndpointSlice, 'endpoints' | 'ports'>): EndpointSlice {
  const { name, namespace = 'default', labels = {}, uid } = service.metadata;
  const headless: StringMap = service.spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {};
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${hashSuffix(`${uid}/${index}`, 5)}`,
      namespace,
      labels: { ...labels, ...headless, [SERVICE_NAME_LABEL]: name, [MANAGED_BY]: MANAGER },
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
    ...content,
  };
}

function isSameSlice(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    equalJson(a.endpoints ?? [], b.endpoints) &&
    equalJson(a.ports ?? [], b.ports) &&
    equalJson(a.metadata.labels, b.metadata.labels)
  );
}

function endpointOf(service: Service, pod: Pod): Endpoint {
  const { spec } = service;
  const isServing = isReady(pod);
  const isTerminating = isDeleting(pod);
  const ready = spec.publishNotReadyAddresses === true || (isServing && !isTerminating);
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving: isServing, terminating: isTerminating },
    ...hostnameOf(service, pod),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: referenceTo(pod),
  };
}

/** A pod has a name of its own below the service that it names as its subdomain, and below no other. */
function hostnameOf({ metadata }: Service, { spec }: Pod): { hostname?: string } {
  return spec.hostname === undefined || spec.subdomain !== metadata.name ? {} : { hostname: spec.hostname };
}

function referenceTo({ metadata }: Pod): ObjectReference {
  const { namespace = 'default', name, uid = '' } = metadata;
  return { kind: 'Pod', namespace, name, uid };
}

function endpointsActions(service: Service, groups: readonly Group[], known: Endpoints | undefined): EndpointSliceAction[] {
  const subsets = groups.flatMap(({ ports, pods }): EndpointSubset[] => {
    const isPublished = service.spec.publishNotReadyAddresses === true;
    const staying = pods.filter((pod) => isPublished || !isDeleting(pod));
    const addresses = staying.filter((pod) => isPublished || isReady(pod)).map((pod) => addressOf(service, pod));
    const notReadyAddresses = staying.filter((pod) => !isPublished && !isReady(pod)).map((pod) => addressOf(service, pod));
    if (staying.length === 0) return [];
    return [
      {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ...(ports.length === 0 ? {} : { ports }),
      },
    ];
  });
  const { name, namespace = 'default', labels = {} } = service.metadata;
  const wanted: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels: { ...labels, [ENDPOINTS_MANAGED_BY]: ENDPOINTS_MANAGER } },
    ...(subsets.length === 0 ? {} : { subsets }),
  };
  if (known === undefined) return [{ kind: 'create-endpoints', endpoints: wanted }];
  const isSame = equalJson(known.subsets ?? [], subsets) && equalJson(known.metadata.labels, wanted.metadata.labels);
  if (isSame) return [];
  const metadata = { ...known.metadata, labels: wanted.metadata.labels! };
  return [{ kind: 'update-endpoints', endpoints: { ...wanted, metadata } }];
}

function addressOf(service: Service, pod: Pod): EndpointAddress {
  return {
    ip: pod.status?.podIP ?? '',
    ...hostnameOf(service, pod),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: referenceTo(pod),
  };
}

function isOurs({ metadata }: Endpoints): boolean {
  return metadata.labels?.[ENDPOINTS_MANAGED_BY] === ENDPOINTS_MANAGER;
}
