import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/base/random.ts';
import { NO_LEASE, NOT_CACHED, type Write } from '../../../../src/store/mvcc/core/revision.ts';
import { WriteLog } from '../../../../src/store/mvcc/core/write-log.ts';

const write = (main: number, sub: number): Write => ({ key: 'k', main, sub, create: 1, version: 1, lease: NO_LEASE, cachedAt: NOT_CACHED });

describe('WriteLog', () => {
  test('read() of any log, forgotten up to anywhere, answers what a plain list would', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed);
      const log = new WriteLog(1 + random.below(5));
      const all: Write[] = [];
      let forgotten = 0;
      for (let main = 2; main < 2 + random.below(40); main++) {
        if (random.below(4) === 0) continue;
        for (let sub = 0; sub <= random.below(4); sub++) {
          all.push(write(main, sub));
          log.push(all[all.length - 1]!);
        }
        if (random.below(8) === 0) log.forgetBefore((forgotten = Math.max(forgotten, random.below(main + 1))));
      }
      for (let from = forgotten; from < 45; from++) {
        const writesMax = 1 + random.below(6);
        const found = log.read(from, writesMax);
        const rest = all.filter(({ main }) => main >= from);
        let end = Math.min(writesMax, rest.length);
        while (end > 0 && end < rest.length && rest[end]!.main === rest[end - 1]!.main) end++;
        expect(found).toEqual({ writes: rest.slice(0, end), next: rest[end]?.main });
      }
    }
  });

  test('an empty one has nothing, and forgets it', () => {
    const log = new WriteLog();
    log.forgetBefore(7);
    expect(log.read(0, 10)).toEqual({ writes: [], next: undefined });
  });
});
