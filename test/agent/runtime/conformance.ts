/**
 * What every runtime owes, as a list of cases, and who they are tried on. It runs in namespaces that the test makes
 * (conformance-main.ts): nothing of it touches the machine's network, and nothing survives it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createServer, type Socket } from 'node:net';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { systemClock } from '../../../src/base/system-clock.ts';
import type { ContainerConfig, ContainerRecord, LogOptions, Runtime, SandboxConfig } from '../../../src/agent/runtime/runtime.ts';
import type { CommandOptions, CommandStream } from '../../../src/agent/runtime/streams.ts';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { missing } from './census.ts';
import { LIFE_CASES } from './conformance-lives.ts';

/** What a runtime can do on this machine; a case that needs more is skipped with its reason. */
export type Ability = 'isolation' | 'images' | 'limits' | 'many-users' | 'sandbox-process';

export interface OpenOptions {
  readonly podCidr?: string;
  /** Another node of the same cluster. */
  readonly node?: string;
}

export interface OpenRuntime {
  readonly runtime: Runtime;
  /** Reaches a pod's address. */
  dial(host: string, port: number): Promise<Socket>;
}

export interface Subject {
  readonly name: string;
  /** Why it cannot do what it lacks. */
  readonly lacks: ReadonlyMap<Ability, string>;
  /** Absolute, of the node that `open` opens by default. */
  readonly root: string;
  open(options?: OpenOptions): Promise<OpenRuntime>;
  /** Processes, namespaces, mounts, links and cgroups that are there now. */
  census(): readonly string[];
}

export interface Case {
  readonly name: string;
  readonly needs: readonly Ability[];
  readonly run: (world: World) => Promise<void>;
}

const DEADLINE_MS = 15_000;
/** Of the machine's own network, which is the test's. */
export const OUTER_PORT = 16_443;

/** One case's runtime and what its pods are. */
export class World {
  readonly subject: Subject;
  #open: OpenRuntime;

  constructor(subject: Subject, open: OpenRuntime) {
    this.subject = subject;
    this.#open = open;
  }

  get runtime(): Runtime {
    return this.#open.runtime;
  }

  /** The agent is gone and another one comes, as after a crash: the runtime lets go of everything. */
  async reopen(options: OpenOptions = {}, between: () => void | Promise<void> = () => undefined): Promise<void> {
    await this.runtime.close();
    await between();
    this.#open = await this.subject.open(options);
  }

  async pod(uid: string, extra: Partial<SandboxConfig> = {}): Promise<string> {
    const { ip } = await this.runtime.runPodSandbox({ uid, namespace: 'default', name: uid, hostname: uid, hostNetwork: false, annotations: {}, ...extra });
    return ip;
  }

  async run(script: string, extra: Partial<ContainerConfig> & { readonly uid?: string } = {}): Promise<string> {
    const { uid = 'pod-a', ...config } = extra;
    await this.pod(uid);
    const id = await this.runtime.createContainer(uid, {
      name: 'main', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['sh', '-c', script], workingDir: '', env: {}, mounts: [], ...config,
    });
    await this.runtime.startContainer(id);
    return id;
  }

  async record(id: string): Promise<ContainerRecord> {
    const found = (await this.runtime.listContainers()).find((container) => container.id === id);
    ok(found, `there is a container ${id}`);
    return found;
  }

  exited(id: string): Promise<ContainerRecord> {
    return this.until(`end of ${id}`, async () => {
      const found = await this.record(id);
      return found.state === 'exited' ? found : undefined;
    });
  }

  async log(id: string, options: Partial<LogOptions> = {}): Promise<string> {
    let text = '';
    for await (const chunk of this.runtime.logs(id, { follow: false, timestamps: false, ...options })) text += Buffer.from(chunk).toString('utf8');
    return text;
  }

  said(id: string, text: string): Promise<true> {
    return this.until(`${id} says ${JSON.stringify(text)}`, async () => (await this.log(id)).includes(text) || undefined);
  }

  /** Runs to its end and answers what it wrote; it must end well. */
  async output(script: string, extra: Parameters<World['run']>[1] = {}): Promise<string> {
    const id = await this.run(script, extra);
    const { exitCode, reason, message } = await this.exited(id);
    const text = await this.log(id);
    equal(exitCode, 0, `exit code 0 (${reason ?? ''} ${message ?? ''} ${text})`);
    return text;
  }

  /** All that a server at the address says. */
  async ask(host: string, port: number): Promise<string> {
    return this.until(`answer of ${host}:${port}`, async () => {
      const socket = await this.#open.dial(host, port).catch(() => undefined);
      if (socket === undefined) return undefined;
      let text = '';
      socket.on('error', () => undefined);
      socket.on('data', (data: Buffer) => (text += data.toString()));
      await new Promise<void>((done) => socket.once('close', () => done()).once('end', () => socket.end()));
      return text;
    });
  }

  async until<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<NonNullable<T>> {
    for (const start = systemClock.monotonic(); systemClock.monotonic() - start < DEADLINE_MS; ) {
      const found = await probe();
      if (found !== undefined && found !== null) return found;
      await new Promise<void>((go) => systemClock.setTimer(10, go));
    }
    throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
  }
}

const server = (port: number) => ['node', '-e', `require('net').createServer((s) => s.end(process.env.HOSTNAME)).listen(${port})`];
const containerDirectory = ({ subject }: World, uid = 'pod-a') => join(subject.root, `pods/${uid}/containers/main/0`);
/** A file by which a test tells a container to go on. */
const signalFile = (world: World) => {
  const directory = join(world.subject.root, 'signals');
  mkdirSync(directory, { recursive: true });
  return { mounts: [{ containerPath: '/signals', hostPath: directory, readOnly: true }], give: () => writeFileSync(join(directory, 'go'), '') };
};
const command = (world: World, id: string, script: string, options: Partial<CommandOptions> = {}) =>
  world.runtime.execStream(id, { command: ['sh', '-c', script], stdin: false, stdout: true, stderr: true, tty: false, ...options });

async function saidBy(stream: CommandStream): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream: name, bytes } of stream.output) texts[name] += Buffer.from(bytes).toString();
  return { ...texts, ...(await stream.ended) };
}

const WAIT = 'while [ ! -e signals/go ]; do sleep 0.02; done';

export const CASES: readonly Case[] = [
  {
    name: 'a container runs with its environment and tells how it ended',
    needs: [],
    run: async (world) => {
      const heard: string[] = [];
      world.runtime.subscribe((id) => heard.push(id));
      const id = await world.run('echo "$GREETING from $HOSTNAME"; echo oops >&2; exit 7', { env: { GREETING: "it's \"hello\" $HOME `x`" } });
      const ended = await world.exited(id);
      equal(ended.exitCode, 7);
      ok(ended.finishedAtMs! >= ended.createdAtMs - 1);
      ok(heard.includes('pod-a'), 'the listener heard of it');
      equal(await world.log(id), 'it\'s "hello" $HOME `x` from pod-a\noops\n');
    },
  },
  {
    name: 'a program ended by a signal says so by 128 and more',
    needs: ['isolation'],
    run: async (world) => {
      const id = await world.run("sh -c 'kill -9 $$'; exit $?");
      equal((await world.exited(id)).exitCode, 137);
    },
  },
  {
    name: 'a program that does not exist is a container that could not start',
    needs: [],
    run: async (world) => {
      const id = await world.run('', { command: ['no-such-program'] });
      const { exitCode, reason, message } = await world.exited(id);
      deepEqual({ exitCode, reason }, { exitCode: 128, reason: 'StartError' });
      ok(message?.includes('no-such-program'), message);
    },
  },
  {
    name: 'no address comes back before the range wraps, nor after a restart of the agent',
    needs: [],
    run: async (world) => {
      const podCidr = world.subject.name === 'process' ? '127.251.7.0/29' : '10.244.7.0/29';
      await world.reopen({ podCidr, node: 'small' });
      const seen: string[] = [];
      const add = async (i: number) => seen.push(await world.pod(`pod-${i}`));
      for (let i = 0; i < 3; i++) {
        await add(i);
        await world.runtime.removePodSandbox(`pod-${i}`);
      }
      await world.reopen({ podCidr, node: 'small' });
      for (let i = 3; i < 5; i++) await add(i);
      equal(new Set(seen).size, 5, `five addresses: ${seen.join(' ')}`);
      for (let i = 5; i < 8; i++) {
        await add(i);
        await world.runtime.removePodSandbox(`pod-${i}`);
      }
      ok(new Set(seen).size < 8, 'and then they come again');
      for (const { id } of await world.runtime.listPodSandboxes()) await world.runtime.removePodSandbox(id);
      await world.reopen();
    },
  },
  {
    name: 'two pods listen on one port and are reached by their addresses',
    needs: [],
    run: async (world) => {
      for (const uid of ['pod-a', 'pod-b']) await world.run('', { uid, command: server(18_080) });
      for (const { ip, name } of await world.runtime.listPodSandboxes()) equal(await world.ask(ip, 18_080), name);
    },
  },
  {
    name: 'containers of a pod meet on localhost, those of another pod do not',
    needs: ['isolation'],
    run: async (world) => {
      await world.run('', { command: server(18_081) });
      const client = `node -e "require('net').connect(18081,'127.0.0.1').on('data',(d)=>console.log(String(d))).on('error',(e)=>console.log(e.code))"`;
      equal(await world.output(`until [ "$(${client})" = pod-a ]; do sleep 0.05; done`, { name: 'beside' }), '');
      equal(await world.output(client, { uid: 'pod-b' }), 'ECONNREFUSED\n');
    },
  },
  {
    name: 'stopContainer() asks first and lets the program finish',
    needs: [],
    run: async (world) => {
      const id = await world.run(`trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done 2>&-`);
      await world.said(id, 'up\n');
      await world.runtime.stopContainer(id, 5_000);
      const { state, exitCode } = await world.record(id);
      deepEqual({ state, exitCode }, { state: 'exited', exitCode: 3 });
      equal(await world.log(id), 'up\nbye\n');
    },
  },
  {
    name: 'stopContainer() ends what does not listen, and what let go of its parents',
    needs: [],
    run: async (world) => {
      const before = world.subject.census();
      const id = await world.run(`trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' & echo up; while :; do sleep 0.1; done`);
      await world.said(id, 'up\n');
      const start = systemClock.monotonic();
      await world.runtime.stopContainer(id, 100);
      ok(systemClock.monotonic() - start >= 95, 'after its grace');
      equal((await world.record(id)).exitCode, 137);
      await world.runtime.removePodSandbox('pod-a');
      await world.until('nothing is left', () => missing(world.subject.census(), before).length === 0 || undefined);
    },
  },
  {
    name: 'a later stop with a shorter grace shortens the first',
    needs: [],
    run: async (world) => {
      const id = await world.run(`trap '' TERM; echo up; while :; do sleep 0.1; done`);
      await world.said(id, 'up\n');
      const patient = world.runtime.stopContainer(id, 60_000);
      await world.runtime.stopContainer(id, 0);
      await patient;
      equal((await world.record(id)).exitCode, 137);
    },
  },
  {
    name: 'when a container ends, what it left in the background ends too',
    needs: [],
    run: async (world) => {
      const before = world.subject.census();
      const id = await world.run('sleep 1000 & setsid sleep 1000 & exit 0');
      equal((await world.exited(id)).exitCode, 0);
      await world.runtime.removePodSandbox('pod-a');
      await world.until('nothing is left', () => missing(world.subject.census(), before).length === 0 || undefined);
    },
  },
  {
    name: 'a new agent adopts what runs: same process, same log, its exit code',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo before; ${WAIT}; echo after; exit 9`, { mounts: signal.mounts });
      const { pid } = await world.record(id);
      const done = await world.run('exit 4', { name: 'quick' });
      await world.exited(done);
      await world.reopen();
      const adopted = await world.record(id);
      deepEqual({ state: adopted.state, pid: adopted.pid }, { state: 'running', pid });
      equal((await world.record(done)).exitCode, 4);
      signal.give();
      equal((await world.exited(id)).exitCode, 9);
      equal(await world.log(id), 'before\nafter\n');
    },
  },
  {
    name: 'a container that ended while there was no agent has its exit code and the time of its end',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`${WAIT}; exit 5`, { mounts: signal.mounts });
      let before = 0;
      let after = 0;
      await world.reopen({}, async () => {
        before = systemClock.wall();
        signal.give();
        await world.until('its exit file', () => existsSync(join(containerDirectory(world), 'exit')) || undefined);
        after = systemClock.wall();
      });
      const { exitCode, finishedAtMs = 0 } = await world.record(id);
      equal(exitCode, 5);
      ok(finishedAtMs >= before - 20 && finishedAtMs <= after + 20, `${before} <= ${finishedAtMs} <= ${after}`);
    },
  },
  {
    name: 'a killed supervisor is noticed, and the exit code said to be unknown',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const { pid = 0 } = await world.record(id);
      for (const other of supervisorsOf(world)) sendSignal(other, 'SIGKILL');
      sendSignal(pid, 'SIGKILL');
      const { exitCode, reason } = await world.exited(id);
      deepEqual({ exitCode, reason }, { exitCode: 137, reason: 'ContainerStatusUnknown' });
    },
  },
  {
    name: 'start() ends strays whose pod is not known any more',
    needs: [],
    run: async (world) => {
      const before = world.subject.census();
      await world.run('exec sleep 1000');
      await world.reopen({}, () => writeFileSync(join(world.subject.root, 'pods/pod-a/sandbox.json'), '{ cut off'));
      deepEqual(await world.runtime.listPodSandboxes(), []);
      equal(existsSync(join(world.subject.root, 'pods/pod-a')), false);
      await world.until('nothing is left', () => missing(world.subject.census(), before).length === 0 || undefined);
    },
  },
  {
    name: 'when the sandbox dies, all containers of the pod end, and none starts any more',
    needs: ['sandbox-process'],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const { pause } = JSON.parse(readFileSync(join(world.subject.root, 'pods/pod-a/sandbox.json'), 'utf8')) as { pause: { pid: number } };
      sendSignal(pause.pid, 'SIGKILL');
      equal((await world.exited(id)).exitCode, 137);
      await world.until('the sandbox is stopped', async () => (await world.runtime.listPodSandboxes()).some(({ state }) => state === 'stopped') || undefined);
      const late = { name: 'late', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['true'], workingDir: '', env: {}, mounts: [] };
      await world.runtime.createContainer('pod-a', late).then(
        () => ok(false, 'a container was started in a dead sandbox'),
        (error: Error) => ok(error.message.includes('stopped'), error.message),
      );
    },
  },
  {
    name: 'when the holder of the network dies there is a new network, and the pods of the old one end',
    needs: ['sandbox-process'],
    run: async (world) => {
      const killHolder = () => {
        const { holder } = JSON.parse(readFileSync(join(world.subject.root, 'node.json'), 'utf8')) as { holder: { pid: number } };
        sendSignal(holder.pid, 'SIGKILL');
      };
      const early = await world.run('exec sleep 1000');
      await world.reopen({}, killHolder);
      equal((await world.exited(early)).exitCode, 137);
      const late = await world.run('exec sleep 1000', { uid: 'pod-b' });
      killHolder();
      equal((await world.exited(late)).exitCode, 137);
      await world.run('', { uid: 'pod-c', command: server(18_082) });
      const [ip = ''] = (await world.runtime.listPodSandboxes()).filter((one) => one.id === 'pod-c').map((one) => one.ip);
      equal(await world.ask(ip, 18_082), 'pod-c');
    },
  },
  {
    name: 'a volume appears where it is mounted, and cannot be written when it is read-only',
    needs: [],
    run: async (world) => {
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(join(volume, 'inner'), { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      const mounts = [
        { containerPath: '/data/config', hostPath: volume, readOnly: true },
        { containerPath: '/data/out', hostPath: volume, readOnly: false },
      ];
      equal(await world.output('cat data/config/key; echo more >data/out/new; cat data/config/new', { mounts }), 'value\nmore\n');
      equal(readFileSync(join(volume, 'new'), 'utf8'), 'more\n');
      if (world.subject.lacks.has('isolation')) return;
      const file = { containerPath: '/etc/one.conf', hostPath: join(volume, 'key'), readOnly: true };
      const script = 'cat /etc/one.conf; touch /data/config/x 2>/dev/null || echo refused; cat /data/out/inner/key; cat ../../out/key';
      const climbing = { containerPath: '/data/../../out', hostPath: volume, readOnly: true };
      const nested = { containerPath: '/data/out/inner', hostPath: volume, readOnly: true };
      equal(await world.output(script, { name: 'more', mounts: [...mounts, nested, file, climbing] }), 'value\nrefused\nvalue\nvalue\n');
    },
  },
  {
    name: 'exec() runs beside the container, and is ended at its time',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000', { env: { COLOUR: 'red' } });
      deepEqual(await world.runtime.exec(id, ['sh', '-c', 'echo $COLOUR; exit 2'], 5_000), { exitCode: 2, output: 'red\n', timedOut: false });
      equal((await world.runtime.exec(id, ['sh', '-c', 'sleep 2222 & wait'], 300)).timedOut, true);
      await world.until('the end of what took too long', () => !world.subject.census().some((line) => line.includes('sleep 2222')) || undefined);
      ok((await world.runtime.exec(id, ['no-such-program'], 5_000)).exitCode !== 0);
    },
  },
  {
    name: 'execStream() passes on what goes in and what comes out, apart, and how it ended',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000', { env: { COLOUR: 'red' } });
      const stream = await command(world, id, 'echo $COLOUR; wc -c; echo oops >&2; exit 7', { stdin: true });
      const said = saidBy(stream);
      for (let part = 0; part < 40; part++) await stream.write(Buffer.alloc(25_000, 'x'));
      stream.endInput();
      deepEqual(await said, { stdout: 'red\n1000000\n', stderr: 'oops\n', exitCode: 7 });
      await world.runtime.stopContainer(id, 0);
      await command(world, id, 'true').then(
        () => ok(false, 'a container that does not run takes a command'),
        (error: Error) => ok(error.message.includes('is not running'), error.message),
      );
    },
  },
  {
    name: 'execStream() has a terminal, of the size that is asked for, then and later',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const script = 'test -t 1 && stty size; until [ "$(stty size)" = "33 77" ]; do sleep 0.02; done; read line; echo "has read $line"; exit 3';
      const stream = await command(world, id, script, { stdin: true, tty: true, size: { width: 101, height: 41 } });
      let text = '';
      for await (const { bytes } of stream.output) {
        text += Buffer.from(bytes).toString();
        if (text !== '41 101\r\n') continue;
        stream.resize({ width: 77, height: 33 });
        await stream.write(Buffer.from('on\r'));
      }
      equal(text, '41 101\r\non\r\nhas read on\r\n');
      equal((await stream.ended).exitCode, 3);
    },
  },
  {
    name: 'execStream() that is let go takes along all that it has started',
    needs: [],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const stream = await command(world, id, 'sleep 3333 & setsid sleep 3333 & echo begun; wait');
      for await (const { bytes } of stream.output) if (Buffer.from(bytes).toString().includes('begun')) break;
      stream.close();
      await world.until('the end of what it has started', () => !world.subject.census().some((line) => line.includes('sleep 3333')) || undefined);
      equal((await world.record(id)).state, 'running');
    },
  },
  {
    name: 'attachStream() shows what the container writes from then on, and ends with it',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo before; ${WAIT}; echo after`, { mounts: signal.mounts });
      await world.said(id, 'before');
      const stream = await world.runtime.attachStream(id, { stdin: false, stdout: true, stderr: true, tty: false });
      const said = saidBy(stream);
      signal.give();
      equal((await said).stdout, 'after\n');
    },
  },
  {
    name: 'portForward() reaches a port of the pod, and says where nobody listens',
    needs: [],
    run: async (world) => {
      const echo = ['node', '-e', "require('net').createServer({allowHalfOpen:true},(s)=>{let n=0;s.on('data',(d)=>n+=d.length).on('end',()=>s.end(process.env.HOSTNAME+' '+n))}).listen(18085)"];
      await world.run('', { command: echo });
      const port = await world.until('a port that is forwarded', () => world.runtime.portForward('pod-a', 18_085).catch(() => undefined));
      for (let part = 0; part < 40; part++) await port.write(Buffer.alloc(25_000));
      port.endInput();
      let text = '';
      for await (const bytes of port.output) text += Buffer.from(bytes).toString();
      equal(text, 'pod-a 1000000');
      port.close();
      await world.runtime.portForward('pod-a', 18_086).then(
        () => ok(false, 'nobody listens there'),
        (error: Error) => ok(error.message.includes('connection refused'), error.message),
      );
    },
  },
  {
    name: 'exec() stands in all namespaces of its container, with no more rights',
    needs: ['isolation'],
    run: async (world) => {
      const script = 'for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done; grep -E "CapBnd|NoNewPrivs" /proc/self/status; id -u';
      const id = await world.run(`${script}; exec sleep 1000`, { security: { dropCapabilities: ['ALL'], addCapabilities: ['CHOWN'], noNewPrivileges: true } });
      await world.said(id, 'NoNewPrivs');
      const { output } = await world.runtime.exec(id, ['sh', '-c', script], 5_000);
      equal(output, await world.log(id));
      ok(output.includes('CapBnd:\t0000000000000001\n'), output);
    },
  },
  {
    name: 'an image that is not here is refused, and the machine\'s programs need a command',
    needs: ['isolation'],
    run: async (world) => {
      for (const [extra, what] of [[{ image: 'busybox:1.35' }, 'busybox'], [{ command: [] }, 'command']] as const) {
        await world.run('true', extra).then(
          () => ok(false, `${what}: it was made`),
          (error: Error) => ok(error.message.includes(what), error.message),
        );
      }
    },
  },
  {
    name: "an image's files are the root, and what is written to them is the container's own",
    needs: ['images'],
    run: async (world) => {
      const lower = join(world.subject.root, 'an-image');
      makeImage(lower);
      const imageRoot = { lowerDirs: [lower], hasHostPrograms: false };
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      const mounts = [{ containerPath: '/srv/data', hostPath: volume, readOnly: true }];
      // With what the shell can do by itself: there is no other program in it.
      const script = 'echo /*; read motd </etc/motd; echo "$motd"; read key <data/key; echo "$key"; echo other >/etc/motd; read motd </etc/motd; echo "$motd"; read host </etc/hostname; echo "$host"';
      const config = { image: 'example/shell', imageRoot, mounts, workingDir: '/srv', command: ['/bin/sh', '-c', script] };
      const [all = '', ...lines] = (await world.output('', config)).trim().split('\n');
      deepEqual(all.split(' ').filter((one) => !one.startsWith('/lib')), ['/bin', '/dev', '/etc', '/proc', '/srv', '/sys']);
      deepEqual(lines, ['the image', 'value', 'other', 'pod-a']);
      equal(readFileSync(join(lower, 'etc/motd'), 'utf8'), 'the image\n');
      const readOnly = { ...config, name: 'sealed', command: ['/bin/sh', '-c', 'echo x >/etc/motd'], security: { readOnlyRoot: true } };
      ok((await world.exited(await world.run('', readOnly))).exitCode !== 0, 'a read-only root is not written');
    },
  },
  {
    name: 'the inner half of the node dies, and comes back',
    needs: ['sandbox-process'],
    run: async (world) => {
      await world.run('', { command: server(18_085) });
      const [{ ip } = { ip: '' }] = await world.runtime.listPodSandboxes();
      equal(await world.ask(ip, 18_085), 'pod-a');
      killInner();
      equal(await world.ask(ip, 18_085), 'pod-a');
    },
  },
  {
    name: 'what listens on the machine is reached from the network of the node, also after its inner half came back',
    needs: ['sandbox-process'],
    run: async (world) => {
      const outside = createServer((socket) => socket.end('outside')).listen(OUTER_PORT, '127.0.0.1');
      try {
        await world.pod('pod-a', { hostNetwork: true });
        const client = `require('net').connect(${OUTER_PORT},'127.0.0.1').on('data',(d)=>process.exit(String(d)==='outside'?0:1)).on('error',()=>process.exit(1))`;
        equal(await world.output(`until node -e "${client}"; do sleep 0.05; done; echo met`), 'met\n');
        killInner();
        equal(await world.output(`until node -e "${client}"; do sleep 0.05; done; echo met`, { attempt: 1 }), 'met\n');
      } finally {
        outside.close();
      }
    },
  },
  {
    name: 'logs() follows until the container ends',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo one; ${WAIT}; printf 'two\\nthree'`, { mounts: signal.mounts });
      const seen: string[] = [];
      for await (const chunk of world.runtime.logs(id, { follow: true, timestamps: false })) {
        seen.push(Buffer.from(chunk).toString());
        if (seen.length === 1) signal.give();
      }
      equal(seen.join(''), 'one\ntwo\nthree');
    },
  },
  {
    name: "a container sees the machine's programs, and nothing else of the machine",
    needs: ['isolation'],
    run: async (world) => {
      const text = await world.output(`ls / | tr '\\n' ' '; echo; ls -d /home /root /var ${world.subject.root} 2>/dev/null; cat /proc/1/comm; hostname;
        touch /usr/x 2>/dev/null || echo no usr; { echo 1 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo no sysctl; echo ok >/tmp/x && cat /tmp/x; head -c 1 /dev/zero | wc -c; ls /sys/fs/cgroup | wc -l; [ -w /sys/kernel ] || touch /sys/kernel/x 2>/dev/null || echo no sys`);
      const lines = text.trim().split('\n');
      ok(/^bin dev etc lib (lib32 )?(lib64 )?(libx32 )?proc run sbin sys tmp usr $/.test(lines[0]!), lines[0]);
      deepEqual(lines.slice(1, 7), ['sh', 'pod-a', 'no usr', 'no sysctl', 'ok', '1']);
      equal(lines.at(-1), 'no sys');
      const mounted = (await world.output("cut -d' ' -f5 /proc/self/mountinfo", { name: 'mounts' })).trim().split('\n');
      deepEqual(mounted.filter((path) => !/^\/($|usr$|s?bin$|lib\w*$|etc\/|dev\/|proc($|\/)|sys$)/.test(path)), [], 'nothing else is mounted, such as what was the root before');
    },
  },
  {
    name: 'a read-only root is read-only but for its volumes',
    needs: ['isolation'],
    run: async (world) => {
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      const mounts = [{ containerPath: '/data', hostPath: volume, readOnly: false }];
      equal(await world.output('touch /x 2>/dev/null || echo no; touch /etc/x 2>/dev/null || echo no; touch /data/x && echo yes', { mounts, security: { readOnlyRoot: true } }), 'no\nno\nyes\n');
    },
  },
  {
    name: 'names, addresses and settings of the pod are as it asks',
    needs: ['isolation'],
    run: async (world) => {
      const dns = { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local', 'svc.cluster.local'], options: ['ndots:5'] };
      const ip = await world.pod('pod-a', { dns, hostAliases: [{ ip: '10.1.2.3', hostnames: ['far', 'away'] }], sysctls: { 'net.ipv4.ip_local_port_range': '20000 30000' } });
      const text = await world.output(`cat /etc/resolv.conf; grep -E 'far|pod-a' /etc/hosts; cat /etc/hostname /proc/sys/net/ipv4/ip_local_port_range | tr '\\t' ' '; ip -4 -o addr show eth0 | grep -o '10[0-9./]*' | head -1`);
      equal(text, `nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local\noptions ndots:5\n${ip}\tpod-a\n10.1.2.3\tfar\taway\n`.replaceAll('\t', '\t') + `pod-a\n20000 30000\n${ip}/24\n`);
    },
  },
  {
    name: 'a pod on the network of its node is at the address of the node',
    needs: ['isolation'],
    run: async (world) => {
      const ip = await world.pod('pod-a', { hostNetwork: true });
      ok(ip.endsWith('.1'), ip);
      await world.run('', { command: server(18_083) });
      await world.run(`until node -e "require('net').connect(18083,'${ip}').on('data',(d)=>process.exit(String(d)==='pod-a'?0:1)).on('error',()=>process.exit(1))"; do sleep 0.05; done; echo met`, { uid: 'pod-b' });
      await world.said('pod-b/main/0', 'met');
    },
  },
  {
    name: 'pods of two nodes of a machine reach each other, also after one of the nodes came back',
    needs: ['isolation'],
    run: async (world) => {
      const other = await world.subject.open({ node: 'node-2', podCidr: '10.244.2.0/24' });
      try {
        await world.run('', { command: server(18_084) });
        const [{ ip } = { ip: '' }] = await world.runtime.listPodSandboxes();
        await other.runtime.runPodSandbox({ uid: 'far', namespace: 'default', name: 'far', hostname: 'far', hostNetwork: false, annotations: {} });
        const script = `until node -e "require('net').connect(18084,'${ip}').on('data',(d)=>process.exit(String(d)==='pod-a'?0:1)).on('error',()=>process.exit(1))"; do sleep 0.05; done; exit 0`;
        const id = await other.runtime.createContainer('far', { name: 'main', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['sh', '-c', script], workingDir: '', env: {}, mounts: [] });
        await other.runtime.startContainer(id);
        await world.until('the pods met', async () => (await other.runtime.listContainers())[0]?.exitCode === 0 || undefined);
      } finally {
        await other.runtime.removePodSandbox('far');
        await other.runtime.close();
      }
    },
  },
  {
    name: 'a program has the user, the groups and the rights that it was given',
    needs: ['many-users'],
    run: async (world) => {
      const security = { user: 1234, group: 1235, supplementalGroups: [7, 8], noNewPrivileges: true };
      equal(await world.output('id -u; id -g; id -G; grep -E "CapEff|NoNewPrivs" /proc/self/status', { security }), '1234\n1235\n1235 7 8\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n');
    },
  },
  {
    name: 'a program has another number for its user, also where there is one user only',
    needs: ['isolation'],
    run: async (world) => {
      equal(await world.output('id -u; id -g; echo x >/tmp/x && cat /tmp/x; grep CapEff /proc/self/status', { security: { user: 1234, group: 1235 } }), '1234\n1235\nx\nCapEff:\t0000000000000000\n');
    },
  },
  {
    name: 'memory past the limit ends the container, and the reason is named',
    needs: ['limits'],
    run: async (world) => {
      const id = await world.run(`exec node -e 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))'`, { resources: { memoryLimitBytes: 64 * 1024 * 1024 } });
      const { exitCode, reason } = await world.exited(id);
      deepEqual({ exitCode, reason }, { exitCode: 137, reason: 'OOMKilled' });
    },
  },
  {
    name: 'processor time and processes are limited',
    needs: ['limits'],
    run: async (world) => {
      const resources = { cpuLimitMilli: 200, cpuRequestMilli: 100, processesMax: 20 };
      const id = await world.run('n=0; for i in $(seq 40); do sleep 1000 & n=$i; done 2>/dev/null; echo all', { resources });
      const { exitCode } = await world.exited(id);
      ok(exitCode !== 0 && !(await world.log(id)).includes('all'), `no more than 20 processes: ${exitCode}`);
      const busy = await world.run(`exec node -e 'const end=process.hrtime.bigint()+1500000000n;while(process.hrtime.bigint()<end);console.log(Math.round(process.cpuUsage().user/1000))'`, { resources, name: 'busy' });
      await world.exited(busy);
      const usedMs = Number(await world.log(busy));
      ok(usedMs > 0 && usedMs < 700, `a fifth of a core for 1.5 s: ${usedMs} ms`);
    },
  },
  {
    name: 'a limit below what can start is a container that could not start, or was ended for it',
    needs: ['limits'],
    run: async (world) => {
      const id = await world.run('exec node -e 0', { resources: { memoryLimitBytes: 256 * 1024 } });
      const { reason } = await world.exited(id);
      ok(reason === 'StartError' || reason === 'OOMKilled', reason);
    },
  },
  {
    name: 'what a container uses is measured',
    needs: [],
    run: async (world) => {
      const id = await world.run(`exec node -e 'const a=Buffer.alloc(40<<20,1);while(process.cpuUsage().user<200000);console.log("done",a.length);setInterval(()=>0,1000)'`);
      await world.said(id, 'done');
      const usage = (await world.runtime.listContainerUsages()).find((one) => one.id === id);
      ok(usage !== undefined && usage.cpuMs > 150 && usage.memoryBytes > 40 * 1024 * 1024, JSON.stringify(usage));
    },
  },
  ...LIFE_CASES,
];

/** A root with a shell in it, and nothing else of the machine. */
function makeImage(directory: string): void {
  const { stdout } = spawnSync('ldd', ['/bin/sh'], { encoding: 'utf8' });
  const libraries = stdout.split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  for (const path of ['/bin/sh', ...libraries]) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    copyFileSync(path, join(directory, path));
  }
  mkdirSync(join(directory, 'etc'), { recursive: true });
  writeFileSync(join(directory, 'etc/motd'), 'the image\n');
}

function killInner(): void {
  const isInner = (name: string) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('inner-main.js');
  const pids = readdirSync('/proc').filter(isInner);
  equal(pids.length, 1);
  sendSignal(Number(pids[0]), 'SIGKILL');
}

/** All processes that watch over the container: its supervisor and what stands between it and the program. */
function supervisorsOf(world: World): readonly number[] {
  const directory = containerDirectory(world);
  const read = (name: string) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8').trim().split(' ').map(Number) : []);
  const supervisor = read('supervisor')[0] ?? read('pid')[2] ?? 0;
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ').map(Number);
  return [supervisor, ...(world.subject.name === 'process' ? [] : children)].filter((pid) => pid > 1);
}
