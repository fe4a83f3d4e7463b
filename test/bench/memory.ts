/** What processes use, as the kernel counts it. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Proportional set size in MiB: a page that several processes share counts once among them. */
export function pssOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}

/** Processor time used so far, in milliseconds; of the process itself, not of its children. */
export function cpuMsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold spaces; user and system time are the 14th and 15th field, in hundredths of a second.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory in MiB; shared pages count too. */
export function rssOf(pid: number): number {
  return statusOf(pid, 'VmRSS');
}

/** The most since the last reset. */
export function peakRssOf(pid: number): number {
  return statusOf(pid, 'VmHWM');
}

export function resetPeakRss(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function statusOf(pid: number, name: string): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
}
