/** Objects as the API server's tables: what kubectl prints, cell by cell. */
import { isRecord } from '../kube/types.ts';
import type { ApiClient, ListOptions, ResourceRef, TableOptions, WatchOptions } from './api-client.ts';
import { apiError } from './api-error.ts';
import type { ApiObject, ObjectMeta } from './objects.ts';

export interface TableColumn {
  readonly name: string;
  /** 0: always shown; more: with `-o wide`. */
  readonly priority: number;
}

export interface TableRow {
  readonly cells: ReadonlyArray<string | number | boolean>;
  readonly metadata: ObjectMeta;
  /** With `includeObject: 'Object'` the whole of it, else its metadata. */
  readonly object: Readonly<Record<string, unknown>>;
}

export interface Table {
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  readonly resourceVersion: string;
}

type Include = NonNullable<TableOptions['includeObject']>;

/** How many rows a list asks for at a time, as kubectl does. */
const PAGE_SIZE = 500;

export async function getTable(api: ApiClient, ref: ResourceRef, name: string, includeObject: Include): Promise<Table> {
  return decodeTable(await api.get<ApiObject>(ref, name, { asTable: true, includeObject }));
}

/** Every object, page by page. */
export async function listTable(api: ApiClient, ref: ResourceRef, options: ListOptions): Promise<Table> {
  let table: Table | undefined;
  let next = '';
  do {
    const page = await api.list<ApiObject>(ref, { ...options, asTable: true, limit: PAGE_SIZE, ...(next === '' ? {} : { continue: next }) });
    const { columns, rows } = decodeTable(page.items[0]);
    table = { columns, rows: [...(table?.rows ?? []), ...rows], resourceVersion: page.resourceVersion };
    next = page.continue;
  } while (next !== '');
  return table;
}

/** A table a change; bookmarks have no rows. */
export async function* watchTable(api: ApiClient, ref: ResourceRef, options: WatchOptions): AsyncGenerator<Table> {
  for await (const event of api.watch<ApiObject>(ref, { ...options, asTable: true })) {
    const { resourceVersion } = event;
    yield event.type === 'BOOKMARK' ? { columns: [], rows: [], resourceVersion } : { ...decodeTable(event.object), resourceVersion };
  }
}

function decodeTable(value: unknown): Table {
  if (!isRecord(value) || value['kind'] !== 'Table' || !Array.isArray(value['columnDefinitions']) || !Array.isArray(value['rows'])) {
    throw apiError('InternalError', 'the API server answered with something that is no table');
  }
  const { metadata, columnDefinitions, rows } = value;
  return {
    columns: columnDefinitions.map(decodeColumn),
    rows: rows.map(decodeRow),
    resourceVersion: isRecord(metadata) && typeof metadata['resourceVersion'] === 'string' ? metadata['resourceVersion'] : '',
  };
}

function decodeColumn(value: unknown): TableColumn {
  const { name, priority } = isRecord(value) ? value : {};
  return { name: String(name), priority: typeof priority === 'number' ? priority : 0 };
}

function decodeRow(value: unknown): TableRow {
  const { cells, object } = isRecord(value) ? value : {};
  const shown = Array.isArray(cells) ? cells.map((cell: unknown) => (typeof cell === 'number' ? cell : String(cell))) : [];
  const whole = isRecord(object) ? object : {};
  return { cells: shown, object: whole, metadata: (whole['metadata'] ?? { name: '' }) as ObjectMeta }; // every object's is one
}
