/**
 * An agent in small, for crash-main.ts to kill: it keeps the pods that are declared here on a runtime, over and over, until
 * it is asked (SIGTERM) to see that all is as declared, and to take everything away.
 *   node dist/test/agent/runtime/crash-agent.js DIRECTORY SUBJECT
 * SUBJECT: crun or util-linux (the linux runtime by them), process, cri.
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../src/base/errors.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { CriRuntime } from '../../../src/agent/runtime/cri/cri.ts';
import { LinuxRuntime } from '../../../src/agent/runtime/linux/linux.ts';
import { probeMachine } from '../../../src/agent/runtime/linux/machine.ts';
import { ProcessRuntime } from '../../../src/agent/runtime/process.ts';
import type { ContainerConfig, ContainerRecord, Runtime, Sandbox } from '../../../src/agent/runtime/runtime.ts';
import { BUSYBOX_IMAGE } from './cri/archive.ts';
import { ENDPOINT } from './cri/containerd.ts';
import { NODE_IP } from './cri/subject.ts';

const PODS = ['pod-0', 'pod-1', 'pod-2', 'pod-3'] as const;
const PORT = 8_080;
const NAMES = ['idle', 'server'] as const;
type Name = (typeof NAMES)[number];
const IDLE = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

/** A runtime, and what its pods are made of. */
interface Place {
  readonly runtime: Runtime;
  readonly image: string;
  readonly programs: Readonly<Record<Name, readonly string[]>>;
  /** A pod that could not be made is tried again, as agents do; otherwise it is forgotten, and another one is made. */
  readonly keepsUids: boolean;
  /** Succeeds in a container that has all it needs. */
  readonly check: readonly string[];
  dial(host: string, port: number): Promise<Socket>;
}

const pause = (ms: number) => new Promise<void>((go) => systemClock.setTimer(ms, go));
const dialHere = (host: string, port: number) => new Promise<Socket>((resolve, reject) => {
  const socket = connect({ host, port }, () => resolve(socket)).on('error', reject);
});

/** Waits for the others too where one has failed: nothing is done to a pod by two at once. */
async function allOf(works: readonly Promise<boolean>[]): Promise<boolean> {
  const outcomes = await Promise.allSettled(works);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return outcomes.every((outcome) => outcome.status === 'fulfilled' && outcome.value);
}

class SmallAgent {
  readonly #place: Place;
  readonly #runtime: Runtime;
  isAsked = false;

  constructor(place: Place) {
    this.#place = place;
    this.#runtime = place.runtime;
  }

  /** True: nothing was to be done. */
  async pass(): Promise<boolean> {
    const sandboxes = await this.#runtime.listPodSandboxes();
    return allOf(PODS.map((name) => this.#pod(name, sandboxes.filter((one) => one.name === name))));
  }

  async #pod(name: string, sandboxes: readonly Sandbox[]): Promise<boolean> {
    const dead = sandboxes.filter(({ state }) => state === 'stopped');
    for (const { id } of dead) await this.#runtime.removePodSandbox(id);
    const ready = sandboxes.find(({ state }) => state === 'ready')?.id;
    if (ready === undefined) {
      const uid = this.#place.keepsUids ? name : `${name}-${process.pid}-${systemClock.wall()}`;
      await this.#runtime.runPodSandbox({ uid, namespace: 'default', name, hostname: name, hostNetwork: false, annotations: {} });
      return false;
    }
    return (await allOf(NAMES.map((container) => this.#container(ready, container)))) && dead.length === 0;
  }

  async #container(uid: string, name: Name): Promise<boolean> {
    const all = (await this.#runtime.listContainers(uid)).filter((one) => one.name === name);
    const last: ContainerRecord | undefined = all.at(-1);
    for (const { id } of all.slice(0, -1)) await this.#runtime.removeContainer(id);
    if (last?.state === 'running') return true;
    const attempt = (last?.attempt ?? -1) + 1;
    const config: ContainerConfig = { name, attempt, backoffSteps: 0, init: false, image: this.#place.image, command: this.#place.programs[name], workingDir: '', env: {}, mounts: [], stdin: name === 'idle' };
    await this.#runtime.startContainer(await this.#runtime.createContainer(uid, config));
    return false;
  }

  /** Every container takes a command, and every server answers from outside. */
  async verify(): Promise<void> {
    for (const { name, ip } of await this.#runtime.listPodSandboxes()) {
      const socket = await this.#place.dial(ip, PORT);
      let text = '';
      for await (const bytes of socket as AsyncIterable<Buffer>) text += bytes.toString(); // without an encoding, bytes
      if (text.trim() !== name) throw new Error(`${name} answers ${JSON.stringify(text)}`);
    }
    for (const { id } of await this.#runtime.listContainers()) {
      const { exitCode, output } = await this.#runtime.exec(id, this.#place.check, 10_000);
      if (exitCode !== 0) throw new Error(`${id}: a command answered ${exitCode} ${output}`);
    }
  }

  async run(): Promise<void> {
    for (;;) {
      const isSettled = await this.pass().catch((error: unknown) => void process.stderr.write(`${describeError(error)}\n`));
      if (isSettled !== true || !this.isAsked) {
        await pause(20);
        continue;
      }
      const failure = await this.verify().then(() => undefined, describeError);
      if (failure === undefined) return;
      process.stderr.write(`${failure}\n`);
      await pause(100);
    }
  }
}

function placeOf(directory: string, subject: string): Place {
  const root = join(directory, 'node-1');
  const world = { root, why: 'test', clock: systemClock, log: silentLog };
  const own = {
    image: 'podium.dev/host',
    programs: { idle: IDLE, server: ['node', '-e', `require('net').createServer((s) => s.end(process.env.HOSTNAME)).listen(${PORT})`] },
    check: ['true'],
    keepsUids: false,
    dial: dialHere,
  };
  const hasRoute = ['sh', '-c', 'grep -q eth0 /proc/net/route'];
  if (subject === 'process') return { ...own, runtime: new ProcessRuntime({ ...world, podCidr: '127.251.0.0/20' }) };
  if (subject === 'cri') {
    const channel = connectLean({ addresses: [ENDPOINT], keepaliveTimeMs: Infinity });
    const server = ['sh', '-c', `while :; do nc -l -p ${PORT} -e hostname; done`];
    return { ...own, runtime: new CriRuntime({ ...world, nodeIp: NODE_IP, endpoint: ENDPOINT, channel }), image: BUSYBOX_IMAGE, programs: { idle: IDLE, server }, check: hasRoute, keepsUids: true };
  }
  const probed = probeMachine();
  if (!probed.ok) throw new Error(probed.why);
  const runtime = new LinuxRuntime({
    ...world,
    networkDirectory: join(directory, 'network'),
    podCidr: '10.244.1.0/24',
    machine: probed.machine,
    innerEntry: fileURLToPath(new URL('../../../src/agent/runtime/linux/inner-main.js', import.meta.url)),
    version: '0',
    engine: subject,
  });
  return { ...own, runtime, check: hasRoute, dial: (host, port) => runtime.inner.dial({ host, port }) };
}

async function main([directory = '', subject = '']: readonly string[]): Promise<void> {
  const place = placeOf(directory, subject);
  const { runtime } = place;
  const agent = new SmallAgent(place);
  process.on('SIGTERM', () => (agent.isAsked = true));
  process.stdout.write('hears\n');
  await runtime.start();
  await agent.run();
  process.stdout.write('as declared\n');
  // Whoever watches looks around, and says when to go on.
  await new Promise<void>((go) => process.stdin.once('data', () => go()));
  for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
  await runtime.close();
  process.exit(0);
}

await main(process.argv.slice(2));
