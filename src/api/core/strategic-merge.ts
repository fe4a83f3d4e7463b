/**
 * Kubernetes' strategic merge patch: records are merged field by field, lists of the table in `topology.ts` item by item,
 * everything else is replaced. Directives in the patch say what a merge cannot
 * (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/):
 *
 *   $patch: replace | delete          of a record, or of an item of a list
 *   $retainKeys: [field, …]           the other fields go
 *   $setElementOrder/<list>: […]      how the items that it names stand to each other
 *   $deleteFromPrimitiveList/<list>   scalars that go
 *
 * The details are apimachinery's, odd ones too, as test/golden/semantics has them: what is new is taken as it is, less the
 * places that a `$patch` deletes. Two patches can be made one in the same way; then directives are kept, not followed.
 */
import { cloneJson, equalJson, isRecord, setField } from '../../kube/types.ts';
import { PatchProblem } from './patch-problem.ts';
import { modelOfField } from './schema.ts';
import { LISTS } from './topology.ts';

export type Fields = Record<string, unknown>;

export const PATCH = '$patch';
export const RETAIN_KEYS = '$retainKeys';
export const DELETE_FROM = '$deleteFromPrimitiveList/';
export const ORDER = '$setElementOrder/';

export interface Merging {
  /** The target is a patch itself: what it lacks the patch's directives must say to whoever takes it. */
  readonly ofPatches: boolean;
}

/** How the lists of a field come together. */
export interface FieldMerge {
  /** Of the value, or of the items of a list. */
  readonly model: string | undefined;
  readonly isMerged: boolean;
  /** Empty: scalars. */
  readonly key: string;
  readonly retainKeys: boolean;
  /** A record that is taken whole. */
  readonly isReplaced: boolean;
}

export function fieldMerge(model: string | undefined, field: string): FieldMerge {
  const { merge, retainKeys = false, replace = false } = (model === undefined ? undefined : LISTS[model]?.[field]) ?? {};
  const below = model === undefined ? undefined : modelOfField(model, field);
  return { model: below, isMerged: merge !== undefined, key: typeof merge === 'string' ? merge : '', retainKeys, isReplaced: replace };
}

/** Neither is changed. */
export function mergeStrategic(model: string | undefined, target: Fields, patch: Fields, merging: Merging): Fields {
  return mergeRecord({ model, merging }, target, cloneJson(patch));
}

interface Walk {
  readonly model: string | undefined;
  readonly merging: Merging;
}

function mergeRecord(walk: Walk, target: Fields, patch: Fields): Fields {
  if (Object.hasOwn(patch, PATCH)) return replaced(patch);
  const result = { ...target };
  const left = { ...patch };
  retainKeys(walk, result, left);
  for (const name of Object.keys(patch)) if (name.startsWith(ORDER)) mergeOrdered(walk, { result, patch: left, name });
  for (const [name, value] of Object.entries(left)) {
    const isDeletion = name.startsWith(DELETE_FROM);
    if (isDeletion && walk.merging.ofPatches) result[name] = value;
    else mergeField(walk, result, { name: isDeletion ? name.slice(DELETE_FROM.length) : name, value, isDeletion });
  }
  return result;
}

function replaced(patch: Fields): Fields {
  const { [PATCH]: directive, ...rest } = patch;
  if (directive === 'replace') return rest;
  if (directive === 'delete') return {};
  throw new PatchProblem(`unknown patch type: ${typeof directive === 'string' ? directive : JSON.stringify(directive)} in map`);
}

interface Change {
  readonly name: string;
  readonly value: unknown;
  readonly isDeletion: boolean;
}

function mergeField({ model, merging }: Walk, result: Fields, { name, value, isDeletion }: Change): void {
  if (value === null) {
    delete result[name];
    if (merging.ofPatches) result[name] = null;
    return;
  }
  const existing = Object.hasOwn(result, name) ? result[name] : undefined;
  if (existing === undefined || typeOf(existing) !== typeOf(value)) {
    if (!isDeletion) takeNew(result, name, merging.ofPatches ? value : withoutNulls(value));
    return;
  }
  const field = fieldMerge(model, name);
  if (isRecord(value) && isRecord(existing)) setField(result, name, field.isReplaced ? value : mergeRecord({ model: field.model, merging }, existing, value));
  else if (Array.isArray(value) && Array.isArray(existing)) {
    const isWhole = !field.isMerged && !isDeletion;
    result[name] = isWhole ? value : isDeletion && typeOf(existing[0]) !== 'record' ? without(existing, value) : mergeList({ field, merging }, existing, value).merged;
  } else setField(result, name, value);
}

/** What is not there yet, or is of another type: without the places that the patch deletes. */
function takeNew(result: Fields, name: string, value: unknown): void {
  const kept = withoutDeleted(value);
  if (kept === undefined) delete result[name];
  else setField(result, name, kept);
}

function withoutDeleted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDeleted).filter((item) => item !== undefined);
  if (!isRecord(value)) return value;
  if (Object.hasOwn(value, PATCH)) return undefined;
  const kept: Fields = {};
  for (const [name, field] of Object.entries(value)) {
    const below = withoutDeleted(field);
    if (below !== undefined) setField(kept, name, below);
  }
  return kept;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const kept: Fields = {};
  for (const [name, field] of Object.entries(value)) if (field !== null) setField(kept, name, withoutNulls(field));
  return kept;
}

function without(list: readonly unknown[], values: readonly unknown[]): unknown[] {
  return list.filter((item) => !values.includes(item));
}

/** Takes the directive out of the patch. */
function retainKeys({ merging }: Walk, result: Fields, patch: Fields): void {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return;
  delete patch[RETAIN_KEYS];
  if (merging.ofPatches) {
    if (result[RETAIN_KEYS] !== undefined && !equalJson(result[RETAIN_KEYS], keys)) throw new PatchProblem('the patches retain different keys');
    result[RETAIN_KEYS] = keys;
    return;
  }
  if (!Array.isArray(keys)) throw new PatchProblem('invalid patch format of retainKeys');
  const isForeign = ([name, value]: [string, unknown]) => value !== null && !name.startsWith(DELETE_FROM) && !name.startsWith(ORDER) && !keys.includes(name);
  if (Object.entries(patch).some(isForeign)) throw new PatchProblem('invalid patch format of retainKeys');
  for (const name of Object.keys(result)) if (!keys.includes(name)) delete result[name];
}

// --- lists

interface ListMerge {
  readonly field: FieldMerge;
  readonly merging: Merging;
}

interface MergedList {
  readonly merged: unknown[];
  /** The order in which the target had them; what is new takes the places of what was deleted. */
  readonly order: readonly unknown[];
}

/** A list and the directive on its order, both taken out of the patch. */
function mergeOrdered({ model, merging }: Walk, { result, patch, name }: { readonly result: Fields; readonly patch: Fields; readonly name: string }): void {
  const order = patch[name];
  if (merging.ofPatches) {
    if (result[name] !== undefined && !equalJson(result[name], order)) throw new PatchProblem('the patches order a list differently');
    result[name] = order;
  }
  delete patch[name];
  const listName = name.slice(ORDER.length);
  const [existing, added] = [listOf(result, listName), listOf(patch, listName)];
  if (!Array.isArray(order)) throw new PatchProblem(`${name} is a list`);
  const field = fieldMerge(model, listName);
  requireOrder(field.key, added ?? [], order);
  if (existing === undefined && added === undefined) return;
  const list = mergedList({ field, merging }, existing, added);
  if ((existing ?? []).length + (added ?? []).length === 0) throw new PatchProblem('no elements in any of the given slices');
  result[listName] = inOrder(field.key, list, order);
  delete patch[listName];
}

function mergedList(list: ListMerge, existing: readonly unknown[] | undefined, added: readonly unknown[] | undefined): MergedList {
  // Only called with one of them.
  if (added === undefined) return { merged: [...(existing ?? [])], order: existing ?? [] };
  if (existing === undefined) return { merged: added.map(withoutDeleted).filter((item) => item !== undefined), order: [] };
  return list.field.isMerged ? mergeList(list, existing, added) : { merged: [...added], order: existing };
}

function listOf(fields: Fields, name: string): readonly unknown[] | undefined {
  if (!Object.hasOwn(fields, name)) return undefined;
  const list = fields[name];
  if (!Array.isArray(list)) throw new PatchProblem(`expected a list of ${name}, but got ${JSON.stringify(list)}`);
  return list;
}

function mergeList({ field, merging }: ListMerge, existing: readonly unknown[], patch: readonly unknown[]): MergedList {
  if (existing.length + patch.length === 0) return { merged: [], order: [] };
  const type = commonType(existing, patch);
  if (type !== 'record') return { merged: inOrder('', { merged: [...new Set([...existing, ...patch])], order: existing }, patch), order: existing };
  if (field.key === '') throw new PatchProblem('cannot merge lists without merge key');
  const { kept, items, isReplaced } = special(field.key, existing as Fields[], patch as Fields[]); // all of them are records
  const merged: unknown[] = [...kept];
  for (const item of items) {
    const index = merged.findIndex((other) => isRecord(other) && other[field.key] === item[field.key]);
    if (index >= 0) merged[index] = mergeRecord({ model: field.model, merging }, merged[index] as Fields, item);
    else merged.push(item);
  }
  const before = isReplaced ? existing : [...merged, ...existing.slice(merged.length)].slice(0, existing.length);
  return { merged: inOrder(field.key, { merged, order: kept }, items), order: kept.length === existing.length ? existing : before };
}

interface Special {
  /** What the patch leaves of the target's. */
  readonly kept: readonly Fields[];
  /** What is to be merged. */
  readonly items: readonly Fields[];
  readonly isReplaced: boolean;
}

/** Follows `$patch` in items. */
function special(key: string, existing: readonly Fields[], patch: readonly Fields[]): Special {
  let kept = existing;
  let isReplaced = false;
  const items: Fields[] = [];
  for (const item of patch) {
    const directive = item[PATCH];
    if (directive === undefined) items.push(item);
    else if (directive === 'replace') isReplaced = true;
    else if (directive === 'delete') {
      const value = keyOf(key, item);
      kept = kept.filter((other) => other[key] !== value);
    } else throw new PatchProblem(`unknown patch type: ${JSON.stringify(directive)} in list`);
  }
  if (!isReplaced) for (const item of items) keyOf(key, item);
  return isReplaced ? { kept: items, items: [], isReplaced } : { kept, items, isReplaced };
}

/** Of an item of a list that is merged by the key. */
export function keyOf(key: string, item: unknown): unknown {
  if (!isRecord(item)) throw new PatchProblem(`expected an object, but got ${JSON.stringify(item)}`);
  if (!Object.hasOwn(item, key)) throw new PatchProblem(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
  // Such items could not be told apart.
  if (typeof item[key] === 'object' && item[key] !== null) throw new PatchProblem(`merge key ${key} is no scalar: ${JSON.stringify(item[key])}`);
  return item[key];
}

/** The items that the patch orders among each other in its order, the others in theirs; between them as they were. */
function inOrder(key: string, { merged, order }: MergedList, wanted: readonly unknown[]): unknown[] {
  const identity = key === '' ? (item: unknown) => item : (item: unknown) => keyOf(key, item);
  const named = new Set(wanted.map(identity));
  const ours = sortBy(key, merged.filter((item) => named.has(identity(item))), wanted);
  const others = sortBy(key, merged.filter((item) => !named.has(identity(item))), order);
  const places = order.map(identity);
  const isBefore = (left: unknown, right: unknown) => {
    const [at, than] = [places.indexOf(identity(left)), places.indexOf(identity(right))];
    return at >= 0 && than >= 0 && at < than;
  };
  const result: unknown[] = [];
  while (ours.length > 0 && others.length > 0) result.push((isBefore(others[0], ours[0]) ? others : ours).shift());
  return [...result, ...ours, ...others];
}

/** By the order; what it does not name comes to stand before what it was behind, what a patch deletes last. */
export function sortBy(key: string, items: readonly unknown[], order: readonly unknown[]): unknown[] {
  const identity = key === '' ? (item: unknown) => item : (item: unknown) => keyOf(key, item);
  const places = order.map(identity);
  const isDeletion = (item: unknown) => key !== '' && isRecord(item) && item[PATCH] === 'delete';
  const sorted: unknown[] = [];
  for (const item of items.filter((one) => !isDeletion(one))) {
    const place = places.indexOf(identity(item));
    let at = sorted.length;
    // As apimachinery compares: one that is not in the order is less than any.
    while (at > 0 && isLess(place, places.indexOf(identity(sorted[at - 1])))) at--;
    sorted.splice(at, 0, item);
  }
  return [...sorted, ...items.filter(isDeletion)];
}

const isLess = (place: number, other: number): boolean => place < 0 || other < 0 || place < other;

/** What the patch has stands in the same order as the directive has it. */
function requireOrder(key: string, items: readonly unknown[], order: readonly unknown[]): void {
  if (items.length === 0 || order.length === 0) return;
  const identity = key === '' ? (item: unknown) => item : (item: unknown) => keyOf(key, item);
  const hasDirective = (item: unknown) => isRecord(item) && Object.hasOwn(item, PATCH);
  const wanted = items.filter((item) => key === '' || !(isRecord(item) && item[PATCH] === 'delete'));
  let at = 0;
  for (const place of order) {
    while (at < wanted.length && hasDirective(wanted[at])) at++;
    if (at < wanted.length && identity(wanted[at]) === identity(place)) at++;
  }
  if (at < wanted.length) throw new PatchProblem(`The order in patch list:\n${JSON.stringify(items)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`);
}

export function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'list' : isRecord(value) ? 'record' : value === null ? 'null' : typeof value;
}

export function commonType(...lists: readonly (readonly unknown[])[]): string {
  const types = new Set(lists.flat().map(typeOf));
  const [type = 'undefined'] = types;
  if (type === 'list') throw new PatchProblem('lists of lists are not supported');
  if (types.size > 1) throw new PatchProblem('list element types are not identical');
  return type;
}
