/**
 * A layer's tar out of its blob. What it is packed with is seen by its first bytes, for media types are often wrong.
 *
 * zstd: of Node.js where it has it (22.15 and later), else by the program `zstd`; without both the layer is refused, and the
 * message names them. A decoder in JavaScript would be a dependency for the few images of this kind, and slower.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, pipeline, type Duplex, type Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { systemErrorCode } from '../base/errors.ts';

const CHUNK_BYTES = 128 * 1024;
const FILE_CHUNK_BYTES = 512 * 1024;
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
/** zstd's skippable frames may come first. */
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18];

export type Packing = 'none' | 'gzip' | 'zstd';

export class PackingError extends Error {
  override readonly name = 'PackingError';
}

export async function packingOf(path: string): Promise<Packing> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(4);
    await file.read(head, 0, 4, 0);
    return packingOfBytes(head);
  } finally {
    await file.close();
  }
}

export function packingOfBytes(head: Uint8Array): Packing {
  if (GZIP.every((byte, at) => head[at] === byte)) return 'gzip';
  if (ZSTD.every((byte, at) => head[at] === byte)) return 'zstd';
  if (((head[0] ?? 0) & 0xf0) === 0x50 && ZSTD_SKIPPABLE.every((byte, at) => head[at + 1] === byte)) return 'zstd';
  return 'none';
}

/** The unpacked bytes; whoever stops reading ends all of it. */
export async function openUnpacked(path: string): Promise<Readable> {
  const packing = await packingOf(path);
  const file = createReadStream(path, { highWaterMark: packing === 'none' ? CHUNK_BYTES : FILE_CHUNK_BYTES });
  if (packing === 'none') return file;
  if (packing === 'gzip') return piped(file, zlib.createGunzip({ chunkSize: CHUNK_BYTES }));
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress');
  // The types are of a Node.js that has none.
  if (typeof create === 'function')
    return piped(file, (create as (options: zlib.ZlibOptions) => Duplex)({ chunkSize: CHUNK_BYTES }));
  return throughProgram(file);
}

function piped(file: Readable, through: Duplex): Readable {
  // An error of either is that of what is read.
  pipeline(file, through, () => undefined);
  return through;
}

function throughProgram(file: Readable): Readable {
  const child = spawn('zstd', ['-d', '-c', '-q'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const out = new PassThrough({ highWaterMark: 2 * CHUNK_BYTES });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 1_000)));
  pipeline(file, child.stdin, () => undefined); // it ends early when what it reads is damaged, and says so
  child.stdout.pipe(out, { end: false });
  once(child, 'close').then(
    () =>
      child.exitCode === 0
        ? out.end()
        : out.destroy(new PackingError(complaint.trim() || `zstd ended with ${child.exitCode ?? child.signalCode}`)),
    (cause: unknown) =>
      out.destroy(systemErrorCode(cause) === 'ENOENT' ? missing(cause) : new PackingError('zstd', { cause })),
  );
  out.once('close', () => {
    child.kill();
    file.destroy();
  });
  return out;
}

function missing(cause: unknown): PackingError {
  return new PackingError('it is packed with zstd: that needs Node.js 22.15 or later, or the program zstd', { cause });
}
