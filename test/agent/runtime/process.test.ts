/** The process runtime with real processes: what a container is, how it ends, and that it outlives its agent. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import { processesWith } from '../../../src/agent/runtime/process-table.ts';
import type { ContainerConfig, ContainerRecord, SandboxConfig } from '../../../src/agent/runtime/runtime.ts';
import { until } from '../../until.ts';

let root = '';
let runtime: ProcessRuntime;

const open = async (options: { podCidr?: string; logBytesMax?: number } = {}) => {
  const opened = new ProcessRuntime({ root, podCidr: '127.251.0.0/20', clock: systemClock, log: silentLog, ...options });
  await opened.start();
  return opened;
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'podium-runtime-'));
  runtime = await open();
});

afterEach(async () => {
  for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
  await runtime.close();
  expect(processesWith(`PODIUM_NODE=${root}`)).toEqual([]);
  await rm(root, { recursive: true, force: true });
});

const pod = (uid: string): SandboxConfig => ({
  uid,
  namespace: 'default',
  name: uid,
  hostname: uid,
  hostNetwork: false,
  annotations: {},
});

const shell = (script: string, extra: Partial<ContainerConfig> = {}): ContainerConfig => ({
  name: 'main',
  attempt: 0,
  backoffSteps: 0,
  init: false,
  image: 'podium.dev/host',
  command: ['sh', '-c', script],
  workingDir: '',
  env: {},
  mounts: [],
  ...extra,
});

async function run(config: ContainerConfig, uid = 'pod-a'): Promise<string> {
  await runtime.runPodSandbox(pod(uid));
  const id = await runtime.createContainer(uid, config);
  await runtime.startContainer(id);
  return id;
}

const record = async (id: string): Promise<ContainerRecord> =>
  (await runtime.listContainers()).find((container) => container.id === id)!;
const exited = (id: string) =>
  until(`end of ${id}`, async () => {
    const found = await record(id);
    return found.state === 'exited' ? found : undefined;
  });

async function logOf(id: string, options: { timestamps?: boolean; tailLines?: number; sinceMs?: number; limitBytes?: number } = {}) {
  let text = '';
  for await (const chunk of runtime.logs(id, { follow: false, timestamps: false, ...options })) {
    text += Buffer.from(chunk).toString('utf8');
  }
  return text;
}

test('a container runs with its environment and tells how it ended', async () => {
  const heard: string[] = [];
  runtime.subscribe((id) => heard.push(id));
  const id = await run(shell('echo "$GREETING from $HOSTNAME"; echo oops >&2; exit 7', { env: { GREETING: 'hello' } }));
  const ended = await exited(id);
  expect(ended).toMatchObject({ exitCode: 7, name: 'main', attempt: 0 });
  expect(ended.finishedAtMs!).toBeGreaterThanOrEqual(ended.createdAtMs - 1);
  expect(heard).toContain('pod-a');
  expect(await logOf(id)).toBe('hello from pod-a\noops\n');
});

test('a program that does not exist is a container that could not start', async () => {
  const id = await run(shell('', { command: ['no-such-program'] }));
  const ended = await exited(id);
  expect(ended).toMatchObject({ exitCode: 128, reason: 'StartError' });
  expect(ended.message).toContain('no-such-program');
});

test('pods have addresses of their own, and none comes back before the range wraps', async () => {
  await runtime.close();
  runtime = await open({ podCidr: '127.251.7.0/29' });
  const seen: string[] = [];
  for (let i = 0; i < 4; i++) {
    const { ip } = await runtime.runPodSandbox(pod(`pod-${i}`));
    seen.push(ip);
    await runtime.removePodSandbox(`pod-${i}`);
  }
  await runtime.close();
  runtime = await open({ podCidr: '127.251.7.0/29' });
  for (let i = 4; i < 7; i++) seen.push((await runtime.runPodSandbox(pod(`pod-${i}`))).ip);
  const addresses = [1, 2, 3, 4, 5, 6].map((host) => `127.251.7.${host}`);
  expect(seen).toEqual([...addresses, '127.251.7.1']);
});

test('two pods listen on one port, a Node program without an address on its pod alone', async () => {
  const command = ['node', '-e', `require('net').createServer((s) => s.end(process.env.HOSTNAME)).listen(18080)`];
  const ask = (ip: string) =>
    new Promise<string | undefined>((done) => {
      let text = '';
      const socket = connect(18080, ip).on('error', () => done(undefined));
      socket.on('data', (data) => (text += data.toString())).on('end', () => done(text));
    });
  await run(shell('', { command }), 'pod-a');
  await run(shell('', { command }), 'pod-b');
  for (const { ip, name } of await runtime.listPodSandboxes()) {
    expect(await until(`answer of ${name}`, () => ask(ip))).toBe(name);
  }
});

test('stopContainer() asks first and lets the program finish', async () => {
  // The whole group is asked, so that a program behind a shell hears it too; the shell waits for its child first.
  const id = await run(shell(`trap 'echo bye; exit 3' TERM; sh -c 'trap "exit 0" TERM; echo up; while :; do sleep 0.05; done' 2>&-`));
  await until('its first line', async () => (await logOf(id)) === 'up\n');
  await runtime.stopContainer(id, 5_000);
  expect(await record(id)).toMatchObject({ state: 'exited', exitCode: 3 });
  expect(await logOf(id)).toBe('up\nbye\n');
});

test('stopContainer() ends what does not listen, and what left the process group', async () => {
  const id = await run(shell(`trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' & echo up; while :; do sleep 0.1; done`));
  await until('its first line', async () => (await logOf(id)) === 'up\n');
  const start = systemClock.monotonic();
  await runtime.stopContainer(id, 100);
  expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(95);
  expect(await record(id)).toMatchObject({ state: 'exited', exitCode: 137 });
  await until('no process left', () => processesWith(`PODIUM_NODE=${root}`, `PODIUM_CONTAINER_ID=${id}`).length === 0);
});

test('a later stop with a shorter grace shortens the first', async () => {
  const id = await run(shell(`trap '' TERM; echo up; while :; do sleep 0.1; done`));
  await until('its first line', async () => (await logOf(id)) === 'up\n');
  const patient = runtime.stopContainer(id, 60_000);
  await runtime.stopContainer(id, 0);
  await patient;
  expect(await record(id)).toMatchObject({ state: 'exited', exitCode: 137 });
});

test('when a container ends, what it left in the background ends too', async () => {
  const id = await run(shell(`sleep 1000 & setsid sleep 1000 & exit 0`));
  expect(await exited(id)).toMatchObject({ exitCode: 0 });
  await until('no process left', () => processesWith(`PODIUM_NODE=${root}`, `PODIUM_CONTAINER_ID=${id}`).length === 0);
});

test('another node’s pod of the same uid is left alone', async () => {
  const otherRoot = mkdtempSync(join(tmpdir(), 'podium-runtime-'));
  const other = new ProcessRuntime({ root: otherRoot, podCidr: '127.251.32.0/20', clock: systemClock, log: silentLog });
  await other.start();
  try {
    await other.runPodSandbox(pod('pod-a'));
    const theirs = await other.createContainer('pod-a', shell('sleep 1000'));
    await other.startContainer(theirs);
    const ours = await run(shell('sleep 1000'));
    await runtime.stopContainer(ours, 0);
    expect(processesWith(`PODIUM_NODE=${otherRoot}`, `PODIUM_CONTAINER_ID=${theirs}`)).not.toEqual([]);
    expect((await other.listContainers())[0]).toMatchObject({ state: 'running' });
  } finally {
    await other.removePodSandbox('pod-a');
    await other.close();
    await rm(otherRoot, { recursive: true, force: true });
  }
});

test('a new runtime adopts what runs: same process, same log, its exit code', async () => {
  const id = await run(shell(`echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 9`));
  const { pid } = await record(id);
  const done = await run(shell('exit 4', { name: 'quick' }));
  await exited(done);
  await runtime.close();

  runtime = await open();
  expect(await record(id)).toMatchObject({ state: 'running', pid });
  expect(await record(done)).toMatchObject({ state: 'exited', exitCode: 4 });
  writeFileSync(join(root, 'pods/pod-a/containers/main/0/root/go'), '');
  expect(await exited(id)).toMatchObject({ exitCode: 9 });
  expect(await logOf(id)).toBe('before\nafter\n');
});

test('a container that ended while there was no agent has its exit code and the time of its end', async () => {
  const id = await run(shell(`while [ ! -e go ]; do sleep 0.02; done; exit 5`));
  await runtime.close();
  const before = systemClock.wall();
  writeFileSync(join(root, 'pods/pod-a/containers/main/0/root/go'), '');
  await until('its exit file', () => existsSync(join(root, 'pods/pod-a/containers/main/0/exit')));
  const after = systemClock.wall();
  runtime = await open();
  const ended = await record(id);
  expect(ended).toMatchObject({ state: 'exited', exitCode: 5 });
  expect(ended.finishedAtMs!).toBeGreaterThanOrEqual(before - 20);
  expect(ended.finishedAtMs!).toBeLessThanOrEqual(after + 20);
});

test('a killed supervisor is noticed, and the exit code said to be unknown', async () => {
  const id = await run(shell('exec sleep 1000'));
  const [, , supervisor] = readFileSync(join(root, 'pods/pod-a/containers/main/0/pid'), 'utf8').trim().split(' ').map(Number);
  const { pid } = await record(id);
  process.kill(supervisor!, 'SIGKILL');
  process.kill(pid!, 'SIGKILL');
  expect(await exited(id)).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
});

test('start() ends strays whose pod is not known any more', async () => {
  const id = await run(shell('exec sleep 1000'));
  await runtime.close();
  await rm(join(root, 'pods/pod-a/sandbox.json'));
  runtime = await open();
  expect(await runtime.listPodSandboxes()).toEqual([]);
  expect(existsSync(join(root, 'pods/pod-a'))).toBe(false);
  await until('no process left', () => processesWith(`PODIUM_NODE=${root}`, `PODIUM_CONTAINER_ID=${id}`).length === 0);
});

test('a volume appears below the working directory, and nothing leads out of it', async () => {
  const volume = join(root, 'a-volume');
  mkdirSync(volume);
  writeFileSync(join(volume, 'key'), 'value\n');
  const mounts = [
    { containerPath: '/etc/config', hostPath: volume, readOnly: true },
    { containerPath: '../../out', hostPath: volume, readOnly: true },
  ];
  const id = await run(shell('cat etc/config/key; cat out/key; touch etc/config/new', { mounts }));
  expect(await exited(id)).toMatchObject({ exitCode: 0 });
  expect(await logOf(id)).toBe('value\nvalue\n');
  await runtime.removePodSandbox('pod-a');
  expect(existsSync(join(volume, 'new'))).toBe(true);
});

test('exec() runs beside the container, and is ended at its time', async () => {
  const id = await run(shell('exec sleep 1000', { env: { COLOUR: 'red' } }));
  expect(await runtime.exec(id, ['sh', '-c', 'echo $COLOUR; exit 2'], 5_000)).toEqual({ exitCode: 2, output: 'red\n', timedOut: false });
  expect(await runtime.exec(id, ['sleep', '1000'], 50)).toMatchObject({ timedOut: true, exitCode: 137 });
  expect(await runtime.exec(id, ['no-such-program'], 5_000)).toMatchObject({ exitCode: 128 });
});

test('logs() takes the tail, limits bytes and puts the time before lines', async () => {
  const id = await run(shell('i=0; while [ $i -lt 30000 ]; do echo "line $i"; i=$((i+1)); done'));
  await exited(id);
  const whole = await logOf(id);
  expect(whole.split('\n').length).toBe(30_001);
  expect(await logOf(id, { tailLines: 3 })).toBe('line 29997\nline 29998\nline 29999\n');
  expect(await logOf(id, { tailLines: 20_000 })).toBe(whole.split('\n').slice(10_000).join('\n'));
  expect(await logOf(id, { tailLines: 0 })).toBe('');
  expect(await logOf(id, { limitBytes: 10 })).toBe('line 0\nlin');
  expect(await logOf(id, { tailLines: 1, timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line 29999\n$/);
  expect(await logOf(id, { sinceMs: systemClock.wall() + 60_000 })).toBe('');
});

test('logs() follows until the container ends', async () => {
  const id = await run(shell(`echo one; while [ ! -e go ]; do sleep 0.02; done; printf 'two\\nthree'`));
  const seen: string[] = [];
  for await (const chunk of runtime.logs(id, { follow: true, timestamps: false })) {
    seen.push(Buffer.from(chunk).toString());
    if (seen.length === 1) writeFileSync(join(root, 'pods/pod-a/containers/main/0/root/go'), '');
  }
  expect(seen.join('')).toBe('one\ntwo\nthree');
});

test('logs() goes over a rotation without losing or repeating a line', async () => {
  await runtime.close();
  runtime = await open({ logBytesMax: 2_000 });
  const line = (i: number) => `line ${i} ${'x'.repeat(80)}`;
  const script = `i=0; while [ $i -lt 60 ]; do echo "line $i ${'x'.repeat(80)}"; i=$((i+1)); [ $i -eq 30 ] && while [ ! -e go ]; do sleep 0.02; done; done; exit 0`;
  const id = await run(shell(script));
  const directory = join(root, 'pods/pod-a/containers/main/0');
  await until('the rotation', () => existsSync(join(directory, 'log.1')) && readFileSync(join(directory, 'log')).length === 0);
  writeFileSync(join(directory, 'root/go'), '');
  await exited(id);
  await until('the end of the log', async () => (await logOf(id)).endsWith(`${line(59)}\n`));
  const all = Array.from({ length: 60 }, (_, i) => `${line(i)}\n`).join('');
  expect(all.endsWith(await logOf(id))).toBe(true);
  expect(await logOf(id, { tailLines: 5 })).toBe(all.split('\n').slice(55).join('\n'));
});
