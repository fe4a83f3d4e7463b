/** What a Deployment's plan asks about its ReplicaSets: which is the new one, what they add up to, what they are called. */
import type { Deployment, PodTemplate, ReplicaSet, StringMap } from '../../../client/objects.ts';
import { equalJson } from '../../../kube/types.ts';
import { compareText, controllerReference, hashSuffix, timeOf } from '../../plan.ts';

export const HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

/** Annotations of a Deployment that are its own affair. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  'deployment.kubernetes.io/revision-history',
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

export interface Limits {
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly isRolling: boolean;
}

export function limitsOf({ spec }: Deployment): Limits {
  const replicas = spec.replicas ?? 1;
  const isRolling = spec.strategy?.type !== 'Recreate';
  if (!isRolling) return { replicas, maxSurge: 0, maxUnavailable: 0, isRolling };
  const { maxSurge = '25%', maxUnavailable = '25%' } = spec.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge, replicas, Math.ceil);
  const unavailable = Math.min(replicas, resolve(maxUnavailable, replicas, Math.floor));
  // Percentages may both round to nothing, and nothing would ever move.
  return { replicas, maxSurge: surge, maxUnavailable: surge + unavailable === 0 ? 1 : unavailable, isRolling };
}

function resolve(value: number | string, of: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  return round((Number.parseInt(value, 10) * of) / 100);
}

/** Oldest first. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const older = timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp);
  return older || compareText(a.metadata.name, b.metadata.name);
}

/** The set that has the Deployment's template; of several, by history, the oldest. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...sets].sort(byAge).find((set) => equalJson(withoutHash(set.spec.template), withoutHash(deployment.spec.template)));
}

function withoutHash(template: PodTemplate): PodTemplate {
  const { [HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

export function revisionOf(set: ReplicaSet): number {
  const revision = Number(set.metadata.annotations?.[REVISION] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

export const specReplicas = (set: ReplicaSet): number => set.spec.replicas ?? 1;
export const availableReplicas = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;

export function total(sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number {
  return sets.reduce((sum, set) => sum + of(set), 0);
}

/** What the new set's annotations shall be. */
export function annotationsOf(deployment: Deployment, revision: number, limits: Limits): StringMap {
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key));
  return { ...Object.fromEntries(own), [REVISION]: String(revision), ...sizeAnnotations(limits) };
}

export function sizeAnnotations({ replicas, maxSurge }: Limits): StringMap {
  return { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + maxSurge) };
}

export function nameOfNew(deployment: Deployment): { readonly name: string; readonly hash: string } {
  const collisions = deployment.status?.collisionCount ?? 0;
  const hash = hashSuffix(`${canonical(withoutHash(deployment.spec.template))}${collisions === 0 ? '' : collisions}`, 10);
  return { name: `${deployment.metadata.name}-${hash}`, hash };
}

export function newReplicaSet(deployment: Deployment, options: { revision: number; replicas: number; limits: Limits }): ReplicaSet {
  const { name, hash } = nameOfNew(deployment);
  const { template, selector, minReadySeconds } = deployment.spec;
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: deployment.metadata.namespace ?? 'default',
      labels,
      annotations: annotationsOf(deployment, options.revision, options.limits),
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: options.replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** JSON with sorted fields: the same template has the same text, however it was written. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => compareText(a, b));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`;
}
