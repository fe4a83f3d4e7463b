/** What several plans share. */
import type { Millis } from '../base/clock.ts';
import { conditionOf, controllerOf, type ApiObject, type OwnerReference, type Pod } from '../client/objects.ts';

export interface Plan<Action> {
  /** To be executed in this order. */
  readonly actions: readonly Action[];
  /** There is something to look at later even if nothing changes. */
  readonly requeueAfterMs?: Millis;
}

export function plan<Action>(actions: readonly Action[], requeueAfterMs?: Millis): Plan<Action> {
  return requeueAfterMs === undefined ? { actions } : { actions, requeueAfterMs };
}

/** The reference by which an object is its controller's. */
export function controllerReference(owner: ApiObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isOwnedBy(object: ApiObject, owner: ApiObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function isDeleting(object: ApiObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';
}

/** Milliseconds since the epoch; 0 for what is missing. */
export function timeOf(timestamp: string | undefined): Millis {
  return timestamp === undefined ? 0 : Date.parse(timestamp);
}

/** Since when the pod is ready; undefined: it is not. */
export function readySince(pod: Pod): Millis | undefined {
  const ready = conditionOf(pod.status?.conditions, 'Ready');
  return ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : undefined;
}

/** Ready for at least `minReadySeconds`. */
export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: Millis): boolean {
  const since = readySince(pod);
  return since !== undefined && (minReadySeconds === 0 || nowMs - since >= minReadySeconds * 1000);
}

/** The earliest of some times to come, as a delay. */
export function soonest(delays: readonly (Millis | undefined)[]): Millis | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known));
}

/** Text order by code units, which for names is byte order. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const SAFE_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** `length` characters that follow from the text alone: the start of a name that is the same on every try. */
export function hashSuffix(text: string, length: number): string {
  let high = 0x811c9dc5;
  let low = 0x2545f491;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x01000193) >>> 0;
    low = Math.imul(low ^ unit, 0x85ebca6b) >>> 0;
    low = (low ^ (low >>> 13)) >>> 0;
  }
  let value = (BigInt(high) << 32n) | BigInt(low);
  let suffix = '';
  for (let i = 0; i < length; i++) {
    suffix += SAFE_ALPHABET[Number(value % 27n)]!;
    value /= 27n;
  }
  return suffix;
}
