/**
 * From what has been used in all to what is used now. Whoever asks makes a measurement be noted; the rate is taken between
 * the newest and the oldest that is not older than a window. Nothing is measured while nobody asks: after a silence the
 * first question needs two measurements, {@link MEASURE_AGAIN_MS} apart.
 */
import type { Millis } from '../../base/clock.ts';

/** A counter at one time. */
export interface UsageReading {
  /** Of all cores, since it began. */
  readonly cpuMs: Millis;
  readonly memoryBytes: number;
  /** How long it has been there; undefined: it is not known. */
  readonly ageMs: Millis | undefined;
}

export interface UsageRate {
  readonly windowMs: Millis;
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
}

interface Point {
  readonly atMs: Millis;
  readonly cpuMs: Millis;
}

/** The kernel counts in hundredths of a second: over less than a second a rate says little. */
export const MEASURE_AGAIN_MS = 1_000;
/** A timer may fire a little early. */
const WINDOW_MIN_MS = 0.9 * MEASURE_AGAIN_MS;
/** As metrics-server looks back: who used a lot half a minute ago is not shown for it now. */
const WINDOW_MAX_MS = 15_000;
const NANOS = 1e9;

export class UsageMeter {
  /** Oldest first; by what is measured. */
  readonly #points = new Map<string, readonly Point[]>();
  #latest: ReadonlyMap<string, UsageReading> = new Map();
  #atMs: Millis | undefined;

  /** Is the newest measurement old enough that another one tells more? */
  isDue(nowMs: Millis): boolean {
    return this.#atMs === undefined || nowMs - this.#atMs >= WINDOW_MIN_MS;
  }

  /** Everything that there is now; what is not among it is forgotten. `nowMs` by a monotonic clock. */
  note(readings: ReadonlyMap<string, UsageReading>, nowMs: Millis): void {
    for (const id of this.#points.keys()) if (!readings.has(id)) this.#points.delete(id);
    for (const [id, { cpuMs, ageMs }] of readings) {
      const known = (this.#points.get(id) ?? bornAt(nowMs, ageMs)).filter(({ atMs }) => nowMs - atMs <= WINDOW_MAX_MS);
      this.#points.set(id, [...known, { atMs: nowMs, cpuMs }]);
    }
    this.#latest = readings;
    this.#atMs = nowMs;
  }

  /** undefined: it is not there, or has been seen for too short a time. */
  rateOf(id: string): UsageRate | undefined {
    const points = this.#points.get(id);
    const [first, last] = [points?.[0], points?.at(-1)];
    const reading = this.#latest.get(id);
    if (first === undefined || last === undefined || reading === undefined) return undefined;
    const windowMs = last.atMs - first.atMs;
    if (windowMs < WINDOW_MIN_MS) return undefined;
    // What a process used that nobody waited for is lost with it: a counter of many processes may go back.
    const cpuMs = Math.max(0, last.cpuMs - first.cpuMs);
    return { windowMs, cpuNanoCores: Math.round((cpuMs / windowMs) * NANOS), memoryBytes: reading.memoryBytes };
  }

  /** Would another measurement, a moment later, tell of something that has no rate yet? */
  get isIncomplete(): boolean {
    return [...this.#latest.keys()].some((id) => this.rateOf(id) === undefined);
  }
}

/** What has just begun has used nothing before. */
function bornAt(nowMs: Millis, ageMs: Millis | undefined): readonly Point[] {
  return ageMs === undefined || ageMs < 0 ? [] : [{ atMs: nowMs - ageMs, cpuMs: 0 }];
}
