import { describe, expect, test } from 'vitest';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { Backend } from '../../../src/store/mvcc/backend.ts';
import { type BackendFaults, faultyBackends } from '../../../src/store/mvcc/faulty-backend.ts';
import { fc } from '../../base/property.ts';
import { put, rowsOf } from './backends.ts';

const SLOW: BackendFaults = { latencyMs: { min: 1, max: 10 } };

function world(seed: number, faults: BackendFaults = SLOW) {
  const clock = new DrivenClock();
  const backends = faultyBackends({ clock, random: seededRandom(seed), ...faults });
  /** Opens in the newest incarnation. */
  const open = async (path = 'db'): Promise<Backend> => {
    const opening = backends.incarnation().open(path);
    await clock.advance(10);
    return opening;
  };
  return { clock, backends, open };
}

/** Each batch writes its number at two ends of the key space, so that half a batch shows. */
function twoRows(number: number) {
  return [put(`a${String(number).padStart(3, '0')}`, number), put(`z${String(number).padStart(3, '0')}`, number)];
}

async function numbersIn(backend: Backend): Promise<number[]> {
  const low = (await rowsOf(backend, 'a', 'b')).rows.map((row) => row.slice(1));
  const high = (await rowsOf(backend, 'z')).rows.map((row) => row.slice(1));
  expect(low, 'a batch is there whole or not at all').toEqual(high);
  return low.map((row) => Number(row.split('=')[1]));
}

test('a batch takes its latency', async () => {
  const { clock, open } = world(1);
  const backend = await open();
  let isDone = false;
  void backend.batch(twoRows(1)).then(() => (isDone = true));
  await clock.advance(0.5);
  expect(isDone).toBe(false);
  await clock.advance(10);
  expect(isDone).toBe(true);
  expect(await numbersIn(backend)).toEqual([1]);
});

test('close() waits for what is on its way', async () => {
  const { clock, open } = world(1);
  const backend = await open();
  const batch = backend.batch(twoRows(1));
  const closing = backend.close();
  await clock.advance(20);
  await Promise.all([batch, closing]);
  expect(await numbersIn(await open())).toEqual([1]);
});

test('after a failed batch every write fails, until the backend is opened anew', async () => {
  const { backends, open } = world(1, {});
  const backend = await open();
  backends.faults = { batchFailure: 1 };
  await expect(backend.batch(twoRows(1))).rejects.toThrow('the batch failed');
  backends.faults = {};
  await expect(backend.batch(twoRows(2))).rejects.toThrow('has failed before');
  expect(await numbersIn(backend)).not.toContain(2);
  await backend.close();
  const again = await open();
  await again.batch(twoRows(3));
  expect(await numbersIn(again)).toContain(3);
});

test('a crash ends the incarnation: nothing settles, nothing lands, the folder is free', async () => {
  for (const crash of ['processCrash', 'powerCut'] as const) {
    const { clock, backends, open } = world(7);
    const oldFactory = backends.incarnation();
    const old = await open();
    let settled = 0;
    const count = () => settled++;
    const scan = old.scan({ from: '', to: 'z' })[Symbol.asyncIterator]();
    backends[crash]();
    old.batch(twoRows(1)).then(count, count);
    old.sizeBytes().then(count, count);
    old.snapshot().close().then(count, count);
    old.close().then(count, count);
    scan.next().then(count, count);
    oldFactory.open('other').then(count, count);
    oldFactory.destroy('db').then(count, count);
    await clock.advance(100);
    expect(settled).toBe(0);
    expect(await numbersIn(await open())).toEqual([]);
  }
});

/** Begins `count` batches at once, crashes after `afterMs`, and compares what is found with what was answered. */
async function crashAmid(seed: number, count: number, afterMs: number, crash: 'processCrash' | 'powerCut') {
  const { clock, backends, open } = world(seed);
  const backend = await open();
  const answered: number[] = [];
  for (let number = 1; number <= count; number++) {
    void backend.batch(twoRows(number)).then(() => answered.push(number));
  }
  await clock.advance(afterMs);
  const seen = await numbersIn(backend);
  backends[crash]();
  const found = await numbersIn(await open());
  expect(found).toEqual(expect.arrayContaining([...answered]));
  return { answered, seen, found, backends, open };
}

describe('crashes', () => {
  const cases = [fc.nat(), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 12 })] as const;

  test('powerCut() loses no answered batch and tears none', async () => {
    const met = { lost: 0, survived: 0, holes: 0 };
    await fc.assert(
      fc.asyncProperty(...cases, async (seed, count, afterMs) => {
        const { answered, seen, found } = await crashAmid(seed, count, afterMs, 'powerCut');
        met.lost += seen.filter((number) => !found.includes(number)).length;
        met.survived += found.length - answered.length;
        if (found.some((number) => !found.includes(number - 1) && number > 1)) met.holes++;
      }),
    );
    // Something seen was lost, something unanswered survived, and the losses were not only at the end.
    expect(met.lost).toBeGreaterThan(50);
    expect(met.survived).toBeGreaterThan(50);
    expect(met.holes).toBeGreaterThan(50);
  });

  test('processCrash() loses nothing that a reader saw', async () => {
    await fc.assert(
      fc.asyncProperty(...cases, async (seed, count, afterMs) => {
        const { seen, found } = await crashAmid(seed, count, afterMs, 'processCrash');
        expect(found).toEqual(expect.arrayContaining(seen));
      }),
    );
  });

  test('what an open has found is durable', async () => {
    await fc.assert(
      fc.asyncProperty(...cases, async (seed, count, afterMs) => {
        const { found, backends, open } = await crashAmid(seed, count, afterMs, 'processCrash');
        backends.powerCut();
        expect(await numbersIn(await open())).toEqual(found);
      }),
    );
  });

  test('batches in flight together land in either order, one by one in theirs', async () => {
    const winners = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const { clock, open } = world(seed);
      const backend = await open();
      const both = Promise.all([backend.batch([put('k', 1)]), backend.batch([put('k', 2)])]);
      await clock.advance(20);
      await both;
      winners.add(backend.get('k')![0]!);
      for (const value of [3, 4]) {
        const one = backend.batch([put('k', value)]);
        await clock.advance(20);
        await one;
        expect(backend.get('k')![0]).toBe(value);
      }
    }
    expect([...winners].sort()).toEqual([1, 2]);
  });

  test('the order that readers saw is the order that a crash keeps', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const { clock, backends, open } = world(seed);
      const backend = await open();
      const both = Promise.all([backend.batch([put('k', 1)]), backend.batch([put('k', 2)])]);
      await clock.advance(20);
      await both;
      const seen = backend.get('k')![0];
      backends.powerCut();
      expect((await open()).get('k')![0]).toBe(seen);
    }
  });

  test('powerCut() may undo a destroy, whole', async () => {
    const returned: boolean[] = [];
    for (let seed = 0; seed < 40; seed++) {
      const { backends, open } = world(seed, {});
      const backend = await open();
      await backend.batch(twoRows(1));
      await backend.close();
      await backends.incarnation().destroy('db');
      backends.powerCut();
      const found = await numbersIn(await open());
      expect([[], [1]]).toContainEqual(found);
      expect(backends.counters.returns).toBe(found.length);
      returned.push(found.length > 0);
    }
    expect(new Set(returned).size).toBe(2);
  });

  test('the same seed gives the same losses', async () => {
    const run = async () => {
      const trace: number[][] = [];
      const { clock, backends, open } = world(42);
      for (let round = 0; round < 20; round++) {
        const backends2 = [await open('x'), await open('y')];
        for (const [at, backend] of backends2.entries()) {
          for (let number = 1; number <= 3; number++) void backend.batch(twoRows(round * 6 + at * 3 + number));
        }
        await clock.advance(3);
        backends.powerCut();
        await settle();
        const reopened = await open('x');
        trace.push(await numbersIn(reopened));
        backends.processCrash();
      }
      return { trace, counters: backends.counters };
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(first.counters.unsyncedLosses).toBeGreaterThan(0);
    expect(first.counters.unsyncedSurvivals).toBeGreaterThan(0);
  });
});
