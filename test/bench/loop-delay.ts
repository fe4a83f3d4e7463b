/**
 * Loaded into a member before its program (`--import`), where how long its event loop is away is to be measured; the product
 * has nothing of it. SIGUSR2: what it saw since the last time is written to a file beside its name, and it begins anew.
 *
 * Away by the clock is also who waits for a processor that others have: the kernel tells how long that was, and without it
 * what is left between two looks of a timer is one turn of the loop, and the timer's millisecond.
 */
import { openSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Of its timers: a delay shorter than that is not seen, and they wake so often. */
const RESOLUTION_MS = 1;

const folder = process.env['PODIUM_LOOP_DELAY_DIR'];
if (folder !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  const turnsMs: number[] = [];
  // Ran, waited, times that it ran; the main thread has the process's number.
  const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const bytes = Buffer.alloc(128);
  const waitedMs = () => Number(bytes.toString('latin1', 0, readSync(schedstat, bytes, 0, bytes.length, 0)).split(' ')[1]) / 1e6;
  let before = { atMs: performance.now(), waitedMs: waitedMs() };
  setInterval(() => {
    const now = { atMs: performance.now(), waitedMs: waitedMs() };
    turnsMs.push(now.atMs - before.atMs - (now.waitedMs - before.waitedMs));
    before = now;
  }, RESOLUTION_MS).unref();

  process.on('SIGUSR2', () => {
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    const delay = { p50: ms(delays.percentile(50)), p99: ms(delays.percentile(99)), max: ms(delays.max) };
    const seen = { delay, turn: spread(turnsMs) };
    delays.reset();
    turnsMs.length = 0;
    const path = `${folder}/${process.pid}`;
    // Whole or not at all, for who looks for it.
    writeFileSync(`${path}.tmp`, JSON.stringify(seen));
    renameSync(`${path}.tmp`, path);
    before = { atMs: performance.now(), waitedMs: waitedMs() };
  });
}

function spread(values: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
