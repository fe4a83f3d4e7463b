/** A cluster that goes through faults, one after the other, under traffic; then the verdict. Tests and `main.ts` call it. */
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { Traffic } from '../../src/verify/load.ts';
import { FaultyCluster } from './cluster.ts';
import type { Fault } from './faults.ts';
import { TrafficRun, type Verdict } from './traffic.ts';

export interface RunOptions {
  readonly seed: number;
  readonly members: number;
  readonly traffic: Traffic;
  readonly faults: readonly Fault[];
  readonly print: (line: string) => void;
}

/** etcd's pairs of heartbeat and election timeout that leave a busy machine time to answer. */
const TIMEOUTS = [
  ['101', '521'],
  ['100', '1000'],
] as const;

export async function runFaults({ seed, members, traffic, faults, print }: RunOptions): Promise<Verdict> {
  const random = seededRandom(seed).fork(`faults ${members} ${traffic}`);
  const [heartbeat, election] = random.pick(TIMEOUTS);
  const args = ['--heartbeat-interval', heartbeat, '--election-timeout', election, '--watch-progress-notify-interval', '200ms'];
  const cluster = await FaultyCluster.start({ random: random.fork('cluster'), members, args });
  try {
    const run = new TrafficRun(cluster, { random: random.fork('traffic'), traffic });
    run.failure.catch(() => undefined); // Heard where it is raced with.
    for (const fault of faults) {
      const startedAt = systemClock.monotonic();
      await cluster.untilAllServe();
      const seen = await Promise.race([fault.strike({ cluster, random: random.fork(fault.name) }), run.failure]).catch((cause: unknown) => {
        throw new Error(`${fault.name}: ${String(cause)}`, { cause });
      });
      await Promise.race([cluster.untilAllServe(), run.failure]);
      print(`  ${fault.name}: ${seen} (${Math.round(systemClock.monotonic() - startedAt)} ms)`);
    }
    const verdict = await run.finish();
    print(`  ${describe(verdict)}`);
    return verdict;
  } catch (error) {
    for (const { process } of cluster.members) print(`${process.name}: ${process.output.slice(-4000)}`);
    throw error;
  } finally {
    await cluster.stop();
  }
}

function describe({ recording, problems, compactions, watches, visitors, lastRevision }: Verdict): string {
  const unknown = recording.operations.filter(({ answered }) => answered === undefined).length;
  const failed = JSON.stringify([...recording.failed]);
  return `${recording.answered} answered, ${unknown} of unknown outcome, failed ${failed}, revision ${lastRevision}, ${compactions} compactions, ${watches} watches, ${visitors} visitors, ${problems.length} problems`;
}
