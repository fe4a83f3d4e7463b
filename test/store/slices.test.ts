/**
 * What a turn of the loop does of long work, counted and not timed: rows read, writes forgotten, bytes sent on. Whoever
 * makes a slice larger, or a loop without a turn in it, is seen here.
 */
import { describe, expect, test, vi } from 'vitest';
import type { Timer } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { CompactionRequest, KV, Maintenance } from '../../src/proto/etcd.ts';
import { hashKv } from '../../src/store/maintenance/hash-kv.ts';
import type { Backend, BackendBatch, ScanRange } from '../../src/store/mvcc/backend.ts';
import { encodeProposal, type Command } from '../../src/store/mvcc/command.ts';
import { SCRUB_WRITES_MAX } from '../../src/store/mvcc/core/compaction.ts';
import { Flusher } from '../../src/store/mvcc/flusher.ts';
import { openSnapshot, restoreSnapshot } from '../../src/store/mvcc/snapshot.ts';
import { StateMachine } from '../../src/store/state-machine.ts';
import { loneWorld, startLoneMember } from './maintenance/lone-member.ts';
import { PlainBackend } from './mvcc/plain-backend.ts';
import { deleteOf, putOf, rangeOf } from './mvcc/requests.ts';

/** What a few milliseconds are enough for, on a slow machine. */
const WRITES_A_TURN_MAX = 1000;
const BYTES_A_TURN_MAX = 256 * 1024;
const ROWS_A_BATCH_MAX = 3000;
const KEYS = 4000;
/** Of one key: slices count writes, whosever they are. */
const HISTORY = 4000;

class CountingBackend extends PlainBackend {
  scanned = 0;
  largestBatch = 0;

  override batch(ops: BackendBatch): Promise<void> {
    this.largestBatch = Math.max(this.largestBatch, ops.length);
    return super.batch(ops);
  }

  override snapshot() {
    const { scan, close } = super.snapshot();
    const count = (rows: number) => (this.scanned += rows);
    const counted = async function* (range: ScanRange) {
      for await (const rows of scan(range)) {
        count(rows.length);
        yield rows;
      }
    };
    return { scan: counted, close };
  }
}

/** Who sets a timer has done what it does in a turn. */
class TurnClock extends DrivenClock {
  turns = 0;
  most = 0;
  /** What is counted; grows. */
  count = () => 0;
  #seen = 0;

  override setTimer(delayMs: number, run: () => void): Timer {
    this.turn();
    return super.setTimer(delayMs, run);
  }

  turn(): void {
    this.turns++;
    this.most = Math.max(this.most, this.count() - this.#seen);
    this.#seen = this.count();
  }

  /** From here on; moves it until `work` is done. */
  async through(count: () => number, work: () => Promise<unknown>): Promise<void> {
    [this.count, this.#seen, this.turns, this.most] = [count, count(), 0, 0];
    let isDone = false;
    const done = work().finally(() => (isDone = true));
    while (!isDone) await this.advance(1);
    await done;
    this.turn();
  }
}

async function filled(backend = new CountingBackend()) {
  const clock = new TurnClock();
  const machine = await StateMachine.open(backend);
  const flusher = new Flusher({ clock, backend, machine, onFailure: (error) => expect.unreachable(String(error)) });
  const apply = (command: Command) => {
    machine.apply({ index: machine.applied.index + 1, term: 1, data: encodeProposal({ id: 1n, command }) });
    flusher.applied();
  };
  for (let at = 0; at < KEYS; at++) apply({ kind: 'put', request: putOf(`k${at}`, 'x'.repeat(200)) });
  for (let at = 0; at < HISTORY; at++) apply({ kind: 'put', request: putOf('hot', `v${at}`) });
  await flusher.flush();
  return { backend, clock, machine, flusher, apply };
}

describe('a turn of the loop', () => {
  test('hashes a bounded number of writes', async () => {
    const { clock, machine } = await filled();
    const reads = vi.spyOn(machine.mvcc, 'storedFrom');
    const read = () => reads.mock.results.reduce((sum, { value }) => sum + (value as ReturnType<typeof machine.mvcc.storedFrom>).looked, 0);
    await clock.through(read, () => hashKv(() => machine, clock, 0));
    const { most, turns } = clock;
    expect(read()).toBe(KEYS + HISTORY);
    expect(most).toBeLessThanOrEqual(WRITES_A_TURN_MAX);
    expect(turns).toBeGreaterThan((KEYS + HISTORY) / WRITES_A_TURN_MAX);
  });

  test('forgets a bounded number of compacted writes, and hands no large batch of it to the backend', async () => {
    const { backend, clock, machine, flusher, apply } = await filled();
    apply({ kind: 'delete-range', request: deleteOf('k', 'l') });
    await flusher.flush();
    const kept = () => machine.mvcc.index.entriesFrom('', Infinity).reduce((sum, { writes }) => sum + writes.length, 0);
    const before = kept();
    apply({ kind: 'compaction', request: CompactionRequest.create({ revision: machine.revision }) });
    backend.largestBatch = 0;
    await clock.through(() => before - kept(), () => flusher.scrubbed());
    const { most, turns } = clock;
    // Of every key a put, and of the one that lives all but its last; deletes of the compacted revision itself stay.
    expect(before - kept()).toBe(KEYS + HISTORY - 1);
    expect(most).toBeLessThanOrEqual(SCRUB_WRITES_MAX);
    expect(turns).toBeGreaterThan((KEYS + HISTORY) / SCRUB_WRITES_MAX);
    expect(SCRUB_WRITES_MAX).toBeLessThanOrEqual(WRITES_A_TURN_MAX);
  });

  test('reads and writes a bounded piece of a snapshot', async () => {
    const { backend } = await filled();
    const snapshot = (await openSnapshot(backend))!;
    const target = new CountingBackend();
    backend.scanned = 0;
    let [most, bytes] = [0, 0];
    const counted = async function* () {
      for await (const chunk of snapshot.chunks) {
        most = Math.max(most, chunk.length);
        bytes += chunk.length;
        // No more is read ahead than the chunk that was asked for, but for a slice.
        expect(backend.scanned * 20).toBeLessThanOrEqual(bytes + BYTES_A_TURN_MAX);
        yield chunk;
      }
    };
    await restoreSnapshot(target, counted());
    expect(target.rows.size).toBe(backend.rows.size);
    expect(most).toBeLessThanOrEqual(BYTES_A_TURN_MAX);
    expect(target.largestBatch).toBeLessThanOrEqual(ROWS_A_BATCH_MAX);
  });

  test('has nothing of a defragmentation, which is the backend’s: calls are answered meanwhile', async () => {
    const world = loneWorld();
    const rest = deferred<void>();
    let [compactions, scans] = [0, 0];
    const open = async (path: string): Promise<Backend> => {
      const backend = await world.backends.open(path);
      const compact = () => {
        compactions++;
        return rest.promise;
      };
      const scan = (range: ScanRange) => {
        scans++;
        return backend.scan(range);
      };
      return {
        get: (key) => backend.get(key),
        batch: (ops) => backend.batch(ops),
        snapshot: () => backend.snapshot(),
        sizeBytes: () => backend.sizeBytes(),
        close: () => backend.close(),
        ...{ scan, compact },
      };
    };
    const { channel, drive } = await startLoneMember({}, { ...world, backends: { open, destroy: world.backends.destroy } });
    for (let at = 0; at < 500; at++) await drive(channel.unary(KV.methods.put, putOf(`k${at}`, 'x')));
    const before = scans;
    let isOver = false;
    const defragmenting = channel.unary(Maintenance.methods.defragment, {}).then(() => (isOver = true));
    await drive(channel.unary(KV.methods.put, putOf('meanwhile', 'x')));
    expect((await drive(channel.unary(KV.methods.range, rangeOf('k', 'n')))).kvs).toHaveLength(501);
    expect([compactions, isOver, scans]).toEqual([1, false, before]);
    rest.resolve();
    await drive(defragmenting);
  });
});
