/** How `podium store top` looks: a row a member, a row a follower of the leader, and what is wrong. */
import type { Quantile } from './prometheus.ts';
import { clipped, fittedTable, span, type Color, type Column, type Line, type Span } from './fitted-table.ts';
import type { FollowerProgress, MemberNames, MemberUp, MemberView, Role } from './store-top.ts';

export interface TopOptions {
  readonly members: readonly MemberView[];
  readonly names: MemberNames;
  /** Of the screen; without end where there is none. */
  readonly width: number;
  readonly height: number;
  readonly title?: string;
}

/** Entries that a follower lacks, from which on it catches the eye. */
const LAG_NOTED = 1000;
const ROLE_COLORS: Readonly<Record<Role, Color | undefined>> = { leader: 'green', follower: undefined, learner: 'yellow', 'no leader': 'red' };

export function renderTop(options: TopOptions): Line[] {
  const { members, width, height, title } = options;
  const head = title === undefined ? [] : [clipped([span(title, 'dim')], width), []];
  const lines = [...head, ...membersTable(options), ...followersTables(options), ...notes(options)];
  if (lines.length <= height) return lines;
  const shown = lines.slice(0, Math.max(0, height - 1));
  return [...shown, clipped([span(`… ${lines.length - shown.length} more lines, ${members.length} members: make the window higher`, 'dim')], width)];
}

function membersTable({ members, names, width }: TopOptions): Line[] {
  const up = (cell: (member: MemberUp) => Span) => (member: MemberView) => (member.isUp ? cell(member) : span(''));
  const number = (title: string, expendable: number, cell: (member: MemberUp) => string): Column<MemberView> => {
    return { title, expendable, cell: up((member) => span(cell(member))) };
  };
  const columns: Column<MemberView>[] = [
    { title: 'MEMBER', expendable: 0, isText: true, cell: (member) => span(nameOf(member, names)) },
    { title: 'ROLE', expendable: 0, isText: true, cell: roleOf },
    { title: 'ENDPOINT', expendable: 9, isText: true, cell: ({ endpoint }) => span(endpoint) },
    number('TERM', 5, ({ term }) => String(term)),
    number('COMMIT', 1, ({ commit }) => String(commit)),
    number('APPLIED', 4, ({ applied }) => String(applied)),
    number('LOG', 7, ({ logEntries }) => plain(logEntries)),
    number('WAL', 8, ({ walBytes }) => bytes(walBytes)),
    number('DB', 6, ({ dbBytes }) => bytes(dbBytes)),
    number('SYNC P50', 5, ({ syncP50 }) => time(syncP50)),
    number('SYNC P99', 2, ({ syncP99 }) => time(syncP99)),
    number('PUTS/S', 1, ({ putsPerSecond }) => rate(putsPerSecond)),
    number('READS/S', 2, ({ readsPerSecond }) => rate(readsPerSecond)),
    number('WATCHERS', 6, ({ watchers }) => plain(watchers)),
    number('MEMORY', 3, ({ memoryBytes }) => bytes(memoryBytes)),
  ];
  const reason = (member: MemberView) => (member.isUp ? undefined : span(member.reason ?? 'asked', member.reason === undefined ? 'dim' : 'red'));
  return fittedTable({ columns, rows: members, width, tail: reason });
}

/** Members that are asked one after the other may name two leaders for a moment: each is shown with what it knows. */
function followersTables({ members, names, width }: TopOptions): Line[] {
  const leaders = members.filter((member): member is MemberUp => member.isUp && member.progress.length > 0);
  const called = ({ id }: FollowerProgress) => names.byId(id) ?? id.toString(16);
  return leaders.flatMap(({ progress }) => {
    const columns: Column<FollowerProgress>[] = [
      { title: 'FOLLOWER', expendable: 0, isText: true, cell: (follower) => span(called(follower)) },
      { title: 'STATE', expendable: 0, isText: true, cell: ({ state }) => span(state ?? '-', state === 'replicate' ? undefined : 'yellow') },
      { title: 'MATCH', expendable: 1, cell: ({ match }) => span(plain(match)) },
      { title: 'NEXT', expendable: 2, cell: ({ next }) => span(plain(next)) },
      { title: 'IN FLIGHT', expendable: 3, cell: ({ inflight }) => span(plain(inflight)) },
      { title: 'LAG', expendable: 0, cell: ({ lag }) => span(plain(lag), (lag ?? 0) >= LAG_NOTED ? 'yellow' : undefined) },
    ];
    const rows = [...progress].sort((a, b) => (called(a) < called(b) ? -1 : 1));
    return [[], ...fittedTable({ columns, rows, width })];
  });
}

function notes({ members, names, width }: TopOptions): Line[] {
  const lines = members.flatMap((member) => {
    if (!member.isUp) return [];
    const all = [...member.errors, ...(member.metricsMissing === undefined ? [] : [`no metrics: ${member.metricsMissing}`])];
    return all.map((text) => clipped([span(`${nameOf(member, names)}: ${text}`, 'red')], width));
  });
  return lines.length === 0 ? [] : [[], ...lines];
}

function nameOf(member: MemberView, names: MemberNames): string {
  return (member.isUp ? names.byId(member.id) : names.byEndpoint(member.endpoint)) ?? member.endpoint;
}

function roleOf(member: MemberView): Span {
  if (member.isUp) return span(member.role, ROLE_COLORS[member.role]);
  return member.reason === undefined ? span('…', 'dim') : span('down', 'red');
}

function plain(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

/** `0`, `0.4`, `12`, `1204`. */
function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '-';
  return String(Number(perSecond.toFixed(perSecond < 9.95 ? 1 : 0)));
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `512 B`, `1.5 MiB`, `64 MiB`. */
function bytes(value: number | undefined): string {
  if (value === undefined) return '-';
  let [amount, unit] = [value, 0];
  // What would be written as 1024 is one of the next unit.
  for (; amount >= 1023.5 && unit < UNITS.length - 1; unit++) amount /= 1024;
  return `${unit === 0 || amount >= 9.95 ? amount.toFixed(0) : amount.toFixed(1)} ${UNITS[unit]}`;
}

/** `<1ms` in the lowest bucket and `>8.2s` above the highest: what was measured does not say more. */
function time(quantile: Quantile | undefined): string {
  if (quantile === undefined) return '-';
  const { value, above, upTo } = quantile;
  if (upTo === Infinity) return `>${seconds(above)}`;
  return above === 0 ? `<${seconds(upTo)}` : seconds(value);
}

function seconds(value: number): string {
  const ms = value * 1000;
  if (ms < 9.95) return `${Number(ms.toFixed(1))}ms`;
  return ms < 999.5 ? `${ms.toFixed(0)}ms` : `${Number(value.toFixed(1))}s`;
}
