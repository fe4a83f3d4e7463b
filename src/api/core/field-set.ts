/**
 * A set of places in an object, as `metadata.managedFields` keeps them: a tree whose branches are named as in the wire
 * form FieldsV1, `f:<field>`, `k:<keys of a list's item>`, `v:<item of a set>`.
 *
 *   {"f:spec": {"f:replicas": {}, "f:ports": {'k:{"port":80}': {".": {}, "f:name": {}}}}}
 *
 * A place with nothing below it belongs to the set; one with places below belongs only where it says so (`.`).
 * Sets are values: every function answers a new one.
 */
import { isRecord } from '../../kube/types.ts';

export interface FieldSet {
  readonly isMember: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export const EMPTY: FieldSet = { isMember: false, children: new Map() };
export const LEAF: FieldSet = { isMember: true, children: new Map() };

export function setOf(isMember: boolean, children: ReadonlyMap<string, FieldSet>): FieldSet {
  return children.size > 0 ? { isMember, children } : isMember ? LEAF : EMPTY;
}

export function isEmptySet({ isMember, children }: FieldSet): boolean {
  return !isMember && children.size === 0;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const children = new Map(a.children);
  for (const [element, child] of b.children) children.set(element, union(children.get(element) ?? EMPTY, child));
  return setOf(a.isMember || b.isMember, children);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return ofChildren(a, a.isMember && b.isMember, (child, element) => intersection(child, b.children.get(element) ?? EMPTY));
}

/** The members of `a` that `b` does not have; what lies below a member of `b` stays. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  return ofChildren(a, a.isMember && !b.isMember, (child, element) => difference(child, b.children.get(element) ?? EMPTY));
}

/** The members of `a` but for the branches that stand at the members of `b`. */
export function without(a: FieldSet, b: FieldSet): FieldSet {
  if (b.isMember) return EMPTY;
  if (isEmptySet(b)) return a;
  return ofChildren(a, a.isMember, (child, element) => without(child, b.children.get(element) ?? EMPTY));
}

function ofChildren(set: FieldSet, isMember: boolean, left: (child: FieldSet, element: string) => FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const kept = left(child, element);
    if (!isEmptySet(kept)) children.set(element, kept);
  }
  return setOf(isMember, children);
}

/** The branch at an element, still under that element. */
export function only(set: FieldSet, element: string): FieldSet {
  const branch = set.children.get(element);
  return branch === undefined ? EMPTY : setOf(false, new Map([[element, branch]]));
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a.isMember !== b.isMember || a.children.size !== b.children.size) return false;
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other === undefined || !equalSets(child, other)) return false;
  }
  return true;
}

/** Every member as its elements, in the order of the wire form. */
export function members(set: FieldSet): string[][] {
  const found: string[][] = [];
  const walk = (at: FieldSet, path: readonly string[]) => {
    if (at.isMember && path.length > 0) found.push([...path]);
    for (const element of sorted(at)) walk(at.children.get(element)!, [...path, element]);
  };
  walk(set, []);
  return found;
}

function sorted({ children }: FieldSet): string[] {
  return [...children.keys()].sort();
}

/** `.spec.ports[port=80,protocol="TCP"].name`, as messages name a place. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatElement).join('');
}

function formatElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>); // written by ourselves or checked when read
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
}

// --- the wire form

export function toFieldsV1(set: FieldSet): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (set.isMember && set.children.size > 0) fields['.'] = {};
  for (const element of sorted(set)) fields[element] = toFieldsV1(set.children.get(element)!);
  return fields;
}

/** Undefined: it is no set of fields. */
export function fromFieldsV1(fields: unknown): FieldSet | undefined {
  const set = parse(fields);
  return set === undefined ? undefined : setOf(false, set.children);
}

function parse(fields: unknown): FieldSet | undefined {
  if (!isRecord(fields)) return undefined;
  const entries = Object.entries(fields);
  if (entries.length === 0) return LEAF;
  const children = new Map<string, FieldSet>();
  for (const [element, below] of entries) {
    if (element === '.') continue;
    const child = isElement(element) ? parse(below) : undefined;
    if (child === undefined) return undefined;
    children.set(element, child);
  }
  return setOf('.' in fields, children);
}

function isElement(element: string): boolean {
  if (element.startsWith('f:')) return element.length > 2;
  if (!element.startsWith('k:') && !element.startsWith('v:')) return false;
  try {
    const value: unknown = JSON.parse(element.slice(2));
    return element.startsWith('v:') || isRecord(value);
  } catch {
    return false;
  }
}
