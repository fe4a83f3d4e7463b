/** `podium node --purge`: what a node that was started by hand has left in this machine is taken away, when its agent has ended. */
import { existsSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { killPods } from '../cluster/faults.ts';
import { purgedDirectory } from './node-flags.ts';

export async function purgeNode(argv: readonly string[]): Promise<number> {
  const directory = purgedDirectory(argv);
  // By this file it is known to be a node's directory, and not somebody's home.
  if (directory === undefined || !existsSync(join(directory, 'leftovers.json'))) throw new UserError(`${directory}: no node has been here: name its directory with --node-dir`);
  await killPods({ dataDir: dirname(directory), clock: systemClock }, basename(directory));
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  process.stdout.write(`${directory} purged; if the cluster goes on without it: kubectl delete node\n`);
  return 0;
}
