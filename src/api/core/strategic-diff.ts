/**
 * The strategic merge patch that makes an object what a manifest says, as client-side apply sends it: what the manifest that
 * was applied last had and this one has not goes, what this one says is set, the rest is somebody else's. The patch is, byte
 * for byte, kubectl's (test/golden/semantics), so that both leave the same object and say the same of it.
 */
import { equalJson, isRecord, setField } from '../../kube/types.ts';
import { commonType, DELETE_FROM, fieldMerge, keyOf, mergeStrategic, ORDER, PATCH, RETAIN_KEYS, sortBy, typeOf, type FieldMerge, type Fields } from './strategic-merge.ts';

/** The half of a difference that is wanted. */
type Half = 'changes' | 'deletions';

export interface ThreeWay {
  readonly model: string;
  /** What was applied last; undefined: nothing. */
  readonly original: Fields | undefined;
  readonly modified: Fields;
  readonly current: Fields;
}

/** Empty: the object is as the manifest wants it. Throws PatchProblem where a list's items cannot be told apart. */
export function threeWayPatch({ model, original = {}, modified, current }: ThreeWay): Fields {
  const changes = diffRecords({ model, half: 'changes', retainsKeys: false }, current, modified);
  const deletions = diffRecords({ model, half: 'deletions', retainsKeys: false }, original, modified);
  return mergeStrategic(model, deletions, changes, { ofPatches: true });
}

interface Walk {
  readonly model: string | undefined;
  readonly half: Half;
  readonly retainsKeys: boolean;
}

function diffRecords(walk: Walk, before: Fields, after: Fields): Fields {
  const patch: Fields = {};
  for (const [name, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (old !== undefined && typeOf(old) === typeOf(value)) diffField(walk, patch, { name, old, value });
    else if (walk.half === 'changes') setField(patch, name, value);
  }
  if (walk.half === 'deletions') {
    for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) setField(patch, name, null);
  }
  if (walk.retainsKeys) retain(patch, before, after);
  return patch;
}

interface Difference {
  readonly name: string;
  readonly old: unknown;
  readonly value: unknown;
}

function diffField({ model, half }: Walk, patch: Fields, { name, old, value }: Difference): void {
  const field = fieldMerge(model, name);
  if (isRecord(old) && isRecord(value) && field.isReplaced) {
    // As kubectl has it, said again even where it is the same.
    if (half === 'changes') setField(patch, name, value);
  } else if (isRecord(old) && isRecord(value)) {
    const below = diffRecords({ model: field.model, half, retainsKeys: field.retainKeys }, old, value);
    if (Object.keys(below).length > 0) setField(patch, name, below);
  } else if (Array.isArray(old) && Array.isArray(value) && field.isMerged) {
    const { items, deleted, order } = diffLists(field, half, old, value);
    if (items.length > 0) patch[name] = items;
    if (deleted.length > 0) patch[DELETE_FROM + name] = deleted;
    if (order.length > 0) patch[ORDER + name] = order;
  } else if (half === 'changes' && !equalJson(old, value)) setField(patch, name, value);
}

/** Which fields a value keeps whose other fields would not fit it any more. */
function retain(patch: Fields, before: Fields, after: Fields): void {
  const kept = Object.keys(after).filter((name) => after[name] !== null);
  const isGone = (name: string) => before[name] !== null && !Object.hasOwn(after, name);
  if (kept.length > 0 && (Object.keys(patch).length > 0 || Object.keys(before).some(isGone))) patch[RETAIN_KEYS] = kept.sort();
}

interface ListDifference {
  readonly items: readonly unknown[];
  /** Scalars that go. */
  readonly deleted: readonly unknown[];
  readonly order: readonly unknown[];
}

const NONE: ListDifference = { items: [], deleted: [], order: [] };

function diffLists(field: FieldMerge, half: Half, before: readonly unknown[], after: readonly unknown[]): ListDifference {
  if (before.length === 0) return half === 'deletions' ? NONE : { ...NONE, items: after };
  if (commonType(before, after) === 'record') return diffKeyed(field, half, before as Fields[], after as Fields[]); // all are records
  const deleted = half === 'deletions' ? distinct(before.filter((item) => !after.includes(item))) : [];
  const items = half === 'changes' ? sortBy('', byText(after.filter((item) => !before.includes(item))), after) : [];
  // kubectl compares with what was there sorted: it says the order of scalars that are not, though they are the same.
  const isOrdered = half === 'deletions' ? deleted.length > 0 : !equalJson(byText(before), after);
  return { items, deleted, order: isOrdered ? after : [] };
}

function diffKeyed({ model, key, retainKeys }: FieldMerge, half: Half, before: readonly Fields[], after: readonly Fields[]): ListDifference {
  for (const item of [...before, ...after]) keyOf(key, item);
  const old = new Map(before.map((item) => [item[key], item]));
  const kept = new Set(after.map((item) => item[key]));
  const items: unknown[] = [];
  for (const item of after) {
    const same = old.get(item[key]);
    if (same === undefined) {
      if (half === 'changes') items.push(item);
      continue;
    }
    const below = diffRecords({ model, half, retainsKeys: retainKeys }, same, item);
    if (Object.keys(below).length > 0) items.push({ ...below, [key]: item[key] });
  }
  const gone = half === 'deletions' ? byText([...old.keys()].filter((value) => !kept.has(value))) : [];
  const all = [...items, ...gone.map((value) => ({ [PATCH]: 'delete', [key]: value }))];
  const isSameOrder = before.length === after.length && before.every((item, index) => item[key] === after[index]![key]);
  const isOrdered = all.length > 0 || (half === 'changes' && !isSameOrder);
  return { items: all, deleted: [], order: isOrdered ? after.map((item) => ({ [key]: item[key] })) : [] };
}

function distinct(values: readonly unknown[]): unknown[] {
  return byText([...new Set(values)]);
}

function byText(values: readonly unknown[]): unknown[] {
  const [text, less] = [String, (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)];
  return [...values].sort((a, b) => less(text(a), text(b)));
}
