/**
 * The layout of before blocks: two rows a write, and rows for what the backend amounts to. A backend that holds them is
 * brought to blocks when it is opened, from the oldest write on, in batches that each move some of them: a crash leaves
 * blocks and, behind them, pairs, and the next start goes on.
 *
 *   i <main: 8 bytes> <sub: 4 bytes>  →  create revision (8) · version (8) · lease (8) · key
 *   v <main: 8 bytes> <sub: 4 bytes>  →  the value; absent for a tombstone and for an empty value
 *   m 'applied'   podium.raft.v1.SnapshotMeta
 *   m 'revision'  revision (8) · compacted revision (8)
 */
import { asBuffer, EMPTY_BYTES } from '../../base/bytes.ts';
import type { Backend, BackendKey, BackendOp, BackendRow } from './backend.ts';
import { BLOCK_ROWS, blockRowKey, cutBlocks, encodeBlock, positionOfRow } from './core/block.ts';
import { FIRST_REVISION, NO_LEASE, type Write } from './core/revision.ts';
import { decodeMeta, encodeState, STATE_ROW } from './state-row.ts';

const INDEX_ROWS = { from: 'i', to: 'j' } as const;
const APPLIED_ROW: BackendKey = 'mapplied';
const REVISION_ROW: BackendKey = 'mrevision';
const KEY_AT = 24;
/** What a batch moves: that much is in memory meanwhile. */
const BATCH_WRITES_MAX = 5000;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

export async function joinPairedRows(backend: Backend, batchWritesMax = BATCH_WRITES_MAX): Promise<void> {
  const applied = backend.get(APPLIED_ROW);
  if (applied === undefined) return;
  const mover = new Mover(backend, batchWritesMax);
  for await (const rows of backend.scan(INDEX_ROWS)) {
    for (const row of rows) {
      mover.add(row);
      if (mover.isFull) await mover.move();
    }
  }
  await mover.move();
  const revisions = backend.get(REVISION_ROW);
  const state = {
    applied: decodeMeta(applied),
    revision: revisions === undefined ? FIRST_REVISION : asBuffer(revisions).readDoubleBE(0),
    compactRevision: revisions === undefined ? 0 : asBuffer(revisions).readDoubleBE(8),
  };
  // Last: while they are there, there may be pairs.
  await backend.batch([
    { type: 'put', key: STATE_ROW, value: encodeState(state) },
    { type: 'delete', key: APPLIED_ROW },
    { type: 'delete', key: REVISION_ROW },
  ]);
}

class Mover {
  readonly #backend: Backend;
  readonly #writesMax: number;
  #writes: Write[] = [];
  #values: Uint8Array[] = [];
  #gone: BackendOp[] = [];
  #bytes = 0;

  constructor(backend: Backend, writesMax: number) {
    this.#backend = backend;
    this.#writesMax = writesMax;
  }

  get isFull(): boolean {
    return this.#writes.length >= this.#writesMax || this.#bytes >= BATCH_BYTES_MAX;
  }

  add({ key, value: row }: BackendRow): void {
    const write = decodeIndexRow(key, row);
    const valueKey = `v${key.slice(1)}`;
    const value = this.#backend.get(valueKey);
    this.#writes.push(write);
    this.#values.push(value ?? EMPTY_BYTES);
    this.#bytes += write.key.length + (value?.length ?? 0);
    this.#gone.push({ type: 'delete', key });
    if (value !== undefined) this.#gone.push({ type: 'delete', key: valueKey });
  }

  async move(): Promise<void> {
    const run = { writes: this.#writes, values: this.#values };
    const blocks = cutBlocks(run).map(
      ({ from, to }): BackendOp => ({ type: 'put', key: blockRowKey(run.writes[from]!), value: encodeBlock(run, from, to) }),
    );
    const ops = [...blocks, ...this.#gone];
    this.#writes = [];
    this.#values = [];
    this.#gone = [];
    this.#bytes = 0;
    if (ops.length > 0) await this.#backend.batch(ops);
  }
}

/** Throws on a row that cannot be ours, for the backend's bytes are not ours to trust. */
function decodeIndexRow(rowKey: BackendKey, value: Uint8Array): Write {
  const row = asBuffer(value);
  if (row.length < KEY_AT) throw new Error(`damaged index row ${Buffer.from(rowKey, 'latin1').toString('hex')}`);
  const lease = row.readBigInt64BE(16);
  return {
    ...positionOfRow(BLOCK_ROWS.from + rowKey.slice(1)),
    create: row.readDoubleBE(0),
    version: row.readDoubleBE(8),
    lease: lease === 0n ? NO_LEASE : lease,
    key: row.toString('latin1', KEY_AT),
  };
}
