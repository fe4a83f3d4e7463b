/** The smallest backend: one sorted view of a map, every batch landed at once. */
import type { Backend, BackendBatch, BackendRow, ScanRange } from '../../../src/store/mvcc/backend.ts';

export class PlainBackend implements Backend {
  readonly rows = new Map<string, Uint8Array>();
  batches = 0;
  failNext: Error | undefined;
  /** While set, batches wait for it. */
  gate: Promise<void> | undefined;

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }

  async batch(ops: BackendBatch): Promise<void> {
    await this.gate;
    if (this.failNext !== undefined) throw this.failNext;
    this.batches++;
    for (const op of ops) {
      if (op.type === 'put') this.rows.set(op.key, op.value);
      else this.rows.delete(op.key);
    }
  }

  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]> {
    return scanOf(new Map(this.rows), range);
  }

  snapshot() {
    const frozen = new Map(this.rows);
    return { scan: (range: ScanRange) => scanOf(frozen, range), close: async () => {} };
  }

  async sizeBytes(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

async function* scanOf(rows: ReadonlyMap<string, Uint8Array>, { from, to, isReverse = false }: ScanRange) {
  const keys = [...rows.keys()].filter((key) => key >= from && key < to).sort();
  if (isReverse) keys.reverse();
  for (let at = 0; at < keys.length; at += 3)
    yield keys.slice(at, at + 3).map((key) => ({ key, value: rows.get(key)! }));
}
