/** Runs a container's postStart and preStop hooks: a command beside it, a request to it, or a pause. */
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import { AbortedError } from '../base/errors.ts';
import type { LifecycleHandler } from './core/pod-spec.ts';
import type { Prober, ProbeTarget } from './probe.ts';

export interface HookOptions {
  readonly clock: Clock;
  readonly prober: Prober;
  readonly target: ProbeTarget;
  readonly timeoutMs: Millis;
  /** Nobody waits for it any more. */
  readonly signal: AbortSignal;
}

/** Answers why it failed. */
export async function runHook(hook: LifecycleHandler, { clock, prober, target, timeoutMs, signal }: HookOptions): Promise<string | undefined> {
  if (hook.sleep !== undefined) {
    await sleep(clock, Math.min(1000 * hook.sleep.seconds, timeoutMs), signal).catch(ignoreAbort);
    return undefined;
  }
  // A connection tells nothing: the field is there for old manifests, and never did anything.
  if (hook.exec === undefined && hook.httpGet === undefined) return undefined;
  const aborted = new Promise<undefined>((done) => {
    if (signal.aborted) done(undefined);
    signal.addEventListener('abort', () => done(undefined), { once: true });
  });
  const answer = await Promise.race([prober.probe(hook, target, timeoutMs), aborted]);
  return answer === undefined || answer.isSuccess ? undefined : answer.message;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof AbortedError)) throw error;
}
