/**
 * HPACK's Huffman code (RFC 7541 §5.2, appendix B). The code is canonical (of one length, codes ascend with their
 * symbols, and longer ones follow), so that the lengths alone say all.
 */
import { ConnectionError, ErrorCode } from './protocol.ts';

/** Bits of the code of each octet, and of EOS. */
// prettier-ignore
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
  7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
  23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
  21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;
const LENGTH_MAX = 30;

/**
 * Two numbers a node, one for each bit: 0 none, positive the next node, negative ~symbol. A walk bit by bit is no race,
 * but a block that was seen before is not decoded at all.
 */
const TREE = buildTree();

function buildTree(): Int16Array {
  const tree = new Int16Array(2 * LENGTHS.length);
  let nodes = 1;
  let code = 0;
  for (let length = 1; length <= LENGTH_MAX; length++, code <<= 1) {
    for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
      if (LENGTHS[symbol] !== length) continue;
      let node = 0;
      for (let bit = length - 1; bit > 0; bit--) {
        const edge = 2 * node + ((code >>> bit) & 1);
        if (tree[edge] === 0) tree[edge] = nodes++;
        node = tree[edge]!;
      }
      tree[2 * node + (code & 1)] = ~symbol;
      code++;
    }
  }
  return tree;
}

/** As a latin1 string, one character an octet. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let node = 0;
  let padding = 0;
  let onlyOnes = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >>> bit) & 1;
      const next = TREE[2 * node + one]!;
      padding++;
      onlyOnes &&= one === 1;
      if (next < 0) {
        if (~next === EOS) throw bad('a string with EOS in it');
        text += String.fromCharCode(~next);
        node = 0;
        padding = 0;
        onlyOnes = true;
      } else node = next;
    }
  }
  // What is left over is the beginning of EOS, and less than an octet.
  if (padding > 7 || !onlyOnes) throw bad('a string that is not padded with the beginning of EOS');
  return text;
}

function bad(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `hpack: ${what}`);
}
