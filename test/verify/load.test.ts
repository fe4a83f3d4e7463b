import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { runLoad } from '../../src/verify/load.ts';
import { MemoryStore } from '../api/memory-store.ts';

test('runLoad() ends by itself once it has recorded as much as is kept in memory', async () => {
  const store = new MemoryStore();
  const clients = [store, store, store];
  const { operations } = await runLoad({
    clients,
    clock: systemClock,
    random: seededRandom('1'),
    signal: AbortSignal.timeout(10_000),
    traffic: 'kubernetes',
    thinkMs: 0,
    operationsMax: 50,
  });
  expect(operations.length).toBeGreaterThanOrEqual(50);
  // Those that were under way.
  expect(operations.length).toBeLessThan(50 + clients.length);
});
