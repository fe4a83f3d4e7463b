/** Which images go, and in which order: those that nobody mounts, the longest unused first. */
import type { Millis } from '../../base/clock.ts';

export interface Candidate {
  readonly id: string;
  readonly lastUsedMs: Millis;
  readonly isPinned: boolean;
  readonly consumers: readonly string[];
}

export interface GarbagePlan<T> {
  /** Go in any case: unused for too long. */
  readonly expired: readonly T[];
  /** Go one after the other while the disk is too full. */
  readonly whileShort: readonly T[];
}

export interface GarbageAges {
  readonly nowMs: Millis;
  readonly minAgeMs: Millis;
  readonly maxAgeMs?: Millis;
}

/** A clock that was set back makes an image look used in the future: it is then as young as can be, and stays. */
export function planGarbage<T extends Candidate>(
  images: readonly T[],
  { nowMs, minAgeMs, maxAgeMs = Infinity }: GarbageAges,
): GarbagePlan<T> {
  const ageOf = ({ lastUsedMs }: T) => nowMs - lastUsedMs;
  const free = images
    .filter((image) => !image.isPinned && image.consumers.length === 0 && ageOf(image) >= minAgeMs)
    .sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
  return {
    expired: free.filter((image) => ageOf(image) >= maxAgeMs),
    whileShort: free.filter((image) => ageOf(image) < maxAgeMs),
  };
}
