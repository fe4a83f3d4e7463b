/**
 * Two API servers on one store, killed at random, one or both, under 50 watchers and 20 writers: nothing is lost, doubled
 * or out of order in any watcher's view. Watchers are client-go's reflectors, typed and dynamic, with and without
 * watch-list, and informers of client-node; the truth is the store's own watch. A minute on Podium's store, a few seconds
 * on an etcd; PODIUM_FAULT_SECONDS for longer on both, PODIUM_SEED for other moments.
 */
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { requireTool, type StoreKind } from '../processes.ts';
import { until } from '../until.ts';
import { ApiServers } from './api-servers.ts';
import { GoWatchers } from './go-watchers.ts';
import { NodeWatcher } from './node-watchers.ts';
import { differenceOf, historyOf, problemOf, stateAt } from './views.ts';
import { Writers } from './writers.ts';

const ASKED = process.env['PODIUM_FAULT_SECONDS'];
const SECONDS: Readonly<Record<StoreKind, number>> = { podium: Number(ASKED ?? 60), etcd: Number(ASKED ?? 10) };
const SECONDS_MAX = Math.max(...Object.values(SECONDS));
const SEED = process.env['PODIUM_SEED'] ?? '1';
const PREFIX = '/registry/core/configmaps/default/';
const SETTLE_MS = 60_000;

test.for<StoreKind>(['podium', 'etcd'])('watchers of API servers that are killed see what happened, on %s', { timeout: (SECONDS_MAX + 150) * 1000 }, async (kind, { skip }) => {
  if (kind === 'etcd') requireTool('etcd', skip);
  const seconds = SECONDS[kind];
  const program = requireTool('informers', skip);
  const random = seededRandom(`api faults ${SEED}`);
  const api = await ApiServers.start({ count: 2, store: kind });
  onTestFinished(() => api.stop());
  const options = { program, kubeconfig: api.kubeconfig, namespace: 'default', count: 20 };
  const listing = new GoWatchers({ ...options, watchList: false });
  const streaming = new GoWatchers({ ...options, watchList: true });
  const node = Array.from({ length: 10 }, () => new NodeWatcher(api.kubeconfig, 'default'));
  onTestFinished(async () => {
    listing.kill();
    streaming.kill();
    await Promise.all(node.map((watcher) => watcher.stop()));
  });
  await Promise.all(node.map((watcher) => watcher.start()));
  await until('every watcher has begun', () => listing.haveStarted && streaming.haveStarted, SETTLE_MS);
  const writers = new Writers(api, { count: 20, random });
  const kills = await killAtRandom(api, random, seconds);
  const written = await writers.stop();
  expect(written.acknowledged, JSON.stringify(written)).toBeGreaterThan(seconds * 5);

  const client = api.store.clientOf(0);
  const last = (await client.range({ key: Buffer.from(PREFIX), rangeEnd: Buffer.from('/registry/core/configmaps/default0') })).header!.revision;
  const marker = await writers.mark();
  const history = await historyOf(client, PREFIX, marker);
  expect(history.length).toBeGreaterThanOrEqual(written.acknowledged);
  const lastSeen = (seen: NodeWatcher) => Number(seen.seen.at(-1)?.version ?? 0);
  const behind = () => [
    ...listing.behind(marker).map((who) => `list-watch ${who}`),
    ...streaming.behind(marker).map((who) => `watch-list ${who}`),
    ...node.flatMap((one, at) => (lastSeen(one) < marker ? [`client-node ${at}, at ${lastSeen(one)}`] : [])),
  ];
  await until(() => `every watcher has seen revision ${marker}; behind are ${behind().join('; ')}`, () => behind().length === 0, SETTLE_MS);
  await Promise.all([listing.finish(), streaming.finish()]);

  const views = [
    ...listing.views.map((seen, at) => ({ who: `list-watch ${at}`, seen })),
    ...streaming.views.map((seen, at) => ({ who: `watch-list ${at}`, seen })),
    ...node.map(({ seen }, at) => ({ who: `client-node ${at}`, seen })),
  ];
  const problems = views.flatMap(({ who, seen }) => {
    const problem = problemOf(seen, history);
    return problem === undefined ? [] : [`${who}: ${problem}`];
  });
  const facts = { kind, kills, ...written, events: history.length, last, lists: { listing: listing.lists, streaming: streaming.lists }, restarts: node.map(({ restarts }) => restarts) };
  process.stderr.write(`  ${JSON.stringify(facts)}\n`);
  expect(problems, JSON.stringify(facts)).toEqual([]);
  const final = stateAt(history, marker);
  for (const held of [listing.held, streaming.held, ...node.map((one) => one.held())]) expect(differenceOf(held ?? new Map(), final)).toBeUndefined();
});

/** One at a time, and every fourth time both; each is started again at once or after a while. */
async function killAtRandom(api: ApiServers, random: Random, seconds: number): Promise<number> {
  const end = systemClock.monotonic() + seconds * 1000;
  let kills = 0;
  for (let turn = 1; systemClock.monotonic() < end; turn++) {
    await sleep(systemClock, random.between(300, 2_000));
    const victims = turn % 4 === 0 ? api.servers : [random.pick(api.servers)];
    await Promise.all(victims.map((victim) => victim.kill()));
    kills += victims.length;
    await sleep(systemClock, random.between(0, 500));
    for (const victim of victims) victim.start();
    await Promise.all(victims.map((victim) => api.untilReady(victim)));
  }
  return kills;
}
