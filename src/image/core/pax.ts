/**
 * The records of a pax header (POSIX.1-2001): `LENGTH KEY=VALUE\n`, where LENGTH counts all of it, in bytes, itself too. Only what
 * an image needs is read; extended attributes and others are passed over.
 */
import { TarError } from './tar-header.ts';

export interface PaxRecords {
  /** latin1, as in a header. */
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
}

const SPACE = 32;
const NEWLINE = 10;
/** The length of a record has no more digits than that of an extension. */
const LENGTH_DIGITS_MAX = 8;

export function parsePax(content: Buffer): PaxRecords {
  const records: { -readonly [K in keyof PaxRecords]: PaxRecords[K] } = {};
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(SPACE, at);
    const digits = space < 0 || space - at > LENGTH_DIGITS_MAX ? '' : content.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[1-9]\d*$/.test(digits) || end > content.length || end <= space + 1 || content[end - 1] !== NEWLINE) {
      throw new TarError('an extended header is damaged: a record has another length than it says');
    }
    const record = content.toString('latin1', space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) throw new TarError('an extended header is damaged: a record has no key');
    take(records, record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}

function take(records: { -readonly [K in keyof PaxRecords]: PaxRecords[K] }, key: string, value: string): void {
  if (key.startsWith('GNU.sparse.')) throw new TarError('sparse files are not supported');
  // An empty value takes back what the header says; nobody writes that for these.
  if (value === '') return;
  if (key === 'path' || key === 'linkpath') records[key] = value;
  else if (key === 'size' || key === 'uid' || key === 'gid') records[key] = wholeNumber(key, value);
  else if (key === 'mtime') records.mtime = decimal(value);
}

function wholeNumber(key: string, value: string): number {
  const result = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(result))
    throw new TarError(`an extended header is damaged: ${key} is no number`);
  return result;
}

function decimal(value: string): number {
  if (!/^-?\d{1,15}(?:\.\d*)?$/.test(value)) throw new TarError('an extended header is damaged: mtime is no number');
  return Number(value);
}

/** For what a ustar header has no room for. */
export function formatPax(records: ReadonlyArray<readonly [key: string, value: Buffer]>): Buffer {
  return Buffer.concat(
    records.map(([key, value]) => {
      const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.of(NEWLINE)]);
      // The length counts its own digits: one more may bring one more.
      let length = body.length + String(body.length).length;
      while (String(length).length + body.length !== length) length = String(length).length + body.length;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}
