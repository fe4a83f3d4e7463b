/** Damage to bytes, of the kinds that reach code that looks closer than random bytes would: drawn from a `Random`. */
import type { Random } from '../../src/base/random.ts';

/** Numbers at which lengths and tags go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff];
const EDGES_32 = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];
const BYTES_MAX = 16 * 1024;
const CHUNK_MAX = 32;

type Mutation = (bytes: Buffer, random: Random, other: Uint8Array) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => edited(bytes, (at) => (bytes[at]! ^= 1 << random.below(8)), random),
  (bytes, random) => edited(bytes, (at) => (bytes[at] = random.pick(EDGES)), random),
  (bytes, random) => edited(bytes, (at) => (bytes[at] = random.below(256)), random),
  (bytes, random) => (bytes.length < 4 ? bytes : overwritten(bytes, random)),
  // Cut, removed from the middle, doubled in place, and a piece of another input put in.
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => splice(bytes, random, Buffer.alloc(0), 1 + random.below(CHUNK_MAX)),
  (bytes, random) => splice(bytes, random, pieceOf(bytes, random), 0),
  (bytes, random, other) => splice(bytes, random, pieceOf(other, random), random.below(CHUNK_MAX)),
];

export interface MutateOptions {
  readonly random: Random;
  /** Another valid input, to take pieces from. */
  readonly other: Uint8Array;
}

/** A damaged copy. */
export function mutate(seed: Uint8Array, { random, other }: MutateOptions): Uint8Array {
  let bytes: Buffer = Buffer.from(seed);
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--) bytes = random.pick(MUTATIONS)(bytes, random, other);
  return bytes.subarray(0, BYTES_MAX);
}

function edited(bytes: Buffer, edit: (at: number) => void, random: Random): Buffer {
  if (bytes.length > 0) edit(random.below(bytes.length));
  return bytes;
}

function overwritten(bytes: Buffer, random: Random): Buffer {
  bytes.writeUInt32BE(random.pick(EDGES_32), random.below(bytes.length - 3));
  return bytes;
}

function pieceOf(bytes: Uint8Array, random: Random): Uint8Array {
  const from = random.below(bytes.length + 1);
  return bytes.subarray(from, from + random.below(CHUNK_MAX));
}

function splice(bytes: Buffer, random: Random, piece: Uint8Array, removed: number): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + removed)]);
}
