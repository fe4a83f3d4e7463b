/** Ends nodes whose agent is gone, as `podium down` does it. */
import { readdirSync } from 'node:fs';
import { systemClock } from '../../../src/base/system-clock.ts';
import { killPods } from '../../../src/cluster/faults.ts';

/** The holder of a node's network has no other end. */
export async function endNodes(directory: string): Promise<void> {
  for (const node of readdirSync(directory)) await killPods({ dataDir: directory, clock: systemClock }, node);
}
