/** -o: the ways to print objects other than a table. */
import { stringify } from 'yaml';
import { UserError } from '../base/errors.ts';
import type { View } from './core/view.ts';

export const FORMATS = ['wide', 'yaml', 'json', 'name'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string | undefined): Format | undefined {
  if (text === undefined || text === '') return undefined;
  const format = FORMATS.find((one) => one === text);
  if (format === undefined) throw new UserError(`error: unable to match a printer suitable for the output format ${JSON.stringify(text)}, allowed formats are: ${FORMATS.join(',')}`);
  return format;
}

export function printData(value: unknown, format: 'yaml' | 'json'): string {
  if (format === 'json') return `${JSON.stringify(value, null, 4)}\n`;
  return stringify(value, { sortMapEntries: true, lineWidth: 0, indentSeq: false, aliasDuplicateObjects: false });
}

/** As `get` shows several objects at once. */
export function asList(items: readonly View[]): object {
  return { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
}
