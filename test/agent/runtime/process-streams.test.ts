/** Connections into containers of the process runtime, with real processes, terminals and sockets. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, type TestContext } from 'vitest';
import { sleep } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import { processesWith } from '../../../src/agent/runtime/process-table.ts';
import type { ContainerConfig } from '../../../src/agent/runtime/runtime.ts';
import type { CommandOptions, CommandStream, PortStream } from '../../../src/agent/runtime/streams.ts';
import { requireTool } from '../../processes.ts';
import { until } from '../../until.ts';

const POD = { uid: 'pod-a', namespace: 'default', name: 'pod-a', hostname: 'pod-a', hostNetwork: false, annotations: {} };

let root = '';
let runtime: ProcessRuntime;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'podium-streams-'));
  runtime = new ProcessRuntime({ root, podCidr: '127.252.0.0/20', clock: systemClock, log: silentLog });
  await runtime.start();
  await runtime.runPodSandbox(POD);
});

afterEach(async () => {
  await runtime.removePodSandbox(POD.uid);
  await runtime.close();
  expect(processesWith(`PODIUM_NODE=${root}`)).toEqual([]);
  await rm(root, { recursive: true, force: true });
});

async function run(script: string, extra: Partial<ContainerConfig> = {}): Promise<string> {
  const config = { name: 'main', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['sh', '-c', script], workingDir: '', env: { SET: 'by the pod' }, mounts: [] };
  const id = await runtime.createContainer(POD.uid, { ...config, ...extra });
  await runtime.startContainer(id);
  return id;
}

const exec = (id: string, script: string, options: Partial<CommandOptions> = {}) =>
  runtime.execStream(id, { command: ['sh', '-c', script], stdin: false, stdout: true, stderr: true, tty: false, ...options });

/** Processes of commands, without the container's own. */
function commandsOf(id: string): number {
  return processesWith(`PODIUM_NODE=${root}`, `PODIUM_CONTAINER_ID=${id}`).filter(({ environment }) => environment.some((entry) => entry.startsWith('PODIUM_EXEC_ID='))).length;
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

async function outcome(stream: CommandStream): Promise<Outcome> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream: name, bytes } of stream.output) texts[name] += Buffer.from(bytes).toString();
  return { ...texts, ...(await stream.ended) };
}

/** Gathers what comes until it matches. */
async function untilOutput(stream: CommandStream, pattern: RegExp): Promise<string> {
  let text = '';
  for await (const { bytes } of stream.output) {
    text += Buffer.from(bytes).toString();
    if (pattern.test(text)) break;
  }
  return text;
}

test('execStream() runs with the environment and folder of the container, and tells its streams apart', async () => {
  const id = await run('sleep 100');
  const found = await outcome(await exec(id, 'echo $SET; echo $PWD >&2; exit 7'));
  expect(found).toEqual({ stdout: 'by the pod\n', stderr: `${join(root, 'pods', 'pod-a', 'containers', 'main', '0', 'root')}\n`, exitCode: 7 });
});

test('execStream() passes input on, with its end', async () => {
  const stream = await exec(await run('sleep 100'), 'wc -c', { stdin: true });
  const all = outcome(stream);
  for (let i = 0; i < 100; i++) await stream.write(Buffer.alloc(10_000));
  stream.endInput();
  expect(await all).toEqual({ stdout: '1000000\n', stderr: '', exitCode: 0 });
});

test('execStream() refuses what is not there, and a container that does not run', async () => {
  const id = await run('sleep 100');
  await expect(runtime.execStream(id, { command: ['no-such-program'], stdin: false, stdout: true, stderr: true, tty: false })).rejects.toMatchObject({
    code: 'cannot-start',
    message: `exec: "no-such-program": executable file not found in $PATH or the container's directory`,
  });
  await runtime.stopContainer(id, 0);
  await expect(exec(id, 'true')).rejects.toMatchObject({ code: 'invalid-state' });
});

test('a command that was ended by a signal has the code of a shell', async () => {
  expect((await outcome(await exec(await run('sleep 100'), 'kill -TERM $$'))).exitCode).toBe(143);
});

test('who does not read holds the command back, and loses nothing', async () => {
  const id = await run('sleep 100');
  const stream = await exec(id, `i=0; while [ $i -lt 200 ]; do head -c 65536 /dev/zero; i=$((i+1)); echo $i >progress; done`);
  const progress = async () => Number((await outcome(await exec(id, 'cat progress 2>/dev/null || echo 0'))).stdout);
  // It stands still when the same is read twice, some time apart.
  let before = -1;
  await until('it is held back', async () => {
    const now = await progress();
    const isStill = now === before;
    before = now;
    await sleep(systemClock, 100);
    return isStill;
  });
  expect(before).toBeLessThan(100);
  let bytes = 0;
  for await (const chunk of stream.output) bytes += chunk.bytes.length;
  expect(bytes).toBe(200 * 65_536);
});

test('a program that reads nothing holds back who writes', async () => {
  const stream = await exec(await run('sleep 100'), 'sleep 100', { stdin: true });
  let written = 0;
  const write = async () => {
    for (; written < 100; written++) await stream.write(Buffer.alloc(65_536));
  };
  void write();
  await until('it is held back', async () => {
    const before = written;
    await sleep(systemClock, 100);
    return written === before && written > 0;
  });
  expect(written).toBeLessThan(50);
  stream.close();
  await until('the writer is let go', () => written === 100);
});

test('close() ends the command with what it has started, and the container goes on', async () => {
  const id = await run('sleep 100');
  const stream = await exec(id, 'setsid sleep 4242 & sleep 4243 & wait');
  await until('all three run', () => commandsOf(id) >= 3);
  stream.close();
  await until('they have ended', () => commandsOf(id) === 0);
  expect((await runtime.listContainers())[0]?.state).toBe('running');
});

test('what a command leaves behind goes on, and is not waited for', async () => {
  const id = await run('sleep 100');
  const found = await outcome(await exec(id, 'echo begun; sleep 4244 &'));
  expect(found).toEqual({ stdout: 'begun\n', stderr: '', exitCode: 0 });
  expect(processesWith(`PODIUM_NODE=${root}`, `PODIUM_CONTAINER_ID=${id}`).length).toBeGreaterThanOrEqual(2);
});

const withTerminal = (context: TestContext) => {
  requireTool('script', (reason) => context.skip(reason));
};

test('a terminal has the size that it is given, at first and later, and all output is one', async (context) => {
  withTerminal(context);
  const script = `stty size; tty >/dev/null && echo terminal >&2; read -r line; echo "<$line>"; until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; echo resized; exit 3`;
  const stream = await exec(await run('sleep 100'), script, { stdin: true, tty: true, size: { width: 99, height: 22 } });
  const output = stream.output[Symbol.asyncIterator]();
  let text = '';
  const seen = async (pattern: RegExp) => {
    while (!pattern.test(text)) {
      const next = await output.next();
      if (next.done === true) throw new Error(`ended before ${pattern.source}: ${text}`);
      text += Buffer.from(next.value.bytes).toString();
    }
  };
  await seen(/22 99\r\nterminal\r\n/);
  await stream.write(Buffer.from('it\'s "typed"\n'));
  await seen(/<it's "typed">/);
  stream.resize({ width: 120, height: 40 });
  await seen(/resized/);
  while ((await output.next()).done !== true);
  expect(await stream.ended).toEqual({ exitCode: 3 });
});

test('close() hangs up a terminal', async (context) => {
  withTerminal(context);
  const id = await run('sleep 100');
  const stream = await exec(id, 'trap "" HUP; sleep 4245', { stdin: true, tty: true });
  await until('it runs', () => commandsOf(id) >= 3);
  stream.close();
  await until('it has ended', () => commandsOf(id) === 0);
});

test('attachStream() shows what is written from now on, and passes input on to more than one', async () => {
  const id = await run('echo before; while read line; do echo "got $line"; done; echo closed; sleep 0.2', { stdin: true });
  await until('it has written', async () => (await readLog(id)).includes('before'));
  for (const word of ['one', 'two']) {
    const stream = await attach(id);
    const shown = untilOutput(stream, /\n/);
    await stream.write(Buffer.from(`${word}\n`));
    expect(await shown).toBe(`got ${word}\n`);
    stream.endInput();
    stream.close();
  }
  expect((await runtime.listContainers())[0]?.state).toBe('running');
});

test('with stdinOnce the input ends with the first who is attached, and attachStream() ends with the container', async () => {
  const id = await run('cat; echo closed', { stdin: true, stdinOnce: true });
  const stream = await attach(id);
  const all = outcome(stream);
  await stream.write(Buffer.from('typed\n'));
  stream.endInput();
  expect(await all).toEqual({ stdout: 'typed\nclosed\n', stderr: '', exitCode: 0 });
  await until('it has exited', async () => (await runtime.listContainers())[0]?.state === 'exited');
});

test('a container with a terminal of its own is typed into, and its size is set', async (context) => {
  withTerminal(context);
  const id = await run('read a; stty size; read b; exit 5', { stdin: true, tty: true });
  const stream = await attach(id);
  const shown = untilOutput(stream, /31 91/);
  stream.resize({ width: 91, height: 31 });
  // The size is set from outside; the program asks for it when it is told to.
  await sleep(systemClock, 200);
  await stream.write(Buffer.from('x\n'));
  expect(await shown).toContain('31 91');
  await stream.write(Buffer.from('y\n'));
  await until('it has exited', async () => (await runtime.listContainers())[0]?.exitCode === 5);
  stream.close();
});

test('an agent that starts again attaches to what it finds', async () => {
  const id = await run('while read line; do echo "got $line"; done', { stdin: true });
  await runtime.close();
  runtime = new ProcessRuntime({ root, podCidr: '127.252.0.0/20', clock: systemClock, log: silentLog });
  await runtime.start();
  const stream = await attach(id);
  const shown = untilOutput(stream, /\n/);
  await stream.write(Buffer.from('again\n'));
  expect(await shown).toBe('got again\n');
  stream.close();
});

const attach = (id: string) => runtime.attachStream(id, { stdin: true, stdout: true, stderr: true, tty: false });

async function readLog(id: string): Promise<string> {
  let text = '';
  for await (const bytes of runtime.logs(id, { follow: false, timestamps: false })) text += Buffer.from(bytes).toString();
  return text;
}

// --- ports

async function listening(onConnection: (socket: Socket) => void): Promise<Server & { readonly port: number }> {
  const ip = (await runtime.listPodSandboxes())[0]?.ip;
  const server = createServer({ allowHalfOpen: true }, onConnection);
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  const address = server.address();
  return Object.assign(server, { port: typeof address === 'object' && address !== null ? address.port : 0 });
}

async function textOf(stream: PortStream): Promise<string> {
  let text = '';
  for await (const bytes of stream.output) text += Buffer.from(bytes).toString();
  return text;
}

test('portForward() reaches the pod, and each direction ends on its own', async () => {
  const server = await listening((socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Answers only once it knows that nothing more comes.
    socket.on('end', () => socket.end(`heard ${Buffer.concat(chunks).toString()}`));
  });
  const stream = await runtime.portForward(POD.uid, server.port);
  await stream.write(Buffer.from('all of it'));
  stream.endInput();
  expect(await textOf(stream)).toBe('heard all of it');
  stream.close();
  server.close();
});

test('portForward() tells that nobody listens, that there is no pod, and that a connection broke', async () => {
  const server = await listening((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const stream = await runtime.portForward(POD.uid, server.port);
  const heard = textOf(stream);
  await stream.write(Buffer.from('x'));
  await expect(heard).rejects.toMatchObject({ code: 'ECONNRESET' });
  server.close();
  await expect(runtime.portForward(POD.uid, server.port)).rejects.toMatchObject({ code: 'cannot-start', message: expect.stringMatching(/^failed to connect to 127\.252\.\d+\.\d+:\d+: connection refused$/) as string });
  await expect(runtime.portForward('nobody', 80)).rejects.toMatchObject({ code: 'not-found' });
});

test('close() of a port leaves no socket', async () => {
  const sockets = () => readdirSync('/proc/self/fd').length;
  const gone: Promise<void>[] = [];
  const server = await listening((socket) => {
    gone.push(new Promise((resolve) => socket.once('close', () => resolve())));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.resume();
  });
  const before = sockets();
  const streams = await Promise.all(Array.from({ length: 20 }, () => runtime.portForward(POD.uid, server.port)));
  for (const stream of streams) stream.close();
  await until('all are closed', () => gone.length === 20);
  await Promise.all(gone);
  await until('no descriptor is left', () => sockets() <= before);
  server.close();
});
