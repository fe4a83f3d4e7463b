/** `meta.k8s.io/v1 Table`: objects as kubectl prints them. Names, order and texts of the columns are kubectl's. */
import type { KubeObject } from '../../kube/types.ts';
import { age, integer, type Column, type Kind } from '../kinds/kind.ts';

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
  readonly rows: readonly { readonly cells: readonly (string | number)[]; readonly object: unknown }[];
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

export function tableOf(
  kind: Kind,
  list: { readonly resourceVersion: string; readonly continue: string; readonly items: readonly KubeObject[]; readonly remainingItemCount: number | undefined },
  wallMs: number,
): Table {
  const columns = columnsOf(kind);
  const { resourceVersion, continue: token, remainingItemCount } = list;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion, ...(token === '' ? {} : { continue: token }), ...(remainingItemCount === undefined ? {} : { remainingItemCount }) },
    columnDefinitions: columnDefinitionsOf(columns),
    rows: list.items.map((object) => ({ cells: cellsOf(columns, object, wallMs), object: partialOf(object, 'v1') })),
  };
}

export function columnDefinitionsOf(columns: readonly Column[]): readonly TableColumn[] {
  return columns.map(({ name, type, priority }) => ({ name, type, format: name === 'Name' ? 'name' : '', description: '', priority }));
}

export function cellsOf(columns: readonly Column[], object: KubeObject, wallMs: number): readonly (string | number)[] {
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
