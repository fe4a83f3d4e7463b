import { expect, test } from 'vitest';
import { fc } from '../../base/property.ts';
import { usageOfTrees, type ContainerRoot, type ProcessRow } from '../../../src/agent/core/process-trees.ts';

const row = (pid: number, parent: number, extra: Partial<ProcessRow> = {}): ProcessRow => {
  return { pid, parent, session: pid, startTime: String(1_000 + pid), cpuTicks: 1, memoryPages: 10, ...extra };
};
const root = (id: string, pid: number): ContainerRoot => ({
  id,
  pid,
  startTime: String(1_000 + pid),
  supervisor: pid - 1,
});
const noMark = () => undefined;
const pages = (
  rows: readonly ProcessRow[],
  roots: readonly ContainerRoot[],
  markOf: (row: ProcessRow) => string | undefined = noMark,
) =>
  Object.fromEntries(
    [...usageOfTrees(rows, roots, markOf)].map(([id, { memoryPages, cpuTicks }]) => [id, `${memoryPages} ${cpuTicks}`]),
  );

test('a container has its root, all that descends from it, and no supervisor', () => {
  const rows = [
    row(10, 1),
    row(11, 10),
    row(12, 11),
    row(13, 12, { cpuTicks: 5 }),
    row(20, 1),
    row(21, 20),
    row(30, 1),
  ];
  expect(pages(rows, [root('a', 11), root('b', 21)])).toEqual({ a: '30 7', b: '10 1' });
});

test('who let go of its parents is found by its session, or by its mark', () => {
  const rows = [
    row(10, 1),
    row(11, 10),
    row(15, 1, { session: 11 }),
    row(16, 15, { session: 16 }),
    row(17, 1),
    row(18, 17),
  ];
  expect(pages(rows, [root('a', 11)])).toEqual({ a: '30 3' });
  expect(pages(rows, [root('a', 11)], ({ pid }) => (pid === 17 ? 'a' : undefined))).toEqual({ a: '50 5' });
});

test('a mark of a container that does not run counts for nobody, and a supervisor carries one in vain', () => {
  const rows = [row(10, 1), row(11, 10), row(17, 1)];
  const marked: number[] = [];
  const markOf = ({ pid }: ProcessRow) => {
    marked.push(pid);
    return pid === 17 ? 'gone' : 'a';
  };
  expect(pages(rows, [root('a', 11)], markOf)).toEqual({ a: '10 1' });
  expect(marked).toEqual([17]);
});

test('nobody is asked who is older than every container', () => {
  const asked: number[] = [];
  const rows = [row(2, 1), row(3, 2), row(10, 1), row(11, 10), row(12, 3)];
  usageOfTrees(rows, [root('a', 11)], ({ pid }) => void asked.push(pid));
  expect(asked).toEqual([12]);
});

test('a pid that was handed out again is not the root', () => {
  expect(pages([row(10, 1), row(11, 10, { startTime: '9999' })], [root('a', 11)])).toEqual({});
});

test('whatever the parents are, each process counts at most once', () => {
  const rows = fc.uniqueArray(
    fc.record({
      pid: fc.integer({ min: 5, max: 30 }),
      parent: fc.integer({ min: 1, max: 30 }),
      session: fc.integer({ min: 1, max: 30 }),
    }),
    { selector: ({ pid }) => pid },
  );
  fc.assert(
    fc.property(rows, fc.uniqueArray(fc.integer({ min: 5, max: 30 }), { maxLength: 4 }), (some, pids) => {
      const all = some.map(({ pid, parent, session }) => row(pid, parent, { session, startTime: '7' }));
      const roots = pids.map((pid) => ({ id: `c${pid}`, pid, startTime: '7', supervisor: 0 }));
      const counted = [...usageOfTrees(all, roots, ({ pid }) => `c${pid}`).values()].reduce(
        (sum, { cpuTicks }) => sum + cpuTicks,
        0,
      );
      const living = roots.filter(({ pid }) => all.some((one) => one.pid === pid)).length;
      return counted >= living && counted <= all.length;
    }),
  );
});
