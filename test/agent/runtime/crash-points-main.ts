/**
 * Kills an agent after each of its effects in turn (crash-points-agent.ts), in namespaces of its own: whatever it was, the
 * next agent finds all of it, goes on with what runs, and can take all away; or, each second time, so can whoever takes the
 * node down without one.
 *   node dist/test/agent/runtime/crash-points-main.js ENGINE FIRST STEP DIRECTORY
 * Every STEP-th is tried, from FIRST on. Prints one line of JSON: how many effects there are, and what failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { removeTree } from '../../../src/base/remove-tree.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { podLinkName } from '../../../src/agent/runtime/linux/core/node-network.ts';
import { isAlive, type ProcessIdentity } from '../../../src/agent/runtime/process-table.ts';
import { listDirectory, readJson } from '../../../src/agent/runtime/state-files.ts';
import { census, missing } from './census.ts';
import { POD_CIDR, type CrashPointsResult } from './crash-points.ts';
import { endNodes } from './leftovers.ts';

const [engine = '', firstPoint = '1', step = '1', directory = ''] = process.argv.slice(2);
const ROOT = join(directory, 'node-1');
const LIFE_DEADLINE_MS = 90_000;
/** A network namespace without processes is taken down by the kernel in its own time. */
const CLEARED_MS = 15_000;

const namespaceNames = ['net', 'mnt', 'pid', 'user', 'ipc', 'uts'] as const;

interface StoredSandbox {
  readonly sandbox: { readonly id: string; readonly ip: string; readonly state: string };
  readonly pause?: ProcessIdentity;
}

const holderOf = () => readJson<{ holder: ProcessIdentity }>(join(ROOT, 'node.json'))?.holder;

/** In the node's network. */
function podLinks(): string[] {
  const holder = holderOf();
  if (holder === undefined) return [];
  const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  const { stdout } = spawnSync('nsenter', ['--target', String(holder.pid), ...user, '--net', 'ip', '-o', 'link'], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => /^\d+: (pod\d+)@/.exec(line)?.[1] ?? []);
}

/** Records and what there is, side by side. */
function mismatches(): string[] {
  const found: string[] = [];
  const ready: string[] = [];
  for (const uid of listDirectory(join(ROOT, 'pods'))) {
    const stored = readJson<StoredSandbox>(join(ROOT, 'pods', uid, 'sandbox.json'));
    if (stored === undefined) found.push(`pods/${uid} is no sandbox`);
    else if (stored.sandbox.state === 'ready') ready.push(podLinkName(stored.sandbox.ip, POD_CIDR));
    if (stored?.pause !== undefined && isAlive(stored.pause) !== (stored.sandbox.state === 'ready')) found.push(`sandbox ${uid} is ${stored.sandbox.state}, and what holds it ${isAlive(stored.pause) ? 'lives' : 'has died'}`);
    for (const path of containerDirectories(uid)) if (readJson(join(path, 'container.json')) === undefined) found.push(`${path} is no container`);
  }
  const links = engine === 'process' ? ready : podLinks();
  if (links.sort().join() !== ready.sort().join()) found.push(`links ${links.join()} for ${ready.join()}`);
  return found;
}

function containerDirectories(uid: string): string[] {
  const parent = join(ROOT, 'pods', uid, 'containers');
  return listDirectory(parent).flatMap((name) => listDirectory(join(parent, name)).map((attempt) => join(parent, name, attempt)));
}

/** Besides the agent, and the network of its node. */
function leftovers(before: readonly string[], agent: number): string[] {
  const own = [agent, holderOf()?.pid ?? 0].filter((pid) => pid > 0);
  const expected = own.flatMap((pid) => [`process ${pid} `, ...namespaceNames.map((name) => namespaceOf(pid, name))]);
  // The cgroups of the node itself stay as long as it does, and where it keeps what must not reach a disk.
  const isNode = (line: string) => line === `mount ${join(ROOT, 'memory')}` || /^cgroup \/sys\/fs\/cgroup(?:\/\w+)?\/podium(?:\/[0-9a-f]{12})?$/.test(line);
  const found = missing(census([ROOT]), [...before, ...expected]).filter((line) => !isNode(line));
  return [...found, ...podLinks().map((link) => `link ${link}`), ...['pods', 'oci'].flatMap((name) => listDirectory(join(ROOT, name)).map((one) => `${name}/${one}`))];
}

function namespaceOf(pid: number, name: string): string {
  return `namespace ${spawnSync('readlink', [`/proc/${pid}/ns/${name}`], { encoding: 'utf8' }).stdout.trim()}`;
}

async function settled(look: () => string[]): Promise<string | undefined> {
  for (const startMs = systemClock.monotonic(); ; await new Promise<void>((go) => systemClock.setTimer(20, go))) {
    const found = look();
    if (found.length === 0) return undefined;
    if (systemClock.monotonic() - startMs > CLEARED_MS) return found.join('; ');
  }
}

/** One agent: answers what the one before has left, and where it died itself. */
async function life(dieAfter: number, before: readonly string[]): Promise<{ readonly failure: string | undefined; readonly end: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./crash-points-agent.js', import.meta.url)), directory, engine, String(dieAfter)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  let end = '';
  let failure: string | undefined;
  child.stdin.on('error', () => undefined); // it has died
  child.stderr.on('data', (bytes: Buffer) => (complaints += bytes.toString()));
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const listen = async () => {
    for await (const bytes of child.stdout as AsyncIterable<Buffer>) {
      for (const line of bytes.toString().trim().split('\n')) {
        if (line !== 'taken over' && line !== 'cleared') end = line;
        else {
          const found = await settled(line === 'taken over' ? mismatches : () => leftovers(before, child.pid ?? 0));
          if (found !== undefined) failure ??= `${line}: ${found}`;
          child.stdin.write('go on\n');
        }
      }
    }
    await ended;
  };
  try {
    await withDeadline(listen(), { clock: systemClock, deadlineMs: LIFE_DEADLINE_MS, what: 'the life of an agent' });
  } catch (error) {
    failure ??= describeError(error);
    child.kill('SIGKILL');
  }
  if (end === '') failure ??= `it ended by itself: ${complaints.slice(-1_500)}`;
  return { failure, end };
}

async function main(): Promise<void> {
  const before = census([ROOT]);
  const failures: string[] = [];
  let effects = 0;
  let tried = 0;
  const purge = async (end: string): Promise<void> => {
    await endNodes(directory);
    for (const name of listDirectory(directory)) await removeTree(join(directory, name));
    const left = await settled(() => [...missing(census([ROOT]), before)]);
    if (left !== undefined) failures.push(`${end}: taken down: ${left}`);
  };
  for (let point = Number(firstPoint), last = 'nothing'; effects === 0; point += Number(step)) {
    const { failure, end } = await life(point, before);
    if (failure !== undefined) failures.push(`${last}: ${failure}`);
    if (failures.length > 5 || end === '') {
      await purge('an agent that ended by itself');
      break;
    }
    process.stderr.write(`${end}\n`);
    const whole = /^whole (\d+)$/.exec(end);
    if (whole !== null) effects = Number(whole[1]);
    else tried++;
    last = end;
    if (tried % 2 === 0 || whole !== null) await purge(end);
  }
  process.stdout.write(`${JSON.stringify({ effects, tried, failures } satisfies CrashPointsResult)}\n`);
}

await main();
