/**
 * What the store is held to, beside an etcd on the same machine in the same run: which figures, in which order, and from which
 * on a goal is reached, or the least that is owed. All but the last two are ratios of medians.
 */
import { median, withSpread } from './report.ts';

export interface Target {
  readonly name: string;
  /** What it is measured as, where that has another name. */
  readonly figure: string;
  readonly isRate: boolean;
  /** `ratio`: ours to theirs; `ms`: ours alone, whatever theirs is. */
  readonly of: 'ratio' | 'ms';
  readonly goal: number;
  readonly floor: number;
  readonly digits: number;
}

/** All rounds, of each store; ours first. */
export type Figures = ReadonlyMap<string, readonly (readonly number[])[]>;

export type Verdict = 'goal' | 'floor' | 'missed' | 'unknown';

export const ONE_CLIENT = 'put, one client: median latency, ms';
export const HALF_RATE = 'put p99 at half of the top rate of etcd, ms';
export const RESIDENT = 'resident memory per member after 1,000,000 keys of 256 bytes, MiB';
export const FAILOVER = 'leader killed → next write, ms';

const rate = (name: string, figure: string, goal: number, floor: number, digits = 0): Target => ({ name, figure, isRate: true, of: 'ratio', goal, floor, digits });
const cost = (figure: string, goal: number, floor: number, digits = 0): Target => ({ name: figure, figure, isRate: false, of: 'ratio', goal, floor, digits });

export const TARGETS: readonly Target[] = [
  rate('put/s, 1,000 outstanding on 100 connections, leader', 'put/s, 1,000 outstanding, leader', 4, 2),
  rate('put/s, 100 outstanding on 10 connections, leader', 'put/s, 100 outstanding on 10 connections', 3, 1.5),
  cost(ONE_CLIENT, 0.5, 0.8, 2),
  rate('linearizable range/s, 100 outstanding on 10 connections, leader', 'linearizable read/s, 100 outstanding on 10, leader', 5, 2.5),
  rate('serializable range/s, 100 outstanding on 10 connections, leader', 'serializable read/s, 100 outstanding on 10, leader', 5, 3),
  rate('range of 1,000 keys, 10 outstanding, MB/s', 'range of 1,000 keys, 10 outstanding, MB/s', 2, 1),
  rate('watch: events/s to 1,000 watchers of one key', 'watch events/s, one key, 1,000 watchers', 5, 2),
  cost(HALF_RATE, 0.5, 1, 1),
  cost(RESIDENT, 1, 2),
  { name: 'leader killed → next write, median, ms', figure: FAILOVER, isRate: false, of: 'ms', goal: 100, floor: 200, digits: 0 },
  { name: 'leader killed → next write, worst, ms', figure: FAILOVER, isRate: false, of: 'ms', goal: 300, floor: 500, digits: 0 },
];

/** One figure of each store, the one that counts: of rounds the median. */
function counted({ name }: Target, rounds: readonly number[]): number {
  return name.includes(', worst') ? Math.max(...rounds) : median(rounds);
}

export function verdict(target: Target, values: readonly number[]): Verdict {
  const [ours, theirs] = values;
  const judged = target.of === 'ms' ? ours : theirs === undefined || ours === undefined ? undefined : ours / theirs;
  if (judged === undefined) return 'unknown';
  const reaches = (mark: number) => (target.isRate ? judged >= mark : judged <= mark);
  if (reaches(target.goal)) return 'goal';
  return reaches(target.floor) ? 'floor' : 'missed';
}

/** A row for each target that was measured. */
export function targetRows(figures: Figures, targets: readonly Target[] = TARGETS): string[][] {
  return targets.flatMap((target) => {
    const rounds = figures.get(target.figure);
    if (rounds === undefined) return [];
    const { name, goal, floor, digits, of } = target;
    const values = rounds.map((each) => counted(target, each));
    const isWorst = name.includes(', worst');
    const cells = rounds.map((each, at) => (isWorst ? values[at]!.toFixed(digits) : withSpread(each, digits)));
    const mark = (value: number) => (of === 'ms' ? `${value} ms` : `${value} ×`);
    const ratio = values.length < 2 ? [] : [(values[0]! / values[1]!).toFixed(2)];
    return [[name, ...cells, ...ratio, mark(goal), mark(floor), word(verdict(target, values))]];
  });
}

function word(of: Verdict): string {
  return { goal: 'goal', floor: 'floor', missed: 'NO', unknown: '' }[of];
}
