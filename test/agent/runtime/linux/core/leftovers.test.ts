/** What of all that a node has made in the kernel is no one's. */
import { expect, test } from 'vitest';
import { leftoversOf, strayPids, type Made, type Owned } from '../../../../../src/agent/runtime/linux/core/leftovers.ts';

const NOTHING: Made = { parents: new Map(), marked: [], cgroups: new Map(), links: [], states: [] };
const NOBODY: Owned = { pids: [], pods: new Set(), cgroups: new Set(), links: new Set(), states: new Set() };
/** child: parent */
const tree = (edges: Readonly<Record<number, number>>) => new Map(Object.entries(edges).map(([pid, parent]) => [Number(pid), parent]));

test('strayPids() keeps who is owned with all that descends from it, marked or not', () => {
  // 10 is the agent, 20 a pause process, 30 a supervisor with a program that has no mark.
  const parents = tree({ 11: 10, 20: 1, 30: 1, 31: 30, 32: 31 });
  expect(strayPids({ parents, marked: [11, 20, 30, 31] }, [10, 20, 30])).toEqual([]);
});

test('strayPids() takes who is marked and not owned, with what it has started', () => {
  const parents = tree({ 40: 1, 41: 40, 42: 41, 50: 1, 51: 50 });
  expect(strayPids({ parents, marked: [40] }, [50])).toEqual([40, 41, 42]);
});

test('strayPids() never takes what is owned below a stray', () => {
  const parents = tree({ 40: 1, 41: 40, 42: 41 });
  expect(strayPids({ parents, marked: [40, 41] }, [41])).toEqual([40]);
});

test('leftoversOf() takes the cgroup of a pod that is not known whole, and of one that is what is no container of it', () => {
  const cgroups = new Map([['known', ['main-0', 'main-1']], ['making', []], ['gone', ['main-0']]]);
  const owned = { ...NOBODY, pods: new Set(['known', 'making']), cgroups: new Set(['known/main-1']) };
  expect(leftoversOf({ ...NOTHING, cgroups }, owned).cgroups).toEqual(['known/main-0', 'gone']);
});

test('leftoversOf() takes links and states that nobody has', () => {
  const made = { ...NOTHING, links: ['pod1', 'pod2'], states: ['a-main-0', 'b-main-0'] };
  const owned = { ...NOBODY, links: new Set(['pod2']), states: new Set(['a-main-0']) };
  expect(leftoversOf(made, owned)).toEqual({ pids: [], cgroups: [], links: ['pod1'], states: ['b-main-0'] });
});
