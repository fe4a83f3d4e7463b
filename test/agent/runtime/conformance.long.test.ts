/**
 * Runtimes as the agent meets them (conformance.ts), each subject a process in namespaces of its own, and a whole cluster
 * on the linux runtime (cluster-main.ts, images-main.ts, bad-pods-main.ts). Two lanes, one of subjects and one of clusters: each waits for other processes
 * half of the time.
 */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { findTool } from '../../../src/cluster/isolation.ts';
import { BAD_POD_STEPS } from './bad-pods-main.ts';
import { STEPS, type Step } from './cluster-main.ts';
import { CASES } from './conformance-cases.ts';
import { casesOf, LEFT_BEHIND, type Outcome } from './conformance-main.ts';
import { IMAGE_STEPS } from './images-main.ts';
import { runNamespaced, whyNotNamespaced, type Namespaced } from './namespaced.ts';
import { whyNoBusybox } from './test-images.ts';

interface TriedOn {
  readonly title: string;
  readonly subject: string;
  readonly asUser: boolean;
  /** The user has others in /etc/subuid. */
  readonly hasSubids?: boolean;
  /** A tool of this machine that it is about. */
  readonly tool?: string;
  /** Tried with RUNTIMES=all alone: of its cases most are those of the one before. */
  readonly isExtra?: boolean;
}

const SUBJECTS: readonly TriedOn[] = [
  { title: 'process', subject: 'process', asUser: false },
  { title: 'linux by util-linux', subject: 'linux-util-linux', asUser: false },
  { title: 'linux by util-linux, as an ordinary user', subject: 'linux-util-linux', asUser: true, hasSubids: true, tool: 'newuidmap' },
  { title: 'linux by util-linux, as an ordinary user who has no other users', subject: 'linux-util-linux-brief', asUser: true },
  { title: 'linux by crun', subject: 'linux-crun', asUser: false, tool: 'crun' },
  // The oldest and slowest way, taken where there is no other.
  { title: 'linux by runc', subject: 'linux-runc', asUser: false, tool: 'runc', isExtra: true },
];
interface TriedCluster {
  readonly title: string;
  readonly asUser: boolean;
  readonly hasSubids?: boolean;
  readonly program: string;
  readonly args?: readonly string[];
  readonly steps: readonly string[];
  readonly hasImages?: boolean;
  /** As with subjects. */
  readonly isExtra?: boolean;
}

const CLUSTERS: readonly TriedCluster[] = [
  { title: 'a cluster on linux', asUser: false, program: 'cluster-main.js', steps: STEPS },
  { title: 'a cluster on linux, as an ordinary user', asUser: true, program: 'cluster-main.js', steps: STEPS },
  { title: 'images of a registry', asUser: false, program: 'images-main.js', steps: IMAGE_STEPS, hasImages: true },
  { title: 'pods that cannot be', asUser: false, program: 'bad-pods-main.js', args: ['own'], steps: BAD_POD_STEPS },
  { title: 'pods that cannot be, as an ordinary user', asUser: true, program: 'bad-pods-main.js', args: ['own'], steps: BAD_POD_STEPS, isExtra: true },
];

function whyNot({ title, asUser, tool, isExtra = false }: TriedOn): string | undefined {
  if (isExtra && process.env['RUNTIMES'] !== 'all') return 'tried with RUNTIMES=all';
  const why = whyNotNamespaced({ asUser });
  if (why !== undefined) return why;
  if (tool !== undefined && !asUser && process.getuid?.() !== 0) return `${tool} is tried as root`;
  if (tool === undefined || findTool(tool) !== undefined) return undefined;
  if (process.env['CI'] !== undefined) throw new Error(`${title}: ${tool} is missing: CI installs it`);
  return `${tool} is missing`;
}

const skippedSubjects = SUBJECTS.map(whyNot);
for (const tool of ['nft', 'conntrack', 'pasta']) {
  if (process.env['CI'] !== undefined && findTool(tool) === undefined) throw new Error(`${tool} is missing: CI installs it`);
}

function whyNoCluster({ title, asUser, hasImages = false, isExtra = false }: TriedCluster): string | undefined {
  if (isExtra && process.env['RUNTIMES'] !== 'all') return 'tried with RUNTIMES=all';
  const why = whyNotNamespaced({ asUser }) ?? (findTool('nft') === undefined ? 'nft is missing' : asUser && findTool('pasta') === undefined ? 'pasta is missing' : undefined);
  if (why !== undefined || !hasImages) return why;
  const missing = findTool('crun') === undefined ? 'crun is missing' : whyNoBusybox();
  if (missing !== undefined && process.env['CI'] !== undefined) throw new Error(`${title}: ${missing}: CI installs it`);
  return missing;
}

const skippedClusters = CLUSTERS.map(whyNoCluster);
const subjects: Promise<Namespaced<Outcome>>[] = [];
const clusters: Promise<Namespaced<Step>>[] = [];

beforeAll(() => {
  if (!existsSync('dist/test/agent/runtime/conformance-main.js')) throw new Error('dist is missing: npm run setup');
  let lane: Promise<unknown> = Promise.resolve();
  for (const [index, { subject, asUser, hasSubids }] of SUBJECTS.entries()) {
    if (skippedSubjects[index] !== undefined) continue;
    subjects[index] = lane.then(() => runNamespaced<Outcome>({ asUser, hasSubids, program: 'test/agent/runtime/conformance-main.js', args: [subject] }));
    lane = subjects[index].catch(() => undefined); // its tests tell
  }
  lane = Promise.resolve();
  for (const [index, { asUser, hasSubids, program, args = [] }] of CLUSTERS.entries()) {
    if (skippedClusters[index] !== undefined) continue;
    clusters[index] = lane.then(() => runNamespaced<Step>({ asUser, hasSubids, program: `test/agent/runtime/${program}`, args, hasOutside: true }));
    lane = clusters[index].catch(() => undefined); // its tests tell
  }
});

describe.each(SUBJECTS.map(({ title, subject }, index) => ({ title, subject, index })))('$title', ({ subject, index }) => {
  for (const name of [...casesOf(subject, CASES).map((one) => one.name), LEFT_BEHIND]) {
    test(name, async ({ skip }) => {
      const why = skippedSubjects[index];
      if (why !== undefined) skip(why);
      const { lines, said } = await subjects[index]!;
      const outcome = lines.find((line) => line.name === name);
      if (outcome?.outcome === 'skipped') skip(outcome.message);
      expect(outcome?.message ?? (outcome === undefined ? `not tried: ${said}` : '')).toBe('');
      expect(outcome?.outcome).toBe('passed');
    });
  }
});

describe.each(CLUSTERS.map(({ title, steps }, index) => ({ title, steps, index })))('$title', ({ steps, index }) => {
  for (const step of steps) {
    test(step, async ({ skip }) => {
      const why = skippedClusters[index];
      if (why !== undefined) skip(why);
      const { lines, said } = await clusters[index]!;
      const done = lines.find((line) => line.step === step);
      if (done?.skipped !== undefined) skip(done.skipped);
      expect(done?.failure ?? (done === undefined ? `not tried: ${said}` : '')).toBe('');
    });
  }
});
