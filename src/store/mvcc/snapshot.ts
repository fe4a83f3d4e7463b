/**
 * A state machine as a stream of bytes: all rows of one view of the backend, so that index, term, configuration and data
 * belong together. Chunks may be cut anew on the way.
 *
 *   stream  = row* · end
 *   row     = key length (4 bytes, never 0) · value length (4) · key · value
 *   end     = 0 (4 bytes) · number of rows (4) · CRC-32 of everything before (4)
 */
import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { asBuffer } from '../../base/bytes.ts';
import type { SnapshotMeta } from '../raft/core/types.ts';
import type { Backend, BackendKey, BackendOp, BackendRow, BackendSnapshot } from './backend.ts';
import { ALL_ROWS } from './core/revision.ts';
import { joinPairedRows } from './paired-rows.ts';
import { readState } from './state-row.ts';

/** Rows are gathered into chunks of about this size; a larger row is a chunk of its own. */
const CHUNK_BYTES = 64 * 1024;
/** A receiver that is cut off is behind by no more than what was on its way: far less than so many chunks. */
const MARKS_MAX = 256;
/** Rows and bytes written to the new backend at a time: what one turn of the loop can hand over in a few milliseconds. */
const RESTORE_ROWS = 2500;
const RESTORE_BYTES = 2 * 1024 * 1024;
/** Our largest row is a value of a request, which is far below; a longer one is no snapshot of ours. */
const ROW_BYTES_MAX = 64 * 1024 * 1024;
const HEADER_BYTES = 8;
const END_BYTES = 12;

export interface OpenSnapshot {
  readonly meta: SnapshotMeta;
  /** All of it; to be iterated once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** From this byte on. Quick where it lies a few chunks before the furthest that was read, or at the beginning. */
  read(from: number): AsyncIterable<Uint8Array>;
  /** How long the stream will be: reads all rows once. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

/** The state that has landed in the backend. Flush first for the present one; undefined before the first batch. */
export async function openSnapshot(backend: Backend, chunkBytes = CHUNK_BYTES): Promise<OpenSnapshot | undefined> {
  const view = backend.snapshot();
  const state = await readState(view);
  if (state === undefined) {
    await view.close();
    return undefined;
  }
  const encoder = new RowEncoder(view, chunkBytes);
  const read = (from: number) => encoder.read(from);
  return { meta: state.applied, chunks: read(0), read, sizeBytes: () => sizeOfRows(view), close: () => view.close() };
}

async function sizeOfRows(view: BackendSnapshot): Promise<number> {
  let bytes = END_BYTES;
  for await (const rows of view.scan(ALL_ROWS)) {
    for (const { key, value } of rows) bytes += HEADER_BYTES + key.length + value.length;
  }
  return bytes;
}

/** Where a chunk begins, and what is needed to go on from there. */
interface Mark {
  readonly offset: number;
  readonly key: BackendKey;
  readonly checksum: number;
  readonly count: number;
}

/** The same view gives the same bytes each time. */
class RowEncoder {
  readonly #view: BackendSnapshot;
  readonly #chunkBytes: number;
  /** The beginning, and the last few. */
  #marks: Mark[] = [{ offset: 0, key: ALL_ROWS.from, checksum: 0, count: 0 }];

  constructor(view: BackendSnapshot, chunkBytes: number) {
    this.#view = view;
    this.#chunkBytes = chunkBytes;
  }

  async *read(from: number): AsyncGenerator<Uint8Array> {
    const mark = this.#marks.findLast(({ offset }) => offset <= from)!;
    let skip = from - mark.offset;
    for await (const chunk of this.#encode(mark)) {
      if (skip < chunk.length) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  }

  async *#encode({ offset, key: from, checksum, count }: Mark): AsyncGenerator<Uint8Array> {
    let gathered: BackendRow[] = [];
    let bytes = 0;
    const cut = (): Uint8Array => {
      const chunk = encodeRows(gathered, bytes);
      checksum = crc32(chunk, checksum);
      offset += bytes;
      this.#note({ offset, key: `${gathered.at(-1)!.key}\0`, checksum, count });
      gathered = [];
      bytes = 0;
      return chunk;
    };
    for await (const rows of this.#view.scan({ ...ALL_ROWS, from })) {
      for (const row of rows) {
        gathered.push(row);
        bytes += HEADER_BYTES + row.key.length + row.value.length;
        count++;
        if (bytes >= this.#chunkBytes) yield cut();
      }
    }
    if (bytes > 0) yield cut();
    const end = Buffer.alloc(END_BYTES);
    end.writeUInt32BE(count, 4);
    end.writeUInt32BE(checksum, 8);
    yield end;
  }

  #note(mark: Mark): void {
    if (mark.offset <= this.#marks.at(-1)!.offset) return;
    this.#marks.push(mark);
    if (this.#marks.length > MARKS_MAX) this.#marks.splice(1, 1);
  }
}

/** Each byte is copied once: of 1 GiB every further copy is felt. */
function encodeRows(rows: readonly BackendRow[], bytes: number): Uint8Array {
  const chunk = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const { key, value } of rows) {
    at = chunk.writeUInt32BE(key.length, at);
    at = chunk.writeUInt32BE(value.length, at);
    at += chunk.write(key, at, 'latin1');
    chunk.set(value, at);
    at += value.length;
  }
  assert(at === bytes, 'a chunk is as long as its rows');
  return chunk;
}

/**
 * Writes a snapshot's rows into a fresh backend and answers what they amount to. Throws on a stream that is cut short or
 * damaged; the backend is then to be destroyed, and nothing writes to it any more.
 */
export async function restoreSnapshot(backend: Backend, chunks: AsyncIterable<Uint8Array>): Promise<SnapshotMeta> {
  const parser = new RowParser();
  const writer = new RowWriter(backend);
  try {
    for await (const chunk of chunks) {
      const written = writer.add(parser.push(chunk));
      if (written !== undefined) await written;
    }
    parser.finish();
  } catch (error) {
    await writer.settled();
    throw error;
  }
  await writer.finish();
  // Of a file that was saved long ago.
  await joinPairedRows(backend);
  const state = await readState(backend);
  if (state === undefined) throw new Error('a snapshot without its index');
  return state.applied;
}

/** One batch is written while the next is gathered: else the disk would wait for the network, and that for the disk. */
class RowWriter {
  readonly #backend: Backend;
  #gathered: BackendOp[] = [];
  #bytes = 0;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Undefined: there is room for more. Else resolves when there is; rejects where a batch failed. */
  add(rows: readonly Put[]): Promise<void> | undefined {
    for (const row of rows) {
      this.#gathered.push(row);
      this.#bytes += row.key.length + row.value.length;
    }
    if (this.#gathered.length < RESTORE_ROWS && this.#bytes < RESTORE_BYTES) return undefined;
    return this.#write();
  }

  async finish(): Promise<void> {
    await this.#write();
    await this.#inFlight;
  }

  /** Resolves when nothing is being written any more, however that went. */
  settled(): Promise<void> {
    return this.#inFlight.catch(() => undefined);
  }

  async #write(): Promise<void> {
    await this.#inFlight;
    const ops = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    this.#inFlight = this.#backend.batch(ops);
    this.#inFlight.catch(() => undefined); // told to who writes next
  }
}

type Put = Extract<BackendOp, { type: 'put' }>;

class RowParser {
  #rest: Buffer = Buffer.alloc(0);
  #checksum = 0;
  #count = 0;
  #isEnded = false;

  /** The rows that are complete now: views of what was pushed. */
  push(chunk: Uint8Array): Put[] {
    const input = this.#rest.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#rest, chunk]);
    const rows: Put[] = [];
    let at = 0;
    while (!this.#isEnded) {
      const size = sizeAt(input, at);
      if (size === undefined || at + size > input.length) break;
      if (input.readUInt32BE(at) === 0) {
        this.#note(rows, input.subarray(0, at));
        this.#end(input.subarray(at, at + size));
        if (at + size < input.length) throw new Error('a snapshot goes on past its end');
        return rows;
      }
      rows.push(rowAt(input, at, size));
      at += size;
    }
    if (this.#isEnded && input.length > 0) throw new Error('a snapshot goes on past its end');
    this.#note(rows, input.subarray(0, at));
    // A copy: the view would pin the whole chunk.
    this.#rest = Buffer.from(input.subarray(at));
    return rows;
  }

  finish(): void {
    if (!this.#isEnded) throw new Error('a snapshot that was cut short');
  }

  #note(rows: readonly Put[], bytes: Uint8Array): void {
    this.#count += rows.length;
    this.#checksum = crc32(bytes, this.#checksum);
  }

  #end(row: Buffer): void {
    if (row.readUInt32BE(4) !== this.#count || row.readUInt32BE(8) !== this.#checksum) {
      throw new Error('a damaged snapshot: its checksum does not fit');
    }
    this.#isEnded = true;
    this.#rest = Buffer.alloc(0);
  }
}

/** Of the row or the end at `at`; undefined while its header is not there. */
function sizeAt(input: Buffer, at: number): number | undefined {
  if (input.length - at < HEADER_BYTES) return undefined;
  const keyLength = input.readUInt32BE(at);
  if (keyLength === 0) return END_BYTES;
  const size = HEADER_BYTES + keyLength + input.readUInt32BE(at + 4);
  if (size > ROW_BYTES_MAX) throw new Error(`a snapshot with a row of ${size} bytes`);
  return size;
}

function rowAt(input: Buffer, at: number, size: number): Put {
  const keyAt = at + HEADER_BYTES;
  const valueAt = keyAt + input.readUInt32BE(at);
  return { type: 'put', key: input.toString('latin1', keyAt, valueAt), value: input.subarray(valueAt, at + size) };
}
