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
const LEAF: FieldSet = { isMember: true, children: new Map() };

/** As a set is built: places are added one by one. */
export class FieldSetBuilder {
  #isMember = false;
  readonly #children = new Map<string, FieldSetBuilder>();

  add(): void {
    this.#isMember = true;
  }

  at(element: string): FieldSetBuilder {
    let child = this.#children.get(element);
    if (child === undefined) this.#children.set(element, (child = new FieldSetBuilder()));
    return child;
  }

  build(): FieldSet {
    const children = new Map<string, FieldSet>();
    for (const [element, child] of this.#children) {
      const set = child.build();
      if (!isEmptySet(set)) children.set(element, set);
    }
    return make(this.#isMember, children);
  }
}

function make(isMember: boolean, children: ReadonlyMap<string, FieldSet>): FieldSet {
  return children.size > 0 ? { isMember, children } : isMember ? LEAF : EMPTY;
}

export function isEmptySet({ isMember, children }: FieldSet): boolean {
  return !isMember && children.size === 0;
}

/** Combines member by member; `other` has what both trees have at a place. */
function combine(a: FieldSet, b: FieldSet, isMember: (inA: boolean, inB: boolean) => boolean): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const element of new Set([...a.children.keys(), ...b.children.keys()])) {
    const child = combine(a.children.get(element) ?? EMPTY, b.children.get(element) ?? EMPTY, isMember);
    if (!isEmptySet(child)) children.set(element, child);
  }
  return make(isMember(a.isMember, b.isMember), children);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  return isEmptySet(b) ? a : combine(a, b, (inA, inB) => inA || inB);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

/** The members of `a` that `b` does not have; what lies below a member of `b` stays. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return isEmptySet(b) ? a : combine(a, b, (inA, inB) => inA && !inB);
}

/** Without the branch at a path. */
export function without(set: FieldSet, path: readonly string[]): FieldSet {
  const [first, ...rest] = path;
  if (first === undefined) return EMPTY;
  const branch = set.children.get(first);
  if (branch === undefined) return set;
  const children = new Map(set.children);
  const left = without(branch, rest);
  if (isEmptySet(left)) children.delete(first);
  else children.set(first, left);
  return make(set.isMember, children);
}

/** The branch at an element, still under that element. */
export function only(set: FieldSet, element: string): FieldSet {
  const branch = set.children.get(element);
  return branch === undefined ? EMPTY : make(false, new Map([[element, branch]]));
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
  return set === undefined ? undefined : make(false, set.children);
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
  return make('.' in fields, children);
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
