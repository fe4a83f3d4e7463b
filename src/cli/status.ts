/** `podium status`: what every part is doing; exit code 0 only when all are ready. */
import { sleep } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { readCluster, requireCluster } from '../cluster/data-dir.ts';
import { type PartStatus, readRuntime, readStatus } from '../cluster/launcher.ts';
import { isAlive } from '../cluster/processes.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import { renderRows } from './core/table.ts';

export interface StatusOptions {
  readonly dataDir: string;
  readonly wait?: string;
  readonly output?: string;
}

const WAIT_POLL_MS = 100;

export async function status({ dataDir, wait, output }: StatusOptions): Promise<number> {
  const waitMs = parseDuration(wait ?? '0');
  if (waitMs === undefined) throw new UserError(`--wait must be a number of seconds, not ${JSON.stringify(wait)}`);
  const deadlineMs = systemClock.monotonic() + waitMs;
  for (;;) {
    // A cluster that is just being started has no record yet.
    const record = systemClock.monotonic() < deadlineMs ? readCluster(dataDir) : requireCluster(dataDir);
    const parts = record === undefined ? [] : await readStatus(dataDir, record);
    const isReady = parts.length > 0 && parts.every(({ state }) => state === 'Ready');
    if (isReady || systemClock.monotonic() >= deadlineMs) {
      if (record === undefined) throw new UserError(`no cluster in ${dataDir}`);
      if (output === 'json') process.stdout.write(`${JSON.stringify({ ...record, parts: parts.map((part) => ({ ...part, runtime: readRuntime(dataDir, part.name) })) }, null, 2)}\n`);
      else process.stdout.write(statusTable(parts, (name) => readRuntime(dataDir, name)));
      if (!isAlive(record.supervisor) && parts.some(({ pid }) => pid !== 0)) {
        process.stderr.write('no supervisor runs: `podium up` adopts the parts and restarts those that end\n');
      }
      return isReady ? EXIT_OK : EXIT_FAILED;
    }
    await sleep(systemClock, WAIT_POLL_MS);
  }
}

/** `runtimeOf`: what runs the containers of a part that is a node. */
export function statusTable(parts: readonly PartStatus[], runtimeOf: (name: string) => string | undefined = () => undefined): string {
  const rows = parts.map(({ name, state, pid, restarts, addresses }) => {
    const isDown = state === 'Down' || state === 'Killed';
    const runtime = runtimeOf(name);
    const where = runtime === undefined ? addresses.join(', ') : `${addresses.join(', ')} runtime=${runtime}`;
    return [name, state, isDown ? '-' : String(pid), String(restarts), where];
  });
  return renderRows([['PART', 'STATUS', 'PID', 'RESTARTS', 'ADDRESSES'], ...rows]);
}
