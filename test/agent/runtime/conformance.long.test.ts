/**
 * One suite (conformance.ts) on each runtime that this machine has: each subject is a process in network, mount and
 * process namespaces of its own, without a route out.
 */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findTool, probeIsolation } from '../../../src/cluster/isolation.ts';
import { CASES } from './conformance.ts';
import { LEFT_BEHIND, type Outcome } from './conformance-main.ts';

interface TriedOn {
  readonly name: string;
  readonly asUser?: boolean;
  /** A tool of this machine that it is about. */
  readonly tool?: string;
}

const SUBJECTS: readonly TriedOn[] = [
  { name: 'process' },
  { name: 'linux-util-linux' },
  { name: 'linux-util-linux', asUser: true },
  { name: 'linux-crun', tool: 'crun' },
  { name: 'linux-runc', tool: 'runc' },
];
const MAIN = 'dist/test/agent/runtime/conformance-main.js';
const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;

/** Undefined: it can be tried. */
function whyNot({ name, asUser = false, tool }: TriedOn): string | undefined {
  const isolation = probeIsolation();
  if (!isolation.ok) return isolation.why;
  if (asUser && !isRoot) return 'only root can be another user; the other subjects are an ordinary user already';
  if (tool === 'runc' && isolation.inUserNamespace) return 'runc is not used by ordinary users';
  if (tool === undefined || findTool(tool) !== undefined) return undefined;
  if (process.env['CI'] !== undefined) throw new Error(`${name}: ${tool} is missing: .ci/install-test-clients installs it`);
  return `${tool} is missing`;
}

interface Tried {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly said: string;
}

/** Runs the whole suite on one; answers its outcomes by name, and what else it said. */
async function tryOn({ name, asUser = false }: TriedOn, directory: string): Promise<Tried> {
  const data = join(directory, 'data');
  const repository = join(directory, 'repo');
  for (const path of [data, repository]) mkdirSync(path);
  chmodSync(directory, 0o755);
  if (asUser) chownSync(data, NOBODY.uid, NOBODY.gid);
  const user = isRoot ? [] : ['--user', '--map-root-user'];
  const as = asUser ? `setpriv --reuid=${NOBODY.uid} --regid=${NOBODY.gid} --clear-groups` : '';
  // Where another user may read it, wherever the sources are. The shell stays: as the first process it takes up orphans.
  const script = `mount --bind "$1" "$2"; ip link set lo up; cd "$2"; ${as} "$3" ${MAIN} "$4" "$5"`;
  const namespaces = [...user, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  const child = spawn('unshare', [...namespaces, 'sh', '-ec', script, 'sh', process.cwd(), repository, process.execPath, name, data], { stdio: ['ignore', 'pipe', 'pipe'] });
  const outcomes = new Map<string, Outcome>();
  let said = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    const outcome = JSON.parse(line) as Outcome; // conformance-main's own
    outcomes.set(outcome.name, outcome);
  });
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  await new Promise<void>((done) => child.once('close', () => done()));
  return { outcomes, said };
}

const skipped = SUBJECTS.map(whyNot);
const directories = SUBJECTS.map(() => mkdtempSync(join(tmpdir(), 'podium-conformance-')));
const tried: Promise<Tried>[] = [];

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run setup`);
  // All at once: each waits for processes most of the time.
  for (const [index, subject] of SUBJECTS.entries()) {
    if (skipped[index] !== undefined) continue;
    tried[index] = tryOn(subject, directories[index]!);
    tried[index].catch(() => undefined); // seen by its tests
  }
});
afterAll(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

describe.each(SUBJECTS.map(({ name, asUser = false }, index) => ({ title: asUser ? `${name} as an ordinary user` : name, index })))('$title', ({ index }) => {
  for (const name of [...CASES.map((one) => one.name), LEFT_BEHIND]) {
    test(name, async ({ skip }) => {
      const why = skipped[index];
      if (why !== undefined) skip(why);
      const { outcomes, said } = await tried[index]!;
      const outcome = outcomes.get(name);
      if (outcome?.outcome === 'skipped') skip(outcome.message);
      expect(outcome?.message ?? (outcome === undefined ? `not tried: ${said}` : '')).toBe('');
      expect(outcome?.outcome).toBe('passed');
    });
  }
});
