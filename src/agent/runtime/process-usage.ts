/**
 * What containers of the process runtime use, from /proc: CPU time in clock ticks, and resident memory, in which a page
 * that several processes share counts for each. Costs a read per process of the machine, and nothing while no container
 * runs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { usageOfTrees, type ContainerRoot, type ProcessRow } from '../core/process-trees.ts';
import type { ContainerUsage } from './runtime.ts';

const MARK = 'PODIUM_CONTAINER_ID=';
const SECOND_MS = 1_000;

export class ProcessUsages {
  readonly #units = readUnits();
  /** By pid and start time: an environment is read once, for a program does not change what it was started with. */
  #marks = new Map<string, string | undefined>();
  readonly #nodeMark: string;

  /** `nodeMark` is in the environment of everything that the node started, as `NAME=value`. */
  constructor(nodeMark: string) {
    this.#nodeMark = nodeMark;
  }

  of(roots: readonly ContainerRoot[]): readonly ContainerUsage[] {
    if (roots.length === 0) {
      this.#marks.clear();
      return [];
    }
    const seen = new Map<string, string | undefined>();
    const markOf = ({ pid, startTime }: ProcessRow) => {
      const key = `${pid} ${startTime}`;
      const mark = this.#marks.has(key) ? this.#marks.get(key) : readMark(pid, this.#nodeMark);
      seen.set(key, mark);
      return mark;
    };
    const usages = usageOfTrees(readRows(), roots, markOf);
    this.#marks = seen;
    const { ticksPerSecond, pageBytes } = this.#units;
    return [...usages].map(([id, { cpuTicks, memoryPages }]) => {
      return { id, cpuMs: (cpuTicks / ticksPerSecond) * SECOND_MS, memoryBytes: memoryPages * pageBytes };
    });
  }
}

function readRows(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid <= 1) continue;
    const row = readRow(pid);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** Undefined: it has gone, or is a thread of the kernel. */
function readRow(pid: number): ProcessRow | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything, so count from its end: the state, field 3, is first.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  const memoryPages = field(24);
  // One that has ended and is not waited for has no memory, and yet has used its time.
  if (memoryPages === 0 && fields[0] !== 'Z') return undefined;
  const cpuTicks = field(14) + field(15) + field(16) + field(17);
  return { pid, parent: field(4), session: field(6), startTime: fields[19] ?? '', cpuTicks, memoryPages };
}

function readMark(pid: number, nodeMark: string): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    if (!environment.includes(nodeMark)) return undefined;
    return environment.find((entry) => entry.startsWith(MARK))?.slice(MARK.length);
  } catch {
    return undefined; // another user's, or gone meanwhile
  }
}

interface Units {
  readonly ticksPerSecond: number;
  readonly pageBytes: number;
}

/** Keys of the kernel's auxiliary vector. */
const AT_PAGESZ = 6n;
const AT_CLKTCK = 17n;
/** What nearly every Linux has. */
const USUAL: Units = { ticksPerSecond: 100, pageBytes: 4_096 };

/** The kernel tells every program in which units it counts: pairs of a key and a value, of a word each. */
function readUnits(): Units {
  try {
    const bytes = readFileSync('/proc/self/auxv');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const found = new Map<bigint, number>();
    const isLittle = endianness() === 'LE';
    for (let at = 0; at + 16 <= bytes.length; at += 16) found.set(view.getBigUint64(at, isLittle), Number(view.getBigUint64(at + 8, isLittle)));
    return { ticksPerSecond: found.get(AT_CLKTCK) ?? USUAL.ticksPerSecond, pageBytes: found.get(AT_PAGESZ) ?? USUAL.pageBytes };
  } catch {
    return USUAL;
  }
}
