/** `podium get`: objects as a table or as data, once or as they change. */
import { UserError } from '../base/errors.ts';
import { isExpired } from '../client/api-error.ts';
import { getTable, listTable, type Table, watchTable } from '../client/tables.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { eventTime } from './core/describe.ts';
import { sortedBy } from './core/sort-by.ts';
import { renderRows, tableRows, type TableOptions, tableTitles } from './core/table.ts';
import type { View } from './core/view.ts';
import { explain } from './errors.ts';
import { readManifests } from './manifests.ts';
import { asList, type Format, parseFormat, printData } from './output.ts';
import { listAll, nameOf, parseTargets, refOf, type Target } from './resources.ts';

export interface GetOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly output?: string;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
  readonly showLabels?: boolean;
  readonly headers?: boolean;
  readonly ignoreNotFound?: boolean;
  readonly sortBy?: string;
  readonly labelColumns?: readonly string[];
  readonly filename?: readonly string[];
}

/** What stands in a table, or the objects themselves where data is asked for. */
interface Found {
  readonly target: Target;
  readonly table: Table;
  readonly items: readonly View[];
  readonly resourceVersion: string;
}

const NO_TABLE: Table = { columns: [], rows: [], resourceVersion: '' };

export async function get(context: CliContext, words: readonly string[], options: GetOptions): Promise<number> {
  const format = parseFormat(options.output);
  const targets = options.filename === undefined ? parseTargets(words) : await targetsOfFiles(context, options.filename);
  requireCompatible(targets, options);
  const found: Found[] = [];
  let exitCode = EXIT_OK;
  for (const target of targets) {
    try {
      found.push(await find(context, target, isData(format), options));
    } catch (error) {
      const isMissing = options.ignoreNotFound === true && error instanceof Error && 'reason' in error && error.reason === 'NotFound';
      if (isMissing) continue;
      // The others are shown all the same.
      if (targets.length === 1) throw error;
      context.warn(explain(error) ?? '');
      exitCode = EXIT_FAILED;
    }
  }
  if (options.watch === true || options.watchOnly === true) return watch(context, found[0]!, format, options);
  print(context, merged(found), format, options);
  return exitCode;
}

function isData(format: Format | undefined): format is 'yaml' | 'json' | 'name' {
  return format === 'yaml' || format === 'json' || format === 'name';
}

async function targetsOfFiles(context: CliContext, paths: readonly string[]): Promise<Target[]> {
  const manifests = await readManifests(paths, { recursive: false, readStdin: context.readStdin });
  return manifests.map(({ info, object }) => ({ info, name: object.metadata.name }));
}

function requireCompatible(targets: readonly Target[], { watch: isWatch, watchOnly, selector, allNamespaces }: GetOptions): void {
  if ((isWatch === true || watchOnly === true) && targets.length > 1) {
    throw new UserError('error: you may only specify a single resource type or object to watch');
  }
  if (targets.some(({ name }) => name !== undefined)) {
    if (selector !== undefined) throw new UserError('error: name cannot be provided when a selector is specified');
    if (allNamespaces === true) throw new UserError('error: a resource cannot be retrieved by name across all namespaces');
  }
}

/** Without -n: the namespace `default`; with -A: all. */
export function scopeOf(options: { readonly namespace?: string; readonly allNamespaces?: boolean }): string | undefined {
  return options.allNamespaces === true ? undefined : (options.namespace ?? 'default');
}

async function find(context: CliContext, target: Target, isOfData: boolean, options: GetOptions): Promise<Found> {
  const { api } = context;
  const ref = refOf(target.info, scopeOf(options));
  if (!isOfData) {
    const table = await findTable(context, target, options);
    return { target, table, items: [], resourceVersion: table.resourceVersion };
  }
  if (target.name !== undefined) {
    const object = await api.get<View>(ref, target.name);
    return { target, table: NO_TABLE, items: [object], resourceVersion: object.metadata.resourceVersion ?? '' };
  }
  const { items, resourceVersion } = await listAll(api, ref, selectorsOf(target, options));
  return { target, table: NO_TABLE, items: inOrder(items, (object) => object, target, options), resourceVersion };
}

async function findTable({ api }: CliContext, target: Target, options: GetOptions): Promise<Table> {
  const ref = refOf(target.info, scopeOf(options));
  // What rows are sorted by is in their objects.
  const includeObject = options.sortBy !== undefined || isEvents(target) ? 'Object' : 'Metadata';
  if (target.name !== undefined) return getTable(api, ref, target.name, includeObject);
  const table = await listTable(api, ref, { ...selectorsOf(target, options), includeObject });
  return { ...table, rows: inOrder(table.rows, ({ object }) => object, target, options) };
}

const isEvents = ({ info }: Target): boolean => info.resource === 'events';

/** Events in the order in which they were seen, unless another is asked for. */
function inOrder<T>(rows: readonly T[], objectOf: (row: T) => unknown, target: Target, { sortBy }: GetOptions): readonly T[] {
  if (sortBy !== undefined) return sortedBy(rows, objectOf, sortBy);
  if (!isEvents(target)) return rows;
  const seen = (row: T) => eventTime(objectOf(row) as View); // it was asked for whole
  return [...rows].sort((a, b) => (seen(a) < seen(b) ? -1 : 1));
}

function selectorsOf({ name }: Target, { selector, fieldSelector }: GetOptions) {
  const fields = [...(fieldSelector === undefined ? [] : [fieldSelector]), ...(name === undefined ? [] : [`metadata.name=${name}`])];
  return {
    ...(selector === undefined ? {} : { labelSelector: selector }),
    ...(fields.length === 0 ? {} : { fieldSelector: fields.join(',') }),
  };
}

/** Objects of one type stand in one table, wherever they were named. */
function merged(found: readonly Found[]): Found[] {
  const byResource = new Map<string, Found>();
  for (const one of found) {
    const key = one.target.info.resource;
    const earlier = byResource.get(key);
    const rows = [...(earlier?.table.rows ?? []), ...one.table.rows];
    byResource.set(key, { ...(earlier ?? one), items: [...(earlier?.items ?? []), ...one.items], table: { ...one.table, rows } });
  }
  return [...byResource.values()];
}

function print(context: CliContext, found: readonly Found[], format: Format | undefined, options: GetOptions): void {
  const items = found.flatMap((one) => one.items);
  if (format === 'yaml' || format === 'json') {
    const isSingle = found.length === 1 && found[0]!.target.name !== undefined && items.length === 1;
    context.write(printData(isSingle ? items[0]! : asList(items), format));
    return;
  }
  const shown = found.filter(({ items: own, table }) => own.length + table.rows.length > 0);
  if (shown.length === 0) {
    if (options.ignoreNotFound !== true) {
      const where = options.allNamespaces === true || found.every(({ target }) => !target.info.namespaced);
      context.warn(where ? 'No resources found' : `No resources found in ${scopeOf(options)} namespace.`);
    }
    return;
  }
  if (format === 'name') {
    for (const { target, items: own } of shown) {
      for (const { metadata } of own) context.write(`${nameOf(target.info, metadata.name)}\n`);
    }
    return;
  }
  shown.forEach(({ target, table }, i) => {
    if (i > 0) context.write('\n');
    const layout = tableOptions(target, format, options, found.length > 1);
    const titles = options.headers === false ? [] : [tableTitles(table, layout)];
    context.write(renderRows([...titles, ...tableRows(table, layout)]));
  });
}

function tableOptions(target: Target, format: Format | undefined, options: GetOptions, isMixed = false): TableOptions {
  return {
    wide: format === 'wide',
    withNamespace: options.allNamespaces === true && target.info.namespaced,
    showLabels: options.showLabels === true,
    labelColumns: options.labelColumns ?? [],
    ...(isMixed ? { namePrefix: nameOf(target.info, '') } : {}),
  };
}

/** Prints what there is, then a line for every change, until Ctrl-C. */
async function watch(context: CliContext, found: Found, format: Format | undefined, options: GetOptions): Promise<number> {
  const { target } = found;
  const { api, signal } = context;
  const show = isData(format) ? undefined : growingTable(context, target, format, options);
  const showObject = (object: View) => {
    const text = format === 'name' ? `${nameOf(target.info, object.metadata.name)}\n` : format === 'json' ? printData(object, format) : `---\n${printData(object, 'yaml')}`;
    context.write(text);
  };
  if (options.watchOnly !== true) {
    show?.(found.table);
    found.items.forEach(showObject);
  }
  let { resourceVersion } = found;
  const ref = refOf(target.info, scopeOf(options));
  while (!signal.aborted) {
    const request = { ...selectorsOf(target, options), resourceVersion, allowWatchBookmarks: true, signal };
    try {
      if (show === undefined) {
        for await (const event of api.watch<View>(ref, request)) {
          resourceVersion = event.resourceVersion;
          if (event.type !== 'BOOKMARK') showObject(event.object);
        }
      } else {
        for await (const table of watchTable(api, ref, request)) {
          resourceVersion = table.resourceVersion;
          show(table);
        }
      }
    } catch (error) {
      if (signal.aborted) return EXIT_OK;
      if (!isExpired(error)) throw error;
      // Too much happened at once: go on from what is there now.
      ({ resourceVersion } = await listAll(api, ref, selectorsOf(target, options)));
    }
  }
  return EXIT_OK;
}

/** Titles once, before the first row; columns stay as wide as they have become. */
function growingTable(context: CliContext, target: Target, format: Format | undefined, options: GetOptions): (table: Table) => void {
  const widths: number[] = [];
  const layout = tableOptions(target, format, options);
  let hasTitles = options.headers === false;
  return (table) => {
    if (table.rows.length === 0) return;
    context.write(renderRows([...(hasTitles ? [] : [tableTitles(table, layout)]), ...tableRows(table, layout)], widths));
    hasTitles = true;
  };
}
