/** As a client packs its headers: one stream of zlib, flushed behind each block. */
import { constants, createDeflate, type Deflate } from 'node:zlib';
import { concatBytes, fromUtf8 } from '../../../../src/base/bytes.ts';
import { SPDY_DICTIONARY } from '../../../../src/base/core/spdy/dictionary.ts';

export class Packer {
  readonly #deflate: Deflate;

  constructor(level = 9) {
    this.#deflate = createDeflate({ level, dictionary: SPDY_DICTIONARY });
  }

  pack(bytes: Uint8Array): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    const keep = (chunk: Buffer) => chunks.push(chunk);
    this.#deflate.on('data', keep);
    return new Promise((resolve) => {
      if (bytes.length > 0) this.#deflate.write(bytes);
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off('data', keep);
        resolve(Buffer.concat(chunks));
      });
    });
  }

  /** A SYN_STREAM as kubectl sends it. */
  async open(streamId: number, headers: Readonly<Record<string, string>>, isLast = false): Promise<Uint8Array> {
    const texts = Object.entries(headers).flat();
    const block = concatBytes([uint32(texts.length / 2), ...texts.flatMap((text) => [uint32(fromUtf8(text).length), fromUtf8(text)])]);
    const packed = await this.pack(block);
    return concatBytes([uint32(0x80030001), uint32(((isLast ? 1 : 0) << 24) | (packed.length + 10)), uint32(streamId), uint32(0), Uint8Array.of(0, 0), packed]);
  }
}

export function data(streamId: number, text: string, isLast = false): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  return concatBytes([uint32(streamId), uint32(((isLast ? 1 : 0) << 24) | bytes.length), bytes]);
}

export function control(type: number, ...words: readonly number[]): Uint8Array {
  return concatBytes([uint32((0x80030000 | type) >>> 0), uint32(4 * words.length), ...words.map(uint32)]);
}

export function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
