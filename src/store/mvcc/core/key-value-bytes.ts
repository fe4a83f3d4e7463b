/**
 * A write as mvccpb.KeyValue on the wire, in one pass from what the index and the rows hold, without the object between
 * them: a range of 1,000 keys, or an event for 1,000 watchers, is little else. The bytes are those of the codec
 * (src/proto/etcd.ts), which a test compares: fields in order, what is zero or empty left out.
 */
import type { Write } from './revision.ts';

// Field number and wire type, of mvccpb.KeyValue.
const KEY = (1 << 3) | 2;
const CREATE_REVISION = 2 << 3;
const MOD_REVISION = 3 << 3;
const VERSION = 4 << 3;
const VALUE = (5 << 3) | 2;
const LEASE = 6 << 3;

/** Shorter texts are faster copied by hand than by a call out of JavaScript. */
const COPIED_BY_HAND_MAX = 48;

/** The bytes that {@link writeKeyValue} writes. */
export function keyValueSize({ key, create, main, version, lease }: Write, valueLength: number): number {
  let size = lengthSize(key.length) + 1 + varintSize(main);
  if (create !== 0) size += 1 + varintSize(create);
  if (version !== 0) size += 1 + varintSize(version);
  if (valueLength !== 0) size += lengthSize(valueLength);
  if (lease !== 0n) size += 1 + bigVarintSize(lease);
  return size;
}

/** Where the next byte goes. */
export function writeKeyValue(out: Buffer, start: number, { key, create, main, version, lease }: Write, value: Uint8Array): number {
  let at = start;
  if (key.length > 0) {
    out[at++] = KEY;
    at = writeText(out, writeVarint(out, at, key.length), key);
  }
  if (create !== 0) {
    out[at++] = CREATE_REVISION;
    at = writeVarint(out, at, create);
  }
  out[at++] = MOD_REVISION;
  at = writeVarint(out, at, main);
  if (version !== 0) {
    out[at++] = VERSION;
    at = writeVarint(out, at, version);
  }
  if (value.length > 0) {
    out[at++] = VALUE;
    at = writeVarint(out, at, value.length);
    out.set(value, at);
    at += value.length;
  }
  if (lease !== 0n) {
    out[at++] = LEASE;
    at = writeBigVarint(out, at, lease);
  }
  return at;
}

/** Of a safe integer that is not negative. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = rest > 0x7fffffff ? Math.floor(rest / 0x80) : rest >>> 7) size++;
  return size;
}

export function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  // Past 31 bits there are no shifts.
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 0x80)) out[at++] = (rest % 0x80) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}

/** A tag of one byte, a length, and so many bytes; nothing where there are none. */
function lengthSize(length: number): number {
  return length === 0 ? 0 : 1 + varintSize(length) + length;
}

/** Of latin1 text. */
export function writeText(out: Buffer, start: number, text: string): number {
  if (text.length > COPIED_BY_HAND_MAX) return start + out.write(text, start, 'latin1');
  for (let at = 0; at < text.length; at++) out[start + at] = text.charCodeAt(at);
  return start + text.length;
}

function bigVarintSize(value: bigint): number {
  let size = 1;
  for (let rest = BigInt.asUintN(64, value); rest >= 0x80n; rest >>= 7n) size++;
  return size;
}

function writeBigVarint(out: Buffer, start: number, value: bigint): number {
  let at = start;
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) out[at++] = Number(rest & 0x7fn) | 0x80;
  out[at++] = Number(rest);
  return at;
}
