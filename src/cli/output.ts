/** -o: the ways to print objects other than a table. */
import { stringify } from 'yaml';
import { UserError } from '../base/errors.ts';
import { isRecord } from '../kube/types.ts';
import type { View } from './core/view.ts';

export const FORMATS = ['wide', 'yaml', 'json', 'name'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string | undefined): Format | undefined {
  if (text === undefined || text === '') return undefined;
  const format = FORMATS.find((one) => one === text);
  if (format === undefined) throw new UserError(`error: unable to match a printer suitable for the output format ${JSON.stringify(text)}, allowed formats are: ${FORMATS.join(',')}`);
  return format;
}

/** Without managedFields, which nobody reads and which are longer than the object; kubectl too leaves them out. */
export function printData(data: object, format: 'yaml' | 'json'): string {
  const items: unknown = Reflect.get(data, 'items');
  const value = Array.isArray(items) ? { ...data, items: items.map(withoutManagers) } : withoutManagers(data);
  if (format === 'json') return `${JSON.stringify(value, null, 4)}\n`;
  return stringify(value, { sortMapEntries: true, lineWidth: 0, indentSeq: false, aliasDuplicateObjects: false });
}

function withoutManagers(object: unknown): unknown {
  if (!isRecord(object) || !isRecord(object['metadata'])) return object;
  const { managedFields: _managedFields, ...metadata } = object['metadata'];
  return { ...object, metadata };
}

/** As `get` shows several objects at once. */
export function asList(items: readonly View[]): object {
  return { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
}
