/**
 * A state machine as a stream of bytes: all rows of one view of the backend, so that index, term, configuration and data
 * belong together. Chunks may be cut anew on the way.
 *
 *   stream  = row* · end
 *   row     = key length (4 bytes, never 0) · value length (4) · key · value
 *   end     = 0 (4 bytes) · number of rows (4) · CRC-32 of everything before (4)
 */
import { crc32 } from 'node:zlib';
import { asBuffer, concatBytes, fromLatin1 } from '../../base/bytes.ts';
import type { SnapshotMeta } from '../raft/core/types.ts';
import { APPLIED_ROW, decodeApplied } from '../state-machine.ts';
import type { Backend, BackendKey, BackendOp, BackendSnapshot } from './backend.ts';
import { ALL_ROWS } from './core/revision.ts';

/** Rows are gathered into chunks of about this size; a larger row is a chunk of its own. */
const CHUNK_BYTES = 64 * 1024;
/** A receiver that is cut off is behind by no more than what was on its way: far less than so many chunks. */
const MARKS_MAX = 256;
/** Rows and bytes written to the new backend at a time. */
const RESTORE_ROWS = 5000;
const RESTORE_BYTES = 4 * 1024 * 1024;
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
  for await (const rows of view.scan({ from: APPLIED_ROW, to: `${APPLIED_ROW}\0` })) {
    for (const { value } of rows) {
      const meta = decodeApplied(value);
      const encoder = new RowEncoder(view, chunkBytes);
      const read = (from: number) => encoder.read(from);
      return { meta, chunks: read(0), read, sizeBytes: () => sizeOfRows(view), close: () => view.close() };
    }
  }
  await view.close();
  return undefined;
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
    let parts: Uint8Array[] = [];
    let bytes = 0;
    const cut = (lastKey: BackendKey): Uint8Array => {
      const chunk = concatBytes(parts);
      checksum = crc32(chunk, checksum);
      offset += bytes;
      parts = [];
      bytes = 0;
      this.#note({ offset, key: `${lastKey}\0`, checksum, count });
      return chunk;
    };
    let last = from;
    for await (const rows of this.#view.scan({ ...ALL_ROWS, from })) {
      for (const { key, value } of rows) {
        const header = Buffer.alloc(HEADER_BYTES);
        header.writeUInt32BE(key.length, 0);
        header.writeUInt32BE(value.length, 4);
        parts.push(header, fromLatin1(key), value);
        bytes += HEADER_BYTES + key.length + value.length;
        count++;
        last = key;
        if (bytes >= this.#chunkBytes) yield cut(key);
      }
    }
    if (bytes > 0) yield cut(last);
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

/**
 * Writes a snapshot's rows into a fresh backend and answers what they amount to. Throws on a stream that is cut short or
 * damaged; the backend is then to be destroyed.
 */
export async function restoreSnapshot(backend: Backend, chunks: AsyncIterable<Uint8Array>): Promise<SnapshotMeta> {
  const parser = new RowParser();
  let ops: BackendOp[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (const op of parser.push(chunk)) {
      ops.push(op);
      bytes += op.key.length + op.value.length;
      if (ops.length < RESTORE_ROWS && bytes < RESTORE_BYTES) continue;
      await backend.batch(ops);
      ops = [];
      bytes = 0;
    }
  }
  parser.finish();
  await backend.batch(ops);
  const applied = backend.get(APPLIED_ROW);
  if (applied === undefined) throw new Error('a snapshot without its index');
  return decodeApplied(applied);
}

type Put = Extract<BackendOp, { type: 'put' }>;

class RowParser {
  #rest: Buffer = Buffer.alloc(0);
  #checksum = 0;
  #count = 0;
  #isEnded = false;

  *push(chunk: Uint8Array): Generator<Put> {
    let input = this.#rest.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#isEnded) {
        if (input.length > 0) throw new Error('a snapshot goes on past its end');
        break;
      }
      const size = this.#sizeOf(input);
      if (size === undefined || size > input.length) break;
      const row = this.#take(input.subarray(0, size));
      input = input.subarray(size);
      if (row !== undefined) yield row;
    }
    // A copy: the view would pin the whole chunk.
    this.#rest = Buffer.from(input);
  }

  finish(): void {
    if (!this.#isEnded) throw new Error('a snapshot that was cut short');
  }

  /** Of the next row or the end; undefined while its header is not there. */
  #sizeOf(input: Buffer): number | undefined {
    if (input.length < HEADER_BYTES) return undefined;
    const keyLength = input.readUInt32BE(0);
    if (keyLength === 0) return END_BYTES;
    const size = HEADER_BYTES + keyLength + input.readUInt32BE(4);
    if (size > ROW_BYTES_MAX) throw new Error(`a snapshot with a row of ${size} bytes`);
    return size;
  }

  #take(bytes: Buffer): Put | undefined {
    const keyLength = bytes.readUInt32BE(0);
    if (keyLength === 0) {
      if (bytes.readUInt32BE(4) !== this.#count || bytes.readUInt32BE(8) !== this.#checksum) {
        throw new Error('a damaged snapshot: its checksum does not fit');
      }
      this.#isEnded = true;
      return undefined;
    }
    this.#checksum = crc32(bytes, this.#checksum);
    this.#count++;
    const valueAt = HEADER_BYTES + keyLength;
    return {
      type: 'put',
      key: bytes.toString('latin1', HEADER_BYTES, valueAt),
      value: Uint8Array.from(bytes.subarray(valueAt)),
    };
  }
}
