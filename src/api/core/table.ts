/** `meta.k8s.io/v1 Table`: objects as kubectl prints them. Names, order and texts of the columns are kubectl's. */
import { badRequest } from '../../kube/errors.ts';
import type { KubeObject } from '../../kube/types.ts';
import { age, integer, type Cell, type Column, type Kind } from '../kinds/kind.ts';

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number };
  readonly columnDefinitions: readonly TableColumn[];
  readonly rows: readonly { readonly cells: readonly Cell[]; readonly object: unknown }[];
}

const NAME: Column = { name: 'Name', type: 'string', priority: 0, value: (object) => object.metadata.name };

export function columnsOf(kind: Kind): readonly Column[] {
  // Of events the age matters, not the name.
  const isEvent = kind.info.kind === 'Event';
  const name: Column = kind.nameText === undefined ? NAME : { ...NAME, value: kind.nameText };
  return [...(isEvent ? [] : [name]), ...kind.columns, ...(kind.hasAgeColumn === false ? [] : [age])];
}

/** A scale is no kind, and yet has a table. */
const SCALE_COLUMNS: readonly Column[] = [NAME, integer('Desired', 'spec', 'replicas'), integer('Available', 'status', 'replicas'), age];

export function columnsOfAnswer(kind: Kind, subresource: string): readonly Column[] {
  return subresource === 'scale' ? SCALE_COLUMNS : columnsOf(kind);
}

/** What a row has of its object. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export function includeObject(text: string): IncludeObject {
  if (text === '') return 'Metadata';
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text;
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(text)}: must be 'Metadata', 'Object', 'None', or empty`);
}

export interface Rows {
  readonly wallMs: number;
  readonly include: IncludeObject;
  /** Of meta.k8s.io: v1 or v1beta1. */
  readonly version: string;
}

export function rowOf(columns: readonly Column[], { wallMs, include, version }: Rows): (object: KubeObject) => Table['rows'][number] {
  return (object) => ({
    cells: cellsOf(columns, object, wallMs),
    object: include === 'Object' ? object : include === 'None' ? null : partialOf(object, version),
  });
}

export function tableOf(
  kind: Kind,
  list: { readonly resourceVersion: string; readonly continue: string; readonly items: readonly KubeObject[]; readonly remainingItemCount: number | undefined },
  { wallMs, include }: Pick<Rows, 'wallMs' | 'include'>,
): Table {
  const columns = columnsOf(kind);
  const { resourceVersion, continue: token, remainingItemCount } = list;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion, ...(token === '' ? {} : { continue: token }), ...(remainingItemCount === undefined ? {} : { remainingItemCount }) },
    columnDefinitions: columnDefinitionsOf(columns),
    rows: list.items.map(rowOf(columns, { wallMs, include, version: 'v1' })),
  };
}

export function columnDefinitionsOf(columns: readonly Column[]): readonly TableColumn[] {
  return columns.map(({ name, type, format = name === 'Name' ? 'name' : '', priority }) => ({ name, type, format, description: '', priority }));
}

export function cellsOf(columns: readonly Column[], object: KubeObject, wallMs: number): readonly Cell[] {
  return columns.map(({ value }) => value(object, wallMs));
}

/** A bookmark in a watch of tables: what it says stands beside a row without a text, where Kubernetes has it. */
export function bookmarkTable(columns: readonly Column[], { version, metadata, object }: { readonly version: string; readonly metadata: { readonly resourceVersion: string }; readonly object: unknown }): object {
  const { resourceVersion } = metadata;
  const rows = [{ cells: columns.map(() => ''), object }];
  return { kind: 'Table', apiVersion: `meta.k8s.io/${version}`, metadata: { resourceVersion }, columnDefinitions: null, rows };
}

/** The object's metadata alone. */
export function partialOf({ metadata }: { readonly metadata: object }, version: string): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata };
}
