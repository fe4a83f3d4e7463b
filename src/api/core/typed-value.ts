/**
 * Walks over objects by the shapes of their kinds: which places a value has, in what two values differ, two values made
 * one, a value less some of its places. The rules are those of Kubernetes' structured merge and diff
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy): an atomic value is one place; an
 * item of a keyed list or of a set is a place of its own beside what is below it.
 */
import { equalJson, isRecord, ownField, setField } from '../../kube/types.ts';
import { EMPTY, isEmptySet, LEAF, setOf, union, type FieldSet } from './field-set.ts';
import { fieldShapes, KEY_DEFAULTS, type Shape } from './topology.ts';

const ANY: Shape = { kind: 'any' };

/** A list that is no set though it must be one, or an item without its keys: the path and the problem. */
export class ShapeProblem extends Error {}

export type KeyedList = Extract<Shape, { kind: 'list' }>;

export function isGranularMap(shape: Shape): boolean {
  return (shape.kind === 'any' || shape.kind === 'map' || shape.kind === 'struct') && !(shape.kind !== 'any' && shape.isAtomic);
}

export function isKeyedList(shape: Shape): shape is KeyedList {
  return shape.kind === 'list' && shape.relation !== 'atomic';
}

/** Of an entry of a record; `isDeclared`: a field of a struct, not an entry of a map. */
function entryShape(shape: Shape, name: string): { readonly shape: Shape; readonly isDeclared: boolean } {
  if (shape.kind === 'struct') {
    const declared = fieldShapes(shape.model).get(name);
    return { shape: declared ?? ANY, isDeclared: declared !== undefined };
  }
  return { shape: shape.kind === 'map' ? shape.element : ANY, isDeclared: false };
}

export function shapeOfEntry(shape: Shape, name: string): Shape {
  if (shape.kind === 'struct') return fieldShapes(shape.model).get(name) ?? ANY;
  return shape.kind === 'map' ? shape.element : ANY;
}

/** The item's name among its siblings: `k:{"name":"a"}` or `v:"a"`. */
export function elementOf(list: KeyedList, item: unknown): string {
  if (list.relation !== 'map') return `v:${JSON.stringify(item)}`;
  if (!isRecord(item)) throw new ShapeProblem('an item of a list that is told apart by keys must be an object');
  const defaults = list.element.kind === 'struct' ? KEY_DEFAULTS[list.element.model] : undefined;
  const keys: Record<string, unknown> = {};
  for (const key of [...list.keys].sort()) {
    const value = item[key] ?? defaults?.[key];
    if (value === undefined) {
      throw new ShapeProblem(`associative list with keys has an element that omits key field ${JSON.stringify(key)} (and doesn't have default value)`);
    }
    keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

/** By element; a name that comes twice keeps both, the way it is stored. */
export function itemsByElement(list: KeyedList, items: readonly unknown[]): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const item of items) {
    const element = elementOf(list, item);
    const same = found.get(element);
    if (same === undefined) found.set(element, [item]);
    else same.push(item);
  }
  return found;
}

// --- places

export function fieldSetOf(shape: Shape, value: unknown): FieldSet {
  const children = new Map<string, FieldSet>();
  if (isGranularMap(shape) && isRecord(value)) {
    for (const [name, field] of Object.entries(value)) {
      if (field === undefined) continue;
      const { shape: below, isDeclared } = entryShape(shape, name);
      const set = fieldSetOf(below, field);
      const isMember = !isDeclared || field === null || (isRecord(field) && Object.keys(field).length === 0);
      addChild(children, `f:${name}`, isMember ? setOf(true, set.children) : set);
    }
  } else if (isKeyedList(shape) && Array.isArray(value)) {
    for (const item of value) {
      const element = elementOf(shape, item);
      addChild(children, element, union(children.get(element) ?? LEAF, fieldSetOf(shape.element, item)));
    }
  } else if (shape.kind === 'any' || (!isGranularMap(shape) && !isKeyedList(shape))) return LEAF;
  return setOf(false, children);
}

function addChild(children: Map<string, FieldSet>, element: string, set: FieldSet): void {
  if (!isEmptySet(set)) children.set(element, set);
}

// --- differences

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

const SAME: Comparison = { added: EMPTY, modified: EMPTY, removed: EMPTY };
const MODIFIED: Comparison = { ...SAME, modified: LEAF };

export function compare(shape: Shape, before: unknown, after: unknown): Comparison {
  if (before === after) return SAME;
  // Of a new object nearly all is on one side: that is one walk, and one set.
  if (before === undefined) return { ...SAME, added: allOf(shape, after) };
  if (after === undefined) return { ...SAME, removed: allOf(shape, before) };
  // One that is null has nothing in it.
  const [from, to] = [before ?? (Array.isArray(after) ? [] : {}), after ?? (Array.isArray(before) ? [] : {})];
  if (isGranularMap(shape) && isRecord(from) && isRecord(to) && hasAny(from, to)) {
    const found = new Differences();
    for (const name of Object.keys(to)) found.add(`f:${name}`, compare(entryShape(shape, name).shape, ownField(from, name), to[name]));
    for (const name of Object.keys(from)) {
      if (!Object.hasOwn(to, name)) found.add(`f:${name}`, compare(entryShape(shape, name).shape, from[name], undefined));
    }
    return found.sum();
  }
  if (isKeyedList(shape) && Array.isArray(from) && Array.isArray(to) && from.length + to.length > 0) {
    const found = new Differences();
    const [old, now] = [itemsByElement(shape, from), itemsByElement(shape, to)];
    for (const element of new Set([...old.keys(), ...now.keys()])) found.add(element, compareItems(shape, old.get(element), now.get(element)));
    return found.sum();
  }
  return equalJson(before, after) ? SAME : MODIFIED;
}

/** Items of one name cannot be told apart: then the whole of them is compared. */
function compareItems({ element }: KeyedList, before: readonly unknown[] = [], after: readonly unknown[] = []): Comparison {
  if (before.length <= 1 && after.length <= 1) return compare(element, before[0], after[0]);
  if (before.length === 0) return { ...SAME, added: LEAF };
  if (after.length === 0) return { ...SAME, removed: LEAF };
  return equalJson(before, after) ? SAME : MODIFIED;
}

/** What is there on one side alone, with all that holds it. */
function allOf(shape: Shape, value: unknown): FieldSet {
  const children = new Map<string, FieldSet>();
  if (isGranularMap(shape) && isRecord(value)) {
    for (const [name, field] of Object.entries(value)) if (field !== undefined) children.set(`f:${name}`, allOf(entryShape(shape, name).shape, field));
  } else if (isKeyedList(shape) && Array.isArray(value)) {
    for (const [element, same] of itemsByElement(shape, value)) children.set(element, same.length > 1 ? LEAF : allOf(shape.element, same[0]));
  }
  return setOf(true, children);
}

/** Collects what differs below a place; mostly nothing does. */
class Differences {
  #added: Map<string, FieldSet> | undefined;
  #modified: Map<string, FieldSet> | undefined;
  #removed: Map<string, FieldSet> | undefined;

  add(element: string, { added, modified, removed }: Comparison): void {
    if (!isEmptySet(added)) (this.#added ??= new Map()).set(element, added);
    if (!isEmptySet(modified)) (this.#modified ??= new Map()).set(element, modified);
    if (!isEmptySet(removed)) (this.#removed ??= new Map()).set(element, removed);
  }

  sum(): Comparison {
    const set = (children: Map<string, FieldSet> | undefined) => (children === undefined ? EMPTY : setOf(false, children));
    return { added: set(this.#added), modified: set(this.#modified), removed: set(this.#removed) };
  }
}

function hasAny(a: object, b: object): boolean {
  return Object.keys(a).length + Object.keys(b).length > 0;
}

// --- two made one

/** What `applied` says stands; the rest is as it was. */
export function merge(shape: Shape, current: unknown, applied: unknown): unknown {
  if (applied === undefined) return current;
  if (isGranularMap(shape) && isRecord(current) && isRecord(applied)) {
    const merged: Record<string, unknown> = {};
    for (const name of new Set([...Object.keys(current), ...Object.keys(applied)])) {
      const value = merge(entryShape(shape, name).shape, ownField(current, name), ownField(applied, name));
      if (value !== undefined) setField(merged, name, value);
    }
    return merged;
  }
  if (isKeyedList(shape) && Array.isArray(current) && Array.isArray(applied)) return mergeItems(shape, current, applied);
  return applied;
}

/**
 * In the order of what is applied; the others stay where they are among those that both have. As structured-merge-diff goes
 * through both lists at once: the next item of the live one is taken if only it has it, is passed over if it comes in the
 * applied one at another place, and where neither holds the next applied one is taken.
 */
function mergeItems(shape: KeyedList, current: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const wanted = itemsByElement(shape, applied);
  for (const [element, same] of wanted) {
    if (same.length > 1) throw new ShapeProblem(`duplicate entries for key ${element.slice(2)}`);
  }
  const existing = itemsByElement(shape, current);
  const live = current.map((item) => elementOf(shape, item));
  const ours = [...wanted.keys()];
  const shared = ours.filter((element) => existing.has(element));
  const merged: unknown[] = [];
  const taken = new Set<string>();
  let at = 0;
  const take = (element: string) => {
    const same = existing.get(element);
    // Items of one name cannot be told apart: the applied one takes the place of them all.
    merged.push(merge(shape.element, same?.length === 1 ? same[0] : undefined, wanted.get(element)![0]));
    taken.add(element);
    if (shared[0] === element) shared.shift();
  };
  for (let next = 0; at < live.length || next < ours.length; ) {
    const [element, own] = [live[at], ours[next]];
    if (element !== undefined && element === own) {
      take(element);
      at++;
      next++;
    } else if (element !== undefined && !wanted.has(element)) merged.push(current[at++]);
    else if (element !== undefined && own !== undefined && shared.length > 0 && shared[0] !== element) at++;
    else {
      if (element !== undefined && taken.has(element)) at++;
      if (own !== undefined) {
        take(own);
        next++;
      }
    }
  }
  return merged;
}

// --- less some places

/** Null: nothing is left of it, and its place stays (its owner named it). Atomic values go whole or stay. */
export function removeItems(shape: Shape, value: unknown, places: FieldSet): unknown {
  if (isGranularMap(shape) && isRecord(value)) {
    const left: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(value)) {
      const kept = keep(entryShape(shape, name).shape, field, places.children.get(`f:${name}`));
      if (kept !== undefined) setField(left, name, kept);
    }
    return Object.keys(left).length > 0 || Object.keys(value).length === 0 ? left : null;
  }
  if (isKeyedList(shape) && Array.isArray(value)) {
    const left = value
      .map((item: unknown) => keep(shape.element, item, places.children.get(elementOf(shape, item))))
      .filter((item) => item !== undefined);
    return left.length > 0 || value.length === 0 ? left : null;
  }
  return value;
}

function keep(shape: Shape, value: unknown, places: FieldSet | undefined): unknown {
  if (places === undefined) return value;
  return places.isMember ? undefined : removeItems(shape, value, places);
}

/** Declared fields that only hold others count as members too, so that a struct goes when all that was in it has gone. */
export function withNamedFields(shape: Shape, set: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const { shape: belowShape, isDeclared } = element.startsWith('f:')
      ? entryShape(shape, element.slice(2))
      : { shape: isKeyedList(shape) ? shape.element : ANY, isDeclared: false };
    const named = withNamedFields(belowShape, child);
    children.set(element, isDeclared && !named.isMember ? { ...named, isMember: true } : named);
  }
  return { isMember: set.isMember, children };
}
