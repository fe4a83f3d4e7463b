/** How soon a cluster in a test notices things: as the local configuration has it. */
import type { Millis } from '../base/clock.ts';

export interface Timings {
  readonly nodeHeartbeatMs: Millis;
  /** A node that is silent for longer is not ready. */
  readonly nodeGraceMs: Millis;
  /** The pods of a node that is not ready for longer are replaced. */
  readonly podEvictionMs: Millis;
  /** How long a scheduler or controller manager that died keeps the lead. */
  readonly leaderLeaseMs: Millis;
}

export const LOCAL_TIMINGS: Timings = {
  nodeHeartbeatMs: 2_000,
  nodeGraceMs: 8_000,
  podEvictionMs: 5_000,
  leaderLeaseMs: 6_000,
};
