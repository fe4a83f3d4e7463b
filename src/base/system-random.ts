import { randomBytes } from 'node:crypto';
import { type Random, seededRandom } from './random.ts';

/** A `Random` seeded from the operating system: for identities and jitter, not for secrets. */
export function systemRandom(): Random {
  return seededRandom(randomBytes(16).toString('hex'));
}
