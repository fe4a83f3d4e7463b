/**
 * An agent in small, for crash-main.ts to kill: it keeps the pods that are declared here on the linux runtime, over and
 * over, until it is asked (SIGTERM) to see that all is as declared, and to take everything away.
 *   node dist/test/agent/runtime/crash-agent.js DIRECTORY ENGINE
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../src/base/errors.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { LinuxRuntime } from '../../../src/agent/runtime/linux/linux.ts';
import { probeMachine } from '../../../src/agent/runtime/linux/machine.ts';
import type { ContainerConfig, ContainerRecord, Sandbox } from '../../../src/agent/runtime/runtime.ts';

const PODS = ['pod-0', 'pod-1', 'pod-2', 'pod-3'] as const;
const PORT = 8_080;
const PROGRAMS = {
  idle: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'],
  server: ['node', '-e', `require('net').createServer((s) => s.end(process.env.HOSTNAME)).listen(${PORT})`],
} as const;

const pause = (ms: number) => new Promise<void>((go) => systemClock.setTimer(ms, go));

class SmallAgent {
  readonly #runtime: LinuxRuntime;
  isAsked = false;

  constructor(runtime: LinuxRuntime) {
    this.#runtime = runtime;
  }

  /** True: nothing was to be done. */
  async pass(): Promise<boolean> {
    const sandboxes = await this.#runtime.listPodSandboxes();
    const done = await Promise.all(PODS.map((name) => this.#pod(name, sandboxes.filter((one) => one.name === name))));
    return done.every(Boolean);
  }

  async #pod(name: string, sandboxes: readonly Sandbox[]): Promise<boolean> {
    const dead = sandboxes.filter(({ state }) => state === 'stopped');
    for (const { id } of dead) await this.#runtime.removePodSandbox(id);
    const uid = sandboxes.find(({ state }) => state === 'ready')?.id;
    if (uid === undefined) {
      await this.#runtime.runPodSandbox({ uid: `${name}-${process.pid}-${systemClock.wall()}`, namespace: 'default', name, hostname: name, hostNetwork: false, annotations: {} });
      return false;
    }
    const started = await Promise.all((['idle', 'server'] as const).map((container) => this.#container(uid, container)));
    return dead.length === 0 && started.every(Boolean);
  }

  async #container(uid: string, name: keyof typeof PROGRAMS): Promise<boolean> {
    const all = (await this.#runtime.listContainers(uid)).filter((one) => one.name === name);
    const last: ContainerRecord | undefined = all.at(-1);
    for (const { id } of all.slice(0, -1)) await this.#runtime.removeContainer(id);
    if (last?.state === 'running') return true;
    const attempt = (last?.attempt ?? -1) + 1;
    const config: ContainerConfig = { name, attempt, backoffSteps: 0, init: false, image: 'podium.dev/host', command: PROGRAMS[name], workingDir: '', env: {}, mounts: [], stdin: name === 'idle' };
    await this.#runtime.startContainer(await this.#runtime.createContainer(uid, config));
    return false;
  }

  /** Every container takes a command, and every server answers from outside. */
  async verify(): Promise<void> {
    for (const { name, ip } of await this.#runtime.listPodSandboxes()) {
      const socket = await this.#runtime.inner.dial({ host: ip, port: PORT });
      let text = '';
      for await (const bytes of socket as AsyncIterable<Buffer>) text += bytes.toString(); // without an encoding, bytes
      if (text !== name) throw new Error(`${name} answers ${JSON.stringify(text)}`);
    }
    for (const { id } of await this.#runtime.listContainers()) {
      const { exitCode, output } = await this.#runtime.exec(id, ['sh', '-c', 'cat /proc/net/route | grep -c eth0'], 10_000);
      if (exitCode !== 0 || Number(output) < 1) throw new Error(`${id}: a command answered ${exitCode} ${output}`);
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

async function main([directory = '', engine]: readonly string[]): Promise<void> {
  const probed = probeMachine();
  if (!probed.ok) throw new Error(probed.why);
  const runtime = new LinuxRuntime({
    root: join(directory, 'node-1'),
    networkDirectory: join(directory, 'network'),
    podCidr: '10.244.1.0/24',
    machine: probed.machine,
    why: 'test',
    innerEntry: fileURLToPath(new URL('../../../src/agent/runtime/linux/inner-main.js', import.meta.url)),
    version: '0',
    clock: systemClock,
    log: silentLog,
    engine,
  });
  const agent = new SmallAgent(runtime);
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
