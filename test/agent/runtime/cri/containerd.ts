/**
 * A containerd of the test's own. Only in namespaces that the test has made (namespaced.ts): what it keeps lies in file systems in
 * memory over /run and /var/lib, and all of it ends with the namespaces.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { describeError } from '../../../../src/base/errors.ts';
import { findTool } from '../../../../src/cluster/isolation.ts';
import { connectLean } from '../../../../src/grpc/lean/lean-channel.ts';
import { ImageService, RuntimeService } from '../../../../src/proto/cri.ts';
import { untilWithin } from '../../../until.ts';
import { archiveOf, BUSYBOX, BUSYBOX_IMAGE, busyboxImage, MACHINE_IMAGE, machineImage, PAUSE_IMAGE, pauseImage } from './archive.ts';

/** As it is on every machine that has one. */
export const SOCKET = '/run/containerd/containerd.sock';
export const ENDPOINT = `unix://${SOCKET}`;
export const POD_CIDR = '10.244.7.0/24';
export const GATEWAY = '10.244.7.1';
export const UNIFIED = '/sys/fs/cgroup/unified';
const CNI_PLUGINS = '/usr/lib/cni';
const TOOLS = ['containerd', 'ctr', 'ip', 'mount'];
const DEADLINE_MS = 20_000;
const until = untilWithin(DEADLINE_MS);
/** A directory with a containerd, its shim and ctr, in place of the machine's: newer ones are tried by hand. */
const CHOSEN = process.env['CONTAINERD_DIR'];
const PATH = [...(CHOSEN === undefined ? [] : [resolve(CHOSEN)]), process.env['PATH'] ?? ''].join(':');

export type OciRuntime = 'crun' | 'runc';

/** Undefined: containerd can be tried here. */
export function whyNoContainerd(runtime: OciRuntime): string | undefined {
  const missing = [...TOOLS, runtime].filter((name) => findTool(name) === undefined);
  if (!existsSync(join(CNI_PLUGINS, 'bridge'))) missing.push('containernetworking-plugins');
  if (!existsSync(BUSYBOX)) missing.push('busybox-static');
  return missing.length === 0 ? undefined : `this machine lacks ${missing.join(', ')}`;
}

export class Containerd {
  readonly #directory: string;
  readonly #runtime: OciRuntime;
  #child: ChildProcess | undefined;

  private constructor(directory: string, runtime: OciRuntime) {
    this.#directory = directory;
    this.#runtime = runtime;
  }

  /** Serves, with its images and the network of its pods. */
  static async start(directory: string, runtime: OciRuntime): Promise<Containerd> {
    requireOwnNamespaces();
    const one = new Containerd(directory, runtime);
    mkdirSync(directory, { recursive: true });
    one.#prepare();
    await one.run();
    for (const [reference, image] of [[PAUSE_IMAGE, pauseImage()], [MACHINE_IMAGE, machineImage()], [BUSYBOX_IMAGE, busyboxImage(applets())]] as const) {
      const path = join(directory, 'image.tar');
      writeFileSync(path, archiveOf(reference, image));
      command('ctr', ['-a', SOCKET, '-n', 'k8s.io', 'images', 'import', path]);
    }
    await one.#knowsImages();
    return one;
  }

  #prepare(): void {
    for (const path of ['/run', '/var/lib']) command('mount', ['-t', 'tmpfs', 'tmpfs', path]);
    // crun takes a machine with both kinds of cgroups for one with the old kind only if the new one is not there. What it
    // makes in its place are no cgroups, and go with these namespaces.
    if (existsSync(UNIFIED)) command('mount', ['-t', 'tmpfs', 'tmpfs', UNIFIED]);
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    mkdirSync(join(this.#directory, 'cni'));
    writeFileSync(join(this.#directory, 'cni', '10-pods.conflist'), JSON.stringify(network()));
    writeFileSync(this.#configPath, config({ cni: join(this.#directory, 'cni'), runtime: this.#runtime }));
  }

  get #configPath(): string {
    return join(this.#directory, 'containerd.toml');
  }

  /** There is no network for pods any more, or there is one again. */
  setNetwork(isThere: boolean): void {
    const path = join(this.#directory, 'cni', '10-pods.conflist');
    if (isThere) writeFileSync(path, JSON.stringify(network()));
    else command('rm', ['-f', path]);
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** If it does not. */
  async run(): Promise<void> {
    if (this.isRunning) return;
    const log = openSync(join(this.#directory, 'containerd.log'), 'a');
    this.#child = spawn('containerd', ['-c', this.#configPath], { stdio: ['ignore', log, log], detached: true, env: { ...process.env, PATH } });
    closeSync(log);
    await until('containerd serves', () => answers(SOCKET));
  }

  async kill(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** It stands still: calls are taken and not answered. Resolves when its last thread has stopped, some milliseconds after the signal. */
  async pause(): Promise<void> {
    const { pid } = this.#child!;
    this.#child!.kill('SIGSTOP');
    await until('containerd stands still', () => Promise.resolve(readdirSync(`/proc/${pid}/task`).every((thread) => isStopped(`/proc/${pid}/task/${thread}/stat`))));
  }

  resume(): void {
    this.#child!.kill('SIGCONT');
  }

  get log(): string {
    return readFileSync(join(this.#directory, 'containerd.log'), 'utf8');
  }

  /** It hears of imported images a little later. */
  async #knowsImages(): Promise<void> {
    const channel = connectLean({ addresses: [ENDPOINT] });
    try {
      await until('the runtime is ready', async () => {
        const { status } = await channel.unary(RuntimeService.methods.status, {}, { timeoutMs: 2_000 });
        return status?.conditions.every((one) => one.status) === true;
      });
      for (const image of [PAUSE_IMAGE, MACHINE_IMAGE, BUSYBOX_IMAGE]) {
        await until(`image ${image}`, async () => {
          const found = await channel.unary(ImageService.methods.imageStatus, { image: { image } }, { timeoutMs: 2_000 });
          return found.image !== undefined;
        });
      }
    } catch (error) {
      throw new Error(`${describeError(error)}\n${this.log}`, { cause: error });
    } finally {
      channel.close();
    }
  }
}

function isStopped(statPath: string): boolean {
  const stat = readFileSync(statPath, 'latin1');
  return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
}

/** A containerd in the machine's own namespaces could be somebody's. */
function requireOwnNamespaces(): void {
  const isAlone = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length < 20;
  const links = spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' }).stdout.trim().split('\n');
  if (!isAlone || links.length > 8 || readlinkSync('/proc/self/ns/pid') === '') throw new Error('this is not a namespace of the test: containerd is not started here');
}

function applets(): string[] {
  return spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
}

function network(): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet: POD_CIDR, gateway: GATEWAY }]] };
  return { cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'bridge', bridge: 'cni0', isDefaultGateway: true, hairpinMode: true, ipMasq: false, ipam }] };
}

/** What CRI needs, and no more: nothing shall depend on modules of the kernel that a machine may lack. */
function config({ cni, runtime }: { readonly cni: string; readonly runtime: OciRuntime }): string {
  const disabled = ['snapshotter.v1.aufs', 'snapshotter.v1.btrfs', 'snapshotter.v1.zfs', 'snapshotter.v1.devmapper', 'internal.v1.tracing', 'tracing.processor.v1.otlp', 'internal.v1.restart', 'internal.v1.opt', 'monitor.v1.cgroups'];
  return `version = 2
oom_score = 0
disabled_plugins = [${disabled.map((name) => JSON.stringify(`io.containerd.${name}`)).join(', ')}]
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  # A process may raise its own only; lowering it takes a right that not every root has.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_PLUGINS}"
    conf_dir = "${cni}"
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "tried"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.tried.options]
        BinaryName = "${findTool(runtime) ?? runtime}"
        SystemdCgroup = false
`;
}

function command(name: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(name, args, { encoding: 'utf8', timeout: DEADLINE_MS, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH } });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path }, () => resolve(true)).on('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
