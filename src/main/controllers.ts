/** `podium controllers`. */
import { readFileSync } from 'node:fs';
import { systemClock } from '../base/system-clock.ts';
import { ControllerManager } from '../controllers/manager.ts';
import { runCandidate } from './leading.ts';

export function run(argv: readonly string[]): Promise<number> {
  return runCandidate('controllers', argv, ({ world: { log, random, config }, client, identity, leaderElection }) => {
    const { nodeHeartbeatSeconds, nodeGraceSeconds, podEvictionSeconds } = config.timings;
    return new ControllerManager({
      client,
      clock: systemClock,
      random,
      log,
      identity,
      leaderElection,
      config: {
        rootCa: config.rootCaFile === undefined ? undefined : readFileSync(config.rootCaFile, 'utf8'),
        nodeMonitorGraceMs: nodeGraceSeconds * 1000,
        podEvictionMs: podEvictionSeconds * 1000,
        nodeMonitorPeriodMs: (nodeHeartbeatSeconds * 1000) / 2,
        // A dead node confirms nothing: soon after the eviction its pods are taken for gone.
        podForceDeleteMs: podEvictionSeconds * 2000,
      },
    });
  });
}
