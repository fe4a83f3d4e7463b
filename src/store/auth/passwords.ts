/**
 * Passwords as they are kept: hashed by the member that is asked, never by the log, for the salt is random and the work is
 * long. Etcd takes bcrypt; Node has none, so it is scrypt of `node:crypto`, by default with as much work as etcd's cost
 * of 10 (some 50 ms), and the row says how it was made. It is synchronous: authenticating is rare, and each turn of the
 * loop that it holds is far shorter than an election.
 *
 *   $scrypt$ <log2 of N> $ <salt, base64> $ <hash, base64>
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

export interface PasswordHasher {
  hash(password: string): string;
  verify(password: string, hashed: string): boolean;
}

const COST_LOG2 = 14;
const COST_LOG2_MAX = 20;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const BLOCK_SIZE = 8;

export function scryptHasher(costLog2 = COST_LOG2): PasswordHasher {
  return {
    hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const hash = derive(password, salt, costLog2);
      return `$scrypt$${costLog2}$${salt.toString('base64')}$${hash.toString('base64')}`;
    },
    verify(password, hashed) {
      const [, scheme, cost, salt, hash] = hashed.split('$');
      if (scheme !== 'scrypt' || salt === undefined || hash === undefined) return false;
      if (!(Number(cost) >= 1 && Number(cost) <= COST_LOG2_MAX)) return false;
      const expected = Buffer.from(hash, 'base64');
      const actual = derive(password, Buffer.from(salt, 'base64'), Number(cost));
      return expected.length === actual.length && timingSafeEqual(expected, actual);
    },
  };
}

function derive(password: string, salt: Uint8Array, costLog2: number): Buffer {
  const N = 2 ** costLog2;
  return scryptSync(password, salt, HASH_BYTES, { N, r: BLOCK_SIZE, p: 1, maxmem: 256 * N * BLOCK_SIZE });
}
