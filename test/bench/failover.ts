/** How long nobody can write after the leader was killed: the time until the next write is acknowledged. */
import { setMaxListeners } from 'node:events';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { untilServing, type StoreCluster } from '../processes.ts';
import { key, value } from './loads.ts';

const FAILOVERS = Number(process.env['PODIUM_BENCH_FAILOVERS'] ?? 20);
/** A write is tried so often after the leader was killed; the first that is acknowledged counts. */
const PROBE_EVERY_MS = 5;
const PROBE_TIMEOUT_MS = 10_000;
const SETTLE_MS = 300;

/** Milliseconds of each time, of each store. */
export async function failover(clusters: readonly StoreCluster[]): Promise<number[][]> {
  const times = clusters.map((): number[] => []);
  for (let round = 0; round < FAILOVERS; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const ms = await killLeader(cluster);
      times[at]!.push(ms);
      process.stderr.write(`  ${cluster.kind}: leader killed, next write acknowledged: ${ms.toFixed(0)} ms\n`);
    }
  }
  return times;
}

async function killLeader(cluster: StoreCluster): Promise<number> {
  const at = await cluster.leader();
  const member = cluster.members[at]!;
  const others = cluster.members.map((_, index) => index).filter((index) => index !== at);
  const clients = others.map((index) => cluster.clientOf(index));
  await Promise.all(clients.map((client) => client.put({ key, value })));
  const killedAt = systemClock.monotonic();
  const gone = member.kill();
  await firstWrite(clients);
  const ms = systemClock.monotonic() - killedAt;
  await gone;
  member.start();
  await untilServing(cluster.clientOf(at), member);
  await sleep(systemClock, SETTLE_MS);
  return ms;
}

/** Several tries are under way together: one that a leaderless member keeps waiting must not hide the next. */
function firstWrite(clients: readonly StoreClient[]): Promise<void> {
  const over = new AbortController();
  setMaxListeners(0, over.signal); // one a try
  const deadline = systemClock.monotonic() + PROBE_TIMEOUT_MS;
  const written = new Promise<void>((resolve, reject) => {
    const probe = async () => {
      for (let turn = 0; !over.signal.aborted; turn++) {
        if (systemClock.monotonic() > deadline) reject(new Error('no write was acknowledged after the leader was killed'));
        const client = clients[turn % clients.length]!;
        client.put({ key, value }, { signal: over.signal }).then(
          () => resolve(),
          () => undefined,
        );
        await sleep(systemClock, PROBE_EVERY_MS);
      }
    };
    probe().catch(reject);
  });
  return written.finally(() => over.abort());
}
