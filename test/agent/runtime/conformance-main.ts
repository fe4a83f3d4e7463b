/**
 * Runs the conformance suite on one subject, as a process of its own in namespaces of its own:
 *   node dist/test/agent/runtime/conformance-main.js SUBJECT DIRECTORY
 * One line of JSON a case. At the end the machine must be as it was: processes, namespaces, mounts, links, cgroups.
 */
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { findTool } from '../../../src/cluster/isolation.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { LinuxRuntime } from '../../../src/agent/runtime/linux/linux.ts';
import { probeMachine } from '../../../src/agent/runtime/linux/machine.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import { openImages } from '../../../src/image/open-images.ts';
import { census, missing } from './census.ts';
import { CASES } from './conformance-cases.ts';
import { BRIEFLY, criCases } from './cri/cases.ts';
import { criSubject } from './cri/subject.ts';
import { OUTER_PORT, World, type Ability, type Case, type OpenOptions, type OpenRuntime, type Subject } from './conformance.ts';
import { endNodes } from './leftovers.ts';
import { whyNoBusybox } from './test-images.ts';

export interface Outcome {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly message?: string;
  readonly ms?: number;
}

const ONE_USER: readonly string[] = ['where there is one user only', 'output anew', 'a volume in memory', 'must not reach a disk', 'has a terminal', 'is killed and comes back'];
const CASE_DEADLINE_MS = 30_000;

/** The last case of every subject. */
export const LEFT_BEHIND = 'nothing is left behind: processes, namespaces, mounts, links, cgroups';

/** In brief a subject has the cases in which it is other than the one that has all. */
export function casesOf(subjectName: string, cases: readonly Case[]): readonly Case[] {
  if (!subjectName.endsWith('-brief')) return cases;
  const parts = subjectName.startsWith('cri-') ? BRIEFLY : ONE_USER;
  return cases.filter(({ name }) => parts.some((part) => name.includes(part)));
}

function processSubject(directory: string): Subject {
  const isolated: Ability[] = ['isolation', 'filters', 'shared-processes', 'pod-limits', 'small-disk', 'images', 'limits', 'many-users', 'sandbox-process'];
  return {
    name: 'process',
    root: join(directory, 'node-1'),
    lacks: new Map(isolated.map((ability) => [ability, 'the process runtime does not isolate'])),
    open: async ({ podCidr = '127.251.0.0/20', node = 'node-1' }: OpenOptions = {}) => {
      const runtime = new ProcessRuntime({ root: join(directory, node), podCidr, clock: systemClock, log: silentLog });
      await runtime.start();
      return { runtime, dial: (host, port) => dialHere(host, port) };
    },
    census: () => census(nodesOf(directory)),
  };
}

function linuxSubject(directory: string, engine: string): Subject {
  const probed = probeMachine();
  if (!probed.ok) throw new Error(probed.why);
  const { machine } = probed;
  const lacks = new Map<Ability, string>();
  if (engine === 'util-linux' && findTool('crun') === undefined) for (const ability of ['images', 'filters'] as const) lacks.set(ability, 'neither crun nor runc is here');
  const noBusybox = whyNoBusybox();
  if (noBusybox !== undefined && process.env['CI'] !== undefined) throw new Error(`${noBusybox}: CI installs it`);
  if (noBusybox !== undefined) lacks.set('images', noBusybox);
  if (machine.inUserNamespace) {
    lacks.set('limits', 'an ordinary user has no cgroups of his own here');
    if (machine.whyOneUser !== undefined) lacks.set('many-users', `an ordinary user has one user to give: ${machine.whyOneUser}`);
    lacks.set('small-disk', 'an ordinary user mounts no disks');
    if (engine !== 'crun') lacks.set('own-terminal', 'a terminal of somebody else is taken away by root alone');
  }
  return {
    name: `linux-${engine}`,
    root: join(directory, 'node-1'),
    lacks,
    open: async ({ podCidr = '10.244.1.0/24', node = 'node-1' }: OpenOptions = {}): Promise<OpenRuntime> => {
      const opened = await openImages({ dataDir: directory, clock: systemClock });
      const runtime = new LinuxRuntime({
        root: join(directory, node),
        networkDirectory: join(directory, 'network'),
        podCidr,
        serviceCidr: '10.96.0.0/16',
        outerAddresses: [`127.0.0.1:${OUTER_PORT}`],
        machine,
        why: 'test',
        innerEntry: fileURLToPath(new URL('../../../src/agent/runtime/linux/inner-main.js', import.meta.url)),
        version: '0',
        clock: systemClock,
        log: silentLog,
        engine,
        images: opened.images,
      });
      await runtime.start();
      return { runtime, images: opened, dial: (host, port) => runtime.inner.dial({ host, port }) };
    },
    census: () => census(nodesOf(directory)),
  };
}

function dialHere(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => resolve(socket)).on('error', reject);
  });
}

/** All that cases open. */
function nodesOf(directory: string): readonly string[] {
  return ['node-1', 'node-2', 'small'].map((name) => join(directory, name));
}

/** Answers why pods could not be removed. */
async function endWorld({ runtime }: World): Promise<readonly string[]> {
  const refusals: string[] = [];
  for (const { id } of await runtime.listPodSandboxes()) {
    await runtime.removePodSandbox(id).catch((error: unknown) => refusals.push(`pod ${id} is not removed: ${describeError(error)}`));
  }
  await runtime.close();
  return refusals;
}

async function runCase(subject: Subject, { name, needs, run }: Case): Promise<Outcome> {
  const lacked = needs.map((ability) => subject.lacks.get(ability)).find((why) => why !== undefined);
  if (lacked !== undefined) return { name, outcome: 'skipped', message: lacked };
  const start = systemClock.monotonic();
  const failures: string[] = [];
  let world: World | undefined;
  try {
    world = new World(subject, await subject.open());
    await withDeadline(run(world), { clock: systemClock, deadlineMs: CASE_DEADLINE_MS, what: name });
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    failures.push(`${describeError(error)}\n${stack}`);
  }
  if (world !== undefined) failures.push(...(await endWorld(world)));
  rmSync(join(subject.root, 'signals'), { recursive: true, force: true });
  if (failures.length > 0) return { name, outcome: 'failed', message: failures.join('\n') };
  return { name, outcome: 'passed', ms: Math.round(systemClock.monotonic() - start) };
}

async function main([subjectName = '', directory = '', only = '']: readonly string[]): Promise<void> {
  const say = (outcome: Outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`);
  const [, ociRuntime] = /^cri-(crun|runc)(-brief)?$/.exec(subjectName) ?? [];
  const cri = ociRuntime === undefined ? undefined : await criSubject({ directory, runtime: ociRuntime, census: () => census(nodesOf(directory)), dial: dialHere });
  const subject = cri ?? (subjectName === 'process' ? processSubject(directory) : linuxSubject(directory, subjectName.replace(/^linux-|-brief$/g, '')));
  const before = subject.census();
  const all = cri === undefined ? CASES : [...CASES, ...criCases(cri)];
  for (const one of casesOf(subjectName, all)) if (one.name.includes(only)) say(await runCase(subject, one));
  await endNodes(directory);
  let left: readonly string[] = [];
  for (const start = systemClock.monotonic(); systemClock.monotonic() - start < 5_000; await new Promise<void>((go) => systemClock.setTimer(20, go))) {
    left = missing(subject.census(), before);
    if (left.length === 0) break;
  }
  await cri?.containerd.kill();
  say(left.length === 0 ? { name: LEFT_BEHIND, outcome: 'passed' } : { name: LEFT_BEHIND, outcome: 'failed', message: left.join('\n') });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
