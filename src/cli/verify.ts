/** `podium verify`: is a live store strictly serializable, and do its watches keep their promises? */
import { open, type FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { describeError, UserError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { systemClock } from '../base/system-clock.ts';
import { systemRandom } from '../base/system-random.ts';
import { renderCounterexample } from '../verify/core/counterexample.ts';
import { renderWatchViolation } from '../verify/core/watch-counterexample.ts';
import { OPERATIONS_MAX, TRAFFICS } from '../verify/load.ts';
import type { Recording } from '../verify/recorder.ts';
import { verifyStore, type VerifyReport } from '../verify/verify-store.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import { type EndpointFlags, openEndpoints } from './store-endpoints.ts';

export interface VerifyFlags extends EndpointFlags {
  readonly duration: string;
  readonly clients: string;
  readonly traffic: string;
  readonly compact?: boolean;
  readonly seed?: string;
  readonly history?: string;
}

const CLIENTS_MAX = 200;
/** Short, so that a client that meets a frozen member soon asks another. */
const REQUEST_TIMEOUT_MS = 1500;
const PROGRESS_EVERY_MS = 1000;
/** End the load, not the verdict; the second one ends it all. */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Watch violations that are shown; they often have one cause. */
const SHOWN_MAX = 3;

export async function verify(flags: VerifyFlags): Promise<number> {
  const durationMs = parseDuration(flags.duration);
  if (durationMs === undefined || durationMs <= 0) throw new UserError(`--duration must be such as 30s or 5m, not ${JSON.stringify(flags.duration)}`);
  const count = Number(flags.clients);
  if (!Number.isInteger(count) || count < 1 || count > CLIENTS_MAX) throw new UserError(`--clients must be a number from 1 to ${CLIENTS_MAX}`);
  const traffic = TRAFFICS.find((one) => one === flags.traffic);
  if (traffic === undefined) throw new UserError(`--traffic must be one of ${TRAFFICS.join(', ')}`);
  const seed = flags.seed ?? String(systemRandom().uint32());
  const prefix = `podium-verify/${systemRandom().suffix(8)}/`;
  // Before the load: after it, what cannot be kept would be lost.
  const history = flags.history === undefined ? undefined : await openHistory(flags.history);
  const endpoints = openEndpoints(flags);
  const load = new AbortController();
  const interrupt = () => load.abort();
  for (const signal of ENDING_SIGNALS) process.once(signal, interrupt);
  const timer = systemClock.setTimer(durationMs, () => load.abort());
  const progress = showProgress(durationMs);
  try {
    process.stdout.write(`verifying ${endpoints.addresses.join(', ')} with ${count} clients for ${flags.duration}, traffic ${traffic}, seed ${seed}, keys below ${prefix}\n`);
    const report = await verifyStore({
      clients: Array.from({ length: count }, (_, first) => endpoints.client({ first, requestTimeoutMs: REQUEST_TIMEOUT_MS })),
      endpoints: endpoints.addresses.map((_, at) => endpoints.clientOf(at)),
      clock: systemClock,
      random: seededRandom(seed),
      signal: load.signal,
      prefix,
      traffic,
      compacts: flags.compact === true,
      onPhase: progress.phase,
      onRecorder: progress.recorder,
    });
    progress.end();
    const exitCode = printReport(report, prefix);
    if (history !== undefined) await writeHistory(history, report);
    return exitCode;
  } finally {
    progress.end();
    timer.cancel();
    for (const signal of ENDING_SIGNALS) process.off(signal, interrupt);
    endpoints.close();
    await history?.close();
  }
}

/** One line on a terminal, written over each second; nothing where standard error is a file. */
function showProgress(durationMs: number) {
  const startedAt = systemClock.monotonic();
  let phase = '';
  let recording: Recording | undefined;
  const texts = { load: '', watches: 'waiting for the watches to catch up', judging: 'judging', cleaning: 'removing the keys' } as const;
  const show = () => {
    const elapsed = Math.round((systemClock.monotonic() - startedAt) / 1000);
    const load = `${elapsed} of ${Math.round(durationMs / 1000)} s: ${recording?.answered ?? 0} answered; Ctrl-C ends the load and judges what there is`;
    process.stderr.write(`\r\x1b[K${phase === '' ? load : phase}`);
  };
  const isShown = process.stderr.isTTY === true;
  const interval = isShown ? setInterval(show, PROGRESS_EVERY_MS) : undefined;
  return {
    phase: (next: keyof typeof texts) => {
      phase = texts[next];
      if (isShown && phase !== '') show();
    },
    recorder: (next: Recording) => void (recording = next),
    end: () => {
      if (interval === undefined) return;
      clearInterval(interval);
      process.stderr.write('\r\x1b[K');
    },
  };
}

function printReport(report: VerifyReport, prefix: string): number {
  const { recording, unknown, events, watches, firstRevision, lastRevision, violations, watchViolations, counterexample, inconclusive } = report;
  const failed = [...recording.failed].map(([code, count]) => `${count} ${code}`).join(', ');
  const lines = [
    `operations  ${recording.answered} answered, ${unknown} of unknown outcome${failed === '' ? '' : ` (failed: ${failed})`}`,
    `watches     ${watches.filter(({ responses }) => responses.length > 0).length}, which were sent ${watches.reduce((sum, { responses }) => sum + responses.length, 0)} responses`,
    `revisions   ${firstRevision} to ${lastRevision}, with ${events.length} events of these keys`,
  ];
  if (recording.operations.length >= OPERATIONS_MAX) lines.push(`            the load ended at ${OPERATIONS_MAX} operations: more are not kept in memory`);
  if (counterexample === undefined) lines.push(`KV          ${inconclusive.length > 0 ? 'nothing wrong found' : 'strictly serializable'}`);
  else {
    lines.push(`KV          NOT strictly serializable: ${violations.length} violations, the first of them`);
    lines.push(...renderCounterexample(counterexample, { prefix, startedAt: report.startedAt }));
  }
  if (watchViolations.length === 0) lines.push('watch       every promise held');
  else {
    lines.push(`watch       BROKEN promises: ${watchViolations.length} violations`);
    for (const violation of watchViolations.slice(0, SHOWN_MAX)) lines.push(...renderWatchViolation(violation, { watches, events, prefix }));
  }
  for (const why of inconclusive) lines.push(`not judged  ${why}`);
  if (report.leftBehind !== undefined) lines.push(`the keys below ${prefix} could not be removed (${report.leftBehind}): etcdctl del --prefix ${prefix}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return violations.length + watchViolations.length + inconclusive.length === 0 ? EXIT_OK : EXIT_FAILED;
}

async function openHistory(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w');
  } catch (cause) {
    throw new UserError(`--history: ${describeError(cause)}`);
  }
}

/** One JSON value a line: the frame, every operation, every event, every watch with what it was sent. */
async function writeHistory(handle: FileHandle, { recording, events, watches, firstRevision, lastRevision }: VerifyReport): Promise<void> {
  const file = handle.createWriteStream({ autoClose: false });
  const line = async (kind: string, value: object) => {
    if (!file.write(`${JSON.stringify({ kind, ...value })}\n`)) await once(file, 'drain');
  };
  await line('history', { firstRevision, lastRevision });
  for (const operation of recording.operations) await line('operation', { operation });
  for (const event of events) await line('event', { event });
  for (const watch of watches) await line('watch', { watch });
  file.end();
  await once(file, 'finish');
}
