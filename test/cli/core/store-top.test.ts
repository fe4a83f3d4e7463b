/**
 * What `podium store top` makes of members' answers. How it looks is in test/golden/store-top:
 * `npx vitest run test/cli/core/store-top.test.ts -u` writes it anew: read the diff.
 */
import { describe, expect, test } from 'vitest';
import { painted, type Paint } from '../../../src/cli/core/fitted-table.ts';
import { parseMetrics } from '../../../src/cli/core/prometheus.ts';
import { MemberHistory, memberNames, type MemberUp, type MemberView } from '../../../src/cli/core/store-top.ts';
import { topJson } from '../../../src/cli/core/store-top-json.ts';
import { renderTop, type TopOptions } from '../../../src/cli/core/store-top-table.ts';
import { StatusResponse } from '../../../src/proto/etcd.ts';

const NAMES = memberNames([1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, clientUrls: [`https://10.0.0.${id}:2379`] })));
const plain: Paint = (_, text) => text;
const marked: Paint = (color, text) => `<${color}>${text}</${color}>`;

interface Told {
  readonly id?: bigint;
  readonly leader?: bigint;
  readonly isLearner?: boolean;
  readonly errors?: string[];
  readonly metrics?: string | undefined;
}

function answer(atMs: number, { id = 1n, leader = 1n, isLearner = false, errors = [], metrics = '' }: Told = {}) {
  const status = StatusResponse.decode(
    StatusResponse.encode({
      header: { clusterId: 9n, memberId: id, revision: 7, raftTerm: 4 },
      version: '3.7.0', leader, isLearner, errors, raftTerm: 4, raftIndex: 12_034, raftAppliedIndex: 12_030, dbSize: 3_500_000,
    }),
  );
  return { atMs, status, metrics: parseMetrics(metrics) };
}

interface Counted {
  readonly startedAt?: number;
  readonly puts: number;
  readonly ranges: number;
  /** Syncs of at most 1, 2 and 4 ms, and all. */
  readonly syncs: readonly [number, number, number, number];
  readonly more?: string;
}

function scrape({ startedAt = 1000, puts, ranges, syncs, more = '' }: Counted): string {
  const buckets = syncs.map((count, at) => `etcd_disk_wal_fsync_duration_seconds_bucket{le="${['0.001', '0.002', '0.004', '+Inf'][at]}"} ${count}`);
  return `process_start_time_seconds ${startedAt}
process_resident_memory_bytes ${142 * 1024 * 1024}
etcd_mvcc_put_total ${puts}
etcd_mvcc_range_total ${ranges}
etcd_debugging_mvcc_watcher_total 12
${buckets.join('\n')}
${more}`;
}

const PROGRESS = `podium_raft_log_entries 5012
podium_wal_size_bytes ${64 * 1024 * 1024}
podium_raft_progress_match_index{member="3"} 10000
podium_raft_progress_match_index{member="2"} 12034
podium_raft_progress_next_index{member="2"} 12040
podium_raft_progress_next_index{member="3"} 10001
podium_raft_progress_inflight_messages{member="2"} 5
podium_raft_progress_inflight_messages{member="3"} 0
podium_raft_progress_lag_entries{member="2"} 1
podium_raft_progress_lag_entries{member="3"} 2034
podium_raft_progress_state{member="2"} 1
podium_raft_progress_state{member="3"} 2
podium_raft_progress_match_index{member="no id"} 1
`;

function historyOf(...answers: readonly ReturnType<typeof answer>[]): MemberHistory {
  const history = new MemberHistory(`10.0.0.${answers[0]?.status.header?.memberId ?? 0n}:2379`);
  for (const one of answers) history.answered(one);
  return history;
}

function up(history: MemberHistory): MemberUp {
  const view = history.view();
  if (!view.isUp) throw new Error(`not up: ${view.reason}`);
  return view;
}

function failing(endpoint: string, reason: string): MemberView {
  const history = new MemberHistory(endpoint);
  history.failed(reason);
  return history.view();
}

describe('MemberHistory', () => {
  const first = answer(1000, { metrics: scrape({ puts: 100, ranges: 50, syncs: [10, 10, 10, 10] }) });

  test('counts per second between the last two answers; sync times over all that are kept', () => {
    const history = historyOf(first);
    expect(up(history)).toMatchObject({ putsPerSecond: undefined, readsPerSecond: undefined, watchers: 12, logEntries: undefined });
    history.answered(answer(2000, { metrics: scrape({ puts: 300, ranges: 50, syncs: [10, 20, 20, 20] }) }));
    history.answered(answer(4000, { metrics: scrape({ puts: 400, ranges: 51, syncs: [10, 20, 30, 30] }) }));
    const view = up(history);
    expect(view).toMatchObject({ putsPerSecond: 50, readsPerSecond: 0.5 });
    expect(view.syncP50).toEqual({ value: 0.002, above: 0.001, upTo: 0.002 });
    expect(view.syncP99?.upTo).toBe(0.004);
  });

  test('forgets sync times that are older than ten answers', () => {
    const history = historyOf(first);
    for (let at = 1; at <= 11; at++) history.answered(answer(1000 + at * 1000, { metrics: scrape({ puts: 0, ranges: 0, syncs: [11, 11, 11, 11] }) }));
    expect(up(history).syncP99).toBeUndefined();
  });

  test.each([
    ['of another run', answer(2000, { metrics: scrape({ startedAt: 2000, puts: 300, ranges: 90, syncs: [20, 20, 20, 20] }) })],
    ['of another member', answer(2000, { id: 2n, metrics: scrape({ puts: 300, ranges: 90, syncs: [20, 20, 20, 20] }) })],
    ['of counters that fell', answer(2000, { metrics: scrape({ puts: 3, ranges: 4, syncs: [1, 1, 1, 1] }) })],
  ])('says nothing per second %s', (_, next) => {
    expect(up(historyOf(first, next))).toMatchObject({ putsPerSecond: undefined, readsPerSecond: undefined, syncP50: undefined });
  });

  test('begins anew behind a failure', () => {
    const history = historyOf(first);
    history.failed('gone');
    expect(history.view()).toEqual({ isUp: false, endpoint: '10.0.0.1:2379', reason: 'gone' });
    history.answered(answer(9000, { metrics: scrape({ puts: 900, ranges: 0, syncs: [90, 90, 90, 90] }) }));
    expect(up(history)).toMatchObject({ putsPerSecond: undefined, syncP50: undefined });
  });

  test.each([
    ['leader', { id: 1n, leader: 1n }],
    ['follower', { id: 2n, leader: 1n }],
    ['learner', { id: 2n, leader: 1n, isLearner: true }],
    ['no leader', { id: 1n, leader: 0n }],
  ] as const)('%s', (role, told) => {
    expect(up(historyOf(answer(0, told))).role).toBe(role);
  });

  test('progress is by member, and passes over what is no id', () => {
    expect(up(historyOf(answer(0, { metrics: PROGRESS }))).progress).toEqual([
      { id: 2n, match: 12_034, next: 12_040, state: 'replicate', inflight: 5, lag: 1 },
      { id: 3n, match: 10_000, next: 10_001, state: 'snapshot', inflight: 0, lag: 2034 },
    ]);
  });
});

describe('how it looks', () => {
  const two = (told: Told, counted: Partial<Counted> = {}) => {
    const before = scrape({ puts: 0, ranges: 0, syncs: [0, 0, 0, 0], ...(counted.more === undefined ? {} : { more: counted.more }) });
    const after = scrape({ puts: 1204, ranges: 3, syncs: [50, 90, 99, 100], ...counted });
    return historyOf(answer(0, { ...told, metrics: before }), answer(1000, { ...told, metrics: after })).view();
  };
  const leader = two({ id: 1n }, { more: PROGRESS });
  const follower = two({ id: 2n }, { syncs: [100, 100, 100, 100] });
  const learner = two({ id: 3n, isLearner: true }, { syncs: [0, 0, 0, 7] });
  const down = failing('10.0.0.3:2379', 'connect ECONNREFUSED 10.0.0.3:2379');
  const leaderless = two({ id: 2n, leader: 0n, errors: ['etcdserver: no leader', 'memberID:2 alarm:NOSPACE '] });
  const etcd = historyOf(answer(0, { metrics: scrape({ puts: 1, ranges: 2, syncs: [0, 0, 0, 0] }) })).view();
  const unscraped: MemberView = { ...up(historyOf(answer(0, { id: 8n }))), endpoint: 'etcd:2379', metricsMissing: '/metrics was answered with HTTP 404' };
  const hostile = failing('10.0.0.9:2379', 'a\x1b[2Jb\nc');

  const cases: [string, TopOptions, Paint?][] = [
    ['members', { members: [leader, follower, learner], names: NAMES, width: 200, height: 50, title: 'podium store top' }],
    ['down', { members: [leader, follower, down, hostile], names: NAMES, width: Infinity, height: Infinity }],
    ['no-leader', { members: [leaderless, failing('10.0.0.7:2379', 'no answer within 2 s'), new MemberHistory('10.0.0.1:2379').view()], names: NAMES, width: 160, height: 50 }, marked],
    ['etcd', { members: [etcd, unscraped], names: memberNames([]), width: 200, height: 50 }],
    ['width-100', { members: [leader, follower, down], names: NAMES, width: 100, height: 50 }],
    ['width-60', { members: [leader, follower, down], names: NAMES, width: 60, height: 50 }],
    ['width-20', { members: [leader, follower, down], names: NAMES, width: 20, height: 50, title: 'podium store top   every 1s' }],
    ['height-6', { members: [leader, follower, down], names: NAMES, width: 200, height: 6 }],
    ['colors', { members: [leader, follower, learner], names: NAMES, width: 200, height: 50 }, marked],
  ];

  test.each(cases.map(([name, options, paint = plain]) => ({ name, options, paint })))('$name', async ({ name, options, paint }) => {
    const lines = renderTop(options);
    for (const line of lines) expect(painted(line, plain).length).toBeLessThanOrEqual(options.width);
    expect(lines.length).toBeLessThanOrEqual(options.height);
    await expect(lines.map((line) => `${painted(line, paint)}\n`).join('')).toMatchFileSnapshot(`../../golden/store-top/${name}.txt`);
  });

  test('json', async () => {
    await expect(`${topJson([leader, down], NAMES)}\n`).toMatchFileSnapshot('../../golden/store-top/json.txt');
  });
});
