/** HPACK by RFC 7541's own examples (appendix C), and by what must be refused. */
import { expect, test } from 'vitest';
import { HpackDecoder } from '../../../src/grpc/lean/core/hpack-decoder.ts';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import type { Field } from '../../../src/grpc/lean/core/hpack-table.ts';
import { ConnectionError, ErrorCode } from '../../../src/grpc/lean/core/protocol.ts';

const LIMITS = { listBytesMax: 16_384 };

function decoder(limits: { tableBytesMax?: number; listBytesMax: number } = LIMITS) {
  const calls: number[] = [];
  const hpack = new HpackDecoder((fields) => {
    calls.push(calls.length);
    return fields?.map(({ name, value }) => `${name}: ${value}`);
  }, limits);
  const decode = (hex: string) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    return hpack.decode(bytes, 0, bytes.length);
  };
  return { decode, calls };
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as ConnectionError).code).toBe(ErrorCode.COMPRESSION_ERROR);
    return (error as ConnectionError).message;
  }
  throw new Error('was not refused');
}

test('C.2: one field, in each representation', () => {
  expect(decoder().decode('400a637573746f6d2d6b65790d637573746f6d2d686561646572')).toEqual(['custom-key: custom-header']);
  expect(decoder().decode('040c2f73616d706c652f70617468')).toEqual([':path: /sample/path']);
  expect(decoder().decode('100870617373776f726406736563726574')).toEqual(['password: secret']);
  expect(decoder().decode('82')).toEqual([':method: GET']);
});

const REQUESTS = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];

test.each([
  ['C.3', ['828684410f7777772e6578616d706c652e636f6d', '828684be58086e6f2d6361636865', '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565']],
  ['C.4, Huffman', ['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf']],
])('%s: requests one after the other', (_, blocks) => {
  const { decode } = decoder();
  expect(blocks.map(decode)).toEqual(REQUESTS);
});

const RESPONSES = [
  [':status: 302', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', 'location: https://www.example.com'],
  [':status: 307', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', 'location: https://www.example.com'],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

test.each([
  [
    'C.5',
    [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
  ],
  [
    'C.6, Huffman',
    [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  ],
])('%s: responses one after the other, in a table of 256 bytes', (_, blocks) => {
  const { decode } = decoder({ ...LIMITS, tableBytesMax: 256 });
  expect(blocks.map(decode)).toEqual(RESPONSES);
});

test('a block that was seen is not decoded again until the table it looked into has changed', () => {
  const { decode, calls } = decoder();
  expect(decode('82')).toBe(decode('82'));
  expect(calls).toHaveLength(1);
  decode('40 01 61 01 62'); // a: b enters the table
  const before = decode('82 be');
  expect(decode('82 be')).toBe(before);
  expect(calls).toHaveLength(3);
  decode('40 01 61 01 63'); // a: c is the newest now
  expect(decode('82 be')).toEqual([':method: GET', 'a: c']);
  expect(before).toEqual([':method: GET', 'a: b']);
  expect(decode('82')).toEqual([':method: GET']);
  expect(calls).toHaveLength(5);
  // What changes the table is never remembered: it must change it each time.
  decode('40 01 61 01 63');
  expect(decode('bf')).toEqual(['a: c']);
});

test('the table shrinks and grows by what a block says first', () => {
  const { decode } = decoder();
  decode('40 01 61 01 62');
  expect(decode('be')).toEqual(['a: b']);
  decode('20 3f e1 1f'); // to 0, to 4096
  expect(refusal(() => decode('be'))).toBe('hpack: no such entry of the table');
});

test.each([
  ['80', 'no such entry of the table'],
  ['c0', 'no such entry of the table'],
  ['82 20', 'a new size of the table behind a field'],
  ['3f e2 1f', 'a larger table than was offered'],
  ['ff', 'a block that ends in a number'],
  ['ff ff ff ff ff ff ff 7f', 'a number that is too large'],
  ['40', 'a block that ends in a field'],
  ['40 05 61', 'a string that reaches past the block'],
  ['00 01 61 84 ff ff ff ff', 'a string with EOS in it'],
  ['00 01 61 82 1f ff', 'a string that is not padded with the beginning of EOS'],
  ['00 01 61 81 18', 'a string that is not padded with the beginning of EOS'],
])('%s is refused: %s', (hex, why) => {
  expect(refusal(() => decoder().decode(hex))).toBe(`hpack: ${why}`);
});

test('a list that is too long is not kept, and the table goes on as the other end has it', () => {
  const { decode } = decoder({ listBytesMax: 100 });
  const long = Buffer.from('x'.repeat(40)).toString('hex');
  expect(decode(`40 01 61 28 ${long} be be`)).toBeUndefined();
  expect(decode('be')).toEqual([`a: ${'x'.repeat(40)}`]);
});

test('encodeBlock() writes what the decoder reads', () => {
  const fields: Field[] = [
    { name: ':status', value: '200' },
    { name: ':path', value: '/etcdserverpb.KV/Put' },
    { name: 'content-type', value: 'application/grpc' },
    { name: 'x-long', value: 'v'.repeat(5000) },
    { name: 'grpc-message', value: '' },
  ];
  const { decode } = decoder();
  expect(decode(encodeBlock(fields).toString('hex'))).toEqual(fields.map(({ name, value }) => `${name}: ${value}`));
});
