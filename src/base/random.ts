/**
 * The seam for randomness. A `Random` is forked by label, so that a new consumer of random numbers in one place does
 * not shift what every other place draws from the same seed.
 */
import { assert } from './assert.ts';

export interface Random {
  /** A whole number in [0, 2^32). */
  uint32(): number;
  /** A number in [0, 1). */
  float(): number;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** A whole number in [low, high]. */
  between(low: number, high: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One element of a list that is not empty. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
  /** An unsigned 64-bit number, never 0. */
  uint64(): bigint;
  /** `length` characters of the alphabet that Kubernetes uses for generated names (no vowels, no look-alikes). */
  suffix(length: number): string;
  /** A version 4 UUID. */
  uuid(): string;
  /** An independent stream; the same label of the same parent gives the same stream. */
  fork(label: string): Random;
}

/** apimachinery's rand.String alphabet. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** xoshiro128**, seeded by splitmix32 of the seed and the fork labels. Not for secrets. */
class SeededRandom implements Random {
  readonly #identity: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(identity: number) {
    this.#identity = identity;
    let state = identity;
    const next = () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  uint32(): number {
    const mixed = Math.imul(this.#b, 5);
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  float(): number {
    return this.uint32() / 2 ** 32;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound > 0, 'a bound is a positive whole number');
    return Math.floor(this.float() * bound);
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, 'there is something to pick from');
    return items[this.below(items.length)]!;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
    }
    return shuffled;
  }

  uint64(): bigint {
    const value = (BigInt(this.uint32()) << 32n) | BigInt(this.uint32());
    return value === 0n ? 1n : value;
  }

  suffix(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += SUFFIX_ALPHABET[this.below(SUFFIX_ALPHABET.length)]!;
    return text;
  }

  uuid(): string {
    let hex = '';
    for (let i = 0; i < 4; i++) hex += this.uint32().toString(16).padStart(8, '0');
    const variant = (8 + this.below(4)).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  fork(label: string): Random {
    return new SeededRandom(hash(this.#identity, label));
  }
}

/** FNV-1a of the label's UTF-16 units, started from the parent's identity. */
function hash(start: number, label: string): number {
  let value = (start ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < label.length; i++) value = Math.imul(value ^ label.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

export function seededRandom(seed: number | string): Random {
  return new SeededRandom(hash(0, String(seed)));
}
