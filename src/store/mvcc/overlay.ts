/**
 * The backend as the state machine sees it: what was written but has not landed yet lies on top. Two layers, for one
 * batch may be in flight while the next is collected. Writes become blocks (core/block.ts) when a batch is taken; the
 * directory knows those that have landed.
 *
 *   putWrite ─► collected ── take() ─► in flight ── landed() ─► blocks in the backend
 *   dropWrite:  marked, wherever it is; reclaim() rewrites the blocks, the oldest first, and forgets what is collected last
 */
import { assert } from '../../base/assert.ts';
import type { Backend, BackendBatch, BackendKey, BackendOp } from './backend.ts';
import {
  Block,
  blockRowKey,
  comparePositions,
  cutBlocks,
  encodeBlock,
  positionOfRow,
  type BlockCut,
  type Position,
  type WriteRun,
} from './core/block.ts';
import { BlockDirectory, type BlockEntry } from './core/block-directory.ts';
import type { Rows } from './core/mvcc.ts';
import type { Write } from './core/revision.ts';
import { STATE_ROW } from './state-row.ts';

/** Of blocks that were read, as neighbours are read together. No large one is kept. */
const RECENT_BLOCKS_MAX = 16;
const RECENT_BLOCK_BYTES_MAX = 64 * 1024;

/** What is collected for a batch. Its operations are made when it is written: else they would lie about until then. */
class Layer implements BackendBatch, WriteRun {
  writes: Write[] = [];
  values: Uint8Array[] = [];
  /** Of `writes` those that are to go when all that went before has gone. */
  dropped: Write[] = [];
  /** undefined marks a row that was deleted. */
  readonly rows = new Map<BackendKey, Uint8Array | undefined>();
  /** In the blocks among `rows`. */
  rewritten = 0;
  #state: Uint8Array | undefined;
  #cuts: readonly BlockCut[] = [];

  /** Once nothing more comes. */
  close(state: Uint8Array): void {
    this.#cuts = cutBlocks(this);
    if (this.#cuts.length > 0) this.#state = state;
    else this.rows.set(STATE_ROW, state);
  }

  get length(): number {
    return this.#cuts.length + this.rows.size;
  }

  holds(write: Write): boolean {
    return this.writes.length > 0 && comparePositions(this.writes[0]!, write) <= 0;
  }

  valueOf(write: Write): Uint8Array | undefined {
    if (!this.holds(write)) return undefined;
    const at = this.#lowerBound(write);
    return at < this.writes.length && comparePositions(this.writes[at]!, write) === 0 ? this.values[at] : undefined;
  }

  runFrom(from: Position, writesMax: number): WriteRun {
    const at = this.#lowerBound(from);
    return { writes: this.writes.slice(at, at + writesMax), values: this.values.slice(at, at + writesMax) };
  }

  #lowerBound(position: Position): number {
    let low = 0;
    let high = this.writes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePositions(this.writes[middle]!, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  forgetDropped(): void {
    if (this.dropped.length === 0) return;
    const gone = new Set(this.dropped);
    this.dropped = [];
    this.values = this.values.filter((_, at) => !gone.has(this.writes[at]!));
    this.writes = this.writes.filter((write) => !gone.has(write));
  }

  *[Symbol.iterator](): Generator<BackendOp> {
    for (const [key, value] of this.rows) yield value === undefined ? { type: 'delete', key } : { type: 'put', key, value };
    for (const [at, { from, to }] of this.#cuts.entries()) {
      const state = at === this.#cuts.length - 1 ? this.#state : undefined;
      yield { type: 'put', key: blockRowKey(this.writes[from]!), value: encodeBlock(this, from, to, state) };
    }
  }

  *blocks(): Generator<BlockEntry> {
    for (const { from, to, bytes } of this.#cuts) {
      const { main, sub } = this.writes[from]!;
      yield { position: { main, sub }, count: to - from, sizeBytes: bytes, dropped: [] };
    }
  }
}

export class Overlay implements Rows {
  readonly #backend: Pick<Backend, 'get'>;
  readonly #directory = new BlockDirectory();
  /** The one used last is last. */
  readonly #recent = new Map<BlockEntry, Block>();
  #collecting = new Layer();
  #inFlight: Layer | undefined;

  constructor(backend: Pick<Backend, 'get'>) {
    this.#backend = backend;
  }

  /** Writes and rows that wait for the next batch. */
  get pending(): number {
    const { writes, rows, rewritten } = this.#collecting;
    return writes.length + rows.size + rewritten;
  }

  /** At boot, of the rows of writes, in order. */
  loadBlock(key: BackendKey, { count, sizeBytes }: Block): void {
    this.#directory.push({ position: positionOfRow(key), count, sizeBytes, dropped: [] });
  }

  get(key: BackendKey): Uint8Array | undefined {
    const { rows } = this.#collecting;
    if (rows.has(key)) return rows.get(key);
    if (this.#inFlight?.rows.has(key) === true) return this.#inFlight.rows.get(key);
    return this.#backend.get(key);
  }

  put(key: BackendKey, value: Uint8Array): void {
    this.#collecting.rows.set(key, value);
  }

  delete(key: BackendKey): void {
    this.#collecting.rows.set(key, undefined);
  }

  valueOf(write: Write): Uint8Array | undefined {
    for (const layer of [this.#collecting, this.#inFlight]) if (layer?.holds(write) === true) return layer.valueOf(write);
    const entry = this.#directory.find(write);
    const block = entry && this.#blockOf(entry);
    const at = block?.find(write) ?? -1;
    // A copy: the view would pin the whole block.
    return at < 0 ? undefined : new Uint8Array(block!.value(at));
  }

  runFrom(from: Position, writesMax: number): WriteRun {
    for (const entry of this.#directory.from(from)) {
      const run = this.#blockOf(entry)?.runFrom(from, writesMax);
      if (run !== undefined && run.writes.length > 0) return run;
    }
    const landing = this.#inFlight?.runFrom(from, writesMax);
    return landing !== undefined && landing.writes.length > 0 ? landing : this.#collecting.runFrom(from, writesMax);
  }

  putWrite(write: Write, value: Uint8Array): void {
    this.#collecting.writes.push(write);
    this.#collecting.values.push(value);
  }

  dropWrite(write: Write): void {
    for (const layer of [this.#collecting, this.#inFlight]) {
      if (layer?.holds(write) !== true) continue;
      layer.dropped.push(write);
      return;
    }
    this.#directory.drop(write);
  }

  reclaim(): boolean {
    const run = this.#directory.nextRun();
    if (run !== undefined) {
      if (run.length > 0) this.#rewrite(run);
      return true;
    }
    // Written before what is collected, it must go no later.
    if (this.#inFlight !== undefined && this.#inFlight.dropped.length > 0) return true;
    this.#collecting.forgetDropped();
    return false;
  }

  /** Everything that was collected, as one batch, with what it amounts to; it stays visible until {@link landed}. */
  take(state: Uint8Array): BackendBatch {
    assert(this.#inFlight === undefined, 'one batch is in flight at a time');
    const layer = this.#collecting;
    layer.close(state);
    this.#inFlight = layer;
    this.#collecting = new Layer();
    return layer;
  }

  landed(): void {
    const layer = this.#inFlight;
    assert(layer !== undefined, 'a batch was in flight');
    this.#inFlight = undefined;
    for (const block of layer.blocks()) this.#directory.push(block);
    for (const write of layer.dropped) this.#directory.drop(write);
  }

  /** What is left of neighbouring blocks, in as few as it takes. */
  #rewrite(run: readonly BlockEntry[]): void {
    const { rows } = this.#collecting;
    const kept = this.#keptOf(run);
    for (const entry of run) {
      rows.set(blockRowKey(entry.position), undefined);
      this.#recent.delete(entry);
    }
    const blocks = cutBlocks(kept).map(({ from, to }): BlockEntry => {
      const { main, sub } = kept.writes[from]!;
      const value = encodeBlock(kept, from, to);
      rows.set(blockRowKey({ main, sub }), value);
      return { position: { main, sub }, count: to - from, sizeBytes: value.length, dropped: [] };
    });
    this.#collecting.rewritten += kept.writes.length;
    this.#directory.replace(run, blocks);
  }

  #keptOf(run: readonly BlockEntry[]): WriteRun {
    const writes: Write[] = [];
    const values: Uint8Array[] = [];
    for (const entry of run) {
      if (entry.dropped.length === entry.count) continue;
      const block = this.#blockOf(entry);
      assert(block !== undefined && block.count === entry.count, 'a block is as it was written');
      const gone = new Set(entry.dropped.map((write) => block.find(write)));
      assert(!gone.has(-1), 'a write that is dropped lies in its block');
      for (let at = 0; at < block.count; at++) {
        if (gone.has(at)) continue;
        writes.push(block.write(at));
        values.push(block.value(at));
      }
    }
    return { writes, values };
  }

  #blockOf(entry: BlockEntry): Block | undefined {
    let block = this.#recent.get(entry);
    if (block === undefined) {
      const key = blockRowKey(entry.position);
      const row = this.get(key);
      if (row === undefined) return undefined;
      block = new Block(key, row);
      if (row.length > RECENT_BLOCK_BYTES_MAX) return block;
    } else this.#recent.delete(entry);
    this.#recent.set(entry, block);
    if (this.#recent.size > RECENT_BLOCKS_MAX) for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest);
      break;
    }
    return block;
  }
}
