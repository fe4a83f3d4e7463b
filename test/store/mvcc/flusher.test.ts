import { describe, expect, test } from 'vitest';
import { deferred } from '../../../src/base/deferred.ts';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
import { Block, BLOCK_ROWS } from '../../../src/store/mvcc/core/block.ts';
import { FLUSH_DELAY_MS, FLUSH_WRITES, Flusher, PENDING_WRITES_MAX } from '../../../src/store/mvcc/flusher.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from './plain-backend.ts';
import { putOf, rangeOf } from './requests.ts';

async function open() {
  const backend = new PlainBackend();
  const clock = new DrivenClock();
  const machine = await StateMachine.open(backend);
  const failures: unknown[] = [];
  const flusher = new Flusher({ clock, backend, machine, onFailure: (error) => failures.push(error) });
  const apply = (command: Command): void => {
    const index = machine.applied.index + 1;
    machine.apply({ index, term: 1, data: encodeProposal({ id: 1n, command }) });
    flusher.applied();
  };
  const put = (key: string, value = 'x') => apply({ kind: 'put', request: putOf(key, value) });
  return { backend, clock, machine, flusher, failures, apply, put };
}

const writesIn = ({ rows }: PlainBackend) =>
  [...rows].reduce((sum, [key, row]) => sum + (key.startsWith(BLOCK_ROWS.from) ? new Block(key, row).count : 0), 0);

describe('Flusher', () => {
  test('a batch goes after the delay, with everything applied so far', async () => {
    const { backend, clock, flusher, put } = await open();
    put('a');
    put('b');
    await clock.advance(FLUSH_DELAY_MS - 1);
    expect(backend.batches).toBe(0);
    await clock.advance(1);
    expect([backend.batches, flusher.durableIndex]).toEqual([1, 2]);
    await clock.advance(10 * FLUSH_DELAY_MS);
    expect(backend.batches).toBe(1);
  });

  test('many rows do not wait for the delay', async () => {
    const { backend, put } = await open();
    for (let i = 0; i < FLUSH_WRITES; i++) put(`k${i}`);
    await settle();
    expect(backend.batches).toBeGreaterThan(0);
  });

  test('one batch is in flight at a time; what it holds is read meanwhile', async () => {
    const { backend, clock, flusher, machine, put } = await open();
    const gate = deferred<void>();
    backend.gate = gate.promise;
    put('a', 'old');
    await clock.advance(FLUSH_DELAY_MS);
    put('b', 'new');
    await clock.advance(10 * FLUSH_DELAY_MS);
    expect(backend.rows.size).toBe(0);
    expect(machine.range(rangeOf('a', 'c'))).toMatchObject({ result: { kvs: [{ version: 1 }, { version: 1 }] } });
    const landed = flusher.flush();
    gate.resolve();
    await landed;
    expect([backend.batches, flusher.durableIndex]).toEqual([2, 2]);
  });

  test('a disk that is behind makes the apply loop wait', async () => {
    const { backend, clock, flusher, put } = await open();
    const gate = deferred<void>();
    backend.gate = gate.promise;
    put('first');
    await clock.advance(FLUSH_DELAY_MS);
    for (let i = 0; i < PENDING_WRITES_MAX; i++) put(`k${i}`);
    const room = flusher.room();
    expect(room).toBeDefined();
    gate.resolve();
    await room;
    expect(flusher.room()).toBeUndefined();
  });

  test('after a failed batch nothing is written, and whoever waits is told', async () => {
    const { backend, clock, flusher, failures, put } = await open();
    put('a');
    backend.failNext = new Error('disk');
    await expect(flusher.flush()).rejects.toThrow('disk');
    backend.failNext = undefined;
    put('b');
    await clock.advance(10 * FLUSH_DELAY_MS);
    expect([backend.batches, failures.length, flusher.durableIndex]).toEqual([0, 1, 0]);
    await expect(flusher.room()).rejects.toThrow('disk');
  });

  test('the space of a compaction is given back in slices, and lands', async () => {
    const { backend, clock, flusher, machine, apply, put } = await open();
    for (let i = 0; i < 2500; i++) put(`k${i}`);
    for (let i = 0; i < 2500; i++) put(`k${i}`, 'newer');
    await flusher.flush();
    const before = writesIn(backend);
    apply({ kind: 'compaction', request: { revision: machine.revision, physical: true } });
    const scrubbed = flusher.scrubbed();
    await clock.advance(8);
    expect(machine.mvcc.isScrubbing).toBe(true);
    await clock.advance(100);
    await scrubbed;
    await flusher.flush();
    expect([before, writesIn(backend)]).toEqual([5000, 2500]);
    const reborn = await StateMachine.open(backend);
    expect(reborn.hash()).toEqual(machine.hash());
    expect(reborn.range(rangeOf('k0'))).toMatchObject({ result: { kvs: [{ version: 2 }] } });
  });

  test('stop lands what is applied; abandon does not', async () => {
    const stopped = await open();
    stopped.put('a');
    await stopped.flusher.stop();
    expect(stopped.backend.batches).toBe(1);
    const abandoned = await open();
    abandoned.put('a');
    abandoned.flusher.abandon();
    await abandoned.clock.advance(10 * FLUSH_DELAY_MS);
    expect(abandoned.backend.batches).toBe(0);
  });
});
