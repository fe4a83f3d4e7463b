/** The scheduler as a part of a cluster: one of several candidates schedules, each term from nothing. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { ApiClient } from '../client/api-client.ts';
import { LeaderElection, type LeaderElectionTimings } from '../client/leader-election.ts';
import { Scheduler } from './scheduler.ts';

export interface SchedulerPartOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Unique among candidates and incarnations. */
  readonly identity: string;
  readonly leaderElection?: LeaderElectionTimings;
}

export class SchedulerPart {
  readonly #election: LeaderElection;
  #terms = 0;

  constructor(options: SchedulerPartOptions) {
    const { client, clock, random, log, identity, leaderElection } = options;
    this.#election = new LeaderElection({
      client,
      clock,
      random: random.fork('election'),
      log,
      identity,
      leaseName: 'podium-scheduler',
      ...(leaderElection === undefined ? {} : { timings: leaderElection }),
      lead: (signal) => new Scheduler({ client, clock, log, random: random.fork(`term ${++this.#terms}`) }).run(signal),
    });
  }

  get isLeading(): boolean {
    return this.#election.isLeading;
  }

  /** Runs until `signal` fires. */
  run(signal: AbortSignal): Promise<void> {
    return this.#election.run(signal);
  }
}
