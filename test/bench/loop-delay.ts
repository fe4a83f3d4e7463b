/**
 * Loaded into a member before its program (`--import`), where how long its event loop is away is to be measured; the product
 * has nothing of it. SIGUSR2: what it saw since the last time is written to a file beside its name, and it begins anew.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Of its timer: a delay shorter than that is not seen, and it wakes so often. */
const RESOLUTION_MS = 1;

const folder = process.env['PODIUM_LOOP_DELAY_DIR'];
if (folder !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  process.on('SIGUSR2', () => {
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    const seen = { p50: ms(delays.percentile(50)), p99: ms(delays.percentile(99)), max: ms(delays.max) };
    delays.reset();
    const path = `${folder}/${process.pid}`;
    // Whole or not at all, for who looks for it.
    writeFileSync(`${path}.tmp`, JSON.stringify(seen));
    renameSync(`${path}.tmp`, path);
  });
}
