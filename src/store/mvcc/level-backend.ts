/**
 * The `Backend` on LevelDB, one database a folder. Used by processes; what runs in the simulator has
 * `faulty-backend.ts` in its place.
 *
 * LevelDB orders keys by their bytes, and so do we: a key travels as the bytes of its latin1 string. (Its own strings
 * are UTF-8, in which every byte from 0x80 on would become two.) A batch is one record of LevelDB's log, synced before
 * it resolves. After an error in its background LevelDB refuses every write until the folder is opened anew.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Level } from 'level';
import { assert } from '../../base/assert.ts';
import { toLatin1 } from '../../base/bytes.ts';
import { NoSpaceError, systemErrorCode, UserError } from '../../base/errors.ts';
import type {
  Backend,
  BackendBatch,
  BackendFactory,
  BackendKey,
  BackendRow,
  BackendSnapshot,
  ScanRange,
} from './backend.ts';
import { ALL_ROWS } from './core/revision.ts';

/** Bytes of a batch that are handed to LevelDB in one turn of the loop, an operation counted as so many: a millisecond or two. */
const HANDED_OVER_MAX = 512 * 1024;
const OP_WEIGHT = 512;
const SLICE_ROWS_MAX = 500;
/** LevelDB ends a slice early at this size: what a turn of the loop can send on. Its default of 16 KiB would make them tiny. */
const SLICE_BYTES_MAX = 128 * 1024;

type Database = Level<Buffer, Uint8Array>;
type DatabaseSnapshot = ReturnType<Database['snapshot']>;

/** Folders below `root`. */
export function levelBackends(root: string): BackendFactory {
  return {
    open: (path) => openDatabase(resolve(root, path)),
    destroy: (path) => rm(resolve(root, path), { recursive: true, force: true }),
  };
}

function resolve(root: string, path: string): string {
  assert(!path.split('/').includes('..'), 'a backend stays below its root');
  return join(root, path);
}

async function openDatabase(folder: string): Promise<Backend> {
  // Loaded here and not above: its native code is of no use to a process without a store.
  const { Level } = await import('level');
  const database: Database = new Level(folder, { keyEncoding: 'buffer', valueEncoding: 'view' });
  try {
    await database.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (systemErrorCode(cause) === 'LEVEL_LOCKED') throw new UserError(`${folder} is in use by another process: stop that one, or name another data directory`);
    throw new Error(`${folder} cannot be opened: mend what is said here, or replace this member`, { cause: told(cause) });
  }
  return new LevelBackend(database, folder);
}

class LevelBackend implements Backend {
  readonly #database: Database;
  readonly #folder: string;

  constructor(database: Database, folder: string) {
    this.#database = database;
    this.#folder = folder;
  }

  get(key: BackendKey): Uint8Array | undefined {
    return this.#database.getSync(encodeKey(key));
  }

  async batch(ops: BackendBatch): Promise<void> {
    // Not `database.batch(array)`: it copies every operation with all options, at ten times the cost.
    const batch = this.#database.batch();
    try {
      // The turn in which a large batch was collected has done enough.
      let weight = ops.length * OP_WEIGHT > HANDED_OVER_MAX ? HANDED_OVER_MAX : 0;
      for (const op of ops) {
        weight += op.type === 'put' ? OP_WEIGHT + op.value.length : OP_WEIGHT;
        if (weight > HANDED_OVER_MAX) {
          await nextTurn();
          weight = 0;
        }
        if (op.type === 'put') batch.put(encodeKey(op.key), op.value);
        else batch.del(encodeKey(op.key));
      }
    } catch (error) {
      await batch.close();
      throw error;
    }
    try {
      await batch.write({ sync: true });
    } catch (error) {
      throw told(error);
    }
  }

  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]> {
    return scanDatabase(this.#database, range, undefined);
  }

  snapshot(): BackendSnapshot {
    const snapshot = this.#database.snapshot();
    return {
      scan: (range) => scanDatabase(this.#database, range, snapshot),
      close: () => snapshot.close(),
    };
  }

  /**
   * Of the tables that count, and of its logs, which LevelDB's own estimate leaves out. Not of all files in the folder: while
   * it merges tables, old and new ones lie there side by side, and a database would be twice its size for a moment.
   */
  async sizeBytes(): Promise<number> {
    assert(tellsTables(this.#database), 'on Node, LevelDB tells its tables');
    let total = 0;
    // One a line, its keys escaped: ` 17:2101372['i…' @ 9 : 1 .. 'i…' @ 3 : 1]`.
    for (const [, bytes] of this.#database.getProperty('leveldb.sstables').matchAll(/^ \d+:(\d+)\[/gm)) total += Number(bytes);
    for (const name of await readdir(this.#folder)) if (name.endsWith('.log')) total += await fileSize(join(this.#folder, name));
    return total;
  }

  /**
   * LevelDB rewrites its files in its own thread, level by level; reads and writes go on. Twice: it looks for the deepest
   * level before it writes out what is in memory, so that deletes may be left a level above what they delete. The second
   * time finds all else in one level, and has little to do.
   */
  async compact(): Promise<void> {
    assert(canCompact(this.#database), 'on Node, LevelDB compacts');
    const [from, to] = [encodeKey(ALL_ROWS.from), encodeKey(ALL_ROWS.to)];
    await this.#database.compactRange(from, to);
    await this.#database.compactRange(from, to);
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

/** LevelDB has one code for all that a disk refuses, and the system's words for which it was. */
function told(error: unknown): unknown {
  if (!(error instanceof Error) || !/No space left on device|Disk quota exceeded/.test(error.message)) return error;
  return new NoSpaceError('LevelDB found no room', { cause: error });
}

/** The types of `level` are those of the browser, too, which lacks it. */
function canCompact(database: object): database is { compactRange(from: Buffer, to: Buffer): Promise<void> } {
  return 'compactRange' in database;
}

function tellsTables(database: object): database is { getProperty(name: string): string } {
  return 'getProperty' in database;
}

async function* scanDatabase(
  database: Database,
  { from, to, isReverse = false }: ScanRange,
  snapshot: DatabaseSnapshot | undefined,
): AsyncGenerator<readonly BackendRow[]> {
  if (from >= to) return;
  const iterator = database.iterator({
    gte: encodeKey(from),
    lt: encodeKey(to),
    reverse: isReverse,
    // A scan passes over everything once; it should not drive out what `get` reads again and again.
    fillCache: false,
    highWaterMarkBytes: SLICE_BYTES_MAX,
    snapshot,
  });
  const read = () => {
    const entries = iterator.nextv(SLICE_ROWS_MAX);
    entries.catch(() => undefined); // told to who takes it, if anybody does
    return entries;
  };
  // Read while the slice before it is used: LevelDB reads in a thread of its own.
  let next = read();
  try {
    for (;;) {
      const entries = await next;
      if (entries.length === 0) return;
      next = read();
      yield entries.map(([key, value]) => ({ key: toLatin1(key), value }));
    }
  } finally {
    await iterator.close();
  }
}

function encodeKey(key: BackendKey): Buffer {
  return Buffer.from(key, 'latin1');
}

/** 0 for a file that a compaction has removed meanwhile. */
async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
