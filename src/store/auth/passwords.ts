/**
 * Passwords as they are kept: hashed by the member that is asked, never by the log, for the salt is random and the work is
 * long. Etcd takes bcrypt; Node has none, so it is scrypt of `node:crypto`, by default with as much work as etcd's cost
 * of 10 (some 50 ms), and the row says how it was made.
 *
 *   $scrypt$ <log2 of N> $ <salt, base64> $ <hash, base64>
 */
import { randomBytes, scrypt, scryptSync, timingSafeEqual } from 'node:crypto';
import { StoreError } from '../rpc/errors.ts';

export interface PasswordHasher {
  hash(password: string): string | Promise<string>;
  verify(password: string, hashed: string): boolean | Promise<boolean>;
  /** No password has this hash; to compare with it takes as long as with another. */
  readonly nobody: string;
}

const COST_LOG2 = 14;
const COST_LOG2_MAX = 20;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const BLOCK_SIZE = 8;

/** Of one that is threaded: more callers than so many at a time are told to come again. */
const WAITING_MAX = 64;

/** On the loop, so that a test or the simulator repeats itself: a process takes `threadedScryptHasher`. */
export function scryptHasher(costLog2 = COST_LOG2): PasswordHasher {
  return {
    hash(password) {
      const salt = randomBytes(SALT_BYTES);
      return written(costLog2, salt, scryptSync(...inputs(password, salt, costLog2)));
    },
    verify(password, hashed) {
      const known = read(hashed);
      return known !== undefined && isEqual(known.hash, scryptSync(...inputs(password, known.salt, known.costLog2)));
    },
    nobody: nobody(costLog2),
  };
}

/**
 * Off the loop: whoever guesses passwords must not keep a leader from its heartbeats. One at a time, for the threads are
 * those that sync the log.
 */
export function threadedScryptHasher(costLog2 = COST_LOG2): PasswordHasher {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const derive = async (password: string, salt: Uint8Array, cost: number): Promise<Buffer> => {
    if (waiting >= WAITING_MAX) throw new StoreError('too-many-requests');
    waiting++;
    const derived = last.then(() => threaded(password, salt, cost)).finally(() => waiting--);
    last = derived.catch(() => undefined);
    return derived;
  };
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      return written(costLog2, salt, await derive(password, salt, costLog2));
    },
    async verify(password, hashed) {
      const known = read(hashed);
      return known !== undefined && isEqual(known.hash, await derive(password, known.salt, known.costLog2));
    },
    nobody: nobody(costLog2),
  };
}

function written(costLog2: number, salt: Buffer, hash: Buffer): string {
  return `$scrypt$${costLog2}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

function nobody(costLog2: number): string {
  return written(costLog2, Buffer.alloc(SALT_BYTES), Buffer.alloc(HASH_BYTES));
}

/** Undefined: it is none of ours. */
function read(hashed: string): { readonly costLog2: number; readonly salt: Buffer; readonly hash: Buffer } | undefined {
  const [, scheme, cost, salt, hash] = hashed.split('$');
  if (scheme !== 'scrypt' || salt === undefined || hash === undefined) return undefined;
  if (!(Number(cost) >= 1 && Number(cost) <= COST_LOG2_MAX)) return undefined;
  return { costLog2: Number(cost), salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

function isEqual(expected: Buffer, actual: Buffer): boolean {
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function inputs(password: string, salt: Uint8Array, costLog2: number): Parameters<typeof scryptSync> {
  const N = 2 ** costLog2;
  return [password, salt, HASH_BYTES, { N, r: BLOCK_SIZE, p: 1, maxmem: 256 * N * BLOCK_SIZE }];
}

function threaded(password: string, salt: Uint8Array, costLog2: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const [text, salted, bytes, options] = inputs(password, salt, costLog2);
    scrypt(text, salted, bytes, options ?? {}, (error, hash) => (error === null ? resolve(hash) : reject(error)));
  });
}
