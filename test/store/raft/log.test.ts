import { expect, test } from 'vitest';
import { entryBytes, RaftLog } from '../../../src/store/raft/core/log.ts';
import type { Entry } from '../../../src/store/raft/core/types.ts';
import { fc } from '../../base/property.ts';

const entryOf = (index: number, term: number, length: number): Entry => ({ index, term, kind: 'normal', data: new Uint8Array(length) });
const emptyLog = () => new RaftLog({ snapshot: undefined, entries: [], commit: 0, applied: 0 });

/** All that the log still has, asked for anew. */
function entriesOf(log: RaftLog): readonly Entry[] {
  return log.lastIndex === log.baseIndex ? [] : log.slice(log.baseIndex + 1, Infinity);
}

const bytesOf = (entries: readonly Entry[]) => entries.reduce((sum, entry) => sum + entryBytes(entry), 0);

test('bytes() is the sum over what is kept, whatever is appended, overwritten, compacted and restored', () => {
  const length = fc.nat({ max: 500 });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), length }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('overwrite' as const), back: fc.nat({ max: 4 }), length }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat({ max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), ahead: fc.integer({ min: 1, max: 4 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 3000 }), (steps, bytesMax) => {
      const log = emptyLog();
      let term = 1;
      let ready = 0;
      for (const one of steps) {
        if (one.do === 'append') log.append([entryOf(log.lastIndex + 1, term, one.length)]);
        else if (one.do === 'overwrite') {
          term++;
          const previous = Math.max(log.commit, log.lastIndex - one.back);
          log.tryAppend(previous, log.term(previous)!, [entryOf(previous + 1, term, one.length)]);
        } else if (one.do === 'restore') log.restore({ index: log.lastIndex + one.ahead, term, confState: NO_MEMBERS });
        else {
          log.commitTo(log.lastIndex);
          log.takeUnstable();
          log.readyOut(++ready);
          log.persisted(ready);
          const handedOut = log.takeCommitted(Infinity).at(-1);
          if (handedOut !== undefined) log.appliedTo(handedOut.index);
          log.compact(Math.max(log.baseIndex, log.applied - one.back));
        }
        const entries = entriesOf(log);
        expect(log.bytes).toBe(bytesOf(entries));
        const index = log.indexBefore(bytesMax);
        const behind = entries.filter((entry) => entry.index > index);
        expect(bytesOf(behind)).toBeLessThanOrEqual(bytesMax);
        const next = entries.find((entry) => entry.index === index);
        if (next !== undefined) expect(bytesOf([next, ...behind])).toBeGreaterThan(bytesMax);
      }
    }),
  );
});

const NO_MEMBERS = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
