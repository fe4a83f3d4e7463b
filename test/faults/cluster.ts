/**
 * A cluster of real members that faults can be done to: every member has its hooks on a port of its own, and reaches the
 * others over relays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../src/base/random.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { connect, type GrpcChannel } from '../../src/grpc/channel.ts';
import { Maintenance, type Member } from '../../src/proto/etcd.ts';
import { Health, ServingStatus } from '../../src/proto/health.ts';
import { freePorts, MemberProcess, ROOT, untilServing, V8_FLAGS_STORE } from '../processes.ts';
import { untilWithin } from '../until.ts';
import { PeerNetwork } from './peer-relay.ts';

/** So that a follower that is away for a second needs a snapshot. */
export const SNAPSHOT_ENTRIES = 50;
export const CATCH_UP_ENTRIES = 50;
/** For anything that has to happen on a machine that is busy. */
const PATIENCE_MS = 60_000;
export const until = untilWithin(PATIENCE_MS);

export interface FaultyClusterOptions {
  readonly random: Random;
  readonly members: number;
  readonly args?: readonly string[];
}

export class FaultyMember {
  readonly at: number;
  readonly name: string;
  readonly relayUrl: string;
  readonly channel: GrpcChannel;
  readonly client: StoreClient;
  process: MemberProcess;
  readonly #hooksUrl: string;

  constructor(at: number, { process, relayUrl, hooksUrl }: { process: MemberProcess; relayUrl: string; hooksUrl: string }) {
    this.at = at;
    this.name = process.name;
    this.relayUrl = relayUrl;
    this.process = process;
    this.#hooksUrl = hooksUrl;
    this.channel = connect({ addresses: [process.clientAddress], reconnectBackoffMaxMs: 200 });
    this.client = channelStoreClient({ channels: [connect({ addresses: [process.clientAddress], reconnectBackoffMaxMs: 200 })] });
  }

  async arm(point: string, term: string): Promise<void> {
    await this.#hooks(`/${point}`, { method: 'PUT', body: term });
  }

  async disarm(point: string): Promise<void> {
    await this.#hooks(`/${point}`, { method: 'DELETE' });
  }

  /** How often something was done at the point since the process began. */
  async met(point: string): Promise<number> {
    return Number(await this.#hooks(`/${point}/count`, { method: 'GET' }));
  }

  async status() {
    return this.channel.unary(Maintenance.methods.status, {}, { timeoutMs: 1_000 });
  }

  close(): void {
    this.channel.close();
    this.client.close();
  }

  async #hooks(path: string, init: { readonly method: string; readonly body?: string }): Promise<string> {
    const response = await fetch(`${this.#hooksUrl}${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.name}: ${init.method} ${path}: ${response.status} ${text}`);
    return text;
  }
}

export class FaultyCluster {
  readonly members: readonly FaultyMember[];
  readonly network: PeerNetwork;
  readonly #dir: string;
  readonly #clients: StoreClient[] = [];
  readonly #processFor: (at: number, state: 'new' | 'existing') => MemberProcess;

  private constructor(parts: {
    readonly dir: string;
    readonly members: readonly FaultyMember[];
    readonly network: PeerNetwork;
    readonly processFor: (at: number, state: 'new' | 'existing') => MemberProcess;
  }) {
    this.members = parts.members;
    this.network = parts.network;
    this.#dir = parts.dir;
    this.#processFor = parts.processFor;
  }

  /** Resolves when every member serves. */
  static async start({ random, members: size, args = [] }: FaultyClusterOptions): Promise<FaultyCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'faults-'));
    const ports = await freePorts(size * 4);
    const portsOf = (at: number) => ports.slice(4 * at, 4 * at + 4) as [number, number, number, number];
    const url = (port: number) => `http://127.0.0.1:${port}`;
    const places = Array.from({ length: size }, (_, at) => at);
    const initialCluster = places.map((at) => `m${at + 1}=${url(portsOf(at)[2])}`).join(',');
    const processFor = (at: number, state: 'new' | 'existing') => {
      const [client, peer, relay, hooks] = portsOf(at);
      const name = `m${at + 1}`;
      const flags = [
        ...['--name', name, '--data-dir', join(dir, name), '--log-level', 'info'],
        ...['--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
        ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(relay)],
        ...['--initial-cluster', initialCluster, '--initial-cluster-state', state, '--initial-cluster-token', dir],
        ...['--snapshot-count', String(SNAPSHOT_ENTRIES), '--snapshot-catchup-entries', String(CATCH_UP_ENTRIES)],
        ...['--experimental-fault-hooks', `127.0.0.1:${hooks}`, ...args],
      ];
      const all = [...V8_FLAGS_STORE, join(ROOT, 'dist', 'src', 'main.js'), 'store', ...flags];
      return new MemberProcess({ name, clientAddress: `127.0.0.1:${client}`, dataDir: join(dir, name), command: process.execPath, args: all });
    };
    const members = places.map((at) => {
      return new FaultyMember(at, { process: processFor(at, 'new'), relayUrl: url(portsOf(at)[2]), hooksUrl: url(portsOf(at)[3]) });
    });
    const network = await PeerNetwork.open({
      random: random.fork('network'),
      members: places.map((at) => ({ peerPort: portsOf(at)[1], relayPort: portsOf(at)[2] })),
      pidOf: (at) => members[at]!.process.pid,
    });
    const cluster = new FaultyCluster({ dir, members, network, processFor });
    for (const { process } of members) process.start();
    try {
      await cluster.untilAllServe();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** A client that begins with member `first` and goes on to the others. */
  client({ first, requestTimeoutMs }: { readonly first: number; readonly requestTimeoutMs: number }): StoreClient {
    const addresses = this.members.map((_, at) => this.members[(first + at) % this.members.length]!.process.clientAddress);
    const channels = addresses.map((address) => connect({ addresses: [address], reconnectBackoffMaxMs: 200 }));
    const client = channelStoreClient({ channels, requestTimeoutMs });
    this.#clients.push(client);
    return client;
  }

  /** By a linearizable read of each, and by its health service. */
  async untilAllServe(): Promise<void> {
    await Promise.all(this.members.map(({ client, process }) => untilServing(client, process)));
    await Promise.all(this.members.map((member) => until(`the health service of ${member.name} says that it serves`, () => isServing(member))));
  }

  async leader(): Promise<FaultyMember> {
    let found: FaultyMember | undefined;
    await until('a member leads', async () => {
      const answers = await Promise.all(this.members.map((member) => member.status().catch(() => undefined)));
      const newest = Math.max(...answers.map((answer) => answer?.raftTerm ?? 0));
      const leaderAt = answers.findIndex((answer) => answer !== undefined && answer.raftTerm === newest && answer.leader === answer.header?.memberId);
      found = this.members[leaderAt];
      return found !== undefined;
    });
    return found!;
  }

  /** The same place, name and addresses, and nothing of what the member knew. */
  startAnew(member: FaultyMember): void {
    rmSync(member.process.dataDir, { recursive: true, force: true });
    member.process = this.#processFor(member.at, 'existing');
    member.process.start();
  }

  /** As all of them would say. */
  async memberList(): Promise<readonly Member[]> {
    const client = this.client({ first: 0, requestTimeoutMs: 2_000 });
    let members: readonly Member[] = [];
    await until('the members are listed', async () => {
      members = await client.memberList({ linearizable: true }).then((answer) => answer.members, () => []);
      return members.length > 0;
    });
    return members;
  }

  /** Asks others than `avoiding` until the list says that it is done: a refusal passes, and an answer may be lost. */
  async changeMembers(change: {
    readonly avoiding: FaultyMember;
    readonly isDone: (members: readonly Member[]) => boolean;
    readonly ask: (channel: GrpcChannel) => Promise<unknown>;
  }): Promise<void> {
    let why: unknown;
    const others = this.members.filter((other) => other !== change.avoiding);
    await until(
      () => `the members are changed: ${String(why)}`,
      async () => {
        if (change.isDone(await this.memberList())) return true;
        for (const { channel } of others) {
          const isAnswered = await change.ask(channel).then(() => true, (error: unknown) => ((why = error), false));
          if (isAnswered) break;
        }
        return false;
      },
    );
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const member of this.members) member.close();
    await Promise.all(this.members.filter(({ process }) => process.isRunning).map(({ process }) => process.stop()));
    await this.network.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function isServing({ channel }: FaultyMember): Promise<boolean> {
  const answer = await channel.unary(Health.methods.check, { service: '' }, { timeoutMs: 1_000 }).catch(() => undefined);
  return answer?.status === ServingStatus.SERVING;
}
