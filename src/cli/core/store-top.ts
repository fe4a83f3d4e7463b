/**
 * What `podium store top` says of the members of a store, by what they answered: Status, and two scrapes of their
 * metrics or more. What a member does not tell (an etcd has no follower's progress) is undefined. Pure;
 * ../store-top.ts asks the members, store-top-table.ts lays it out.
 */
import type { Millis } from '../../base/clock.ts';
import type { Member, StatusResponse } from '../../proto/etcd.ts';
import { bucketsBetween, bucketsOf, quantileOf, valueOf, type Metrics, type Quantile } from './prometheus.ts';

/** One answer of one member. */
export interface Answer {
  readonly atMs: Millis;
  readonly status: StatusResponse;
  /** A text where it gave none: why. */
  readonly metrics: Metrics | string;
}

export type Role = 'leader' | 'follower' | 'learner' | 'no leader';

export interface MemberUp {
  readonly isUp: true;
  readonly endpoint: string;
  readonly id: bigint;
  readonly role: Role;
  readonly version: string;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly logEntries: number | undefined;
  readonly walBytes: number | undefined;
  readonly dbBytes: number;
  /** Seconds, over the last answers. */
  readonly syncP50: Quantile | undefined;
  readonly syncP99: Quantile | undefined;
  readonly putsPerSecond: number | undefined;
  readonly readsPerSecond: number | undefined;
  readonly watchers: number | undefined;
  readonly memoryBytes: number | undefined;
  /** What it says of itself: alarms, and that there is no leader. */
  readonly errors: readonly string[];
  readonly metricsMissing: string | undefined;
  /** Of a leader, by member. */
  readonly progress: readonly FollowerProgress[];
}

export interface MemberDown {
  readonly isUp: false;
  readonly endpoint: string;
  /** Undefined: it was not heard of yet, neither so nor so. */
  readonly reason: string | undefined;
}

export type MemberView = MemberUp | MemberDown;

export interface FollowerProgress {
  readonly id: bigint;
  readonly match: number | undefined;
  readonly next: number | undefined;
  readonly state: 'probe' | 'replicate' | 'snapshot' | undefined;
  readonly inflight: number | undefined;
  readonly lag: number | undefined;
}

/** Sync times are of so many answers: one interval alone has too few of them for a p99. */
const ANSWERS_KEPT = 11;
const STATES = ['probe', 'replicate', 'snapshot'] as const;
const HEX_ID = /^[0-9a-f]{1,16}$/;

export class MemberHistory {
  readonly endpoint: string;
  /** Of one run of one member, oldest first. */
  #answers: Answer[] = [];
  #reason: string | undefined;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  answered(answer: Answer): void {
    const last = this.#answers.at(-1);
    if (last !== undefined && runOf(last) !== runOf(answer)) this.#answers = [];
    this.#answers = [...this.#answers, answer].slice(-ANSWERS_KEPT);
    this.#reason = undefined;
  }

  failed(reason: string): void {
    this.#answers = [];
    this.#reason = reason;
  }

  view(): MemberView {
    const last = this.#answers.at(-1);
    return last === undefined ? { isUp: false, endpoint: this.endpoint, reason: this.#reason } : viewOf(this.endpoint, this.#answers, last);
  }
}

/** Counters of another run begin anew, and those of another member are other ones. */
function runOf({ status, metrics }: Answer): string {
  return `${status.header?.memberId} ${typeof metrics === 'string' ? '' : valueOf(metrics, 'process_start_time_seconds')}`;
}

function viewOf(endpoint: string, answers: readonly Answer[], last: Answer): MemberUp {
  const { status } = last;
  const of = (...names: readonly string[]) => numberOf(last, names);
  const rate = (...names: readonly string[]) => rateOf(answers.at(-2), last, names);
  return {
    isUp: true,
    endpoint,
    id: status.header?.memberId ?? 0n,
    role: roleOf(status),
    version: status.version,
    term: status.raftTerm,
    commit: status.raftIndex,
    applied: status.raftAppliedIndex,
    logEntries: of('podium_raft_log_entries'),
    walBytes: of('podium_wal_size_bytes'),
    dbBytes: status.dbSize,
    syncP50: syncTime(answers, 0.5),
    syncP99: syncTime(answers, 0.99),
    putsPerSecond: rate('etcd_mvcc_put_total', 'etcd_debugging_mvcc_put_total'),
    readsPerSecond: rate('etcd_mvcc_range_total', 'etcd_debugging_mvcc_range_total'),
    watchers: of('etcd_debugging_mvcc_watcher_total'),
    memoryBytes: of('process_resident_memory_bytes'),
    errors: status.errors.map((error) => error.trim()),
    metricsMissing: typeof last.metrics === 'string' ? last.metrics : undefined,
    progress: typeof last.metrics === 'string' ? [] : progressOf(last.metrics),
  };
}

function roleOf({ header, leader, isLearner }: StatusResponse): Role {
  if (leader === 0n) return 'no leader';
  if (leader === header?.memberId) return 'leader';
  return isLearner ? 'learner' : 'follower';
}

function numberOf({ metrics }: Answer, names: readonly string[]): number | undefined {
  return typeof metrics === 'string' ? undefined : valueOf(metrics, ...names);
}

function rateOf(before: Answer | undefined, last: Answer, names: readonly string[]): number | undefined {
  if (before === undefined || last.atMs <= before.atMs) return undefined;
  const from = numberOf(before, names);
  const to = numberOf(last, names);
  return from === undefined || to === undefined || to < from ? undefined : ((to - from) * 1000) / (last.atMs - before.atMs);
}

function syncTime(answers: readonly Answer[], q: number): Quantile | undefined {
  const [oldest, newest] = [answers.at(0), answers.at(-1)].map((answer) => {
    return answer === undefined || typeof answer.metrics === 'string' ? [] : bucketsOf(answer.metrics, 'etcd_disk_wal_fsync_duration_seconds');
  });
  const between = bucketsBetween(oldest!, newest!);
  return between === undefined ? undefined : quantileOf(between, q);
}

function progressOf(metrics: Metrics): FollowerProgress[] {
  const samplesOf = (what: string) => metrics.get(`podium_raft_progress_${what}`) ?? [];
  const ids = samplesOf('match_index').flatMap(({ labels: { member = '' } }) => (HEX_ID.test(member) ? [member] : []));
  return ids
    .map((member) => {
      const of = (what: string) => samplesOf(what).find(({ labels }) => labels['member'] === member)?.value;
      return {
        id: BigInt(`0x${member}`),
        match: of('match_index'),
        next: of('next_index'),
        state: STATES[of('state') ?? -1],
        inflight: of('inflight_messages'),
        lag: of('lag_entries'),
      };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** What the members are called; undefined for one that has not yet said its name. */
export interface MemberNames {
  byId(id: bigint): string | undefined;
  /** Of one that does not answer, by the address that it told the others. */
  byEndpoint(endpoint: string): string | undefined;
}

export function memberNames(members: readonly Pick<Member, 'id' | 'name' | 'clientUrls'>[]): MemberNames {
  const named = members.filter(({ name }) => name !== '');
  return {
    byId: (id) => named.find((member) => member.id === id)?.name,
    byEndpoint: (endpoint) => named.find(({ clientUrls }) => clientUrls.some((url) => url.replace(/^https?:\/\//, '') === endpoint))?.name,
  };
}
