/**
 * Tables for a screen of a given width: columns that do not fit are left out, the least important first; lines that are
 * still too long are cut. Text is made of spans, so that colour never counts as width; what a terminal would take for a
 * command of its own is replaced, for names and messages come from elsewhere.
 */
export type Color = 'green' | 'red' | 'yellow' | 'bold' | 'dim';
export type Paint = (color: Color, text: string) => string;

export interface Span {
  readonly text: string;
  readonly color?: Color | undefined;
}

export type Line = readonly Span[];

export interface Column<Row> {
  readonly title: string;
  /** The higher, the earlier it is left out; 0: never. */
  readonly expendable: number;
  readonly isText?: boolean;
  readonly cell: (row: Row) => Span;
}

const GAP = '   ';

export function span(text: string, color?: Color): Span {
  // eslint-disable-next-line no-control-regex -- which are what must not get through
  return { text: text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?'), color };
}

export interface TableOptions<Row> {
  /** Those of text come first. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly width: number;
  /** What stands in place of a row's numbers; it may be cut, and widens no column. */
  readonly tail?: (row: Row) => Span | undefined;
}

export function fittedTable<Row>({ columns, rows, width, tail = () => undefined }: TableOptions<Row>): Line[] {
  const tails = rows.map(tail);
  const shown = columns.map((column) => {
    const cells = rows.map((row, at) => (tails[at] === undefined || column.isText ? column.cell(row) : undefined));
    return { ...column, cells, width: Math.max(column.title.length, ...cells.map((cell) => cell?.text.length ?? 0)) };
  });
  while (widthOf(shown) > width) {
    const most = Math.max(...shown.map(({ expendable }) => expendable));
    if (most === 0) break;
    shown.splice(shown.findLastIndex(({ expendable }) => expendable === most), 1);
  }
  const titles = shown.map((column) => padded(span(column.title, 'bold'), column));
  const lines = tails.map((end, at) => {
    const cells = shown.flatMap((column) => (column.cells[at] === undefined ? [] : [padded(column.cells[at], column)]));
    return end === undefined ? cells : [...cells, end];
  });
  return [titles, ...lines].map((spans) => clipped(joined(spans), width));
}

function widthOf(columns: readonly { readonly width: number }[]): number {
  return columns.reduce((sum, { width }) => sum + width, 0) + GAP.length * (columns.length - 1);
}

function padded({ text, color }: Span, { width, isText = false }: { readonly width: number; readonly isText?: boolean }): Span {
  return { text: isText ? text.padEnd(width) : text.padStart(width), color };
}

function joined(spans: readonly Span[]): Line {
  return spans.flatMap((one, at) => (at === 0 ? [one] : [{ text: GAP }, one]));
}

/** No longer than `width`; a cut is marked. */
export function clipped(line: Line, width: number): Line {
  const length = line.reduce((sum, { text }) => sum + text.length, 0);
  if (length <= width) return line;
  const kept: Span[] = [];
  let left = Math.max(0, width - 1);
  for (const { text, color } of line) {
    kept.push({ text: text.slice(0, left), color });
    left -= Math.min(left, text.length);
  }
  return width < 1 ? [] : [...kept, { text: '…' }];
}

export function painted(line: Line, paint: Paint): string {
  const text = line.map(({ text: part, color }) => (color === undefined || part.trim() === '' ? part : paint(color, part)));
  return text.join('').trimEnd();
}
