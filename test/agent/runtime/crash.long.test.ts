/**
 * Runtimes while everything of a node is killed at random (crash-main.ts): for a few seconds here, for longer and from another
 * seed by `CRASH_SECONDS=60 CRASH_SEED=7 npx vitest run --project 'long*' test/agent/runtime/crash.long.test.ts`. And the runtimes
 * of our own while their agent is killed after each of its effects (crash-points-main.ts): after every so-many-th here, after
 * every one by `CRASH_POINTS=1`.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { findTool } from '../../../src/cluster/isolation.ts';
import type { Step } from './cluster-main.ts';
import { CRASH_STEPS } from './crash-main.ts';
import type { CrashPointsResult } from './crash-points.ts';
import { whyNoContainerd } from './cri/containerd.ts';
import { runNamespaced, whyNotNamespaced, type Namespaced } from './namespaced.ts';

const seconds = process.env['CRASH_SECONDS'] ?? '8';
const seed = process.env['CRASH_SEED'] ?? '1';
/** An odd one, so that both ways to go on after a death (another agent, and `podium down`) meet all kinds of points. */
const pointStep = process.env['CRASH_POINTS'] ?? '43';
/** Of all of them, one by one. */
const POINTS_DEADLINE_MS = 3_600_000;
const crunMissing = () => (findTool('crun') === undefined ? 'crun is missing' : undefined);
const SUBJECTS = [
  { title: 'linux with crun', subject: 'crun', asUser: false, why: crunMissing },
  { title: 'linux with util-linux, as an ordinary user', subject: 'util-linux', asUser: true, why: () => undefined },
  { title: 'process', subject: 'process', asUser: false, why: () => undefined },
  { title: 'cri with containerd and crun', subject: 'cri', asUser: false, why: () => (process.getuid?.() === 0 ? whyNoContainerd('crun') : 'containerd is tried as root') },
] as const;
const POINT_SUBJECTS = SUBJECTS.slice(0, 2);

function whyNot({ title, asUser, why }: (typeof SUBJECTS)[number]): string | undefined {
  const found = whyNotNamespaced({ asUser }) ?? why();
  if (found !== undefined && process.env['CI'] !== undefined) throw new Error(`${title}: ${found}: CI has it`);
  return found;
}

const skipped = SUBJECTS.map(whyNot);
const runs: Promise<Namespaced<Step>>[] = [];
const points: Promise<Namespaced<CrashPointsResult>>[] = [];

// Two lanes: each waits for other processes half of the time.
beforeAll(() => {
  let lane: Promise<unknown> = Promise.resolve();
  for (const [index, { subject, asUser }] of SUBJECTS.entries()) {
    if (skipped[index] !== undefined) continue;
    runs[index] = lane.then(() => runNamespaced<Step>({ asUser, program: 'test/agent/runtime/crash-main.js', args: [seed, seconds, subject] }));
    lane = runs[index].catch(() => undefined); // its tests tell
  }
  lane = Promise.resolve();
  for (const [index, { subject, asUser }] of POINT_SUBJECTS.entries()) {
    if (skipped[index] !== undefined) continue;
    // The two are of one code but for how a container is started: they try different points.
    const args = [subject, String(1 + index * 7), pointStep];
    points[index] = lane.then(() => runNamespaced<CrashPointsResult>({ asUser, program: 'test/agent/runtime/crash-points-main.js', args, deadlineMs: POINTS_DEADLINE_MS }));
    lane = points[index].catch(() => undefined); // its tests tell
  }
});

describe.each(SUBJECTS.map(({ title }, index) => ({ title, index })))('$title', ({ index }) => {
  test.for(CRASH_STEPS)('%s', async (step, { skip }) => {
    const why = skipped[index];
    if (why !== undefined) skip(why);
    const { lines, said } = await runs[index]!;
    const done = lines.find((line) => line.step === step);
    expect(done?.failure ?? (done === undefined ? `not tried: ${said}` : '')).toBe('');
  });
});

test.for(POINT_SUBJECTS.map(({ title }, index) => ({ title, index })))('$title: an agent is killed after each of its effects, and whoever comes next finds all of it', { timeout: POINTS_DEADLINE_MS }, async ({ index }, { skip }) => {
  const why = skipped[index];
  if (why !== undefined) skip(why);
  const { lines, said } = await points[index]!;
  expect(lines, said).toMatchObject([{ failures: [] }]);
  // A life is some hundred effects: fewer, and it was not the one that is meant.
  expect(lines[0]?.effects).toBeGreaterThan(150);
  expect(lines[0]?.tried).toBeGreaterThanOrEqual(Math.floor(150 / Number(pointStep)));
});
