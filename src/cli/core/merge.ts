/**
 * `apply`'s three-way merge: what the last applied manifest had and the new one has not is removed; what the new one
 * says is set; everything else in the live object stays, for it is somebody else's. Lists of objects are merged by the
 * key that names their elements, as in Kubernetes' types; other lists are replaced whole.
 *
 * kubectl sends the difference as a strategic merge patch; here the merged object is sent as an update that names the
 * version it was made from. Both are refused when another writer came between, and tried again.
 */
import { equalJson, setField } from '../../kube/types.ts';
import { record, type View } from './view.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** By the name of the list's field, the field that tells its elements apart (patchMergeKey of Kubernetes' types). */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  volumeDevices: ['devicePath'],
  imagePullSecrets: ['name'],
  secrets: ['name'],
  hostAliases: ['ip'],
  topologySpreadConstraints: ['topologyKey'],
  // A container's ports are told apart by containerPort, a Service's by port.
  ports: ['containerPort', 'port'],
  ownerReferences: ['uid'],
  conditions: ['type'],
};

/** The object that `apply` wants the server to have. `original` is what was applied last, if anything was. */
export function mergeThreeWay(live: View, original: unknown, modified: View): View {
  const { status: _, ...wanted } = modified;
  const merged = merge(live, original, wanted, '') as View;
  const annotations = { ...merged.metadata.annotations, [LAST_APPLIED]: lastApplied(modified) };
  return { ...merged, metadata: { ...merged.metadata, annotations } };
}

/** Does the server already have it? Its own bookkeeping in the metadata is not compared. */
export function isUnchanged(live: View, merged: View): boolean {
  return equalJson(live, merged);
}

/** The manifest as it is remembered: without an earlier memory of itself. */
export function lastApplied(manifest: View): string {
  const { annotations, ...metadata } = manifest.metadata;
  const { [LAST_APPLIED]: _, ...rest } = annotations ?? {};
  return `${JSON.stringify({ ...manifest, metadata: { ...metadata, annotations: rest } })}\n`;
}

export function readLastApplied(live: View): unknown {
  const remembered = live.metadata.annotations?.[LAST_APPLIED];
  if (remembered === undefined) return undefined;
  try {
    return JSON.parse(remembered);
  } catch {
    // Somebody wrote to it; without a memory nothing is removed.
    return undefined;
  }
}

function merge(live: unknown, original: unknown, modified: unknown, field: string): unknown {
  if (isObject(modified)) return mergeObjects(record(live), record(original), modified);
  if (Array.isArray(modified) && Array.isArray(live)) {
    const key = mergeKeyOf(field, live, modified);
    if (key !== undefined) return mergeLists(live, Array.isArray(original) ? original : [], modified, key);
  }
  return modified;
}

function mergeObjects(
  live: Readonly<Record<string, unknown>>,
  original: Readonly<Record<string, unknown>>,
  modified: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(live)) {
    const isGivenUp = Object.hasOwn(original, field) && !Object.hasOwn(modified, field);
    // null in a manifest asks for a field's removal.
    if (!isGivenUp && own(modified, field) !== null) setField(merged, field, value);
  }
  for (const [field, value] of Object.entries(modified)) {
    if (value !== null && value !== undefined) setField(merged, field, merge(own(live, field), own(original, field), value, field));
  }
  return merged;
}

/** A label may be called `constructor`, which every object inherits. */
function own(fields: Readonly<Record<string, unknown>>, field: string): unknown {
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}

function mergeLists(live: readonly unknown[], original: readonly unknown[], modified: readonly unknown[], key: string): unknown[] {
  const byKey = (items: readonly unknown[]) => new Map(items.map((item) => [record(item)[key], item]));
  const liveByKey = byKey(live);
  const originalByKey = byKey(original);
  const modifiedByKey = byKey(modified);
  // The manifest's order first, then what others added, as the strategic merge patch orders it.
  const own = modified.map((item) => {
    const id = record(item)[key];
    return merge(liveByKey.get(id), originalByKey.get(id), item, '');
  });
  const foreign = live.filter((item) => {
    const id = record(item)[key];
    return !modifiedByKey.has(id) && !originalByKey.has(id);
  });
  return [...own, ...foreign];
}

/** The merge key, if it tells all elements apart (ports may share a number, by protocol: such lists are replaced). */
function mergeKeyOf(field: string, ...lists: readonly (readonly unknown[])[]): string | undefined {
  const tellsApart = (key: string) => (items: readonly unknown[]) => {
    const ids = items.map((item) => record(item)[key]);
    return !ids.includes(undefined) && new Set(ids).size === ids.length;
  };
  return (Object.hasOwn(MERGE_KEYS, field) ? MERGE_KEYS[field] : undefined)?.find((key) => lists.every(tellsApart(key)));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
