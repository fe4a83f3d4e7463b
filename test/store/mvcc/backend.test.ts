import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { faultyBackends } from '../../../src/store/mvcc/faulty-backend.ts';
import { levelBackends } from '../../../src/store/mvcc/level-backend.ts';
import { memoryBackends } from '../../../src/store/mvcc/memory-backend.ts';
import { describeBackend, END, put, rowsOf } from './backends.ts';

describeBackend('LevelBackend', async () => {
  const root = await mkdtemp(join(tmpdir(), 'podium-level-'));
  return { factory: levelBackends(root), end: () => rm(root, { recursive: true }) };
});

describeBackend('MemoryBackend', async () => ({ factory: memoryBackends(), end: async () => {} }));

describeBackend('FaultyBackend', async () => {
  const backends = faultyBackends({ clock: new DrivenClock(), random: seededRandom(1) });
  return { factory: backends.incarnation(), end: async () => {} };
});

test('MemoryBackend keeps its order through changes between scans', async () => {
  const backend = await memoryBackends().open('db');
  const twin = new Map<string, number>();
  for (let round = 0; round < 200; round++) {
    const key = `k${(round * 37) % 50}`;
    if (round % 3 === 2) {
      await backend.batch([{ type: 'delete', key }]);
      twin.delete(key);
    } else {
      await backend.batch([put(key, round)]);
      twin.set(key, round);
    }
    if (round % 7 !== 0) continue;
    const expected = [...twin].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
    expect((await rowsOf(backend)).rows).toEqual(expected);
  }
  expect((await rowsOf(backend, 'k2', END)).rows.length).toBeGreaterThan(0);
});
