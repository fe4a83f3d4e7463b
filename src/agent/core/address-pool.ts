/**
 * Pod addresses of the process runtime: out of a range of 127.0.0.0/8, handed out in a circle, so that no address comes
 * back before the range has wrapped (a client that still speaks to a dead pod must not reach its successor). The
 * position is saved by the shell before an address is used.
 */
import { assert } from '../../base/assert.ts';

export interface AddressRange {
  /** The first address as a number. */
  readonly first: number;
  readonly size: number;
}

/** Reads `127.34.16.0/20`; the first address of the block is not handed out. Undefined: not an IPv4 block. */
export function parseCidr(cidr: string): AddressRange | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  if (match === null) return undefined;
  const [a, b, c, d, bits] = match.slice(1).map(Number) as [number, number, number, number, number]; // five groups
  if ([a, b, c, d].some((byte) => byte > 255) || bits < 8 || bits > 30) return undefined;
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  return { first: address - (address % size) + 1, size: size - 2 };
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The next free address at or after the position, and the position after it; undefined when all are taken. */
export function nextAddress(
  range: AddressRange,
  position: number,
  taken: ReadonlySet<string>,
): { readonly address: string; readonly position: number } | undefined {
  assert(range.size > 0, 'a range has addresses');
  for (let step = 0; step < range.size; step++) {
    const offset = (position + step) % range.size;
    const address = formatAddress(range.first + offset);
    if (!taken.has(address)) return { address, position: (offset + 1) % range.size };
  }
  return undefined;
}
