import type { Clock, Millis } from './clock.ts';
import type { Random } from './random.ts';

export interface Latency {
  readonly clock: Clock;
  readonly random: Random;
  /** undefined: none. */
  readonly latencyMs: { readonly min: Millis; readonly max: Millis } | undefined;
  /** What is under way when its process dies never settles. */
  readonly isDead: () => boolean;
}

/** Runs it after the latency that a simulated device has. */
export function afterLatency<T>({ clock, random, latencyMs, isDead }: Latency, run: () => T): Promise<T> {
  if (isDead()) return new Promise(() => {});
  const { min, max } = latencyMs ?? { min: 0, max: 0 };
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      if (isDead()) return;
      try {
        resolve(run());
      } catch (error) {
        reject(error as Error);
      }
    };
    if (max <= 0) void Promise.resolve().then(finish);
    else clock.setTimer(min + random.float() * (max - min), finish);
  });
}
