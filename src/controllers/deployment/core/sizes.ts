/**
 * How large each ReplicaSet of a Deployment should be next. Each function answers new sizes by name, for the sets that
 * change. The rules are Kubernetes': never more than replicas + maxSurge pods, never fewer than replicas -
 * maxUnavailable available ones; a set's own status may lag behind its spec, so a set counts as available only what
 * both say.
 */
import type { ReplicaSet } from '../../../client/objects.ts';
import {
  availableReplicas,
  byAge,
  MAX_REPLICAS,
  specReplicas,
  total,
  type Limits,
} from './replica-sets.ts';

export type Sizes = ReadonlyMap<string, number>;

const NO_CHANGE: Sizes = new Map();

/** Pods that serve and will not be taken away by what is already decided. */
const surelyAvailable = (set: ReplicaSet): number => Math.min(specReplicas(set), availableReplicas(set));

/** How large the new set is to be, `old` beside it. `current` is 0 for one that is not there yet. */
export function newSize(current: number, old: readonly ReplicaSet[], limits: Limits): number {
  const { replicas, maxSurge, isRolling } = limits;
  if (current >= replicas || !isRolling) return replicas;
  const room = replicas + maxSurge - current - total(old, specReplicas);
  return room <= 0 ? current : current + Math.min(room, replicas - current);
}

/** Rolling update: what may be taken from the old sets now. Unhealthy pods go first: nobody misses them. */
export function shrinkOld(fresh: ReplicaSet, old: readonly ReplicaSet[], limits: Limits): Sizes {
  const { replicas, maxUnavailable } = limits;
  if (total(old, specReplicas) === 0) return NO_CHANGE;
  const minAvailable = replicas - maxUnavailable;
  const freshUnavailable = specReplicas(fresh) - surelyAvailable(fresh);
  const all = [fresh, ...old];
  let removable = total(all, specReplicas) - minAvailable - freshUnavailable;
  if (removable <= 0) return NO_CHANGE;
  const sizes = new Map<string, number>();
  const sizeOf = (set: ReplicaSet) => sizes.get(set.metadata.name) ?? specReplicas(set);
  const oldestFirst = [...old].sort(byAge);
  for (const set of oldestFirst) {
    const unhealthy = Math.min(removable, specReplicas(set) - surelyAvailable(set));
    if (unhealthy <= 0) continue;
    sizes.set(set.metadata.name, specReplicas(set) - unhealthy);
    removable -= unhealthy;
  }
  let spare = total(all, surelyAvailable) - minAvailable;
  for (const set of oldestFirst) {
    const taken = Math.min(spare, removable, sizeOf(set));
    if (taken <= 0) continue;
    sizes.set(set.metadata.name, sizeOf(set) - taken);
    spare -= taken;
    removable -= taken;
  }
  return sizes;
}

/** The Deployment's own size changed, or it is paused: the sets keep their proportions. */
export function rescale(fresh: ReplicaSet | undefined, old: readonly ReplicaSet[], limits: Limits): Sizes {
  const { replicas, maxSurge, isRolling } = limits;
  const all = fresh === undefined ? old : [...old, fresh];
  const active = all.filter((set) => specReplicas(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? fresh ?? [...old].sort(byAge).at(-1);
    return only === undefined || specReplicas(only) === replicas ? NO_CHANGE : new Map([[only.metadata.name, replicas]]);
  }
  if (fresh !== undefined && specReplicas(fresh) === replicas && availableReplicas(fresh) === replicas) {
    return new Map(old.filter((set) => specReplicas(set) > 0).map((set) => [set.metadata.name, 0]));
  }
  return isRolling ? inProportion(active, replicas === 0 ? 0 : replicas + maxSurge) : NO_CHANGE;
}

function inProportion(active: readonly ReplicaSet[], allowed: number): Sizes {
  let left = allowed - total(active, specReplicas);
  if (left === 0) return NO_CHANGE;
  const isGrowing = left > 0;
  // The largest first; of equals the newest where they grow, the oldest where they shrink.
  const ordered = [...active].sort((a, b) => specReplicas(b) - specReplicas(a) || (isGrowing ? byAge(b, a) : byAge(a, b)));
  const sizes = new Map<string, number>();
  for (const set of ordered) {
    const size = specReplicas(set);
    const before = Number(set.metadata.annotations?.[MAX_REPLICAS] ?? 0) || total(active, specReplicas);
    const share = Math.round((size * allowed) / before) - size;
    const taken = isGrowing ? Math.min(left, Math.max(0, share)) : Math.max(left, Math.min(0, share), -size);
    left -= taken;
    sizes.set(set.metadata.name, size + taken);
  }
  // What rounding left over goes to the largest.
  for (const set of ordered) {
    const size = sizes.get(set.metadata.name)!;
    const taken = Math.max(left, -size);
    sizes.set(set.metadata.name, size + taken);
    left -= taken;
    if (left === 0) break;
  }
  return sizes;
}
