/** `podium scheduler`. */
import { systemClock } from '../base/system-clock.ts';
import { SchedulerPart } from '../scheduler/scheduler-part.ts';
import { runCandidate } from './leading.ts';

export function run(argv: readonly string[]): Promise<number> {
  return runCandidate('scheduler', argv, ({ world: { log, random }, client, identity, leaderElection }) => {
    return new SchedulerPart({ client, clock: systemClock, random, log, identity, leaderElection });
  });
}
