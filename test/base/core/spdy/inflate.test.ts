import { constants, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { fc } from '../../property.ts';
import { SPDY_DICTIONARY } from '../../../../src/base/core/spdy/dictionary.ts';
import { adler32, InflateError, Inflater } from '../../../../src/base/core/spdy/inflate.ts';
import { Packer } from './packer.ts';

const inflater = (bytesMax = 100_000) => new Inflater({ dictionary: SPDY_DICTIONARY, bytesMax });

test('the dictionary is that of the draft, by its checksum', () => {
  expect(SPDY_DICTIONARY.length).toBe(1423);
  expect(adler32(SPDY_DICTIONARY)).toBe(0xe3c6a7c2);
});

/** Words repeat, so that references go far back, beyond what is one block. */
const block = fc.oneof(
  fc.uint8Array({ maxLength: 3_000 }),
  fc
    .array(fc.constantFrom('streamtype', 'error', 'content-type', 'x', '\0\0\0\x04', 'port 8080 '), { maxLength: 800 })
    .map((words) => Buffer.from(words.join(''))),
);

test('Inflater.inflate() reads what zlib has packed, over many blocks and at each level', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(block, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(0, 1, 6, 9),
      async (blocks, level) => {
        const [packer, own] = [new Packer(level), inflater()];
        for (const each of blocks)
          expect(Buffer.from(own.inflate(await packer.pack(each))).equals(Buffer.from(each))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test('references reach 32 KiB back over blocks, and no further', async () => {
  const [packer, own] = [new Packer(), inflater()];
  const noise = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255));
  for (let round = 0; round < 4; round++)
    expect(Buffer.from(own.inflate(await packer.pack(noise))).equals(noise)).toBe(true);
});

test('a stream without a dictionary is one too, and another dictionary is refused', () => {
  const plain = deflateSync('no dictionary', { finishFlush: constants.Z_SYNC_FLUSH });
  expect(Buffer.from(inflater().inflate(plain)).toString()).toBe('no dictionary');
  const other = deflateSync('x', { dictionary: Buffer.from('other'), finishFlush: constants.Z_SYNC_FLUSH });
  expect(() => inflater().inflate(other)).toThrow('another dictionary');
});

test('what becomes larger than it may is refused, before it is', async () => {
  const bomb = await new Packer().pack(Buffer.alloc(1_000_000));
  expect(bomb.length).toBeLessThan(2_000);
  expect(() => inflater(16 * 1024).inflate(bomb)).toThrow('too large');
});

test.each([
  ['no stream of zlib', '1234'],
  ['the end of the stream', deflateSync('x', { dictionary: SPDY_DICTIONARY }).toString('hex')],
  ['a block of no kind', '780107'],
  ['a reference to before the beginning', '78014b040200'],
  ['a stored block of two lengths', '7801000100ffff61'],
  ['a block that was cut off', '78010005'],
])('%s is refused as an InflateError', (_, hex) => {
  expect(() => inflater().inflate(Buffer.from(hex, 'hex'))).toThrow(InflateError);
});
