/** API server, scheduler, controllers and controllers of the user's own, in a test. */
import { ApiServer } from '../api/server.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { ApiClient } from '../client/api-client.ts';
import { ChannelApiClient } from '../client/channel-api-client.ts';
import { ControllerManager } from '../controllers/manager.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import { SchedulerPart } from '../scheduler/scheduler-part.ts';
import { Part, type Life, type PartWorld } from './part.ts';
import type { Timings } from './timings.ts';

export const API_SERVER = 'apiserver';

export class ApiServerPart extends Part {
  readonly #stores: readonly string[];
  readonly #timings: Timings;

  constructor(options: { readonly stores: readonly string[]; readonly timings: Timings }, world: PartWorld) {
    super(API_SERVER, world);
    this.#stores = options.stores;
    this.#timings = options.timings;
  }

  protected override async begin({ process, random, log }: Life): Promise<void> {
    const { network } = this.world;
    const server = new ApiServer({
      clock: process.clock,
      random,
      log,
      storeClient: channelStoreClient({ channels: this.#stores.map((name) => network.channel(process, name)) }),
      connectToNode: (address) => network.channel(process, address),
      config: { evictionTolerationSeconds: this.#timings.podEvictionMs / 1000 },
    });
    network.listen(process, this.name, server.services);
    server.start();
    await server.ready();
  }

  protected override end(): void {}
}

/** What a scheduler or a set of controllers is here: it stands for election and works while it leads. */
interface Candidate {
  readonly isLeading: boolean;
  run(signal: AbortSignal): Promise<void>;
}

abstract class CandidatePart extends Part {
  protected readonly timings: Timings;
  #candidate: Candidate | undefined;
  #lives = 0;

  constructor(name: string, timings: Timings, world: PartWorld) {
    super(name, world);
    this.timings = timings;
  }

  get isLeading(): boolean {
    return this.#candidate?.isLeading ?? false;
  }

  protected override async begin(life: Life): Promise<void> {
    const { leaderLeaseMs } = this.timings;
    const { process, random, log } = life;
    const candidate = this.make({
      client: new ChannelApiClient({ channel: this.world.network.channel(process, API_SERVER), fieldManager: this.name }),
      clock: process.clock,
      random,
      log,
      identity: `${this.name}_${++this.#lives}`,
      leaderElection: {
        leaseDurationMs: leaderLeaseMs,
        renewDeadlineMs: (leaderLeaseMs * 2) / 3,
        retryPeriodMs: leaderLeaseMs / 6,
      },
    });
    this.#candidate = candidate;
    runAlone(candidate.run(new AbortController().signal), life);
  }

  protected override end(): void {
    this.#candidate = undefined;
  }

  protected abstract make(options: CandidateOptions): Candidate;
}

type CandidateOptions = ConstructorParameters<typeof SchedulerPart>[0];

export class SchedulerProcess extends CandidatePart {
  constructor(timings: Timings, world: PartWorld) {
    super('scheduler', timings, world);
  }

  protected override make(options: CandidateOptions): Candidate {
    return new SchedulerPart(options);
  }
}

export class ControllersProcess extends CandidatePart {
  constructor(timings: Timings, world: PartWorld) {
    super('controllers', timings, world);
  }

  protected override make(options: CandidateOptions): Candidate {
    const { nodeGraceMs, nodeHeartbeatMs, podEvictionMs } = this.timings;
    return new ControllerManager({
      ...options,
      config: {
        nodeMonitorGraceMs: nodeGraceMs,
        podEvictionMs,
        nodeMonitorPeriodMs: nodeHeartbeatMs / 2,
        podForceDeleteMs: podEvictionMs * 2,
      },
    });
  }
}

/** What a controller of the user's own is handed; its calls and timers end with each of its lives. */
export interface ControllerWorld {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Fires when the cluster stops; a kill does not fire it, as no signal reaches the killed. */
  readonly signal: AbortSignal;
}

export class UserController extends Part {
  readonly #run: (world: ControllerWorld) => Promise<void> | void;
  readonly #signal: AbortSignal;

  constructor(name: string, run: (world: ControllerWorld) => Promise<void> | void, world: PartWorld, signal: AbortSignal) {
    super(name, world);
    this.#run = run;
    this.#signal = signal;
  }

  protected override async begin(life: Life): Promise<void> {
    const { process, random, log } = life;
    const channel = this.world.network.channel(process, API_SERVER);
    const client = new ChannelApiClient({ channel, fieldManager: this.name });
    const { clock } = process;
    const run = async () => this.#run({ client, clock, random, log, signal: this.#signal });
    runAlone(run(), life);
  }

  protected override end(): void {}
}

/** Runs for as long as the part lives; that it fails is an error of the cluster. */
function runAlone(work: Promise<void>, { process, log }: Life): void {
  work.catch((error: unknown) => {
    if (!process.isDead) log.error({ error: describeError(error) }, 'the part failed');
  });
}
