/**
 * Real members through every fault of etcd's robustness suite that they can have, one after the other, under traffic of
 * etcd's shape and of Kubernetes'. What the clients were answered must be strictly serializable, watchers must have been
 * told as etcd promises, members must be alike, and every fault must have struck.
 *
 *   PODIUM_SEED=<n> npx vitest run --project 'long*' test/faults     another order, other victims
 *   npm run faults -- --minutes 30 --seed 7                       for longer
 */
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import type { Traffic } from '../../src/verify/load.ts';
import { type Fault, FAULTS } from './faults.ts';
import { runFaults } from './run.ts';

const SEED = Number(process.env['PODIUM_SEED'] ?? 1);

/** A half each, so that every fault is had in every run, and under both in two. */
const shuffled = seededRandom(SEED).fork('order').shuffle(FAULTS);
const half = Math.ceil(shuffled.length / 2);

test.each([
  ['etcd', shuffled.slice(0, half)],
  ['kubernetes', shuffled.slice(half)],
] as const)('three members, traffic of %s', (traffic, faults) => check(3, traffic, faults));

test('a single member loses nothing that it acknowledged', () =>
  check(1, 'both', shuffled.filter(({ needsPeers, name }) => !needsPeers && /^(?:panic|kill)/.test(name))));

async function check(members: number, traffic: Traffic, faults: readonly Fault[]): Promise<void> {
  console.log(`SEED=${SEED}, ${members} members, traffic of ${traffic}`);
  const verdict = await runFaults({ seed: SEED, members, traffic, faults, print: (line) => console.log(line) });
  expect(verdict.problems.slice(0, 5)).toEqual([]);
  // The run must have met what it is for.
  const { recording, compactions, visitors } = verdict;
  expect(recording.answered).toBeGreaterThan(faults.length * 30);
  expect(recording.operations.some(({ answered }) => answered === undefined), 'requests of unknown outcome').toBe(true);
  expect(compactions).toBeGreaterThan(faults.length);
  expect(visitors).toBeGreaterThan(faults.length);
}
