/**
 * The lines of a container's log as CRI has them written, and their way back to what the program wrote. Pure.
 *
 *   2026-11-27T18:00:00.123456789Z stdout F a whole line, or the end of one
 *   2026-11-27T18:00:00.123456789Z stderr P a part of one, which goes on in the next
 */

const NEWLINE = 10;
const SPACE = 32;
const PARTIAL = 'P'.charCodeAt(0);
const END_OF_LINE = Uint8Array.of(NEWLINE);

export interface LogLine {
  /** As it is written: RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly isPartial: boolean;
  /** With its end, but where it is partial. */
  readonly parts: readonly Uint8Array[];
}

/** `bytes` without the newline. What is no such line is passed on as it is. */
export function parseLogLine(bytes: Buffer): LogLine {
  const afterTime = bytes.indexOf(SPACE);
  const afterStream = afterTime < 0 ? -1 : bytes.indexOf(SPACE, afterTime + 1);
  const tags = afterStream < 0 ? -1 : bytes.indexOf(SPACE, afterStream + 1);
  // A line without content may end with its tag.
  const afterTags = tags < 0 && afterStream >= 0 && bytes.length === afterStream + 2 ? bytes.length : tags;
  if (afterTags < 0) return { time: '', isPartial: false, parts: [bytes, END_OF_LINE] };
  const isPartial = bytes[afterStream + 1] === PARTIAL;
  const content = bytes.subarray(Math.min(bytes.length, afterTags + 1));
  return { time: bytes.toString('latin1', 0, afterTime), isPartial, parts: isPartial ? [content] : [content, END_OF_LINE] };
}

/** Where each line begins that does not go on with another one (as the first does, if `isOpen`), and whether the last goes on. */
export function lineStarts(bytes: Buffer, isOpen = false): { readonly starts: readonly number[]; readonly isOpen: boolean } {
  const starts: number[] = [];
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    if (newline < 0) break;
    if (!isOpen) starts.push(from);
    isOpen = isPartialAt(bytes, from, newline);
    from = newline + 1;
  }
  return { starts, isOpen };
}

function isPartialAt(bytes: Buffer, from: number, to: number): boolean {
  const afterTime = bytes.indexOf(SPACE, from);
  const afterStream = afterTime < 0 || afterTime > to ? -1 : bytes.indexOf(SPACE, afterTime + 1);
  return afterStream >= 0 && afterStream < to && bytes[afterStream + 1] === PARTIAL;
}

export interface LogFilter {
  readonly timestamps: boolean;
  readonly sinceMs?: number | undefined;
}

/** Puts lines together again, one after the other. */
export class LogOutput {
  readonly #filter: LogFilter;
  #isWithinLine = false;
  #isSkipping = false;

  constructor(filter: LogFilter) {
    this.#filter = filter;
  }

  /** What is shown of it; nothing where it is too old. */
  next(line: LogLine): readonly Uint8Array[] {
    const { timestamps, sinceMs } = this.#filter;
    const isFirst = !this.#isWithinLine;
    this.#isWithinLine = line.isPartial;
    // A line is as old as its beginning.
    if (isFirst) this.#isSkipping = sinceMs !== undefined && line.time !== '' && Date.parse(line.time) < sinceMs;
    if (this.#isSkipping) return [];
    return timestamps && isFirst ? [Buffer.from(`${line.time} `), ...line.parts] : line.parts;
  }
}
