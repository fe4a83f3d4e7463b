/**
 * Who the cases of the conformance suite (conformance-cases.ts) are tried on, and what a case has at hand. It runs in
 * namespaces that the test makes (conformance-main.ts): nothing of it touches the machine's network, and nothing survives
 * it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { equal, ok } from 'node:assert/strict';
import type { CriRuntimeOptions } from '../../../src/agent/runtime/cri/cri.ts';
import type { ImageStatus } from '../../../src/image/image-service.ts';
import type { OpenedImages } from '../../../src/image/open-images.ts';
import type { ContainerConfig, ContainerRecord, LogOptions, Runtime, SandboxConfig } from '../../../src/agent/runtime/runtime.ts';
import { untilWithin } from '../../until.ts';
import { missing } from './census.ts';
import { buildTestImage, type TestBuild } from './test-images.ts';

/** What a runtime can do on this machine; a case that needs more is skipped with its reason. */
export type Ability =
  | 'isolation' | 'filters' | 'images' | 'limits' | 'many-users' | 'small-disk' | 'sandbox-process'
  /** What it knows is in files of its own, and it watches over processes itself. */
  | 'own-files'
  /** It gives out addresses itself, and joins the nodes of a machine. */
  | 'own-network'
  /** podium.dev/host: the machine's own programs. */
  | 'host-image'
  /** What a command has started ends with it, however it ends. */
  | 'command-trees'
  /** A terminal has its size before the command begins. */
  | 'first-size'
  /** A program controls the terminal that it has, so that what is typed may interrupt it. */
  | 'own-terminal'
  | 'process-limits'
  /** A container names the signal that asks it to end. */
  | 'stop-signal'
  /** What limits a container now is told with it. */
  | 'known-limits'
  /** Limits are those of version 1 of cgroups, and pods have some too. */
  | 'pod-limits'
  /** What containers share with their pod and their machine is ours to look into. */
  | 'shared-processes';

export interface OpenOptions {
  readonly podCidr?: string;
  /** Another node of the same cluster. */
  readonly node?: string;
  readonly cri?: Partial<CriRuntimeOptions>;
}

export interface OpenRuntime {
  readonly runtime: Runtime;
  /** Where the runtime finds its images. */
  readonly images?: OpenedImages;
  /** Reaches a pod's address. */
  dial(host: string, port: number): Promise<Socket>;
}

export interface Subject {
  readonly name: string;
  /** Why it cannot do what it lacks. */
  readonly lacks: ReadonlyMap<Ability, string>;
  /** Absolute, of the node that `open` opens by default. */
  readonly root: string;
  /** What containers run that say nothing else: an image with the machine's programs in it, and what it needs for that. */
  readonly container?: Pick<ContainerConfig, 'image' | 'mounts'>;
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
  readonly until = untilWithin(DEADLINE_MS);
  readonly subject: Subject;
  #open: OpenRuntime;

  constructor(subject: Subject, open: OpenRuntime) {
    this.subject = subject;
    this.#open = open;
  }

  get runtime(): Runtime {
    return this.#open.runtime;
  }

  get images(): OpenedImages {
    ok(this.#open.images, 'the runtime has images');
    return this.#open.images;
  }

  /** An image with busybox in it, of a name of its own. */
  async image(build: Omit<TestBuild, 'folder'>): Promise<ImageStatus & { readonly image: string; readonly imageId: string }> {
    await buildTestImage(this.images, { ...build, folder: join(this.subject.root, 'to-build') });
    const status = await this.images.images.status(build.name);
    ok(status, `image ${build.name} was built`);
    return { ...status, image: build.name, imageId: status.id };
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
    const { image, mounts: own } = this.subject.container ?? { image: 'podium.dev/host', mounts: [] };
    const id = await this.runtime.createContainer(uid, {
      name: 'main', attempt: 0, backoffSteps: 0, init: false, image, command: ['sh', '-c', script], workingDir: '', env: {}, ...config, mounts: [...own, ...(config.mounts ?? [])],
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

  /** Why a container was killed a runtime may hear a little later than its end. */
  endedFor(id: string): Promise<ContainerRecord & { readonly reason: string }> {
    return this.until(`reason of the end of ${id}`, async () => {
      const { reason, ...found } = await this.record(id);
      return found.state === 'exited' && reason !== undefined ? { ...found, reason } : undefined;
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

  /** Of what was not there before. */
  async nothingLeft(before: readonly string[]): Promise<void> {
    let left: readonly string[] = [];
    const isNothingLeft = () => (left = missing(this.subject.census(), before)).length === 0 || undefined;
    await this.until('nothing is left', isNothingLeft).catch((cause: unknown) => {
      throw new Error(`left:\n${left.join('\n')}`, { cause });
    });
  }
}

/** A program that says its pod's name to whoever connects. */
export const server = (port: number) => ['node', '-e', `require('net').createServer((s) => s.end(process.env.HOSTNAME)).listen(${port})`];

/** A file by which a test tells a container to go on. */
export const signalFile = (world: World) => {
  const directory = join(world.subject.root, 'signals');
  mkdirSync(directory, { recursive: true });
  return { mounts: [{ containerPath: '/signals', hostPath: directory, readOnly: true }], give: () => writeFileSync(join(directory, 'go'), '') };
};

/** What a container does until then. */
export const WAIT = 'while [ ! -e signals/go ]; do sleep 0.02; done';
