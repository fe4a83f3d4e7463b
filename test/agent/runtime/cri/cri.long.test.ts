/**
 * The cri runtime on a containerd of the test's own: all that a runtime owes (../conformance.ts) and what is its own (cases.ts),
 * with crun in full and with runc in brief; a cluster of two nodes (cluster-main.ts); and pods that cannot be (../bad-pods.ts). `apt-get install containerd
 * containernetworking-plugins busybox-static crun runc`; `RUNTIMES=all` for all of runc.
 */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { BAD_POD_STEPS } from '../bad-pods-main.ts';
import type { Step } from '../cluster-main.ts';
import { CASES } from '../conformance-cases.ts';
import { LEFT_BEHIND, type Outcome } from '../conformance-main.ts';
import { runNamespaced, whyNotNamespaced, type Namespaced } from '../namespaced.ts';
import { BRIEFLY, criCases } from './cases.ts';
import { CRI_STEPS } from './cluster-main.ts';
import { whyNoContainerd, type OciRuntime } from './containerd.ts';

const isAll = process.env['RUNTIMES'] === 'all';
/** No case is run here: their names are all that is asked for. */
const CASE_NAMES = [...CASES, ...criCases({ containerd: undefined as never })].map(({ name }) => name);
const SUBJECTS: readonly { readonly title: string; readonly runtime: OciRuntime; readonly subject: string; readonly names: readonly string[] }[] = [
  { title: 'containerd and crun', runtime: 'crun', subject: 'cri-crun', names: [...CASE_NAMES, LEFT_BEHIND] },
  {
    title: 'containerd and runc',
    runtime: 'runc',
    subject: isAll ? 'cri-runc' : 'cri-runc-brief',
    names: [...CASE_NAMES.filter((name) => isAll || BRIEFLY.some((part) => name.includes(part))), LEFT_BEHIND],
  },
];

function whyNot(runtime: OciRuntime): string | undefined {
  if (process.getuid?.() !== 0) return 'containerd is tried as root';
  const why = whyNotNamespaced({ asUser: false }) ?? whyNoContainerd(runtime);
  if (why !== undefined && process.env['CI'] !== undefined) throw new Error(`${why}: CI installs it (.ci/install-test-clients)`);
  return why;
}

const skipped = SUBJECTS.map(({ runtime }) => whyNot(runtime));
const skippedCluster = whyNot('crun') ?? (existsSync('.cache/bin/kubectl') ? undefined : 'kubectl is not built: .ci/install-test-clients');
const subjects: Promise<Namespaced<Outcome>>[] = [];
let cluster: Promise<Namespaced<Step>> | undefined;
let badPods: Promise<Namespaced<Step>> | undefined;

beforeAll(() => {
  if (!existsSync('dist/test/agent/runtime/conformance-main.js')) throw new Error('dist is missing: npm run setup');
  // Two lanes, each of which waits for other processes half of the time.
  let lane: Promise<unknown> = Promise.resolve();
  for (const [index, { subject }] of SUBJECTS.entries()) {
    if (skipped[index] !== undefined) continue;
    subjects[index] = lane.then(() => runNamespaced<Outcome>({ asUser: false, program: 'test/agent/runtime/conformance-main.js', args: [subject] }));
    lane = subjects[index].catch(() => undefined); // its tests tell
  }
  if (skippedCluster === undefined) cluster = runNamespaced<Step>({ asUser: false, program: 'test/agent/runtime/cri/cluster-main.js', args: [] });
  if (skipped[0] === undefined) badPods = (cluster ?? Promise.resolve()).catch(() => undefined).then(() => runNamespaced<Step>({ asUser: false, program: 'test/agent/runtime/bad-pods-main.js', args: ['cri'] }));
});

describe.each(SUBJECTS.map(({ title, names }, index) => ({ title, names, index })))('$title', ({ index, names }) => {
  for (const name of names) {
    test(name, async ({ skip }) => {
      const why = skipped[index];
      if (why !== undefined) skip(why);
      const { lines, said } = await subjects[index]!;
      const outcome = lines.find((line) => line.name === name);
      if (outcome?.outcome === 'skipped') skip(outcome.message);
      expect(outcome?.message ?? (outcome === undefined ? `not tried: ${said}` : '')).toBe('');
      expect(outcome?.outcome).toBe('passed');
    });
  }
});

describe('a cluster whose pods containerd runs', () => {
  for (const step of CRI_STEPS) {
    test(step, async ({ skip }) => {
      if (skippedCluster !== undefined) skip(skippedCluster);
      expect(failureOf(await cluster!, step)).toBe('');
    });
  }
});

describe('pods that cannot be, by containerd', () => {
  for (const step of BAD_POD_STEPS) {
    test(step, async ({ skip }) => {
      if (skipped[0] !== undefined) skip(skipped[0]);
      expect(failureOf(await badPods!, step)).toBe('');
    });
  }
});

function failureOf({ lines, said }: Namespaced<Step>, step: string): string {
  const done = lines.find((line) => line.step === step);
  return done?.failure ?? (done === undefined ? `not tried: ${said}` : '');
}
