/**
 * What a kind is to the registry: data, and a few functions. The functions change the draft they are given in place;
 * they see objects that the schema has passed and filled in.
 */
import type { FieldError } from '../../kube/errors.ts';
import type { ResourceInfo } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import { formatAge } from '../../kube/age.ts';

export interface Column {
  readonly name: string;
  /** As it is declared; some kinds put numbers and truth values under what they call texts. */
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  /** By default that of a name in the first column, and none. */
  readonly format?: string;
  /** 0: always; 1: with `-o wide`. */
  readonly priority: 0 | 1;
  readonly value: (object: KubeObject, wallMs: number) => Cell;
}

export type Cell = string | number | boolean;

export type Subresource = 'status' | 'scale' | 'binding' | 'eviction' | 'finalize' | 'approval' | 'ephemeralcontainers' | 'resize';

/** Who asks, as a face knows him. */
export interface Requester {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What is known of a new object besides what was sent. */
export interface Birth {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly now: string;
  readonly user?: Requester | undefined;
}

/** A part of the object that is written through a subresource. */
export interface Part {
  /** The draft is what is stored: takes into it what was sent of this part. */
  readonly take: (draft: KubeObject, sent: KubeObject, now: string) => void;
  readonly validate?: (object: KubeObject, old: KubeObject) => readonly FieldError[];
}

/** How a kind shows the stored objects of another. Both ways keep what they have no field for, or name it elsewhere. */
export interface View {
  /** The kind that is stored; its `Kind` is served as well. */
  readonly of: { readonly group: string; readonly version: string; readonly resource: string };
  readonly show: (stored: KubeObject) => KubeObject;
  readonly store: (shown: KubeObject) => KubeObject;
}

/** Objects of other kinds, as the server just knows them. */
export interface Lookup {
  get(resource: string, namespace: string, name: string): Promise<KubeObject | undefined>;
  list(resource: string): Promise<readonly KubeObject[]>;
}

/** How long an object that is deleted may still live, in seconds. */
export type GraceOf = (object: KubeObject, asked: number | undefined) => number;

export interface Kind {
  readonly info: ResourceInfo;
  /** Of the generated schemas. */
  readonly model: string;
  /** The kind has no objects of its own: rules for what is stored are those of the kind that it shows. */
  readonly view?: View;
  readonly subresources: readonly Subresource[];
  /** `metadata.generation` counts changes of everything but metadata and status. */
  readonly hasGeneration: boolean;
  readonly checkName: (name: string) => readonly string[];
  /** Resets what a user may not set. */
  readonly prepareForCreate?: (draft: KubeObject, birth: Birth) => void;
  readonly prepareForUpdate?: (draft: KubeObject, old: KubeObject) => void;
  /** Puts into a new object what follows from objects of other kinds; refuses it where they do not allow it. */
  readonly resolve?: (draft: KubeObject, namespace: string, lookup: Lookup) => Promise<void>;
  /** Subresources that write a part of the object, other than `status` and `finalize` of ordinary kinds. */
  readonly parts?: Partial<Record<Subresource, Part>>;
  /** What is accepted and not wise, in Kubernetes' words. */
  readonly warnings?: (object: KubeObject) => readonly string[];
  readonly validate?: (object: KubeObject) => readonly FieldError[];
  /** Runs besides `validate`, of a new object. */
  readonly validateCreate?: (object: KubeObject) => readonly FieldError[];
  /** Runs besides `validate`. */
  readonly validateUpdate?: (object: KubeObject, old: KubeObject) => readonly FieldError[];
  /** Who replaces one says which version he has seen; of other kinds he need not. */
  readonly updatesNeedVersion?: true;
  /** What field selectors may ask for, besides metadata.name and metadata.namespace. */
  readonly selectableFields: Readonly<Record<string, (object: KubeObject) => string>>;
  /** What becomes of dependents where a deletion does not say: they go, or, with `Orphan`, stay. */
  readonly defaultPropagation?: 'Orphan';
  /** Only kinds that end gracefully have it. */
  readonly graceSeconds?: GraceOf;
  /** What stands in the name column, where it is more than the name. */
  readonly nameText?: (object: KubeObject) => string;
  /** Without the name column and the age, which every table has. */
  readonly columns: readonly Column[];
  /** Most tables end with the age. */
  readonly hasAgeColumn?: boolean;
}

export function column(name: string, value: Column['value'], priority: 0 | 1 = 0): Column {
  return { name, type: 'string', priority, value };
}

export function wide(name: string, value: Column['value']): Column {
  return column(name, value, 1);
}

/** A number of the object, 0 where it is not there. */
export function integer(name: string, ...path: readonly string[]): Column {
  return { name, type: 'integer', priority: 0, value: (object) => numberAt(object, ...path) };
}

/** The same under what is declared as a text. */
export function amount(name: string, ...path: readonly string[]): Column {
  return column(name, (object) => numberAt(object, ...path));
}

/** Whether it is true in the object. */
export function truth(name: string, ...path: readonly string[]): Column {
  return { name, type: 'boolean', priority: 0, value: (object) => textAt(object, ...path) === 'true' };
}

export function numberAt(object: unknown, ...path: readonly string[]): number {
  return Number(textAt(object, ...path) || 0);
}

export const age: Column = column('Age', (object, wallMs) => formatAge(object.metadata.creationTimestamp, wallMs));

/** Of kinds whose tables show when, not how long ago. */
export const createdAt: Column = { name: 'Created At', type: 'date', priority: 0, value: (object) => object.metadata.creationTimestamp ?? '' };

/** The text at a path, or what kubectl prints where there is none. */
export function shown(object: unknown, ...path: readonly string[]): string {
  return textAt(object, ...path) || '<none>';
}

/** The text at a path of names; empty where there is none. Numbers and booleans become text. */
export function textAt(object: unknown, ...path: readonly string[]): string {
  let at = object;
  for (const part of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined;
  return typeof at === 'string' ? at : typeof at === 'number' || typeof at === 'boolean' ? String(at) : '';
}
