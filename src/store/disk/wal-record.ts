/**
 * The bytes of the write-ahead log.
 *
 *   segment = frame(header) frame* zeros              preallocated; a length of 0 is the end
 *   frame   = length u32 · crc u32 · sequence u64 · previousCrc u32 · payload      (big endian)
 *   payload = (type u8 · length u32 · bytes)*
 *
 * The CRC covers everything behind it, `previousCrc` is the CRC of the frame before: a frame proves itself, and the chain
 * proves that none is missing. Sequence numbers count frames over all segments.
 */
import { crc32 } from 'node:zlib';
import { asBuffer } from '../../base/bytes.ts';
import * as wire from '../../proto/raft.ts';
import { WireError, Writer } from '../../proto/wire.ts';
import type { Entry, HardState, MemberId, SnapshotMeta } from '../raft/core/types.ts';
import { entryFromWire, entryToWire, snapshotMetaFromWire } from '../raft/message-codec.ts';

export const FRAME_HEADER_BYTES = 20;
const CRC_AT = 4;
/** The checksum covers the frame from here on. */
const CHECKED_FROM = 8;
const RECORD_HEADER_BYTES = 5;
const HEADER_MAGIC = 0x504f_4457; // "PODW"
const FORMAT_VERSION = 1;
const HEADER_BYTES = 24;

const RecordType = { header: 1, hardState: 2, snapshot: 3, entry: 4 } as const;

export interface WalIdentity {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
}

export type WalRecord =
  | ({ readonly type: 'header' } & WalIdentity)
  | { readonly type: 'hard-state'; readonly hardState: HardState }
  | { readonly type: 'snapshot'; readonly snapshot: SnapshotMeta }
  | { readonly type: 'entry'; readonly entry: Entry };

export interface Frame {
  readonly sequence: number;
  readonly crc: number;
  readonly previousCrc: number;
  /** Where the next frame begins. */
  readonly end: number;
  readonly records: readonly WalRecord[];
}

export function encodeRecord(record: WalRecord): Uint8Array {
  const [type, body] = encodeBody(record);
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES + body.length);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt32BE(body.length, 1);
  bytes.set(body, RECORD_HEADER_BYTES);
  return bytes;
}

function encodeBody(record: WalRecord): [type: number, body: Uint8Array] {
  switch (record.type) {
    case 'header': {
      const body = Buffer.alloc(HEADER_BYTES);
      body.writeUInt32BE(HEADER_MAGIC, 0);
      body.writeUInt32BE(FORMAT_VERSION, 4);
      body.writeBigUInt64BE(record.clusterId, 8);
      body.writeBigUInt64BE(record.memberId, 16);
      return [RecordType.header, body];
    }
    case 'hard-state':
      return [RecordType.hardState, wire.HardState.encode(record.hardState)];
    case 'snapshot':
      return [RecordType.snapshot, wire.SnapshotMeta.encode(record.snapshot)];
    case 'entry':
      return [RecordType.entry, wire.Entry.encode(entryToWire(record.entry))];
  }
}

export interface FrameParts {
  readonly sequence: number;
  readonly previousCrc: number;
  /** Encoded records. */
  readonly records: readonly Uint8Array[];
}

export function encodeFrame({ sequence, previousCrc, records }: FrameParts): {
  parts: Uint8Array[];
  crc: number;
  bytes: number;
} {
  const length = records.reduce((sum, record) => sum + record.length, 0);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  writeHeader(header, { sequence, previousCrc, length });
  let crc = crc32(header.subarray(CHECKED_FROM));
  for (const record of records) crc = crc32(record, crc);
  header.writeUInt32BE(crc, CRC_AT);
  return { parts: [header, ...records], crc, bytes: FRAME_HEADER_BYTES + length };
}

/** All but the checksum. */
function writeHeader(
  frame: Buffer,
  { sequence, previousCrc, length }: Omit<FrameParts, 'records'> & { readonly length: number },
): void {
  frame.writeUInt32BE(length, 0);
  frame.writeBigUInt64BE(BigInt(sequence), CHECKED_FROM);
  frame.writeUInt32BE(previousCrc, 16);
}

/**
 * The frame of one batch after the other, in one buffer that serves them all: most of what a member writes are entries,
 * and a buffer for each of them, and one for its record, cost more than to write them.
 */
export class FrameWriter {
  readonly #writer = new Writer();

  constructor() {
    this.clear();
  }

  clear(): void {
    this.#writer.reset();
    this.#writer.skip(FRAME_HEADER_BYTES);
  }

  /** Of all records. */
  get recordsBytes(): number {
    return this.#writer.length - FRAME_HEADER_BYTES;
  }

  add(record: WalRecord): void {
    if (record.type === 'entry') return this.addEntry(record.entry);
    if (record.type !== 'hard-state') return this.#writer.raw(encodeRecord(record));
    const at = this.#writer.skip(RECORD_HEADER_BYTES);
    wire.HardState.write(this.#writer, record.hardState);
    this.#finishRecord(at, RecordType.hardState);
  }

  addEntry(entry: Entry): void {
    const at = this.#writer.skip(RECORD_HEADER_BYTES);
    wire.Entry.write(this.#writer, entryToWire(entry));
    this.#finishRecord(at, RecordType.entry);
  }


  #finishRecord(at: number, type: number): void {
    this.#writer.putByte(at, type);
    this.#writer.putUint32BE(at + 1, this.#writer.length - at - RECORD_HEADER_BYTES);
  }

  /** The frame where it lies, until the next `clear`; again under another number, if its place has changed. */
  seal({ sequence, previousCrc }: Omit<FrameParts, 'records'>): { readonly bytes: Uint8Array; readonly crc: number } {
    const bytes = this.#writer.view();
    writeHeader(bytes, { sequence, previousCrc, length: this.recordsBytes });
    const crc = crc32(bytes.subarray(CHECKED_FROM));
    bytes.writeUInt32BE(crc, CRC_AT);
    return { bytes, crc };
  }
}

/** Why there is no frame: the log ends cleanly; the bytes are none; they are one, by its checksum, but not of ours. */
export type NoFrame = 'end' | 'bad' | 'foreign';

export function decodeFrame(segment: Uint8Array, offset: number): Frame | NoFrame {
  const bytes = asBuffer(segment);
  if (offset + FRAME_HEADER_BYTES > bytes.length) return isZero(bytes, offset) ? 'end' : 'bad';
  const length = bytes.readUInt32BE(offset);
  if (length === 0) return isZero(bytes, offset) ? 'end' : 'bad';
  const end = offset + FRAME_HEADER_BYTES + length;
  if (end > bytes.length) return 'bad';
  const crc = bytes.readUInt32BE(offset + 4);
  if (crc32(bytes.subarray(offset + 8, end)) !== crc) return 'bad';
  const records = decodeRecords(bytes.subarray(offset + FRAME_HEADER_BYTES, end));
  if (records === undefined) return 'foreign';
  const sequence = Number(bytes.readBigUInt64BE(offset + 8));
  return { sequence, crc, previousCrc: bytes.readUInt32BE(offset + 16), end, records };
}

/** How many frames may be damaged in a row and still be told from a tear. */
const DAMAGED_FRAMES_MAX = 4096;

/**
 * Where a valid frame of this sequence, or of one soon after, begins behind `from`: what tells damage from a tear. Where
 * no sequence is known, of any.
 */
export function findFrame(segment: Uint8Array, from: number, sequence?: number): number | undefined {
  const bytes = asBuffer(segment);
  const last = bytes.length - FRAME_HEADER_BYTES;
  for (let offset = from; offset <= last; offset++) {
    // Both are cheap, so that a checksum over megabytes is computed for almost no byte that begins no frame.
    const mayBegin = sequence === undefined ? holdsRecords(bytes, offset) : isSoonAfter(bytes, offset, sequence);
    if (!mayBegin) continue;
    const frame = decodeFrame(bytes, offset);
    if (frame === 'foreign' || typeof frame === 'object') return offset;
  }
  return undefined;
}

function isSoonAfter(bytes: Buffer, offset: number, sequence: number): boolean {
  const ahead = bytes.readUInt32BE(offset + 8) * 2 ** 32 + bytes.readUInt32BE(offset + 12) - sequence;
  return ahead >= 0 && ahead <= DAMAGED_FRAMES_MAX;
}

/** A frame's length, and those of the records in it, fit each other. */
function holdsRecords(bytes: Buffer, offset: number): boolean {
  const length = bytes.readUInt32BE(offset);
  const end = offset + FRAME_HEADER_BYTES + length;
  if (length === 0 || end > bytes.length) return false;
  let at = offset + FRAME_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= end) {
    const type = bytes.readUInt8(at);
    if (type < RecordType.header || type > RecordType.entry) return false;
    at += RECORD_HEADER_BYTES + bytes.readUInt32BE(at + 1);
  }
  return at === end;
}

export function isZero(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Undefined for what the CRC proves but this version does not know. */
function decodeRecords(payload: Buffer): WalRecord[] | undefined {
  const records: WalRecord[] = [];
  for (let at = 0; at < payload.length;) {
    if (at + RECORD_HEADER_BYTES > payload.length) return undefined;
    const end = at + RECORD_HEADER_BYTES + payload.readUInt32BE(at + 1);
    if (end > payload.length) return undefined;
    const record = readBody(payload.readUInt8(at), payload.subarray(at + RECORD_HEADER_BYTES, end));
    if (record === undefined) return undefined;
    records.push(record);
    at = end;
  }
  return records;
}

function readBody(type: number, body: Buffer): WalRecord | undefined {
  try {
    return decodeBody(type, body);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function decodeBody(type: number, body: Buffer): WalRecord | undefined {
  switch (type) {
    case RecordType.header:
      if (
        body.length !== HEADER_BYTES ||
        body.readUInt32BE(0) !== HEADER_MAGIC ||
        body.readUInt32BE(4) !== FORMAT_VERSION
      ) {
        return undefined;
      }
      return { type: 'header', clusterId: body.readBigUInt64BE(8), memberId: body.readBigUInt64BE(16) };
    case RecordType.hardState:
      return { type: 'hard-state', hardState: wire.HardState.decode(body) };
    case RecordType.snapshot:
      return { type: 'snapshot', snapshot: snapshotMetaFromWire(wire.SnapshotMeta.decode(body)) };
    case RecordType.entry:
      return { type: 'entry', entry: entryFromWire(wire.Entry.decode(body)) };
    default:
      return undefined;
  }
}
