/** The three kinds of patches. Each answers the patched copy; what a patch may not do is an error as a value. */
import { cloneJson, equalJson, isRecord, setField } from '../../kube/types.ts';
import { modelOfField } from './schema.ts';
import { LISTS } from './topology.ts';

type Fields = Record<string, unknown>;

export type Patched = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

class PatchProblem extends Error {}

function attempt(run: () => unknown): Patched {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    if (error instanceof PatchProblem) return { ok: false, message: error.message };
    throw error;
  }
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return cloneJson(patch);
  const result: Fields = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setField(result, key, mergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}

// --- RFC 6902

/** More operations than a person writes, few enough to be done in one turn. */
const OPERATIONS_MAX = 10_000;

export function jsonPatch(target: unknown, operations: unknown): Patched {
  return attempt(() => {
    if (!Array.isArray(operations)) throw new PatchProblem('a JSON patch is a list of operations');
    if (operations.length > OPERATIONS_MAX) {
      throw new PatchProblem(`the allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${operations.length}`);
    }
    let document: unknown = cloneJson(target);
    for (const operation of operations) document = applyOperation(document, operation);
    return document;
  });
}

function applyOperation(document: unknown, operation: unknown): unknown {
  if (!isRecord(operation) || typeof operation['op'] !== 'string' || typeof operation['path'] !== 'string') {
    throw new PatchProblem('an operation of a JSON patch has the fields op and path');
  }
  const { op, path } = operation;
  const value = () => {
    if (!('value' in operation)) throw new PatchProblem(`operation ${op} at ${path} has no value`);
    return cloneJson(operation['value']);
  };
  const from = () => {
    if (typeof operation['from'] !== 'string') throw new PatchProblem(`operation ${op} at ${path} has no from`);
    return operation['from'];
  };
  switch (op) {
    case 'add':
      return put(document, path, value(), 'add');
    case 'replace':
      lookUp(document, path);
      return put(document, path, value(), 'replace');
    case 'remove':
      return remove(document, path);
    case 'copy':
      return put(document, path, cloneJson(lookUp(document, from())), 'add');
    case 'move': {
      const moved = lookUp(document, from());
      if (path.startsWith(`${from()}/`)) throw new PatchProblem(`cannot move ${from()} into itself`);
      return put(remove(document, from()), path, moved, 'add');
    }
    case 'test':
      if (!equalJson(lookUp(document, path), value())) throw new PatchProblem(`testing value ${path} failed: test failed`);
      return document;
    default:
      throw new PatchProblem(`unexpected kind: ${op}`);
  }
}

function pointer(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw new PatchProblem(`path ${JSON.stringify(path)} does not start with /`);
  return path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function missing(path: string): PatchProblem {
  return new PatchProblem(`the path ${JSON.stringify(path)} does not exist`);
}

function lookUp(document: unknown, path: string): unknown {
  let at = document;
  for (const part of pointer(path)) {
    if (Array.isArray(at) && /^(0|[1-9]\d*)$/.test(part) && Number(part) < at.length) at = at[Number(part)];
    else if (isRecord(at) && Object.hasOwn(at, part)) at = at[part];
    else throw missing(path);
  }
  return at;
}

function put(document: unknown, path: string, value: unknown, mode: 'add' | 'replace'): unknown {
  const parts = pointer(path);
  const last = parts.pop();
  if (last === undefined) return value;
  const parent = lookUp(document, parentOf(path));
  if (Array.isArray(parent)) {
    const index = last === '-' && mode === 'add' ? parent.length : /^(0|[1-9]\d*)$/.test(last) ? Number(last) : -1;
    if (index < 0 || index > parent.length) throw missing(path);
    parent.splice(index, mode === 'add' ? 0 : 1, value);
  } else if (isRecord(parent)) setField(parent, last, value);
  else throw missing(path);
  return document;
}

function remove(document: unknown, path: string): unknown {
  lookUp(document, path);
  const last = pointer(path).pop();
  if (last === undefined) throw new PatchProblem('the whole document cannot be removed');
  const parent = lookUp(document, parentOf(path));
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isRecord(parent)) delete parent[last];
  return document;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

// --- strategic merge

export function strategicPatch(model: string, target: unknown, patch: unknown): Patched {
  return attempt(() => {
    if (!isRecord(patch)) throw new PatchProblem('a strategic merge patch is an object');
    return mergeRecord(model, isRecord(target) ? target : {}, patch);
  });
}

function mergeRecord(model: string | undefined, target: Fields, patch: Fields): Fields {
  const directive = patch['$patch'];
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw new PatchProblem(`Unknown patch type: ${typeof directive === 'string' ? directive : JSON.stringify(directive)}`);
  const result: Fields = { ...target };
  retainKeys(result, patch['$retainKeys']);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) deleteFromSet(result, key.slice(key.indexOf('/') + 1), value);
    else if (key.startsWith('$')) continue;
    else if (value === null) delete result[key];
    else setField(result, key, mergeField(model, key, Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  for (const [key, order] of Object.entries(patch)) {
    if (key.startsWith('$setElementOrder/')) setOrder(model, { before: target, result }, key.slice(key.indexOf('/') + 1), order);
  }
  return result;
}

function mergeField(model: string | undefined, field: string, target: unknown, patch: unknown): unknown {
  const fieldModel = model === undefined ? undefined : modelOfField(model, field);
  if (isRecord(patch)) return mergeRecord(fieldModel, isRecord(target) ? target : {}, patch);
  if (!Array.isArray(patch)) return patch;
  const mergeKey = model === undefined ? undefined : LISTS[model]?.[field]?.merge;
  const before: readonly unknown[] = Array.isArray(target) ? target : [];
  if (typeof mergeKey === 'string') return mergeList({ model: fieldModel, mergeKey }, before, patch);
  if (mergeKey === true) return inOrder({ merged: [...new Set([...before, ...patch])], order: patch, before, keyOf: (item) => item });
  return cloneJson(patch);
}

interface KeyedList {
  readonly model: string | undefined;
  readonly mergeKey: string;
}

function mergeList({ model, mergeKey }: KeyedList, target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  if (patch.some((item) => isRecord(item) && item['$patch'] === 'replace')) {
    return patch.filter((item) => !(isRecord(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1)).map((item) => (isRecord(item) ? withoutDirectives(item) : item));
  }
  const result = [...target];
  for (const item of patch) {
    if (!isRecord(item)) throw new PatchProblem('an item of a list that merges by a key is an object');
    const key = item[mergeKey];
    if (key === undefined) throw new PatchProblem(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    const index = result.findIndex((existing) => isRecord(existing) && existing[mergeKey] === key);
    const existing = index < 0 ? undefined : result[index];
    if (item['$patch'] === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (isRecord(existing)) result[index] = mergeRecord(model, existing, item);
    else result.push(mergeRecord(model, {}, item));
  }
  return inOrder({ merged: result, order: patch, before: target, keyOf: (item) => (isRecord(item) ? item[mergeKey] : item) });
}

function retainKeys(target: Fields, keys: unknown): void {
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw new PatchProblem('$retainKeys is a list');
  for (const key of Object.keys(target)) if (!keys.includes(key)) delete target[key];
}

function deleteFromSet(target: Fields, field: string, values: unknown): void {
  const list = target[field];
  if (!Array.isArray(values)) throw new PatchProblem(`$deleteFromPrimitiveList/${field} is a list`);
  if (Array.isArray(list)) target[field] = list.filter((item) => !values.includes(item));
}

function setOrder(model: string | undefined, { before, result }: { readonly before: Fields; readonly result: Fields }, field: string, order: unknown): void {
  const list = result[field];
  if (!Array.isArray(order)) throw new PatchProblem(`$setElementOrder/${field} is a list`);
  if (!Array.isArray(list)) return;
  const mergeKey = model === undefined ? undefined : LISTS[model]?.[field]?.merge;
  const keyOf = (item: unknown) => (typeof mergeKey === 'string' && isRecord(item) ? item[mergeKey] : item);
  const were = before[field];
  result[field] = inOrder({ merged: list, order, before: Array.isArray(were) ? were : [], keyOf });
}

interface Ordering {
  readonly merged: readonly unknown[];
  /** Of the items that the patch names. */
  readonly order: readonly unknown[];
  /** The list as it was. */
  readonly before: readonly unknown[];
  keyOf(item: unknown): unknown;
}

/**
 * What the patch names comes in the patch's order, all else in the order it had. Of the two next in line the other goes
 * first only where it was in front of the named one before; so a new item comes in front, as Kubernetes puts it.
 */
function inOrder({ merged, order, before, keyOf }: Ordering): unknown[] {
  const [rank, place] = [order, before].map((list) => new Map(list.map((item, index) => [keyOf(item), index] as const)));
  const named = merged.filter((item) => rank!.has(keyOf(item))).sort((a, b) => rank!.get(keyOf(a))! - rank!.get(keyOf(b))!);
  const others = merged.filter((item) => !rank!.has(keyOf(item)));
  const wasInFront = (one: unknown, other: unknown) => (place!.get(keyOf(one)) ?? Infinity) < (place!.get(keyOf(other)) ?? -1);
  const result: unknown[] = [];
  let next = 0;
  for (const item of named) {
    while (next < others.length && wasInFront(others[next], item)) result.push(others[next++]);
    result.push(item);
  }
  return [...result, ...others.slice(next)];
}

function withoutDirectives(patch: Fields): Fields {
  return Object.fromEntries(
    Object.entries(patch)
      .filter(([key]) => !key.startsWith('$'))
      .map(([key, value]) => [key, cloneJson(value)]),
  );
}

// --- what is said of a patch that does not fit

/** As Go prints a value of any type: `map[a:1 b:[x y]]`. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (isRecord(value)) return `map[${Object.keys(value).sort().map((key) => `${key}:${goText(value[key])}`).join(' ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A strategic patch is not decoded but converted, which says less: what was found, or what was wanted. */
export function inConversionsWords(problem: string): string {
  const match = /cannot unmarshal (\w+) into .* of type (\S+)$/.exec(problem);
  if (match === null) return problem;
  const [, found, wanted = ''] = match;
  return found === 'number' ? `cannot convert int64 to ${wanted}` : `unrecognized type: ${wanted}`;
}
