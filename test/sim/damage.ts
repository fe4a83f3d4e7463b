/**
 * Damage at rest, done to a machine that is down, and what its next process must say of it. The fault model has at most
 * one member damaged in a run: the others hold every acknowledged write, and this one waits to be replaced.
 */
import { isDeepStrictEqual } from 'node:util';
import type { MemoryDisk } from '../../src/base/memory-disk.ts';
import type { Random } from '../../src/base/random.ts';
import { WalDamageError } from '../../src/store/disk/wal-error.ts';
import { decodeFrame } from '../../src/store/disk/wal-record.ts';
import type { FaultyBackends } from '../../src/store/mvcc/faulty-backend.ts';

const WAL_DIR = 'member/wal';

export interface Damage {
  readonly what: string;
  /** What is wrong with how its process took it: it refused with `error`, or started without one. */
  complaint(error: unknown): string | undefined;
}

interface FrameAt {
  readonly path: string;
  readonly offset: number;
  readonly end: number;
  readonly sequence: number;
}

/** Segments of the log, oldest first. */
export function segmentsOf(disk: MemoryDisk): string[] {
  const names = disk.names(WAL_DIR).filter((name) => name.endsWith('.log'));
  return names.map((name) => `${WAL_DIR}/${name}`);
}

/** The batches that a whole log holds, in order. */
function framesOf(disk: MemoryDisk): FrameAt[] {
  const frames: FrameAt[] = [];
  for (const path of segmentsOf(disk)) {
    const bytes = disk.contents(path);
    for (let offset = 0; ;) {
      const frame = decodeFrame(bytes, offset);
      if (typeof frame !== 'object') break;
      frames.push({ path, offset, end: frame.end, sequence: frame.sequence });
      offset = frame.end;
    }
  }
  return frames;
}

/** One bit of one batch. With a batch behind it, it is damage that must be named; the last one may pass for torn. */
export function flipLogBit(disk: MemoryDisk, random: Random): Damage | undefined {
  const frames = framesOf(disk);
  if (frames.length === 0) return undefined;
  const at = random.chance(0.2) ? frames.length - 1 : random.below(frames.length);
  const { path, offset, end, sequence } = frames[at]!;
  const flipped = offset + random.below(end - offset);
  disk.flipBits(path, flipped, 1 << random.below(8));
  const what = `a bit of batch ${sequence}, byte ${flipped} of ${path}`;
  const isLast = at === frames.length - 1;
  return {
    what,
    complaint(error) {
      if (isLast && (error === undefined || error instanceof Error)) return undefined;
      if (!(error instanceof WalDamageError)) return 'it was not refused as damage';
      const { segment, offset: said, batch } = error.damage;
      // The number of the oldest batch there is stands in that batch only.
      const isNamed = isDeepStrictEqual([segment, said], [path, offset]) && (at === 0 || batch === sequence);
      return isNamed ? undefined : `another record was named: ${error.message}`;
    },
  };
}

/** A database finds by its checksums that it is damaged, and does not open. */
export function flipStateBits(backends: FaultyBackends): Damage {
  backends.damage();
  const complaint = (error: unknown) => (error instanceof Error ? undefined : 'it was not refused');
  return { what: 'bits of the state', complaint };
}

/** A batch lies elsewhere than it should, over what else was there. */
export function misdirected(path: string, isFollowed: boolean): Damage {
  return {
    what: `a batch of ${path} was written elsewhere`,
    complaint(error) {
      if (!isFollowed && (error === undefined || error instanceof Error)) return undefined;
      return error instanceof WalDamageError ? undefined : 'it was not refused as damage';
    },
  };
}
