/** The `Disk` of real files, below one root directory. Used by processes; tests that need faults use `MemoryDisk`. */
import { constants, fdatasyncSync, writevSync } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { assert } from './assert.ts';
import { asBuffer } from './bytes.ts';
import { SyncPace } from './core/sync-pace.ts';
import type { Millis } from './clock.ts';
import type { Disk, DiskFile } from './disk.ts';
import { systemErrorCode } from './errors.ts';

/** POSIX promises no more buffers than this in one writev (IOV_MAX on Linux). */
const PARTS_PER_WRITE_MAX = 1024;
/** So little goes to the page cache at once, and from there to a disk that is quick: the way to a thread takes longer. */
const WRITTEN_AT_ONCE_MAX = 16 * 1024;
/** Turns of the loop that had one caller each, after which the next is expected to have no other. */
const TURNS_ALONE_MIN = 8;

type Pace = Pick<SyncPace, 'mayHoldUp' | 'took'>;

class RealFile implements DiskFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #pace: Pace;
  #unsyncedBytes = 0;

  constructor(path: string, handle: FileHandle, pace: Pace) {
    this.path = path;
    this.#handle = handle;
    this.#pace = pace;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  async writeAt(offset: number, parts: readonly Uint8Array[]): Promise<void> {
    let left = parts.filter((part) => part.length > 0);
    const bytes = left.reduce((sum, part) => sum + part.length, 0);
    const isSmall = bytes <= WRITTEN_AT_ONCE_MAX;
    this.#unsyncedBytes += bytes;
    let at = offset;
    while (left.length > 0) {
      const some = left.slice(0, PARTS_PER_WRITE_MAX);
      const bytesWritten = isSmall ? writevSync(this.#handle.fd, some, at) : (await this.#handle.writev(some, at)).bytesWritten;
      // A write may stop short (a signal, a nearly full disk); the next call says why, or goes on.
      at += bytesWritten;
      left = withoutFirst(left, bytesWritten);
    }
  }

  async datasync(): Promise<void> {
    const isSmall = this.#unsyncedBytes <= WRITTEN_AT_ONCE_MAX;
    this.#unsyncedBytes = 0;
    if (!isSmall) return this.#handle.datasync();
    const before = loopIdleMs();
    const startedAt = performance.now();
    const isHeldUp = this.#pace.mayHoldUp;
    if (isHeldUp) fdatasyncSync(this.#handle.fd);
    else await this.#handle.datasync();
    // A loop that was held up was not idle meanwhile.
    this.#pace.took(performance.now() - startedAt, { before, after: isHeldUp ? before : loopIdleMs() });
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** In all, since the program began. */
function loopIdleMs(): Millis {
  return performance.eventLoopUtilization().idle;
}

/** A hundredth of what it costs to be called at the turn's end. Node.js counts since 20.18. */
function loopTurn(): number | undefined {
  const metrics: { readonly loopCount: number } | undefined = performance.nodeTiming.uvMetricsInfo;
  return metrics?.loopCount;
}

function withoutFirst(parts: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let skip = byteCount;
  let first = 0;
  while (first < parts.length && skip >= parts[first]!.length) {
    skip -= parts[first]!.length;
    first++;
  }
  const left = parts.slice(first);
  if (skip > 0) left[0] = asBuffer(left[0]!).subarray(skip);
  return left;
}

export interface FileDiskOptions {
  readonly pace?: Pace;
  /** What others wait for leaves: the loop may be held up by a write that nobody else is waited for with. */
  readonly beforeHoldUp?: () => void;
  /** The number of this turn of the loop; undefined where Node.js does not count them. */
  readonly loopTurn?: () => number | undefined;
}

export class FileDisk implements Disk {
  readonly root: string;
  readonly #pace: Pace;
  readonly #beforeHoldUp: () => void;
  readonly #loopTurn: () => number | undefined;
  /** Whose end was asked for last, and whether by more than one. */
  #turn: number | undefined;
  #isShared = false;
  /** In a row, of those that were asked about, before this one. */
  #turnsAlone = 0;

  constructor(root: string, options: FileDiskOptions = {}) {
    this.root = root;
    this.#pace = options.pace ?? new SyncPace();
    this.#beforeHoldUp = options.beforeHoldUp ?? (() => undefined);
    this.#loopTurn = options.loopTurn ?? loopTurn;
  }

  async open(path: string, { create = false }: { readonly create?: boolean } = {}): Promise<DiskFile> {
    const flags = constants.O_RDWR | (create ? constants.O_CREAT : 0);
    return new RealFile(path, await open(this.#resolve(path), flags, 0o600), this.#pace);
  }

  async exists(path: string): Promise<boolean> {
    try {
      await access(this.#resolve(path));
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#resolve(from), this.#resolve(to));
  }

  async remove(path: string): Promise<void> {
    await rm(this.#resolve(path), { recursive: true, force: true });
  }

  async makeDir(path: string): Promise<void> {
    const first = await mkdir(this.#resolve(path), { recursive: true, mode: 0o700 });
    // Nobody can sync what is above the root, so where the root was made here it is done at once.
    const root = resolve(this.root);
    if (first === undefined || !`${root}/`.startsWith(`${resolve(first)}/`)) return;
    for (let made = root; ; made = dirname(made)) {
      await syncFolder(dirname(made));
      if (made === resolve(first)) return;
    }
  }

  async list(path: string): Promise<string[]> {
    try {
      return (await readdir(this.#resolve(path))).sort();
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  syncDir(path: string): Promise<void> {
    return syncFolder(this.#resolve(path));
  }

  /**
   * Behind what this turn of the loop has read of all sockets, and after its answers are written. Where the last turns had
   * one caller each, nobody else is waited for.
   */
  turnEnd(): Promise<void> | undefined {
    const turn = this.#loopTurn();
    const isSecond = turn === undefined || turn === this.#turn;
    if (!isSecond) this.#turnsAlone = this.#isShared ? 0 : this.#turnsAlone + 1;
    this.#isShared = isSecond;
    this.#turn = turn;
    if (isSecond || this.#turnsAlone <= TURNS_ALONE_MIN) return new Promise((resolve) => setImmediate(resolve));
    this.#beforeHoldUp();
    return undefined;
  }

  /** Behind {@link turnEnd}, which was asked before, whatever that waits for; a write that holds up the loop is over by then. */
  turnWritten(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  #resolve(path: string): string {
    assert(!path.split('/').includes('..'), 'a path of the disk stays below its root');
    return join(this.root, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
