/** A cluster that goes through faults, one after the other, under traffic; then the verdict. Tests and `main.ts` call it. */
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { Traffic } from '../../src/verify/load.ts';
import { FaultyCluster, until } from './cluster.ts';
import type { Fault } from './faults.ts';
import { TrafficRun, type Verdict } from './traffic.ts';

export interface RunOptions {
  readonly seed: number;
  readonly members: number;
  readonly traffic: Traffic;
  readonly faults: readonly Fault[];
  readonly print: (line: string) => void;
}

/** etcd's suite has 29 and 271, 101 and 521, 100 and 2000; a busy machine needs time to answer. */
const HEARTBEAT_MS = 100;
const ELECTION_MS = 1_000;
/** Requests that are answered between two faults: each shall meet a cluster at work. */
const ANSWERED_BETWEEN = 30;

export async function runFaults({ seed, members, traffic, faults, print }: RunOptions): Promise<Verdict> {
  const random = seededRandom(seed).fork(`faults ${members} ${traffic}`);
  const args = [
    ...['--heartbeat-interval', String(HEARTBEAT_MS), '--election-timeout', String(ELECTION_MS)],
    ...['--watch-progress-notify-interval', '200ms'],
  ];
  const cluster = await FaultyCluster.start({ random: random.fork('cluster'), members, args });
  const run = new TrafficRun(cluster, { random: random.fork('traffic'), traffic });
  try {
    run.failure.catch(() => undefined); // Heard where it is raced with.
    for (const fault of faults) {
      const startedAt = systemClock.monotonic();
      await cluster.untilAllServe();
      const seen = await Promise.race([fault.strike({ cluster, random: random.fork(fault.name) }), run.failure]).catch((cause: unknown) => {
        throw new Error(`${fault.name}: ${String(cause)}`, { cause });
      });
      await Promise.race([cluster.untilAllServe(), run.failure]);
      const answered = run.answered + ANSWERED_BETWEEN;
      await Promise.race([until(`${fault.name}: requests are answered afterwards`, () => run.answered >= answered), run.failure]);
      print(`  ${fault.name}: ${seen} (${Math.round(systemClock.monotonic() - startedAt)} ms)`);
    }
    const verdict = await run.finish();
    print(`  ${describe(verdict)}`);
    return verdict;
  } catch (error) {
    for (const { process } of cluster.members) print(`${process.name}: ${process.output.slice(-4000)}`);
    throw error;
  } finally {
    await run.abandon();
    await cluster.stop();
  }
}

function describe({ recording, problems, compactions, watches, visitors, lastRevision }: Verdict): string {
  const unknown = recording.operations.filter(({ answered }) => answered === undefined).length;
  const failed = JSON.stringify([...recording.failed]);
  return `${recording.answered} answered, ${unknown} of unknown outcome, failed ${failed}, revision ${lastRevision}, ${compactions} compactions, ${watches} watches, ${visitors} visitors, ${problems.length} problems`;
}
