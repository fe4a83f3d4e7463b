/** `podium get`: objects as a table or as data, once or as they change. */
import { UserError } from '../base/errors.ts';
import { isExpired } from '../client/api-error.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { eventTime, renderRows, tableRows, type TableOptions, tableTitles } from './core/table.ts';
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
  readonly filename?: readonly string[];
}

interface Found {
  readonly target: Target;
  readonly items: readonly View[];
  readonly resourceVersion: string;
}

export async function get(context: CliContext, words: readonly string[], options: GetOptions): Promise<number> {
  const format = parseFormat(options.output);
  const targets = options.filename === undefined ? parseTargets(words) : await targetsOfFiles(context, options.filename);
  requireCompatible(targets, options);
  const found: Found[] = [];
  let exitCode = EXIT_OK;
  for (const target of targets) {
    try {
      found.push(await find(context, target, options));
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

async function find(context: CliContext, target: Target, options: GetOptions): Promise<Found> {
  const ref = refOf(target.info, scopeOf(options));
  if (target.name !== undefined) {
    const object = await context.api.get<View>(ref, target.name);
    return { target, items: [object], resourceVersion: object.metadata.resourceVersion ?? '' };
  }
  const { items, resourceVersion } = await listAll(context.api, ref, selectorsOf(target, options));
  // As kubectl lists them: events in the order in which they were seen.
  const isEvents = target.info.resource === 'events';
  const sorted = isEvents ? [...items].sort((a, b) => (eventTime(a) < eventTime(b) ? -1 : 1)) : items;
  return { target, items: sorted, resourceVersion };
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
    byResource.set(key, earlier === undefined ? one : { ...earlier, items: [...earlier.items, ...one.items] });
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
  if (items.length === 0) {
    if (options.ignoreNotFound !== true) {
      const where = options.allNamespaces === true || found.every(({ target }) => !target.info.namespaced);
      context.warn(where ? 'No resources found' : `No resources found in ${scopeOf(options)} namespace.`);
    }
    return;
  }
  if (format === 'name') {
    for (const { target, items: own } of found) {
      for (const { metadata } of own) context.write(`${nameOf(target.info, metadata.name)}\n`);
    }
    return;
  }
  const shown = found.filter(({ items: own }) => own.length > 0);
  shown.forEach(({ target, items: own }, i) => {
    if (i > 0) context.write('\n');
    const table = tableOptions(context, target, format, options, found.length > 1);
    const titles = options.headers === false ? [] : [tableTitles(table)];
    context.write(renderRows([...titles, ...tableRows(own, table)]));
  });
}

function tableOptions(context: CliContext, target: Target, format: Format | undefined, options: GetOptions, isMixed = false): TableOptions {
  return {
    resource: target.info.resource,
    wide: format === 'wide',
    withNamespace: options.allNamespaces === true && target.info.namespaced,
    showLabels: options.showLabels === true,
    nowMs: context.clock.wall(),
    ...(isMixed ? { namePrefix: nameOf(target.info, '') } : {}),
  };
}

/** Prints what there is, then a line for every change, until Ctrl-C. */
async function watch(context: CliContext, found: Found, format: Format | undefined, options: GetOptions): Promise<number> {
  const { target } = found;
  const widths: number[] = [];
  let hasTitles = options.headers === false;
  const show = (objects: readonly View[]) => {
    if (objects.length === 0) return;
    if (format === 'yaml' || format === 'json') {
      for (const object of objects) context.write(`${format === 'yaml' ? '---\n' : ''}${printData(object, format)}`);
    } else if (format === 'name') {
      for (const { metadata } of objects) context.write(`${nameOf(target.info, metadata.name)}\n`);
    } else {
      const table = tableOptions(context, target, format, options);
      context.write(renderRows([...(hasTitles ? [] : [tableTitles(table)]), ...tableRows(objects, table)], widths));
      hasTitles = true;
    }
  };
  if (options.watchOnly !== true) show(found.items);
  let { resourceVersion } = found;
  const ref = refOf(target.info, scopeOf(options));
  while (!context.signal.aborted) {
    try {
      const events = context.api.watch<View>(ref, { ...selectorsOf(target, options), resourceVersion, allowWatchBookmarks: true, signal: context.signal });
      for await (const event of events) {
        resourceVersion = event.resourceVersion;
        if (event.type !== 'BOOKMARK') show([event.object]);
      }
    } catch (error) {
      if (context.signal.aborted) return EXIT_OK;
      if (!isExpired(error)) throw error;
      // Too much happened at once: go on from what is there now.
      ({ resourceVersion } = await listAll(context.api, ref, selectorsOf(target, options)));
    }
  }
  return EXIT_OK;
}
