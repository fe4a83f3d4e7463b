/**
 * The network namespace of one node, and the way into it and into those of its pods. It is held by a process that does
 * nothing else, so that it outlives the agent; the node's record on disk names it by pid and start time.
 *
 * ROOT/memory is a file system in memory, for what must not reach a disk. It is mounted where the holder is: as root in the
 * machine's own mount namespace, where it stays until somebody ends the node; of an ordinary user in the holder's, with
 * which it goes. Sandboxes are made there, so that their containers see it.
 *
 * An ordinary user's namespaces belong to a user namespace. All nodes of a cluster share one, since a link can only be
 * laid between network namespaces of which one is root: the first node makes it, and it lives as long as any of them.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withDeadline, type Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import { isAlive, startTimeOf, sendSignal, type ProcessIdentity } from '../process-table.ts';
import { isMountPoint } from '../../../base/mount-table.ts';
import { RuntimeError, type MemoryPlace } from '../runtime.ts';
import { neighbourLinkBatch, neighbourRouteBatch, nodeBatch, nodeNetworkOf, nodeSettingsBatch, type NodeNetwork, type NodeSettings } from './core/node-network.ts';
import { quoteAll } from './core/shell-words.ts';
import { usersOf } from './core/users.ts';
import { listDirectory, readJson, readText, writeJson } from '../state-files.ts';
import { MANY_USERS, type Machine } from './machine.ts';
import { mustRun, runCommand } from '../run-command.ts';

export interface NodeSpaceOptions {
  /** The node's own directory, absolute. */
  readonly root: string;
  /** Shared by the nodes of this machine that belong to one cluster. */
  readonly networkDirectory: string;
  readonly network: NodeNetwork;
  readonly serviceCidr: string | undefined;
  readonly settings: NodeSettings;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly log: Log;
}

/** What `networkDirectory` holds of each node. */
interface NodeRecord {
  readonly podCidr: string;
  readonly holder: ProcessIdentity;
}

/** A namespace is there within milliseconds. */
const HOLD_DEADLINE_MS = 10_000;
/** Other nodes of the machine may be starting just now. */
const LOCK_DEADLINE_MS = 30_000;
/** Tokens and the like are small; no more of the machine than other file systems in memory take. */
const MEMORY_OPTIONS = 'mode=0700,nosuid,nodev';
/** Says that it is there, and does nothing from then on. */
const KEEP = 'echo held\nexec sleep infinity >/dev/null 2>&1';
/** What a node does with packets: it is a router, and answers for services on its loopback too. */
const SYSCTLS = ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.route_localnet=1', 'net.bridge.bridge-nf-call-iptables=1'];

export class NodeSpace {
  readonly #options: NodeSpaceOptions;
  #users: number | undefined;
  #holder: ProcessIdentity | undefined;

  constructor(options: NodeSpaceOptions) {
    this.#options = options;
  }

  get holder(): ProcessIdentity {
    if (this.#holder === undefined) throw new RuntimeError('invalid-state', 'the node has no network namespace yet');
    return this.#holder;
  }

  isHolder({ pid, startTime }: ProcessIdentity): boolean {
    return this.#holder?.pid === pid && this.#holder.startTime === startTime;
  }

  get isHeld(): boolean {
    return this.#holder !== undefined && isAlive(this.#holder);
  }

  /** Finds the namespace of an earlier agent, or makes one and joins it to those of the neighbours. */
  async open(): Promise<'adopted' | 'made'> {
    const { root, networkDirectory } = this.#options;
    const known = readJson<{ holder: ProcessIdentity }>(join(root, 'node.json'))?.holder;
    if (known !== undefined && isAlive(known)) {
      this.#holder = known;
      await this.#settle(known);
      return 'adopted';
    }
    mkdirSync(networkDirectory, { recursive: true, mode: 0o700 });
    const unlock = await this.#lock();
    try {
      await this.#make();
    } finally {
      await unlock();
    }
    return 'made';
  }

  /** The command, run in the node's network namespace. */
  inside(command: readonly string[]): readonly string[] {
    return this.enter(this.holder.pid, ['--net'], command);
  }

  /** The command, run in namespaces of a process of this node. */
  enter(pid: number, namespaces: readonly string[], command: readonly string[]): readonly string[] {
    const { machine } = this.#options;
    const user = machine.inUserNamespace ? ['--user', '--preserve-credentials'] : [];
    return [machine.tools.nsenter, '--target', String(pid), ...user, ...namespaces, ...command];
  }

  get tools(): Machine['tools'] {
    return this.#options.machine.tools;
  }

  /** How many there are for containers: what the namespace was made with counts, not what there would be now. */
  get users(): number {
    if (!this.#options.machine.inUserNamespace) return Infinity;
    const { pid } = this.holder;
    return (this.#users ??= usersOf(readText(`/proc/${pid}/uid_map`), readText(`/proc/${pid}/gid_map`)));
  }

  /** For files that must not reach a disk. */
  get memory(): MemoryPlace {
    return { path: join(this.#options.root, 'memory'), outside: `/proc/${this.holder.pid}/root` };
  }

  /** The environment of everything that this node starts: by it strays are found. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', PODIUM_NODE: this.#options.root };
  }

  async batch(pid: number, text: string, what: string): Promise<void> {
    const { clock, machine } = this.#options;
    await mustRun(this.enter(pid, ['--net'], [machine.tools.ip, '-batch', '-']), { clock, input: text, env: this.environment, what });
  }

  /** A process that holds new namespaces; resolves when they are there and `prepare`, a shell's text, was done in them. */
  async hold(prefix: readonly string[], prepare: string, keep: string = KEEP): Promise<ProcessIdentity> {
    const { machine, clock, root } = this.#options;
    const script = `${prepare}\n${keep}`;
    const [program, ...args] = [...prefix, machine.tools.sh, '-ec', script];
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: this.environment, cwd: root });
    let said = '';
    const held = new Promise<void>((resolve, reject) => {
      const complain = (why: string) => reject(new RuntimeError('cannot-start', `namespaces cannot be made: ${why}`));
      child.stdout.on('data', (data: Buffer) => data.toString().includes('held') && resolve());
      child.stderr.on('data', (data: Buffer) => (said += data.toString()));
      child.once('error', (error) => complain(error.message));
      child.once('exit', (code) => complain(said.trim() || `exit code ${code}`));
    });
    try {
      await withDeadline(held, { clock, deadlineMs: HOLD_DEADLINE_MS, what: 'namespaces' });
    } catch (error) {
      // With what it has started: the group is its own.
      if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL');
      throw error;
    } finally {
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
    }
    const pid = child.pid ?? 0;
    const startTime = startTimeOf(pid);
    if (startTime === undefined) throw new RuntimeError('cannot-start', `namespaces cannot be made: their holder ended at once: ${said}`);
    return { pid, startTime };
  }

  // --- making it

  async #make(): Promise<void> {
    const { root, network, serviceCidr, clock, machine, networkDirectory } = this.#options;
    const neighbours = this.#neighbours();
    const { unshare } = machine.tools;
    const first = neighbours[0];
    const own = ['--net', '--mount', '--propagation', 'slave'];
    const prefix = !machine.inUserNamespace
      ? [unshare, '--net']
      : first === undefined
        ? [unshare, ...(machine.whyOneUser === undefined ? MANY_USERS : ['--user', '--map-root-user']), ...own]
        : [...this.enter(first.record.holder.pid, [], []), unshare, ...own];
    const holder = await this.hold(prefix, '');
    this.#holder = holder;
    try {
      await this.batch(holder.pid, nodeBatch(network, serviceCidr), 'the network of the node');
      await this.#settle(holder);
      for (const { record, network: other } of neighbours) {
        // A namespace that was lost may live on for a while, by whoever still stands in it, and so does its link.
        await runCommand(this.enter(record.holder.pid, ['--net'], [machine.tools.ip, 'link', 'del', network.linkName]), { clock, env: this.environment });
        await this.batch(holder.pid, neighbourLinkBatch(network, other, record.holder.pid), 'the link to another node');
        await this.batch(holder.pid, neighbourRouteBatch(network, other), 'the route to another node');
        await this.batch(record.holder.pid, neighbourRouteBatch(other, network), 'the route from another node');
      }
      await writeJson(join(networkDirectory, `${network.linkName}.json`), { podCidr: network.podCidr, holder } satisfies NodeRecord);
      await writeJson(join(root, 'node.json'), { holder });
    } catch (error) {
      // The namespace goes with its holder, and the links with the namespace.
      sendSignal(holder.pid, 'SIGKILL');
      this.#holder = undefined;
      throw error;
    }
  }

  async #settle(holder: ProcessIdentity): Promise<void> {
    const { clock, machine, settings, log } = this.#options;
    this.#users = undefined;
    await this.#mountMemory(holder);
    const batch = nodeSettingsBatch(settings);
    if (batch !== '') await this.batch(holder.pid, batch, 'the network of the node');
    const commands = SYSCTLS.map((setting) => {
      const [name = '', value = ''] = setting.split('=');
      return `echo ${value} 2>/dev/null >/proc/sys/${name.replaceAll('.', '/')} || echo ${name}`;
    });
    const refused = await runCommand(this.inside([machine.tools.sh, '-c', commands.join('\n')]), { clock, env: this.environment });
    if (refused.output !== '') log.debug({ settings: refused.output.trim() }, 'linux runtime: settings that this machine does not have');
  }

  /** What is there already stays. Never to be swapped out, where the kernel can promise it and lets this user ask. */
  async #mountMemory(holder: ProcessIdentity): Promise<void> {
    const { root, clock, machine } = this.#options;
    const { path } = this.memory;
    if (isMountPoint(readText(`/proc/${holder.pid}/mountinfo`), path)) return;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const mount = (options: string) => quoteAll([machine.tools.mount, '-t', 'tmpfs', '-o', options, 'podium-memory', path]);
    const script = `${mount(`${MEMORY_OPTIONS},noswap`)} 2>/dev/null || exec ${mount(MEMORY_OPTIONS)}`;
    await mustRun(this.enter(holder.pid, ['--mount'], [machine.tools.sh, '-c', script]), { clock, env: this.environment, what: `memory at ${root}` });
  }

  /** The living ones; records of others are taken away. */
  #neighbours(): { readonly record: NodeRecord; readonly network: NodeNetwork }[] {
    const { networkDirectory, network } = this.#options;
    return listDirectory(networkDirectory).flatMap((name) => {
      const path = join(networkDirectory, name);
      const record = name.endsWith('.json') ? readJson<NodeRecord>(path) : undefined;
      if (record === undefined) return [];
      const other = nodeNetworkOf(record.podCidr);
      if (other !== undefined && other.podCidr !== network.podCidr && isAlive(record.holder)) return [{ record, network: other }];
      rmSync(path, { force: true });
      return [];
    });
  }

  /** One node at a time makes links; whoever dies meanwhile lets go. */
  async #lock(): Promise<() => Promise<void>> {
    const { machine, networkDirectory, clock } = this.#options;
    const args = [join(networkDirectory, 'lock'), machine.tools.sh, '-c', 'echo locked; exec cat >/dev/null'];
    const child = spawn(machine.tools.flock, args, { stdio: ['pipe', 'pipe', 'ignore'], env: this.environment });
    child.stdin.on('error', () => undefined); // it has ended already
    const locked = new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', () => reject(new RuntimeError('cannot-start', 'the lock of the nodes cannot be taken')));
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const unlock = () => {
      child.stdin.end();
      return ended;
    };
    await withDeadline(locked, { clock, deadlineMs: LOCK_DEADLINE_MS, what: 'the lock of the nodes' }).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    return unlock;
  }
}
