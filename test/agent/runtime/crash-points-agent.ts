/**
 * An agent in small that dies after a chosen effect, for crash-points-main.ts: first it takes over what the one before has
 * left, sees that what runs does run, and takes all away; then it lives the life of a node, up to its death.
 *   node dist/test/agent/runtime/crash-points-agent.js DIRECTORY ENGINE DIE_AFTER
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { LinuxRuntime } from '../../../src/agent/runtime/linux/linux.ts';
import { probeMachine } from '../../../src/agent/runtime/linux/machine.ts';
import { isAlive, type ProcessIdentity } from '../../../src/agent/runtime/process-table.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import type { ContainerConfig, Runtime, SandboxConfig } from '../../../src/agent/runtime/runtime.ts';
import { CrashPoints, POD_CIDR } from './crash-points.ts';

const [directory = '', engine = '', dieAfter = '0'] = process.argv.slice(2);
const ROOT = join(directory, 'node-1');
const END_DEADLINE_MS = 20_000;
const probed = probeMachine();
if (!probed.ok) throw new Error(probed.why);
const { machine } = probed;

function newRuntime(): Runtime {
  const world = { root: ROOT, why: 'test', clock: systemClock, log: silentLog };
  if (engine === 'process') return new ProcessRuntime({ ...world, podCidr: '127.251.0.0/20' });
  const innerEntry = fileURLToPath(new URL('../../../src/agent/runtime/linux/inner-main.js', import.meta.url));
  return new LinuxRuntime({ ...world, networkDirectory: join(directory, 'network'), podCidr: POD_CIDR, machine, innerEntry, version: '0', engine });
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const lines = (async function* () {
  for await (const bytes of process.stdin as AsyncIterable<Buffer>) yield bytes.toString(); // without an encoding, bytes
})();

/** Whoever watches looks around meanwhile. */
async function show(what: string): Promise<void> {
  say(what);
  await lines.next();
}

const pod = (uid: string): SandboxConfig => ({ uid, namespace: 'default', name: uid, hostname: uid, hostNetwork: false, annotations: {} });
const container = (name: string, command: readonly string[]): ContainerConfig => ({ name, attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command, workingDir: '', env: {}, mounts: [], stdin: name === 'idle' });
const IDLE = container('idle', ['sh', '-c', 'while :; do sleep 0.1; done']);

async function start(runtime: Runtime, uid: string, config: ContainerConfig): Promise<string> {
  const id = await runtime.createContainer(uid, config);
  await runtime.startContainer(id);
  return id;
}

async function ended(runtime: Runtime, id: string): Promise<void> {
  for (const startMs = systemClock.monotonic(); systemClock.monotonic() - startMs < END_DEADLINE_MS; await new Promise<void>((go) => systemClock.setTimer(5, go))) {
    if ((await runtime.listContainers()).find((one) => one.id === id)?.state === 'exited') return;
  }
  throw new Error(`${id} does not end`);
}

/** What is said to run runs; what is said to have stopped has. */
async function takeOver(runtime: Runtime): Promise<void> {
  for (const { id, state } of await runtime.listPodSandboxes()) {
    for (const { id: one, state: of } of await runtime.listContainers(id)) {
      if (of !== 'running') continue;
      if (state === 'stopped') throw new Error(`${one} runs in a sandbox that has stopped`);
      const { exitCode, output } = await runtime.exec(one, ['true'], 10_000);
      const isRunning = (await runtime.listContainers(id)).some((again) => again.id === one && again.state === 'running');
      if (exitCode !== 0 && isRunning) throw new Error(`${one} takes no command: ${exitCode} ${output}`);
    }
  }
}

/** A node that finds a pod of a network that is lost, and another one without its sandbox. */
async function prepare(): Promise<void> {
  const runtime = newRuntime();
  await runtime.start();
  for (const uid of ['lost-a', 'lost-b']) {
    await runtime.runPodSandbox(pod(uid));
    await start(runtime, uid, IDLE);
  }
  await runtime.close();
  if (engine === 'process') return;
  const { holder } = JSON.parse(readFileSync(join(ROOT, 'node.json'), 'utf8')) as { holder: ProcessIdentity }; // the runtime's own
  const { pause } = JSON.parse(readFileSync(join(ROOT, 'pods/lost-a/sandbox.json'), 'utf8')) as { pause: ProcessIdentity };
  for (const { pid } of [holder, pause]) process.kill(pid, 'SIGKILL');
  while ([holder, pause].some(isAlive)) await new Promise<void>((go) => systemClock.setTimer(2, go));
}

async function live(): Promise<void> {
  const runtime = newRuntime();
  await runtime.start();
  for (const uid of ['lost-a', 'lost-b']) await runtime.removePodSandbox(uid);
  await runtime.runPodSandbox(pod('pod'));
  const idle = await start(runtime, 'pod', IDLE);
  const short = await start(runtime, 'pod', container('short', ['true']));
  await ended(runtime, short);
  await runtime.removeContainer(short);
  await start(runtime, 'pod', container('wrong', ['no-such-program'])).catch(() => undefined); // where it is known before
  await runtime.exec(idle, ['true'], 10_000);
  await runtime.stopPodSandbox('pod');
  await runtime.runPodSandbox(pod('pod'));
  await start(runtime, 'pod', { ...IDLE, attempt: 1 });
  await runtime.removePodSandbox('pod');
  await runtime.close();
}

const points = new CrashPoints(Number(dieAfter));
const first = newRuntime();
await first.start();
await takeOver(first);
await show('taken over');
for (const { id } of await first.listPodSandboxes()) await first.removePodSandbox(id);
await show('cleared');
await first.close();
await prepare();
points.arm();
await live();
say(`whole ${points.disarm()}`);
process.exit(0);
