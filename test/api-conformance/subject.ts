/** What a case is run on: one face of an API server, and what of its world a case may touch. */
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { RestClient } from '../api/rest/fixture.ts';
import type { Api, At } from './api.ts';

/** What a subject is; a case names those on which it cannot run, with the reason. */
export type Trait =
  | 'rest'
  | 'grpc'
  /** A real kube-apiserver: the oracle, which judges the cases. */
  | 'kube-apiserver';

export type User = 'admin' | 'viewer';

export interface Subject {
  readonly traits: readonly Trait[];
  /** As the administrator. */
  readonly api: Api;
  /** The same face, as somebody who may nothing. */
  readonly viewer: Api;
  /** Of the case's own, and there already. */
  readonly namespace: string;
  /** REST itself, for what `Api` does not express; on the gRPC face of the same server, too. */
  readonly rest: RestClient;
  restAs(token: string | undefined): RestClient;
  /** Within the case's namespace, or of the cluster. */
  at(resource: string, name?: string, subresource?: string): At;
  /** Makes the server believe that so much time has passed; of no effect on one whose clock is the system's. */
  skip(ms: number): Promise<void>;
  /** The store forgets all revisions before the present one; answers it. */
  compact(): Promise<number>;
  /** What `work` does the server hears of only when it is done: until then its watches of the store are cut off. */
  unheard<T>(work: () => Promise<T>): Promise<T>;
  /** Another server on the same store that takes less at a time; it goes when `work` is done. */
  limited(limits: Limits, work: (limited: Limited) => Promise<void>): Promise<void>;
  /** Another server in the place of this one, on the same store. */
  restart(): Promise<void>;
}

export interface Limits {
  /** Writes at work at a time. */
  readonly mutating?: number;
  /** Open watches. */
  readonly watches?: number;
}

export interface Limited {
  readonly rest: RestClient;
  readonly viewer: RestClient;
  /** The subject's face of that server, as the administrator and as somebody who may nothing. */
  readonly api: Api;
  readonly stranger: Api;
}

export interface Case {
  readonly name: string;
  readonly run: (subject: Subject) => Promise<void>;
  /** Why not, by trait. */
  readonly not?: Readonly<Partial<Record<Trait, string>>>;
}

const GROUPS: Readonly<Record<string, string>> = {
  deployments: 'apps', replicasets: 'apps', statefulsets: 'apps', daemonsets: 'apps', controllerrevisions: 'apps',
  jobs: 'batch', cronjobs: 'batch', leases: 'coordination.k8s.io', endpointslices: 'discovery.k8s.io',
  poddisruptionbudgets: 'policy', ingresses: 'networking.k8s.io', networkpolicies: 'networking.k8s.io',
  roles: 'rbac.authorization.k8s.io', rolebindings: 'rbac.authorization.k8s.io', clusterroles: 'rbac.authorization.k8s.io',
  priorityclasses: 'scheduling.k8s.io', storageclasses: 'storage.k8s.io', horizontalpodautoscalers: 'autoscaling',
  certificatesigningrequests: 'certificates.k8s.io',
  selfsubjectaccessreviews: 'authorization.k8s.io', subjectaccessreviews: 'authorization.k8s.io', localsubjectaccessreviews: 'authorization.k8s.io',
  selfsubjectrulesreviews: 'authorization.k8s.io', selfsubjectreviews: 'authentication.k8s.io', tokenreviews: 'authentication.k8s.io',
};
const CLUSTER_SCOPED: ReadonlySet<string> = new Set(['namespaces', 'nodes', 'persistentvolumes', 'clusterroles', 'priorityclasses', 'storageclasses', 'certificatesigningrequests', 'selfsubjectaccessreviews', 'subjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews', 'tokenreviews']);

export function placeOf(namespace: string, resource: string, name = '', subresource = ''): At {
  const version = resource === 'horizontalpodautoscalers' ? 'v2' : 'v1';
  return { group: GROUPS[resource] ?? '', version, resource, namespace: CLUSTER_SCOPED.has(resource) ? '' : namespace, name, subresource };
}

const LOOK_MS = 20;
const STEP_MS = 500;

/** What takes the server some time, in less of ours where its clock can be hurried. */
export async function hastened<T>({ skip }: Subject, work: Promise<T>, stepMs = STEP_MS): Promise<T> {
  let isOver = false;
  const over = () => (isOver = true);
  work.then(over, over);
  for (;;) {
    await Promise.race([work.catch(() => undefined), sleep(systemClock, LOOK_MS)]);
    if (isOver) return work;
    await skip(stepMs);
  }
}
