import { expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Proposals } from '../../src/store/proposals.ts';
import { StoreError } from '../../src/store/rpc/errors.ts';
import type { CommandOutcome } from '../../src/store/state-machine.ts';

const done: CommandOutcome = { ok: true, result: { kind: 'compaction', revision: 1 } };

/** Proposals with deadlines, and when each of them was told what. */
function world() {
  const clock = new DrivenClock();
  const proposals = new Proposals(clock, seededRandom(1));
  const told: string[] = [];
  const ids: bigint[] = [];
  const propose = (name: string, deadlineMs: number) => {
    const code = 'timeout' as const;
    const outcome = proposals.begin((id) => void ids.push(id), { term: 1, deadlineMs, timeoutCode: () => code });
    outcome.then(
      () => told.push(`${name} answered at ${clock.monotonic()}`),
      (error: unknown) => told.push(`${name} ${error instanceof StoreError ? error.code : 'failed'} at ${clock.monotonic()}`),
    );
  };
  return { clock, proposals, told, ids, propose };
}

test('each deadline is met in its own time by one timer, whatever the order that they come in', async () => {
  const { clock, proposals, told, propose } = world();
  propose('late', 90);
  propose('early', 20);
  await clock.advance(10);
  propose('between', 50);
  await clock.advance(200);
  expect(told).toEqual(['early timeout at 20', 'between timeout at 50', 'late timeout at 90']);
  expect(proposals).toMatchObject({ pending: 0, failed: 3 });
  expect(clock.nextTimerAt()).toBeUndefined();
  propose('next', 300);
  await clock.advance(200);
  expect(told.at(-1)).toBe('next timeout at 300');
});

test('what is answered does not time out, and those behind it do', async () => {
  const { clock, proposals, told, ids, propose } = world();
  propose('first', 20);
  propose('second', 30);
  proposals.answer(ids[0]!, done);
  proposals.answer(ids[0]!, done);
  await clock.advance(100);
  expect(told).toEqual(['first answered at 0', 'second timeout at 30']);
});

test('failAll() fails those that wait, and leaves no timer', async () => {
  const { clock, proposals, told, propose } = world();
  propose('one', 20);
  proposals.failAll('stopped');
  await clock.advance(100);
  expect(told).toEqual(['one stopped at 0']);
  expect(clock.nextTimerAt()).toBeUndefined();
});
