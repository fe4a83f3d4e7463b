/**
 * Three real members under a mixed load of several clients, while members are killed and frozen at random. What the
 * clients were answered must be strictly serializable, and what a watch from revision 1 tells must explain it all; watchers that lived through the
 * same faults must have been told as etcd promises.
 *
 *   PODIUM_SEED=<n> npx vitest run test/linearizability    replays the faults of a seed
 *   PODIUM_TRAFFIC=etcd|kubernetes|both                    whose requests; both if absent
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { checkByRevision } from '../../src/verify/core/revision-check.ts';
import { checkWatchPromises } from '../../src/verify/core/watch-promises.ts';
import { runLoad, TRAFFICS } from '../../src/verify/load.ts';
import { readEvents, WatchRecorder } from '../../src/verify/watch-recorder.ts';
import { findTool, startStoreCluster, untilServing, type StoreCluster, type StoreKind } from '../processes.ts';

const SEED = Number(process.env['PODIUM_SEED'] ?? 1);
const LOAD_SECONDS = Number(process.env['PODIUM_LOAD_SECONDS'] ?? 30);
const TRAFFIC = TRAFFICS.find((traffic) => traffic === process.env['PODIUM_TRAFFIC']) ?? 'both';
const CLIENTS = 9;
/** Short, so that a client that meets a frozen member soon asks another. */
const REQUEST_TIMEOUT_MS = 1500;
const LEASE_TTL_SECONDS = 2;

describe.each(['podium', 'etcd'] as const)('%s, three members', (kind) => {
  test.skipIf(kind === 'etcd' && (findTool('etcd-current') === undefined || process.env['PODIUM_PEER'] === undefined))(
    'KV operations are strictly serializable while members are killed and frozen',
    () => check(kind),
    LOAD_SECONDS * 1000 + 120_000,
  );
});

async function check(kind: StoreKind): Promise<void> {
  const random = seededRandom(SEED);
  // The distribution's etcd is one that tells of its progress ahead of events (etcd #15220).
  const cluster = await startStoreCluster({ kind, members: 3, program: kind === 'etcd' ? findTool('etcd-current') : undefined });
  onTestFinished(() => cluster.stop());
  const load = AbortSignal.timeout(LOAD_SECONDS * 1000);
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    cluster.client({ first: at, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
  );
  const over = new AbortController();
  const watchers = watchersOf(cluster);
  const watching = Promise.all(watchers.map((watcher) => watcher.run(over.signal)));
  watching.catch(() => undefined); // Heard where it is awaited.
  const [recording, faults] = await Promise.all([
    runLoad({ clients, clock: systemClock, random, signal: load, traffic: TRAFFIC, leaseTtlSeconds: LEASE_TTL_SECONDS }),
    trouble(cluster, random.fork('faults'), load),
  ]);
  const reader = cluster.client();
  await expect.poll(() => leasedKeys(reader), { timeout: 30_000, message: 'expired leases leave no key' }).toBe(0);
  const { header } = await reader.range({ key: Buffer.from('k') });
  const last = header!.revision;
  await expect
    .poll(() => Math.min(...watchers.map(({ reached }) => reached)), { timeout: 30_000, message: 'watchers catch up' })
    .toBeGreaterThanOrEqual(last);
  over.abort();
  await watching;
  const perMember = await Promise.all(
    cluster.members.map((_, at) => readEvents(cluster.clientOf(at), last, AbortSignal.timeout(30_000))),
  );
  const { operations, answered, failed } = recording;
  const unanswered = operations.filter((operation) => operation.answered === undefined).length;
  console.log(
    `${kind}, seed ${SEED}: ${answered} answered, ${unanswered} of unknown outcome, failed ${JSON.stringify([...failed])}, ` +
      `revision ${last}, ${faults.kills} kills, ${faults.pauses} pauses`,
  );
  const [events] = perMember;
  for (const others of perMember.slice(1)) expect(others, 'every member tells one history').toEqual(events);
  expect(checkByRevision(operations, events!).slice(0, 5)).toEqual([]);
  const watches = watchers.flatMap((watcher) => watcher.watches);
  console.log(`${watches.length} watches of ${watchers.length} watchers`);
  expect(watches.flatMap((watch) => checkWatchPromises(watch, events!)).slice(0, 5)).toEqual([]);
  // The run must have met what it is for.
  expect(faults.kills).toBeGreaterThan(0);
  expect(faults.pauses).toBeGreaterThan(0);
  expect(answered).toBeGreaterThan(LOAD_SECONDS * 20);
  expect(unanswered).toBeGreaterThan(0);
}

/** Of everything, parts, and one key, with the values before; each begins at another member. */
function watchersOf(cluster: StoreCluster): WatchRecorder[] {
  return [
    { name: 'everything', key: '\0', rangeEnd: '\0' },
    { name: 'keys', key: 'key/', rangeEnd: 'key0' },
    { name: 'one key', key: 'key/003' },
    { name: 'objects', key: 'registry/', rangeEnd: 'registry0' },
  ].map((range, at) => new WatchRecorder({ ...range, client: cluster.client({ first: at % cluster.members.length }), clock: systemClock, prevKv: true }));
}

async function leasedKeys(client: ReturnType<StoreCluster['client']>): Promise<number> {
  const prefix = { key: Buffer.from('lease/'), rangeEnd: Buffer.from('lease0') };
  return (await client.range({ ...prefix, countOnly: true })).count;
}

/** One fault after the other on a member each, so that a majority is never away for long; half of them on the leader. */
async function trouble(cluster: StoreCluster, random: Random, signal: AbortSignal) {
  const faults = { kills: 0, pauses: 0 };
  while (!signal.aborted) {
    await sleep(systemClock, random.between(200, 1500));
    const at = random.chance(0.5) ? await cluster.leader() : random.below(cluster.members.length);
    const member = cluster.members[at]!;
    if (random.chance(0.5)) {
      await member.kill();
      faults.kills++;
      await sleep(systemClock, random.between(0, 1500));
      member.start();
      await untilServing(cluster.clientOf(at), member);
    } else {
      member.pause();
      faults.pauses++;
      await sleep(systemClock, random.between(100, 3000));
      member.resume();
    }
  }
  return faults;
}
