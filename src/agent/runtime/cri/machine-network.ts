/**
 * The machine's own network, as that in which pods of a container runtime find services and names: the plugins of CNI join
 * pods to it, so it is there that rules, addresses and the cluster's DNS belong (as kube-proxy's and a node-local DNS').
 *
 *   pod ═ bridge ─┬─ 10.96.0.0/16 ─ rules of nftables ─► pods             lo: 10.96.0.10/32, scope host
 *                 └─ 10.96.0.10:53 ─────────────────────────────────────► the cluster's DNS
 *
 * All of it bears the node's mark, and goes when the node does (src/cluster/machine-network.ts); it stays while an agent is
 * exchanged. Who may not change the machine's network has pods all the same, and says so.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Clock, Millis, Timer } from '../../../base/clock.ts';
import { describeError, systemErrorCode } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { RunTool } from '../../nftables/tool.ts';

export interface MachineNetworkOptions {
  /** Of the cluster's DNS and of this node's other listeners for its pods. */
  readonly addresses: readonly string[];
  readonly serviceCidr: string;
  readonly tables: readonly string[];
  readonly run: RunTool;
  readonly clock: Clock;
  readonly log: Log;
  readonly lookMs?: Millis;
}

/** What is to be taken away when the node has ended; read by src/cluster. */
export interface MachineNetworkLeftovers {
  readonly tables: readonly string[];
  readonly addresses: readonly string[];
  readonly serviceCidr: string;
}

interface At {
  readonly host: string;
  readonly port: number;
}

/** Packets of pods are passed on, and those that stay on a bridge come by the rules as well: as Kubernetes wants of its nodes. */
const SETTINGS = ['net/ipv4/ip_forward', 'net/bridge/bridge-nf-call-iptables'];
const LOOK_MS = 10_000;

export class MachineNetwork {
  readonly #options: MachineNetworkOptions;
  readonly #listeners: (() => Promise<string>)[] = [];
  #timer: Timer | undefined;
  #details: readonly string[] = [];
  #isOurs = false;
  #isClosed = false;

  constructor(options: MachineNetworkOptions) {
    this.#options = options;
  }

  /** Those that can be listened at; none before `open`, or where this user may not change the network. */
  get addresses(): readonly string[] {
    return this.#isOurs ? this.#options.addresses : [];
  }

  /** In a few words, for people. */
  get details(): readonly string[] {
    return this.#details;
  }

  get leftovers(): MachineNetworkLeftovers {
    const { tables, addresses, serviceCidr } = this.#options;
    return { tables, addresses, serviceCidr };
  }

  /** Before a command that is to work in it. */
  enter(): readonly string[] {
    return [];
  }

  /** Hears that it is there, or was made anew. */
  onNetwork(listener: () => Promise<string>): void {
    this.#listeners.push(listener);
  }

  /** Never rejects: a node without services runs pods. */
  async open(): Promise<void> {
    const { log, clock, lookMs = LOOK_MS } = this.#options;
    const missing = await this.#settle().catch(describeError);
    this.#isOurs = missing === undefined;
    if (missing !== undefined) log.warn({ missing }, 'cri: no services and no names of the cluster for pods of this node');
    this.#details = missing === undefined ? await Promise.all(this.#listeners.map((listener) => listener())) : [`no services but NodePorts of TCP at the loopback, no DNS of the cluster (${missing})`];
    this.#timer?.cancel();
    if (!this.#isClosed && this.#isOurs) this.#timer = clock.setTimer(lookMs, () => void this.#look());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  openTcp({ host, port }: At): Promise<Server> {
    const server = createServer();
    return new Promise((resolve, reject) => server.once('error', reject).listen({ host, port }, () => resolve(server.off('error', reject))));
  }

  openUdp({ host: address, port }: At): Promise<UdpSocket> {
    const socket = createSocket('udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject).bind({ address, port }, () => resolve(socket.off('error', reject)));
    });
  }

  /** Somebody else may tidy up the machine's network; another node that goes leaves what this one needs. */
  async #look(): Promise<void> {
    const { clock, addresses, lookMs = LOOK_MS } = this.#options;
    const present = new Set(Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address)));
    if (addresses.every((address) => present.has(address))) this.#timer = clock.setTimer(lookMs, () => void this.#look());
    else await this.open();
  }

  /** Answers what stands against it. */
  async #settle(): Promise<string | undefined> {
    const { addresses, serviceCidr, run, log } = this.#options;
    for (const address of addresses) {
      // Of the host's scope: else it could become the source of what this machine sends.
      const { code, stderr } = await run(['ip', 'addr', 'replace', `${address}/32`, 'dev', 'lo', 'scope', 'host']);
      if (code !== 0) return `ip: ${stderr.trim()}`;
    }
    // So that the machine's own programs, and pods on its network, find a way to services where there is no default route. One
    // that is there already is another node's.
    if (addresses.length > 0) await run(['ip', 'route', 'add', serviceCidr, 'dev', 'lo']);
    for (const name of SETTINGS) {
      const failure = setIfThere(`/proc/sys/${name}`, (value) => log.info({ setting: name.replaceAll('/', '.'), was: value }, 'cri: a setting of the kernel that pods need is on now'));
      if (failure !== undefined) return `${name.replaceAll('/', '.')}: ${failure}`;
    }
    return undefined;
  }
}

function setIfThere(path: string, onChange: (was: string) => void): string | undefined {
  try {
    const value = readFileSync(path, 'utf8').trim();
    if (value === '1') return undefined;
    writeFileSync(path, '1');
    onChange(value);
    return undefined;
  } catch (error) {
    return systemErrorCode(error) === 'ENOENT' ? undefined : describeError(error);
  }
}
