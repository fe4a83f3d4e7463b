/** What real processes use, as the kernel tells it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NodeStats } from '../../../src/agent/node-stats.ts';
import { readOwnUsage } from '../../../src/agent/runtime/process-machine.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import type { Usage } from '../../../src/proto/node.ts';
import { untilWithin } from '../../until.ts';

const MIB = 1024 * 1024;
const DEADLINE_MS = 15_000;
const untilSlowly = untilWithin(DEADLINE_MS, 200);

async function world() {
  const root = mkdtempSync(join(tmpdir(), 'podium-usage-'));
  const runtime = new ProcessRuntime({ root, podCidr: '127.251.32.0/20', clock: systemClock, log: silentLog });
  await runtime.start();
  onTestFinished(async () => {
    for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
    await runtime.close();
    rmSync(root, { recursive: true, force: true });
  });
  const stats = new NodeStats({ runtime, clock: systemClock, ownUsage: readOwnUsage, signal: new AbortController().signal });
  const run = async (name: string, command: readonly string[]) => {
    await runtime.runPodSandbox({ uid: name, namespace: 'default', name, hostname: name, hostNetwork: false, annotations: {} });
    const id = await runtime.createContainer(name, { name, attempt: 0, backoffSteps: 0, init: false, image: '', command, workingDir: '', env: {}, mounts: [] });
    await runtime.startContainer(id);
    return id;
  };
  const look = async () => {
    const { node, pods } = await stats.answer();
    const of = (name: string) => pods.find((pod) => pod.name === name)?.containers[0]?.usage;
    return { node, of, cores: (name: string) => (of(name)?.cpuNanoCores ?? -1) / 1e9, memory: (name: string) => of(name)?.memoryBytes ?? -1 };
  };
  return { runtime, run, look };
}

type Look = Awaited<ReturnType<Awaited<ReturnType<typeof world>>['look']>>;

async function until(what: string, look: () => Promise<Look>, holds: (found: Look) => boolean, shown: (found: Look) => unknown): Promise<Look> {
  let last: Look | undefined;
  const probe = async () => holds((last = await look())) && last;
  return untilSlowly(() => `${what}; at last ${JSON.stringify(last && shown(last))}`, probe);
}

/** Works all it can, and writes down how much that was by its own account: wall clock and CPU, in milliseconds. */
const BURNER = `
const note = () => console.log(Date.now() + ' ' + (process.cpuUsage().user + process.cpuUsage().system) / 1000);
for (;;) { note(); for (const end = Date.now() + 50; Date.now() < end; ); }`;

test('one that works, one that waits, and one that holds 100 MiB', async () => {
  const { runtime, run, look } = await world();
  const burner = await run('burn', [process.execPath, '-e', BURNER]);
  await run('idle', ['sleep', '1000']);
  await run('hold', [process.execPath, '-e', `const held = Buffer.alloc(100 * ${MIB}, 1); setInterval(() => held, 1000)`]);
  /** How much of a core it had between two times, by its own account: another machine's load may leave it little. */
  const ownCores = async ({ atMs, windowMs }: Usage): Promise<number> => {
    let text = '';
    for await (const chunk of runtime.logs(burner, { follow: false, timestamps: false })) text += Buffer.from(chunk).toString();
    const notes = text.trimEnd().split('\n').map((line) => line.split(' ').map(Number));
    const cpuAt = (time: number) => notes.reduce((best, note) => (Math.abs(note[0]! - time) < Math.abs(best[0]! - time) ? note : best))[1]!;
    return (cpuAt(atMs) - cpuAt(atMs - windowMs)) / windowMs;
  };
  // The starts are over when what is held is there and the window of the one that works is filled with work.
  const found = await until(
    'the figures',
    look,
    ({ of, cores, memory }) => (of('burn')?.windowMs ?? 0) > 3_000 && cores('idle') >= 0 && memory('hold') > 100 * MIB,
    ({ of }) => ['burn', 'idle', 'hold'].map(of),
  );
  const own = await ownCores(found.of('burn')!);
  expect(own).toBeGreaterThan(0.05);
  expect(Math.abs(found.cores('burn') - own)).toBeLessThan(0.05 + own / 10);
  expect(found.cores('idle')).toBeLessThan(0.05);
  expect(found.memory('hold')).toBeLessThan(300 * MIB);
  expect(found.memory('idle')).toBeLessThan(20 * MIB);
  const containers = ['burn', 'idle', 'hold'].reduce((sum, name) => sum + found.memory(name), 0);
  expect(found.node!.memoryBytes).toBeGreaterThan(containers);
  expect(found.node!.cpuNanoCores / 1e9).toBeGreaterThanOrEqual(found.cores('burn'));
});

test('a daemon that left its parents, its session and its group is still counted', async () => {
  const { run, look } = await world();
  const hold = `const held = Buffer.alloc(100 * ${MIB}, 1); setInterval(() => held, 1000)`;
  await run('daemon', ['sh', '-c', `(setsid node -e "${hold}" &) ; sleep 1000`]);
  await run('other', ['sleep', '1000']);
  const found = await until('its memory', look, ({ memory }) => memory('daemon') > 100 * MIB, ({ memory }) => memory('daemon'));
  expect(found.memory('other')).toBeLessThan(20 * MIB);
});

test('what children used that have ended and were waited for is not lost', async () => {
  const { run, look } = await world();
  // Each child lives for a few hundredths of a second: no two looks see the same, and what the shell uses itself is little.
  await run('forks', ['sh', '-c', 'while :; do sh -c "i=0; while [ \\$i -lt 20000 ]; do i=\\$((i+1)); done"; done']);
  await until('its cpu', look, ({ cores }) => cores('forks') > 0.1, ({ cores }) => cores('forks'));
});

test('nothing runs, nothing is read', async () => {
  const { runtime } = await world();
  expect(await runtime.listContainerUsages()).toEqual([]);
});
