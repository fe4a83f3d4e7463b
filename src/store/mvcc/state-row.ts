/**
 * What the rows of a backend amount to: applied index, term and configuration, and the revisions. Each batch says so: in its
 * last block (core/block.ts), or, where it has no writes, in a row of its own. The newer of the two counts, and the row where
 * they tell of the same index: batches that applied nothing have no writes.
 *
 *   state = revision (8 bytes) · compacted revision (8) · podium.raft.v1.SnapshotMeta
 *
 * The newest revision may have no write left after a compaction.
 */
import { asBuffer } from '../../base/bytes.ts';
import { SnapshotMeta as SnapshotMetaCodec } from '../../proto/raft.ts';
import type { ConfState, SnapshotMeta } from '../raft/core/types.ts';
import type { Backend, BackendKey, BackendRow } from './backend.ts';
import { Block, BLOCK_ROWS } from './core/block.ts';
import type { Revision } from './core/revision.ts';

export const STATE_ROW: BackendKey = 'mstate';

const REVISIONS_BYTES = 16;
const NO_MEMBERS: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

export interface StoredState {
  readonly applied: SnapshotMeta;
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

export function encodeState({ applied, revision, compactRevision }: StoredState): Uint8Array {
  const meta = SnapshotMetaCodec.encode(applied);
  const row = Buffer.allocUnsafe(REVISIONS_BYTES + meta.length);
  row.writeDoubleBE(revision, 0);
  row.writeDoubleBE(compactRevision, 8);
  row.set(meta, REVISIONS_BYTES);
  return row;
}

export function decodeState(bytes: Uint8Array): StoredState {
  const row = asBuffer(bytes);
  const applied = decodeMeta(row.subarray(REVISIONS_BYTES));
  return { applied, revision: row.readDoubleBE(0), compactRevision: row.readDoubleBE(8) };
}

export function decodeMeta(bytes: Uint8Array): SnapshotMeta {
  const { index, term, confState } = SnapshotMetaCodec.decode(bytes);
  return { index, term, confState: confState ?? NO_MEMBERS };
}

/** Undefined before the first batch. */
export async function readState(view: Pick<Backend, 'scan'>): Promise<StoredState | undefined> {
  const row = await firstRow(view.scan({ from: STATE_ROW, to: `${STATE_ROW}\0` }));
  const last = await firstRow(view.scan({ ...BLOCK_ROWS, isReverse: true }));
  const inRow = row && decodeState(row.value);
  const carried = last && new Block(last.key, last.value).state;
  const inBlock = carried && decodeState(carried);
  if (inRow === undefined || inBlock === undefined) return inRow ?? inBlock;
  return inBlock.applied.index > inRow.applied.index ? inBlock : inRow;
}

async function firstRow(slices: AsyncIterable<readonly BackendRow[]>): Promise<BackendRow | undefined> {
  for await (const rows of slices) for (const row of rows) return row;
  return undefined;
}
