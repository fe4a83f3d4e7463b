/** The points in one process: a state machine and its flusher under a driven clock, and a crash that is a stop. */
import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { sleep } from '../../../src/base/clock.ts';
import { FaultHooks } from '../../../src/store/faults/fault-hooks.ts';
import type { FaultPoint } from '../../../src/store/faults/core/points.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
import { FLUSH_DELAY_MS, Flusher } from '../../../src/store/mvcc/flusher.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';
import { putOf } from '../mvcc/requests.ts';

async function open() {
  const backend = new PlainBackend();
  const clock = new DrivenClock();
  const machine = await StateMachine.open(backend);
  const crashes: FaultPoint[] = [];
  const faults = new FaultHooks({ panic: (point) => void crashes.push(point), sleep: (ms) => sleep(clock, ms), block: () => undefined });
  const flusher = new Flusher({ clock, backend, machine, faults, onFailure: (error) => expect.fail(String(error)) });
  const apply = (command: Command): void => {
    machine.apply({ index: machine.applied.index + 1, term: 1, data: encodeProposal({ id: 1n, command }) });
    flusher.applied();
  };
  const compact = () => {
    for (const value of ['1', '2', '3']) apply({ kind: 'put', request: putOf('a', value) });
    apply({ kind: 'compaction', request: { revision: machine.revision, physical: false } });
  };
  return { backend, clock, faults, crashes, flusher, compact };
}

test.each(['commitBeforePreCommitHook', 'commitAfterPreCommitHook', 'beforeCommit', 'compactBeforeCommitScheduledCompact', 'compactBeforeCommitBatch', 'compactBeforeSetFinishedCompact'])(
  'a crash at %s leaves the backend as it was',
  async (point) => {
    const { backend, clock, faults, crashes, compact } = await open();
    faults.arm(point, 'panic');
    compact();
    await clock.advance(10 * FLUSH_DELAY_MS);
    expect(crashes).toEqual([point]);
    expect(backend.batches).toBe(0);
    expect((await StateMachine.open(backend)).applied.index).toBe(0);
  },
);

test.each(['afterCommit', 'compactAfterCommitScheduledCompact', 'compactAfterCommitBatch', 'compactAfterSetFinishedCompact'])(
  'a crash at %s leaves a backend with the whole batch, and a flusher that knows nothing of it',
  async (point) => {
    const { backend, clock, faults, crashes, flusher, compact } = await open();
    faults.arm(point, 'panic');
    compact();
    await clock.advance(10 * FLUSH_DELAY_MS);
    expect(crashes).toEqual([point]);
    expect([backend.batches, flusher.durableIndex]).toEqual([1, 0]);
    const { applied, mvcc } = await StateMachine.open(backend);
    expect([applied.index, mvcc.compactRevision]).toEqual([4, 4]);
  },
);

test('the points of a compaction are met once, and not by the batches after it', async () => {
  const { clock, faults, compact, backend } = await open();
  const points = ['CommitScheduledCompact', 'CommitBatch', 'SetFinishedCompact'].flatMap((part) => [`compactBefore${part}`, `compactAfter${part}`]);
  for (const point of points) faults.arm(point, 'sleep(1)');
  compact();
  await clock.advance(10 * FLUSH_DELAY_MS);
  expect(backend.batches).toBeGreaterThan(0);
  for (const point of points) expect([point, faults.state(point).met]).toEqual([point, 1]);
});
