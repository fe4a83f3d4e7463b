/** When a service account's token is exchanged for a new one: as the kubelet does, early enough to fail a few times. Pure. */
import type { Millis } from '../../base/clock.ts';

/** Of its life. */
const REFRESH_AT = 0.8;
/** However long it lives: whoever got hold of it shall not have it for longer. */
const AGE_MAX_MS: Millis = 24 * 3_600_000;

export interface TokenLife {
  readonly issuedAtMs: Millis;
  readonly expiresAtMs: Millis;
}

export function refreshesAt({ issuedAtMs, expiresAtMs }: TokenLife): Millis {
  return issuedAtMs + Math.min(AGE_MAX_MS, REFRESH_AT * (expiresAtMs - issuedAtMs));
}
