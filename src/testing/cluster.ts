/**
 * A whole cluster inside a test: store members, API server, scheduler, controllers and nodes, the classes that run as
 * processes elsewhere, in one thread on one clock. Nothing real passes: no time, no sockets, no files, no child
 * processes. What happens follows from the seed and from what the test does; the same again gives the same again.
 *
 * Time stands still but while the test waits for the cluster: for `client` and `store`, whose every call moves the
 * clock until it is answered, for `until`, or for `clock.advance`. (Watches do not move it.)
 */
import { assert } from '../base/assert.ts';
import { describeError } from '../base/errors.ts';
import { silentLog, type Log } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import type { ApiClient } from '../client/api-client.ts';
import { ChannelApiClient } from '../client/channel-api-client.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { isReason } from '../kube/errors.ts';
import { RpcCode, RpcError, type Channel } from '../proto/rpc.ts';
import {
  API_SERVER,
  ApiServerPart,
  ControllersProcess,
  SchedulerProcess,
  UserController,
  type ControllerWorld,
} from './control-parts.ts';
import { Network } from './network.ts';
import { NodePart, type NodePartOptions } from './node-part.ts';
import type { Part, PartWorld } from './part.ts';
import type { MemberInfo } from '../store/membership/core/members.ts';
import { StorePart, type StoreSettings } from './store-part.ts';
import { TestClock } from './test-clock.ts';
import { TestProcess } from './test-process.ts';
import { LOCAL_TIMINGS, type Timings } from './timings.ts';

export type { ControllerWorld } from './control-parts.ts';

export interface ClusterOptions {
  readonly members?: number;
  readonly nodes?: number;
  readonly seed?: number | string;
  readonly timings?: Partial<Timings>;
  /** How containers behave; left out, they start at once and run until they are stopped. */
  readonly perform?: NodePartOptions['perform'];
  /** Of every store member; left out, each is as its defaults have it. */
  readonly store?: StoreSettings;
  /** Hears all parts; left out, only `cluster.errors` remembers. */
  readonly log?: Log;
}

/** The test's own name in the network. */
const TEST = 'test';
const ERRORS_MAX = 1_000;
const UNTIL_MS = 60_000;
/** Far above what a start or a fault brings about in one moment. */
const CALLS_AT_ONCE_MAX = 3_000;
const CALLS_AT_ONCE_PER_NODE = 200;

export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = new TestCluster(options);
  await cluster.start();
  return cluster;
}

export class TestCluster {
  readonly clock = new TestClock();
  /** The API server, as the test's own client of it. */
  readonly client: ApiClient;
  /** The store, on all its members. */
  readonly store: StoreClient;
  readonly members: StorePart[];
  readonly apiServer: ApiServerPart;
  readonly scheduler: SchedulerProcess;
  readonly controllers: ControllersProcess;
  readonly nodes: readonly NodePart[];
  /** What parts have logged as errors, the first thousand. Empty is what a test may expect under any fault. */
  readonly errors: string[] = [];
  readonly #userControllers: UserController[] = [];
  readonly #stop = new AbortController();
  readonly #world: PartWorld;
  readonly #settings: StoreSettings | undefined;
  readonly #self: TestProcess;

  /** Use `startCluster`. */
  constructor({ members = 3, nodes = 2, seed = 1, timings = {}, perform, store: settings, log = silentLog }: ClusterOptions) {
    assert(members >= 1 && nodes >= 0, 'a cluster has a member');
    const noted = noting(log, (text) => this.errors.length < ERRORS_MAX && this.errors.push(text));
    const network = new Network(noted, { callsAtOnceMax: CALLS_AT_ONCE_MAX + nodes * CALLS_AT_ONCE_PER_NODE });
    const all = { ...LOCAL_TIMINGS, ...timings };
    this.#settings = settings;
    this.#world = {
      clock: this.clock,
      network,
      random: seededRandom(seed),
      log: noted,
      names: () => [TEST, ...this.#parts.map(({ name }) => name)],
    };
    this.members = range(members).map((number) => new StorePart(number, members, this.#world, { settings }));
    const stores = this.members.map(({ name }) => name);
    this.apiServer = new ApiServerPart({ stores, timings: all }, this.#world);
    this.scheduler = new SchedulerProcess(all, this.#world);
    this.controllers = new ControllersProcess(all, this.#world);
    const performance = perform === undefined ? {} : { perform };
    this.nodes = range(nodes).map((number) => new NodePart({ number, timings: all, ...performance }, this.#world));

    const self = new TestProcess(TEST, this.clock);
    this.#self = self;
    const store = channelStoreClient({ channels: stores.map((name) => network.channel(self, name)) });
    this.store = moving(store, this.clock, 'the store');
    const client = new ChannelApiClient({ channel: network.channel(self, API_SERVER), fieldManager: TEST });
    this.client = moving<ApiClient>(client, this.clock, 'the API server');
  }

  /** Resolves when all parts serve and the scheduler and the controllers are at work. */
  async start(): Promise<void> {
    const run = async () => {
      await Promise.all(this.members.map((member) => member.start()));
      await this.apiServer.start();
      await Promise.all([this.scheduler.start(), this.controllers.start(), ...this.nodes.map((node) => node.start())]);
    };
    await this.clock.drive(run(), { what: 'the cluster to start' });
    await this.until('scheduler and controllers to lead', () => this.scheduler.isLeading && this.controllers.isLeading);
  }

  /**
   * The store member of the next number, which etcd's MemberAdd has just added (at `urlOf(storeName(number))`); it
   * serves once it has caught up. `members` are those of MemberAdd's answer.
   */
  joinMember(id: bigint, members: readonly MemberInfo[]): StorePart {
    const initial = this.members.filter(({ hasJoined }) => !hasJoined).length;
    const part = new StorePart(this.members.length + 1, initial, this.#world, { settings: this.#settings, joining: { id, members } });
    this.members.push(part);
    return part;
  }

  /** To one part, for what `client` and `store` hide. Calls over it do not move the clock: see `clock.drive`. */
  channel(name: string): Channel {
    return this.#world.network.channel(this.#self, name);
  }

  /** By number, from 1. */
  member(number: number): StorePart {
    const member = this.members[number - 1];
    assert(member !== undefined, `there is a member ${number}`);
    return member;
  }

  /** The member that leads now; while none does, time moves until one does. */
  async leader(): Promise<StorePart> {
    const leading = () => this.members.find((member) => member.isLeader);
    await this.until('a leader', () => leading() !== undefined);
    return leading()!;
  }

  node(name: string): NodePart {
    const node = this.nodes.find((each) => each.name === name);
    assert(node !== undefined, `there is a node ${name}`);
    return node;
  }

  /** Runs a controller of your own beside the cluster's; it is a part like any other, to be killed and restarted. */
  async runController(
    run: (world: ControllerWorld) => Promise<void> | void,
    { name = `controller-${this.#userControllers.length + 1}` }: { readonly name?: string } = {},
  ): Promise<UserController> {
    const controller = new UserController(name, run, this.#world, this.#stop.signal);
    this.#userControllers.push(controller);
    await controller.start();
    return controller;
  }

  /**
   * Moves time until `isTrue`. A question that fails because nobody answers (no leader, no API server) is asked again;
   * any other failure is the test's.
   */
  async until(what: string, isTrue: () => boolean | Promise<boolean>, deadlineMs = UNTIL_MS): Promise<void> {
    let last = '';
    const look = async () => {
      try {
        return await isTrue();
      } catch (error) {
        if (!isPassing(error)) throw error;
        last = ` (the last answer was: ${describeError(error)})`;
        return false;
      }
    };
    const untilMs = this.clock.monotonic() + deadlineMs;
    await this.clock.advanceUntil(look, deadlineMs, what).catch((error: unknown) => {
      if (last === '' || this.clock.monotonic() < untilMs) throw error;
      throw new Error(`${what}: not within ${deadlineMs} ms of the cluster's time${last}`, { cause: error });
    });
  }

  /** Ends everything at once. There is nothing to clean up: no part holds anything real. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const part of this.#parts) part.kill();
  }

  get #parts(): readonly Part[] {
    return [
      ...this.#userControllers,
      ...this.nodes,
      this.controllers,
      this.scheduler,
      this.apiServer,
      ...this.members,
    ];
  }
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Nobody was there to answer, and somebody may be soon. */
function isPassing(error: unknown): boolean {
  if (isReason(error, 'ServiceUnavailable', 'Timeout')) return true;
  return error instanceof RpcError && (error.code === RpcCode.UNAVAILABLE || error.code === RpcCode.DEADLINE_EXCEEDED);
}

function noting(log: Log, note: (text: string) => void): Log {
  return {
    debug: (facts, message) => log.debug(facts, message),
    info: (facts, message) => log.info(facts, message),
    warn: (facts, message) => log.warn(facts, message),
    error: (facts, message) => {
      note(`${message} ${JSON.stringify(facts)}`);
      log.error(facts, message);
    },
    child: (facts) => noting(log.child(facts), note),
  };
}

/** The same client, but that time moves while a call is under way. */
function moving<T extends object>(client: T, clock: TestClock, what: string): T {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, args);
        return result instanceof Promise ? clock.drive(result, { what: `${what} to answer ${String(name)}` }) : result;
      };
    },
  });
}
