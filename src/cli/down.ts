/** `podium down`: ends the cluster of a data directory; --purge forgets it. */
import { systemClock } from '../base/system-clock.ts';
import { purge, takeDown } from '../cluster/launcher.ts';
import { EXIT_OK } from './context.ts';

export async function down({ dataDir, purge: isPurge }: { readonly dataDir: string; readonly purge?: boolean }): Promise<number> {
  const ended = await takeDown(dataDir, systemClock);
  if (isPurge === true) purge(dataDir);
  const what = ended === 0 ? 'no part was running' : `${ended} part${ended === 1 ? '' : 's'} ended`;
  process.stdout.write(`${what}; ${isPurge === true ? 'the data is removed' : `the data is kept in ${dataDir}`}\n`);
  return EXIT_OK;
}
