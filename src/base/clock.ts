/**
 * The seam for time. Every interval, lease and timer uses `monotonic()`; `wall()` is for timestamps that people read.
 * Three bindings: the system's, one that a test drives (`DrivenClock`), and the simulator's views of a driven clock.
 */
import { AbortedError, DeadlineError } from './errors.ts';

/** Milliseconds, possibly fractional. */
export type Millis = number;

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary origin; never decreases. */
  monotonic(): Millis;
  /** Milliseconds since the Unix epoch; may jump either way. */
  wall(): Millis;
  /** Calls `run` once, `delayMs` from now (at once if negative), never synchronously. */
  setTimer(delayMs: Millis, run: () => void): Timer;
}

/** An RFC 3339 timestamp in whole seconds, as metav1.Time is written. */
export function formatTime(wallMs: Millis): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** An RFC 3339 timestamp in microseconds, as metav1.MicroTime is written. */
export function formatMicroTime(wallMs: Millis): string {
  return new Date(wallMs).toISOString().replace(/Z$/, '000Z');
}

/** Resolves after `delayMs`; rejects with `AbortedError` as soon as `signal` fires. */
export function sleep(clock: Clock, delayMs: Millis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new AbortedError('sleep'));
    const onAbort = () => {
      timer.cancel();
      reject(new AbortedError('sleep'));
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly deadlineMs: Millis;
  /** What is waited for; part of the error. */
  readonly what: string;
}

/** Settles as `promise` does, or rejects with `DeadlineError`. The late outcome of `promise` is ignored. */
export function withDeadline<T>(promise: Promise<T>, { clock, deadlineMs, what }: DeadlineOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(deadlineMs, () => reject(new DeadlineError(what, deadlineMs)));
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
