/** What every controller is handed: the client, the seams, the shared informers and the numbers of policy. */
import type { Clock, Millis } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { resources, type ApiClient } from '../client/api-client.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import {
  controllerOf,
  type ApiObject,
  type Deployment,
  type Endpoints,
  type EndpointSlice,
  type Namespace,
  type Node,
  type Pod,
  type PodDisruptionBudget,
  type ReplicaSet,
  type Service,
} from '../client/objects.ts';

export interface ControllerConfig {
  /** A node whose lease was not renewed for so long is not ready; several renewals may be late before. */
  readonly nodeMonitorGraceMs: Millis;
  /** How long the pods of such a node wait for it before they are evicted, unless they tolerate its taint otherwise. */
  readonly podEvictionMs: Millis;
  /** How often leases are looked at. */
  readonly nodeMonitorPeriodMs: Millis;
  /** After so long in eviction nobody on the dead node will confirm the end of a pod: it is removed. */
  readonly podForceDeleteMs: Millis;
  /** Finished pods that are kept in the cluster; the oldest go first. */
  readonly terminatedPodsMax: number;
  /** PEM: by it pods know the API server. Absent: they are not told. */
  readonly rootCa?: string | undefined;
}

export const DEFAULT_CONFIG: ControllerConfig = {
  nodeMonitorGraceMs: 40_000,
  podEvictionMs: 300_000,
  nodeMonitorPeriodMs: 5_000,
  podForceDeleteMs: 60_000,
  terminatedPodsMax: 12_500,
};

export const NODE_LEASE_NAMESPACE = 'kube-node-lease';

export interface SharedInformers {
  /** Indexes: `owner` (uid of the controller), `node`, `namespace`. */
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
  readonly services: Informer<Service>;
  readonly endpoints: Informer<Endpoints>;
  /** Index: `service` (`namespace/name`). */
  readonly endpointSlices: Informer<EndpointSlice>;
  /** Indexes: `owner`, `namespace`. */
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  /** Index: `namespace`. */
  readonly podDisruptionBudgets: Informer<PodDisruptionBudget>;
  readonly serviceAccounts: Informer<ApiObject>;
  readonly configMaps: Informer<ApiObject>;
  readonly secrets: Informer<ApiObject>;
}

export interface ControllerContext {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly informers: SharedInformers;
  readonly config: ControllerConfig;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

const ownerIndex = (object: ApiObject) => {
  const owner = controllerOf(object);
  return owner === undefined ? [] : [owner.uid];
};
const namespaceIndex = (object: ApiObject) => [object.metadata.namespace ?? ''];

export function sharedInformers(options: { client: ApiClient; clock: Clock; log: Log }): SharedInformers {
  const { client, clock, log } = options;
  const seams = { client, clock, log };
  return {
    pods: new Informer<Pod>({
      ...seams,
      ref: resources.pods,
      indexes: {
        owner: ownerIndex,
        namespace: namespaceIndex,
        node: (pod) => ((pod.spec.nodeName ?? '') === '' ? [] : [pod.spec.nodeName!]),
      },
    }),
    nodes: new Informer<Node>({ ...seams, ref: resources.nodes }),
    namespaces: new Informer<Namespace>({ ...seams, ref: resources.namespaces }),
    services: new Informer<Service>({ ...seams, ref: resources.services }),
    endpoints: new Informer<Endpoints>({ ...seams, ref: resources.endpoints }),
    endpointSlices: new Informer<EndpointSlice>({
      ...seams,
      ref: resources.endpointSlices,
      indexes: {
        service: ({ metadata }) => {
          const service = metadata.labels?.[SERVICE_NAME_LABEL];
          return service === undefined ? [] : [`${metadata.namespace}/${service}`];
        },
      },
    }),
    replicaSets: new Informer<ReplicaSet>({
      ...seams,
      ref: resources.replicaSets,
      indexes: { owner: ownerIndex, namespace: namespaceIndex },
    }),
    deployments: new Informer<Deployment>({ ...seams, ref: resources.deployments }),
    podDisruptionBudgets: new Informer<PodDisruptionBudget>({ ...seams, ref: resources.podDisruptionBudgets, indexes: { namespace: namespaceIndex } }),
    serviceAccounts: new Informer<ApiObject>({ ...seams, ref: resources.serviceAccounts }),
    configMaps: new Informer<ApiObject>({ ...seams, ref: resources.configMaps }),
    secrets: new Informer<ApiObject>({ ...seams, ref: resources.secrets }),
  };
}
