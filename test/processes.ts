/**
 * Real processes for tests and measurements: clusters of Podium's store, or of an etcd where one is installed, on free
 * ports of 127.0.0.1 in a directory of their own. A member can be killed, frozen and started again. Whatever was started
 * ends with the test process, by its pid.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../src/base/clock.ts';
import { systemClock } from '../src/base/system-clock.ts';
import { channelStoreClient } from '../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../src/etcd/store-client.ts';
import { connect } from '../src/grpc/channel.ts';
import { Cluster } from '../src/proto/etcd.ts';

/** The clone, whether this file runs as source or compiled below dist/. */
export const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
const TOOLS = join(ROOT, '.cache', 'bin');
const OUTPUT_CHARACTERS_MAX = 64 * 1024;
const START_TIMEOUT_MS = 30_000;
/** As src/cluster/parts.ts starts a member. */
export const V8_FLAGS_STORE: readonly string[] = ['--max-semi-space-size=16'];
const STOP_TIMEOUT_MS = 10_000;

export type StoreKind = 'podium' | 'etcd';

export interface StoreClusterOptions {
  readonly kind?: StoreKind;
  readonly members?: number;
  /** Before the script, of a podium member; the launcher's if absent. */
  readonly nodeArgs?: readonly string[];
  readonly args?: readonly string[];
  /** Of single members, by their number, before `args`. */
  readonly argsOf?: readonly (readonly string[])[];
  /** Of members, by their number; one of its own below the cluster's directory if absent. */
  readonly dataDirs?: readonly (string | undefined)[];
  /** Of an etcd: another than the one that is installed. */
  readonly program?: string | undefined;
  /** Before the whole command line, such as a shell that sets limits. */
  readonly prefix?: readonly string[];
}

/** Where the program of this name is: of the test clients built in .cache/bin, else on the PATH. */
export function findTool(name: string): string | undefined {
  const folders = [TOOLS, ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * The path of a stock client; elsewhere than in CI the test is skipped, with the reason, where it is not installed.
 * `.ci/install-test-clients` installs them all.
 */
export function requireTool(name: string, skip: (reason: string) => void): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  const reason = `${name} is not installed: run .ci/install-test-clients`;
  if (process.env['CI'] === undefined) skip(reason);
  throw new Error(reason);
}

export class MemberProcess {
  readonly name: string;
  readonly clientAddress: string;
  readonly dataDir: string;
  readonly #command: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  constructor(options: {
    readonly name: string;
    readonly clientAddress: string;
    readonly dataDir: string;
    readonly command: string;
    readonly args: readonly string[];
  }) {
    this.name = options.name;
    this.clientAddress = options.clientAddress;
    this.dataDir = options.dataDir;
    this.#command = options.command;
    this.#args = options.args;
  }

  /** The last of what it wrote. */
  get output(): string {
    return this.#output;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} runs`);
    // Four threads carry both the log's syncs and LevelDB's stalls by default: the launcher sets this, too.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '16', ETCD_UNSUPPORTED_ARCH: process.arch };
    const child = spawn(this.#command, this.#args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    started.add(child);
    const keep = (text: Buffer) => (this.#output = (this.#output + text.toString()).slice(-OUTPUT_CHARACTERS_MAX));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('exit', (code, signal) => {
      started.delete(child);
      this.#output += `\n[${this.name} ended: ${code ?? signal ?? ''}]\n`;
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL to one that does not end. */
  async stop(): Promise<void> {
    this.resume();
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#end('SIGTERM');
    clearTimeout(timer);
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
}

export interface StoreCluster {
  readonly kind: StoreKind;
  readonly dir: string;
  readonly members: readonly MemberProcess[];
  /** A client that begins with member `first` and goes on to the others; closed by `stop`. */
  client(options?: { readonly first?: number; readonly requestTimeoutMs?: number }): StoreClient;
  /** A client of one member. */
  clientOf(member: number): StoreClient;
  /** The index of the leader, by what the members say. */
  leader(): Promise<number>;
  /** One more, as a learner that has nothing yet; not started, and none of `members`. */
  addLearner(name: string): Promise<{ readonly member: MemberProcess; readonly client: StoreClient }>;
  /** Ends all members and removes their data. */
  stop(): Promise<void>;
}

interface MemberPlace {
  /** One of its own below the cluster's directory if absent. */
  readonly dataDir?: string | undefined;
  readonly client: number;
  readonly peer: number;
  readonly initialCluster: readonly string[];
  readonly args?: readonly string[] | undefined;
}

/** Resolves when every member serves. */
export async function startStoreCluster(options: StoreClusterOptions = {}): Promise<StoreCluster> {
  const { kind = 'podium', members: size = 1 } = options;
  const dir = mkdtempSync(join(tmpdir(), `${kind}-`));
  const ports = await freePorts(size * 2);
  const names = Array.from({ length: size }, (_, at) => `m${at + 1}`);
  const initialCluster = names.map((name, at) => `${name}=${urlOf(ports[2 * at + 1]!)}`).join(',');
  const newMember = (name: string, at: MemberPlace) => {
    const { dataDir = join(dir, name) } = at;
    const flags = [...memberFlags({ name, ...at, dataDir, token: dir }), ...(at.args ?? [])];
    const { command, args } = memberCommand(options, flags);
    return new MemberProcess({ name, clientAddress: `127.0.0.1:${at.client}`, dataDir, command, args });
  };
  const members = names.map((name, at) =>
    newMember(name, {
      dataDir: options.dataDirs?.[at],
      client: ports[2 * at]!,
      peer: ports[2 * at + 1]!,
      initialCluster: ['--initial-cluster', initialCluster, '--initial-cluster-state', 'new'],
      args: options.argsOf?.[at],
    }),
  );
  const clients: StoreClient[] = [];
  const clientTo = (addresses: readonly string[], requestTimeoutMs?: number) => {
    const client = channelStoreClient({
      channels: addresses.map((address) => connect({ addresses: [address] })),
      ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    });
    clients.push(client);
    return client;
  };
  const single = members.map((member) => clientTo([member.clientAddress]));
  const cluster: StoreCluster = {
    kind,
    dir,
    members,
    client: ({ first = 0, requestTimeoutMs } = {}) =>
      clientTo(
        members.map((_, at) => members[(first + at) % size]!.clientAddress),
        requestTimeoutMs,
      ),
    clientOf: (member) => single[member]!,
    leader: () => leaderOf(single),
    addLearner: async (name) => {
      const [client, peer] = await freePorts(2);
      await addToCluster(members[0]!.clientAddress, urlOf(peer!));
      const known = `${initialCluster},${name}=${urlOf(peer!)}`;
      const member = newMember(name, {
        client: client!,
        peer: peer!,
        initialCluster: ['--initial-cluster', known, '--initial-cluster-state', 'existing'],
      });
      return { member, client: clientTo([member.clientAddress]) };
    },
    stop: async () => {
      for (const client of clients) client.close();
      await Promise.all(members.filter((member) => member.isRunning).map((member) => member.stop()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  for (const member of members) member.start();
  try {
    await Promise.all(single.map((client, at) => untilServing(client, members[at]!)));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

interface MemberFlags {
  readonly name: string;
  readonly dataDir: string;
  readonly client: number;
  readonly peer: number;
  readonly initialCluster: readonly string[];
  readonly token: string;
}

function memberFlags({ name, dataDir, client, peer, initialCluster, token }: MemberFlags): string[] {
  return [
    ...['--name', name, '--data-dir', dataDir, '--log-level', 'warn'],
    ...['--listen-client-urls', urlOf(client), '--advertise-client-urls', urlOf(client)],
    ...['--listen-peer-urls', urlOf(peer), '--initial-advertise-peer-urls', urlOf(peer)],
    ...initialCluster,
    ...['--initial-cluster-token', token],
  ];
}

function memberCommand(options: StoreClusterOptions, flags: readonly string[]) {
  const { kind = 'podium', nodeArgs = V8_FLAGS_STORE, program, prefix = [], args = [] } = options;
  const podium = [process.execPath, ...nodeArgs, join(ROOT, 'dist', 'src', 'main.js'), 'store'];
  const start = kind === 'etcd' ? [program ?? findTool('etcd') ?? 'etcd'] : podium;
  const [command, ...all] = [...prefix, ...start, ...flags, ...args];
  return { command: command!, args: all };
}

/** A member is refused until all have been connected for five seconds. */
async function addToCluster(address: string, peerUrl: string): Promise<void> {
  const channel = connect({ addresses: [address] });
  const deadline = systemClock.monotonic() + START_TIMEOUT_MS;
  try {
    for (;;) {
      try {
        await channel.unary(Cluster.methods.memberAdd, { peerUrls: [peerUrl], isLearner: true });
        return;
      } catch (error) {
        if (systemClock.monotonic() > deadline) throw error;
        await sleep(systemClock, 200);
      }
    }
  } finally {
    channel.close();
  }
}

/** Resolves when this member answers a linearizable read. */
export async function untilServing(client: StoreClient, member: MemberProcess): Promise<void> {
  const deadline = systemClock.monotonic() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await client.range({ key: Buffer.from('\0') }, { timeoutMs: 2000 });
      return;
    } catch (error) {
      if (!member.isRunning || systemClock.monotonic() > deadline) {
        throw new Error(`${member.name} does not serve:\n${member.output}`, { cause: error });
      }
      await sleep(systemClock, 20);
    }
  }
}

async function leaderOf(clients: readonly StoreClient[]): Promise<number> {
  const deadline = systemClock.monotonic() + START_TIMEOUT_MS;
  while (systemClock.monotonic() < deadline) {
    const answers = await Promise.allSettled(clients.map((client) => client.status({ timeoutMs: 500 })));
    const terms = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.raftTerm : 0));
    const newest = terms.indexOf(Math.max(...terms));
    const answer = answers[newest];
    if (answer?.status === 'fulfilled' && answer.value.leader !== 0n) {
      const { leader } = answer.value;
      const at = answers.findIndex(
        (other) => other.status === 'fulfilled' && other.value.header?.memberId === leader,
      );
      if (at >= 0) return at;
    }
    await sleep(systemClock, 10);
  }
  throw new Error('no member leads');
}

/** Held open together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            if (address === null || typeof address === 'string') reject(new Error('no port'));
            else resolve(address.port);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** The version that an installed program prints, for reports. */
export function versionOf(tool: string, args: readonly string[]): string {
  const { stdout } = spawnSync(tool, args, { encoding: 'utf8' });
  return (stdout ?? '').split('\n')[0] ?? '';
}

const started = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

function rootOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder));
}
