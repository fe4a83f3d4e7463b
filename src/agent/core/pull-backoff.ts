/**
 * When an image that could not be pulled is tried again: after 10 s, doubling to 5 min, as the kubelet does it; counted for one
 * pod and one image.
 *
 *   failed ──► ErrImagePull ──2 s──► ImagePullBackOff ──► untilMs: it is pulled again
 */
import type { Millis } from '../../base/clock.ts';

export interface PullBackoff {
  readonly delayMs: Millis;
  /** Monotonic. */
  readonly untilMs: Millis;
  /** The reason and message of the failure, for who looks while nothing happens. */
  readonly failure: string;
}

const FIRST_MS = 10_000;
const MAX_MS = 300_000;
/** Who has not failed for so long begins anew. */
const FORGOTTEN_MS = 2 * MAX_MS;

export function nextBackoff(before: PullBackoff | undefined, failure: string, nowMs: Millis): PullBackoff {
  const isForgotten = before === undefined || nowMs - (before.untilMs - before.delayMs) > FORGOTTEN_MS;
  const delayMs = isForgotten ? FIRST_MS : Math.min(MAX_MS, 2 * before.delayMs);
  return { delayMs, untilMs: nowMs + delayMs, failure };
}

/** `1.2s`, `345ms`, `1m3.5s`: as Go writes durations, to the millisecond. */
export function goDuration(durationMs: Millis): string {
  const ms = Math.max(0, Math.trunc(durationMs));
  if (ms < 1_000) return ms === 0 ? '0s' : `${ms}ms`;
  const [hours, minutes, seconds] = [Math.trunc(ms / 3_600_000), Math.trunc(ms / 60_000) % 60, (ms % 60_000) / 1_000];
  return `${hours > 0 ? `${hours}h` : ''}${ms >= 60_000 ? `${minutes}m` : ''}${seconds}s`;
}
