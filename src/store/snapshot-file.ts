/**
 * What Maintenance.Snapshot sends and `podium store snapshot` takes: a state machine as a file. It is ours, not bbolt's,
 * and says so in its first line.
 *
 *   file   = header (512 bytes) · body · zeros to a multiple of 512 · SHA-256 of all before (32 bytes)
 *   header = two lines of text, then spaces and a newline: the magic; JSON with what a person asks of a snapshot
 *   body   = mvcc/snapshot.ts
 *
 * The size leaves 32 when divided by 512, for that is how etcdctl tells a snapshot that has its hash.
 */
import { createHash } from 'node:crypto';
import { fromUtf8, toUtf8 } from '../base/bytes.ts';
import { UserError } from '../base/errors.ts';
import type { Revision } from './mvcc/core/revision.ts';
import type { OpenSnapshot } from './mvcc/snapshot.ts';

export const SNAPSHOT_MAGIC = 'PODIUM STORE SNAPSHOT 1 (not bbolt: see "podium store snapshot --help")';

const BLOCK_BYTES = 512;
const HASH_BYTES = 32;
/** etcd's. */
export const SNAPSHOT_BLOB_BYTES = 32 * 1024;
/** Where a bbolt file has its magic number: behind the header of its first page. */
const BBOLT_MAGIC_AT = 16;
const BBOLT_MAGIC = 0xed0cdaed;

export interface SnapshotHeader {
  readonly bodyBytes: number;
  readonly index: number;
  readonly revision: Revision;
  /** Hexadecimal. */
  readonly clusterId: string;
}

export interface SnapshotBlob {
  readonly blob: Uint8Array;
  /** After this one; as in etcd the hash does not count. */
  readonly remainingBytes: number;
}

/** The file in blobs of 32 KiB, the last of them its hash alone. */
export async function* snapshotBlobs(
  open: OpenSnapshot,
  about: { readonly revision: Revision; readonly clusterId: bigint },
): AsyncGenerator<SnapshotBlob> {
  const bodyBytes = await open.sizeBytes();
  const header: SnapshotHeader = {
    bodyBytes,
    index: open.meta.index,
    revision: about.revision,
    clusterId: about.clusterId.toString(16),
  };
  const hash = createHash('sha256');
  let remainingBytes = BLOCK_BYTES + bodyBytes + paddingOf(bodyBytes);
  for await (const blob of recut(wholeFile(header, open.chunks), SNAPSHOT_BLOB_BYTES)) {
    hash.update(blob);
    remainingBytes -= blob.length;
    yield { blob, remainingBytes };
  }
  yield { blob: hash.digest(), remainingBytes: 0 };
}

async function* wholeFile(header: SnapshotHeader, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield encodeHeader(header);
  yield* body;
  yield new Uint8Array(paddingOf(header.bodyBytes));
}

/** Pieces of `bytes` each, but for the last. */
async function* recut(chunks: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    for (; rest.length - at >= bytes; at += bytes) yield rest.subarray(at, at + bytes);
    rest = rest.subarray(at);
  }
  if (rest.length > 0) yield rest;
}

function paddingOf(bodyBytes: number): number {
  return (BLOCK_BYTES - (bodyBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

function encodeHeader(header: SnapshotHeader): Uint8Array {
  const text = `${SNAPSHOT_MAGIC}\n${JSON.stringify(header)}\n`;
  return fromUtf8(`${text.padEnd(BLOCK_BYTES - 1)}\n`);
}

/** Where the bytes of a file come from: in order, as often as it is asked. */
export interface SnapshotSource {
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  read(from: number, to: number): AsyncIterable<Uint8Array>;
}

/** Checks the whole file against its hash. Throws a `UserError` on one that is damaged, cut short or not ours. */
export async function checkSnapshotFile(source: SnapshotSource): Promise<SnapshotHeader> {
  const header = decodeHeader(source.name, await gather(source.read(0, Math.min(BLOCK_BYTES, source.sizeBytes))));
  const hashAt = BLOCK_BYTES + header.bodyBytes + paddingOf(header.bodyBytes);
  if (source.sizeBytes !== hashAt + HASH_BYTES) {
    throw new UserError(
      `${source.name}: ${source.sizeBytes} bytes, where a whole snapshot has ${hashAt + HASH_BYTES}: it was cut short or added to; save it again`,
    );
  }
  const hash = createHash('sha256');
  for await (const chunk of source.read(0, hashAt)) hash.update(chunk);
  const expected = await gather(source.read(hashAt, source.sizeBytes));
  if (!hash.digest().equals(expected)) {
    throw new UserError(`${source.name}: damaged: its SHA-256 does not match its content; save it again`);
  }
  return header;
}

/** For `restoreSnapshot`, of a file that was checked. */
export function snapshotBody(source: SnapshotSource, { bodyBytes }: SnapshotHeader): AsyncIterable<Uint8Array> {
  return source.read(BLOCK_BYTES, BLOCK_BYTES + bodyBytes);
}

function decodeHeader(name: string, bytes: Buffer): SnapshotHeader {
  const [magic, facts] = toUtf8(bytes).split('\n');
  if (magic === SNAPSHOT_MAGIC && bytes.length === BLOCK_BYTES) {
    const header = parseHeader(facts ?? '');
    if (header !== undefined) return header;
    throw new UserError(`${name}: damaged: its header cannot be read; save it again`);
  }
  if (bytes.length >= BBOLT_MAGIC_AT + 4 && bytes.readUInt32LE(BBOLT_MAGIC_AT) === BBOLT_MAGIC) {
    throw new UserError(
      `${name}: a bbolt database, that is, a snapshot of etcd's: restore it with etcdutl, run that etcd, and copy its keys with "podium store migrate"`,
    );
  }
  throw new UserError(`${name}: not a snapshot of Podium's store: save one with "etcdctl snapshot save"`);
}

function parseHeader(text: string): SnapshotHeader | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isHeader(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is SnapshotHeader {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  const isCount = (field: string) => Number.isSafeInteger(fields.get(field)) && Number(fields.get(field)) >= 0;
  return isCount('bodyBytes') && isCount('index') && isCount('revision') && typeof fields.get('clusterId') === 'string';
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
