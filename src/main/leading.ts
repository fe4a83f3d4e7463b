/** `podium scheduler` and `podium controllers`: candidates that act while they lead. */
import { hostname } from 'node:os';
import type { ApiClient } from '../client/api-client.ts';
import type { LeaderElectionTimings } from '../client/leader-election.ts';
import { connectToApi, partWorld, type PartWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

export interface Candidate {
  run(signal: AbortSignal): Promise<void>;
}

export interface CandidateOptions {
  readonly world: PartWorld;
  readonly client: ApiClient;
  readonly identity: string;
  readonly leaderElection: LeaderElectionTimings;
}

export function runCandidate(name: string, argv: readonly string[], make: (options: CandidateOptions) => Candidate): Promise<number> {
  const config = readPartConfig(name, argv);
  const world = partWorld(config);
  return runUntilStopped(world, async () => {
    const served = await serve({ endpoint: world.config, log: world.log }, []);
    try {
      const { client, channel } = await connectToApi(world);
      const leaseMs = config.timings.leaderLeaseSeconds * 1000;
      const candidate = make({
        world,
        client,
        identity: `${hostname()}_${world.random.uuid()}`,
        // The leader stops acting after two thirds of its lease; a third leaves it a second chance to renew before that.
        leaderElection: { leaseDurationMs: leaseMs, renewDeadlineMs: (leaseMs * 2) / 3, retryPeriodMs: leaseMs / 3 },
      });
      served.health.set('', 'serving');
      await candidate.run(world.signal);
      channel.close();
    } finally {
      await served.stop();
    }
  });
}
