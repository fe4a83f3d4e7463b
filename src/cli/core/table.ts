/**
 * The server's tables, laid out as kubectl's: three spaces between columns as wide as their widest cell. Which columns a
 * kind has, and what stands in them, is the server's business.
 */
import type { Table, TableRow } from '../../client/tables.ts';
import { pairs } from './view.ts';

export interface TableOptions {
  /** With the columns of -o wide. */
  readonly wide: boolean;
  readonly withNamespace: boolean;
  readonly showLabels: boolean;
  /** A column for each of these. */
  readonly labelColumns: readonly string[];
  /** `pod/`, where several kinds are shown at once. */
  readonly namePrefix?: string;
}

export function tableTitles({ columns }: Table, { wide, withNamespace, showLabels, labelColumns }: TableOptions): string[] {
  return [
    ...(withNamespace ? ['NAMESPACE'] : []),
    ...columns.filter(({ priority }) => wide || priority === 0).map(({ name }) => name.toUpperCase()),
    ...labelColumns.map((label) => label.slice(label.lastIndexOf('/') + 1).toUpperCase()),
    ...(showLabels ? ['LABELS'] : []),
  ];
}

export function tableRows({ columns, rows }: Table, options: TableOptions): string[][] {
  return rows.map((row) => rowCells(columns, row, options));
}

function rowCells(columns: Table['columns'], { cells, metadata }: TableRow, { wide, withNamespace, showLabels, labelColumns, namePrefix = '' }: TableOptions): string[] {
  const { namespace = '', labels = {} } = metadata;
  const own = columns.flatMap(({ name, priority }, index) => {
    if (!wide && priority !== 0) return [];
    return [(name === 'Name' ? namePrefix : '') + firstLine(cells[index])];
  });
  const chosen = labelColumns.map((label) => (Object.hasOwn(labels, label) ? labels[label]! : ''));
  return [...(withNamespace ? [namespace] : []), ...own, ...chosen, ...(showLabels ? [pairs(labels)] : [])];
}

/** A cell is one line. */
function firstLine(cell: TableRow['cells'][number] | undefined): string {
  const text = String(cell ?? '');
  const end = text.search(/[\f\n\r]/);
  return end < 0 ? text : `${text.slice(0, end)}...`;
}

/** Lays rows out; the last column is not padded. `widths` keeps the columns of a growing table in line. */
export function renderRows(rows: readonly (readonly string[])[], widths: number[] = []): string {
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]! + 3))).join('').trimEnd()}\n`)
    .join('');
}
