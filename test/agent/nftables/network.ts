/**
 * A node's network as tests need it: a network namespace with a bridge, pods in namespaces of their own behind it, and a
 * machine outside of it. No route leads out. Each namespace is held by a process that ends with this one.
 *
 *   outside 192.0.2.1 ──veth── 192.0.2.7 node 10.244.7.1 ──bridge── pods 10.244.7.x
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { assert } from '../../../src/base/assert.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { toolRunner, type RunTool } from '../../../src/agent/nftables/tool.ts';
import { findTool, ROOT } from '../../processes.ts';
import { untilWithin } from '../../until.ts';
import type { Command } from './peer.ts';

export const NODE_ADDRESS = '192.0.2.7';
export const OUTSIDE_ADDRESS = '192.0.2.1';
export const BRIDGE_ADDRESS = '10.244.7.1';
const SERVICE_CIDR = '10.96.0.0/12';
const START_TIMEOUT_MS = 10_000;
export const until = untilWithin(START_TIMEOUT_MS);

/** undefined: all is there. Tests that need it skip with the reason, in CI they fail. */
export function missingForNetworks(user: 'root' | 'anybody' = 'root'): string | undefined {
  for (const tool of ['nft', 'conntrack', 'ip', 'unshare', 'nsenter']) {
    const isThere = findTool(tool) !== undefined || ['/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, tool)));
    if (!isThere) return `${tool} is not installed: run .ci/install-test-clients`;
  }
  const probe = user === 'root' ? ['--net', 'true'] : ['--user', '--map-root-user', '--net', 'true'];
  return spawnSync('unshare', probe).status === 0 ? undefined : `unshare ${probe.join(' ')} is not allowed here`;
}

/** One namespace, by the process that holds it. */
export class Namespace {
  readonly enter: readonly string[];
  readonly run: RunTool;
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess, isUser: boolean) {
    this.#holder = holder;
    const user = isUser ? ['--user', '--preserve-credentials'] : [];
    this.enter = ['nsenter', `--target=${holder.pid}`, ...user, '--net'];
    this.run = toolRunner(systemClock, this.enter);
  }

  get pid(): number {
    return this.#holder.pid!;
  }

  /** `enter`: of the namespace whose user it belongs to; none: of ours, or of a user of its own. */
  static async make({ enter = [], isUser = false }: { readonly enter?: readonly string[]; readonly isUser?: boolean } = {}): Promise<Namespace> {
    const own = isUser && enter.length === 0 ? ['--user', '--map-root-user'] : [];
    const [command, ...args] = [...enter, 'unshare', ...own, '--net', 'cat'];
    const holder = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] });
    // The kernel names it anew when it becomes `cat`, the last step.
    await until(`a network namespace of ${holder.pid}`, () => nameOf(holder.pid!) === 'cat');
    assert(readlinkSync(`/proc/${holder.pid}/ns/net`) !== readlinkSync('/proc/self/ns/net'), 'a namespace of its own');
    return new Namespace(holder, isUser);
  }

  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(['sh', '-e'], script);
    if (code !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  }

  close(): void {
    this.#holder.stdin?.end();
    this.#holder.kill('SIGKILL');
  }
}

function nameOf(pid: number): string | undefined {
  const { stdout } = spawnSync('cat', [`/proc/${pid}/comm`], { encoding: 'utf8' });
  return stdout.trim();
}

/** `peer.ts` in a namespace. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }>();
  #count = 0;

  constructor(namespace: Namespace) {
    const [command, ...args] = [...namespace.enter, process.execPath, join(ROOT, 'dist', 'test', 'agent', 'nftables', 'peer.js')];
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      // Of peer.ts: what it answers to a command.
      const { id, result, error } = JSON.parse(line) as { id: number; result: never; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
  }

  do<T>(command: Command): Promise<T> {
    const id = ++this.#count;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin!.write(JSON.stringify({ id, command }) + '\n');
    });
  }

  ask(address: string, port: number, count = 1, timeoutMs = 3_000): Promise<string[]> {
    return this.do({ do: 'ask', address, port, count, timeoutMs });
  }

  askUdp(address: string, port: number, fromPort?: number): Promise<string> {
    return this.do({ do: 'ask-udp', address, port, ...(fromPort === undefined ? {} : { fromPort }) });
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

export interface NodeNetwork {
  readonly node: Namespace;
  readonly outside: Namespace;
  /** 10.244.7.2 and on. */
  readonly pods: readonly Namespace[];
  close(): void;
}

export async function makeNetwork(pods: number, isUser = false): Promise<NodeNetwork> {
  const node = await Namespace.make({ isUser });
  const beside = () => Namespace.make({ enter: isUser ? node.enter.slice(0, -1) : [], isUser });
  const outside = await beside();
  const all = await Promise.all(Array.from({ length: pods }, beside));
  await node.sh(`
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
[ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 1 ] || echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
ip link add br0 type bridge
ip addr add ${BRIDGE_ADDRESS}/24 dev br0
ip link set br0 up
ip route add ${SERVICE_CIDR} dev lo
ip link add out0 type veth peer name eth0 netns ${outside.pid}
ip addr add ${NODE_ADDRESS}/24 dev out0
ip link set out0 up
${all.map((pod, at) => `ip link add p${at} type veth peer name eth0 netns ${pod.pid}\nip link set p${at} master br0 up\nip link set p${at} type bridge_slave hairpin on`).join('\n')}
`);
  await outside.sh(`ip link set lo up\nip addr add ${OUTSIDE_ADDRESS}/24 dev eth0\nip link set eth0 up\nip route add ${SERVICE_CIDR} via ${NODE_ADDRESS}`);
  await Promise.all(
    all.map((pod, at) => pod.sh(`ip link set lo up\nip addr add 10.244.7.${at + 2}/24 dev eth0\nip link set eth0 up\nip route add default via ${BRIDGE_ADDRESS}`)),
  );
  const close = () => {
    for (const namespace of [...all, outside, node]) namespace.close();
  };
  return { node, outside, pods: all, close };
}
