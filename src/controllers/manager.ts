/**
 * Runs all controllers while this candidate leads. Each term starts from nothing: fresh informers, fresh queues; what
 * an earlier term knew may have been overtaken by another leader's work.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Tasks } from '../base/tasks.ts';
import type { ApiClient } from '../client/api-client.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { LeaderElection, type LeaderElectionTimings } from '../client/leader-election.ts';
import { DEFAULT_CONFIG, sharedInformers, type ControllerConfig, type ControllerContext } from './context.ts';
import { deploymentController } from './deployment/execute.ts';
import { disruptionController } from './disruption/execute.ts';
import { endpointSliceController } from './endpointslice/execute.ts';
import { GarbageCollector } from './garbage-collector/execute.ts';
import { namespaceController } from './namespace/execute.ts';
import { NodeLifecycle } from './node-lifecycle/execute.ts';
import { PodCleanUp } from './pod-clean-up/execute.ts';
import { replicaSetController } from './replicaset/execute.ts';
import { rootCaController } from './root-ca/execute.ts';
import { serviceAccountController } from './serviceaccount/execute.ts';

export interface ControllerManagerOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Unique among candidates and incarnations. */
  readonly identity: string;
  readonly config?: Partial<ControllerConfig>;
  readonly leaderElection?: LeaderElectionTimings;
}

interface Part {
  run(signal: AbortSignal): Promise<void>;
}

export const LEASE_NAME = 'podium-controllers';

export class ControllerManager {
  readonly #options: ControllerManagerOptions;
  readonly #election: LeaderElection;
  #terms = 0;

  constructor(options: ControllerManagerOptions) {
    this.#options = options;
    const { client, clock, random, log, identity, leaderElection } = options;
    this.#election = new LeaderElection({
      client,
      clock,
      random: random.fork('election'),
      log,
      identity,
      leaseName: LEASE_NAME,
      ...(leaderElection === undefined ? {} : { timings: leaderElection }),
      lead: (signal) => this.#lead(signal),
    });
  }

  get isLeading(): boolean {
    return this.#election.isLeading;
  }

  /** Runs until `signal` fires. */
  run(signal: AbortSignal): Promise<void> {
    return this.#election.run(signal);
  }

  async #lead(signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    const { client, clock, log } = this.#options;
    const random = this.#options.random.fork(`term ${++this.#terms}`);
    const informers = sharedInformers({ client, clock, log });
    const context: ControllerContext = {
      client,
      clock,
      random,
      log,
      informers,
      events: new EventRecorder({ client, clock, log, random: random.fork('events'), component: 'podium-controllers' }),
      config: { ...DEFAULT_CONFIG, ...this.#options.config },
    };
    // Before the informers run, so that no controller misses the first list.
    const parts = partsOf(context);
    const tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'controllers: a task failed'));
    const all = Object.values(informers);
    for (const informer of all) tasks.run(informer.run(signal));
    try {
      await Promise.all(all.map((informer) => informer.synced(signal)));
      for (const part of parts) tasks.run(part.run(signal));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await tasks.idle();
  }
}

function partsOf(context: ControllerContext): readonly Part[] {
  return [
    deploymentController(context),
    replicaSetController(context),
    new NodeLifecycle(context),
    endpointSliceController(context),
    namespaceController(context),
    new GarbageCollector(context),
    new PodCleanUp(context),
    serviceAccountController(context),
    disruptionController(context),
    ...(context.config.rootCa === undefined ? [] : [rootCaController(context, context.config.rootCa)]),
  ];
}
