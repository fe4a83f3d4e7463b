/**
 * The `Backend` of the simulator: in memory, and as unreliable as a database on a disk may be.
 *
 *   begun     the caller waits; whether readers see it yet is drawn
 *   landed    in the database's log, in the order of landing; readers see it
 *   synced    the caller was answered; as all batches share one log, so is everything that landed before it
 *
 * A process crash keeps all that landed; what was only begun may land or not. A power cut keeps or loses each batch
 * that was not synced, any subset, and may undo a destroy. A batch is kept or lost whole. To open a folder makes what it
 * finds durable, as LevelDB does when it reads its log. After a failed batch every write fails until it is opened anew.
 *
 * Code under test sees an incarnation. A crash ends all of them: what was called on one never settles any more and has
 * no effect. What this does not model: that the folder itself is lost because its parent was not synced.
 */
import { assert } from '../../base/assert.ts';
import type { Clock, Millis } from '../../base/clock.ts';
import { NoSpaceError, UserError } from '../../base/errors.ts';
import { afterLatency } from '../../base/latency.ts';
import type { Random } from '../../base/random.ts';
import type {
  Backend,
  BackendBatch,
  BackendFactory,
  BackendKey,
  BackendOp,
  BackendRow,
  BackendSnapshot,
  ScanRange,
} from './backend.ts';
import { SortedRows } from './memory-backend.ts';

export interface BackendFaults {
  /** How long an open, a batch or a close takes; absent or 0 is "at once", without a timer. */
  readonly latencyMs?: { readonly min: Millis; readonly max: Millis };
  /** Probability that a batch fails; readers may see it, or a later incarnation, or nobody. */
  readonly batchFailure?: number;
  /** Every batch fails, and nobody ever sees it: there is no room for it. */
  readonly isFull?: boolean;
  /** Bytes that a batch may take; of a disk that others write to as well. */
  readonly room?: () => number;
}

export interface FaultyBackendsOptions extends BackendFaults {
  readonly clock: Clock;
  readonly random: Random;
}

/** What was met so far, so that a test can tell that it tested something. */
export interface FaultyBackendCounters {
  powerCuts: number;
  processCrashes: number;
  syncs: number;
  failures: number;
  /** Batches for which there was no room. */
  refusals: number;
  /** Unsynced batches that a crash undid. */
  unsyncedLosses: number;
  /** Unsynced batches that survived a crash. */
  unsyncedSurvivals: number;
  /** Folders that came back though they had been destroyed. */
  returns: number;
}

interface Batch {
  readonly ops: readonly BackendOp[];
}

/** One folder, from a crash to the next. */
interface Folder {
  readonly durable: SortedRows;
  readonly current: SortedRows;
  /** Landed and not synced, in the order of landing. */
  landed: Batch[];
  /** Begun and not landed. */
  readonly begun: Set<Batch>;
  isOpen: boolean;
}

interface Incarnation {
  isDead: boolean;
}

export function faultyBackends(options: FaultyBackendsOptions): FaultyBackends {
  return new FaultyBackends(options);
}

export class FaultyBackends {
  readonly counters: FaultyBackendCounters = {
    powerCuts: 0,
    processCrashes: 0,
    syncs: 0,
    failures: 0,
    refusals: 0,
    unsyncedLosses: 0,
    unsyncedSurvivals: 0,
    returns: 0,
  };
  faults: BackendFaults;
  readonly #clock: Clock;
  readonly #random: Random;
  #folders = new Map<string, Folder>();
  /** Destroyed since the last power cut; the newest of each path. */
  readonly #destroyed = new Map<string, Folder>();
  readonly #damaged = new Set<string>();
  #incarnation: Incarnation = { isDead: false };

  constructor({ clock, random, ...faults }: FaultyBackendsOptions) {
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
  }

  /** A factory that lives until the next crash. */
  incarnation(): BackendFactory {
    const incarnation = this.#incarnation;
    return {
      open: (path) => this.#perform(incarnation, () => this.#open(incarnation, path)),
      destroy: (path) => this.#perform(incarnation, () => this.#destroy(path)),
    };
  }

  /** The process dies, the machine goes on: what landed is kept. */
  processCrash(): void {
    this.counters.processCrashes++;
    this.#endIncarnation();
    this.#replaceFolders((folder) => {
      const landed = [...folder.landed, ...this.#survivors(this.#random.shuffle([...folder.begun]))];
      return { ...closed(folder.durable.copy()), landed, current: rowsAfter(folder.durable, landed) };
    });
  }

  /** The machine dies: whatever was not synced may be lost. */
  powerCut(): void {
    this.counters.powerCuts++;
    this.#endIncarnation();
    for (const [path, folder] of inOrder(this.#destroyed)) {
      if (this.#folders.has(path) || this.#random.chance(0.5)) continue;
      this.#folders.set(path, folder);
      this.counters.returns++;
    }
    this.#destroyed.clear();
    this.#replaceFolders((folder) => {
      const kept = this.#survivors([...folder.landed, ...this.#random.shuffle([...folder.begun])]);
      return closed(rowsAfter(folder.durable, kept));
    });
  }

  /** Keys and values of all folders. */
  get bytes(): number {
    return [...this.#folders.values()].reduce((sum, { current }) => sum + current.sizeBytes, 0);
  }

  /** Bits flip in every folder there is: from now on they do not open, as a database finds by its checksums. */
  damage(): void {
    for (const path of this.#folders.keys()) this.#damaged.add(path);
  }

  // What follows is the handles' side.

  beginBatch(handle: FaultyBackend, ops: BackendBatch): Promise<void> {
    const { folder, incarnation } = handle;
    if (incarnation.isDead) return never();
    if (handle.isBroken) return this.#perform(incarnation, () => fail('the backend has failed before'));
    const { isFull = false, room } = this.faults;
    if (isFull || (room !== undefined && room() < bytesOf(ops))) {
      handle.isBroken = true;
      this.counters.refusals++;
      return this.#perform(incarnation, () => {
        throw new NoSpaceError('no space left on device');
      });
    }
    // A copy: the caller may reuse its buffers.
    const batch: Batch = { ops: Array.from(ops, (op) => (op.type === 'put' ? { ...op, value: op.value.slice() } : op)) };
    folder.begun.add(batch);
    const { batchFailure = 0 } = this.faults;
    const isFailing = batchFailure > 0 && this.#random.chance(batchFailure);
    if (this.#random.chance(0.5)) land(folder, batch);
    return this.#perform(incarnation, () => {
      if (isFailing) {
        handle.isBroken = true;
        folder.begun.delete(batch);
        this.counters.failures++;
        fail('the batch failed');
      }
      land(folder, batch);
      this.#sync(folder, batch);
    });
  }

  closeHandle(handle: FaultyBackend): Promise<void> {
    return this.#perform(handle.incarnation, () => {
      handle.folder.isOpen = false;
    });
  }

  /** Runs `run` after the latency; never settles if the process is gone by then. */
  #perform<T>(incarnation: Incarnation, run: () => T): Promise<T> {
    const { latencyMs } = this.faults;
    return afterLatency({ clock: this.#clock, random: this.#random, latencyMs, isDead: () => incarnation.isDead }, run);
  }

  #open(incarnation: Incarnation, path: string): Backend {
    const folder = this.#folders.get(path) ?? closed(new SortedRows());
    if (folder.isOpen) throw new UserError(`${path} is in use by another process`);
    if (this.#damaged.has(path)) fail(`${path} is damaged: block checksum mismatch`);
    this.#folders.set(path, folder);
    for (const { ops } of folder.landed.splice(0)) folder.durable.apply(ops);
    folder.isOpen = true;
    return new FaultyBackend(this, folder, incarnation);
  }

  #destroy(path: string): void {
    const folder = this.#folders.get(path);
    if (folder === undefined) return;
    this.#folders.delete(path);
    this.#destroyed.set(path, folder);
  }

  #sync(folder: Folder, batch: Batch): void {
    this.counters.syncs++;
    const at = folder.landed.indexOf(batch);
    // Absent if the sync of a later batch has covered this one.
    for (const { ops } of folder.landed.splice(0, at + 1)) folder.durable.apply(ops);
  }

  #survivors(batches: readonly Batch[]): Batch[] {
    const kept = batches.filter(() => this.#random.chance(0.5));
    this.counters.unsyncedSurvivals += kept.length;
    this.counters.unsyncedLosses += batches.length - kept.length;
    return kept;
  }

  #endIncarnation(): void {
    this.#incarnation.isDead = true;
    this.#incarnation = { isDead: false };
  }

  /** The folders of the dead stay theirs, to read as they were; the living get new ones. */
  #replaceFolders(replace: (folder: Folder) => Folder): void {
    this.#folders = new Map(inOrder(this.#folders).map(([path, folder]) => [path, replace(folder)]));
  }
}

class FaultyBackend implements Backend {
  readonly folder: Folder;
  readonly incarnation: Incarnation;
  isBroken = false;
  readonly #backends: FaultyBackends;
  readonly #inFlight = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(backends: FaultyBackends, folder: Folder, incarnation: Incarnation) {
    this.#backends = backends;
    this.folder = folder;
    this.incarnation = incarnation;
  }

  get(key: BackendKey): Uint8Array | undefined {
    this.#assertOpen();
    return this.folder.current.get(key);
  }

  async batch(ops: BackendBatch): Promise<void> {
    this.#assertOpen();
    const landing = this.#backends.beginBatch(this, ops);
    this.#inFlight.add(landing);
    try {
      await landing;
    } finally {
      this.#inFlight.delete(landing);
    }
  }

  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]> {
    this.#assertOpen();
    return whileAlive(this.incarnation, this.folder.current.scan(range));
  }

  snapshot(): BackendSnapshot {
    this.#assertOpen();
    const frozen = this.folder.current.copy();
    return { scan: (range) => whileAlive(this.incarnation, frozen.scan(range)), close: () => this.#alive() };
  }

  async sizeBytes(): Promise<number> {
    await this.#alive();
    return this.folder.current.sizeBytes;
  }

  close(): Promise<void> {
    // As LevelDB does: what is on its way arrives first.
    this.#closing ??= Promise.allSettled(this.#inFlight).then(() => this.#backends.closeHandle(this));
    return this.#closing;
  }

  #alive(): Promise<void> {
    return this.incarnation.isDead ? never() : Promise.resolve();
  }

  #assertOpen(): void {
    assert(this.#closing === undefined, 'a closed backend is not used');
  }
}

async function* whileAlive(incarnation: Incarnation, slices: AsyncIterable<readonly BackendRow[]>) {
  for await (const slice of slices) {
    if (incarnation.isDead) await never();
    yield slice;
  }
  if (incarnation.isDead) await never();
}

function bytesOf(ops: Iterable<BackendOp>): number {
  let bytes = 0;
  for (const op of ops) bytes += op.key.length + (op.type === 'put' ? op.value.length : 0);
  return bytes;
}

/** Nothing if it has landed before. */
function land(folder: Folder, batch: Batch): void {
  if (!folder.begun.delete(batch)) return;
  folder.landed.push(batch);
  folder.current.apply(batch.ops);
}

function closed(rows: SortedRows): Folder {
  return { durable: rows, current: rows.copy(), landed: [], begun: new Set(), isOpen: false };
}

function rowsAfter(rows: SortedRows, batches: readonly Batch[]): SortedRows {
  const after = rows.copy();
  for (const { ops } of batches) after.apply(ops);
  return after;
}

/** By path, so that a crash draws the same fates in every run of a seed. */
function inOrder(folders: ReadonlyMap<string, Folder>): Array<[string, Folder]> {
  return [...folders].sort(([a], [b]) => (a < b ? -1 : 1));
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

function fail(what: string): never {
  throw new Error(what);
}
