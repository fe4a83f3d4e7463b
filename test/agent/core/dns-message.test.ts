import { expect, test } from 'vitest';
import {
  decodeMessage,
  DnsFormatError,
  encodeMessage,
  parseName,
  RecordType,
  type Message,
  type RecordData,
  type ResourceRecord,
} from '../../../src/agent/core/dns-message.ts';
import { fc } from '../../base/property.ts';

const label = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[^\x00-\x7f]/g, 'x').toLowerCase());
const name = fc.array(fc.oneof(label, fc.constantFrom('a', 'b', 'ns', 'svc')), { maxLength: 3 });
const uint16 = fc.nat(65_535);
const uint32 = fc.nat(2 ** 32 - 1);
const data = fc.oneof<fc.Arbitrary<RecordData>[]>(
  fc.tuple(...Array.from({ length: 4 }, () => fc.nat(255))).map((bytes): RecordData => ({ type: 'A', address: bytes.join('.') })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes): RecordData => ({ type: 'AAAA', bytes })),
  fc.record({ type: fc.constantFrom('CNAME' as const, 'NS' as const, 'PTR' as const), target: name }),
  fc.record({ type: fc.constant('SRV' as const), priority: uint16, weight: uint16, port: uint16, target: name }),
  fc.record({ type: fc.constant('MX' as const), preference: uint16, target: name }),
  fc.record({ type: fc.constant('TXT' as const), texts: fc.array(label, { minLength: 1, maxLength: 3 }) }),
  fc.record({ type: fc.constant('SOA' as const), server: name, mailbox: name, serial: uint32, times: fc.tuple(uint32, uint32, uint32, uint32) }),
  fc.uint8Array({ maxLength: 40 }).map((bytes): RecordData => ({ type: 'other', bytes })),
);
const record = fc.record({ name, ttl: uint32, data }).map((one): ResourceRecord => ({ ...one, type: one.data.type === 'other' ? 99 : RecordType[one.data.type] }));
const message: fc.Arbitrary<Message> = fc.record({
  id: uint16,
  isResponse: fc.boolean(),
  opcode: fc.nat(15),
  isAuthoritative: fc.boolean(),
  isTruncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  rcode: fc.nat(15),
  questions: fc.array(fc.record({ name, type: uint16, class: uint16 }), { maxLength: 2 }),
  answers: fc.array(record, { maxLength: 6 }),
  authorities: fc.array(record, { maxLength: 2 }),
  additionals: fc.array(record, { maxLength: 3 }),
  edns: fc.option(fc.record({ udpBytes: uint16, version: fc.nat(255) }), { nil: undefined }),
});

test('decodeMessage() reads what encodeMessage() wrote', () => {
  fc.assert(
    fc.property(message, (one) => {
      expect(decodeMessage(encodeMessage(one, 65_535))).toEqual(one);
    }),
  );
});

test('encodeMessage() leaves out whole records where there is no room, and says so where they were answers', () => {
  fc.assert(
    fc.property(message, fc.integer({ min: 300, max: 1_500 }), (one, max) => {
      const bytes = encodeMessage({ ...one, questions: [] }, max);
      expect(bytes.length).toBeLessThanOrEqual(max);
      const read = decodeMessage(bytes);
      expect(read.answers).toEqual(one.answers.slice(0, read.answers.length));
      expect(read.edns).toEqual(one.edns);
      const isCut = read.answers.length < one.answers.length || read.authorities.length < one.authorities.length;
      expect(read.isTruncated).toBe(one.isTruncated || isCut);
    }),
  );
});

test('encodeMessage() writes a name once', () => {
  const names = ['web.ns.svc.cluster.local', 'db.ns.svc.cluster.local', 'WEB.ns.svc.cluster.local'];
  const answers = names.map((text): ResourceRecord => ({ name: parseName(text), type: 1, ttl: 5, data: { type: 'A', address: '10.0.0.1' } }));
  const bytes = encodeMessage({ ...decodeMessage(Buffer.alloc(12)), answers }, 512);
  // A header, one whole name, `db` and a pointer, a pointer; 14 bytes beside each name.
  expect(bytes.length).toBe(12 + 26 + 5 + 2 + 3 * 14);
  expect(decodeMessage(bytes).answers.map(({ name: labels }) => labels[0])).toEqual(['web', 'db', 'web']);
});

const query = (rest: string, counts = '0001000000000000') => Buffer.from(`00010100${counts}${rest}`, 'hex');

test.each([
  ['nothing', Buffer.alloc(0)],
  ['half a header', Buffer.alloc(11)],
  ['a question that is not there', query('')],
  ['a name without an end', query('03616263')],
  ['a label that is cut off', query('3f616263')],
  ['a pointer to itself', query('c00c00010001')],
  ['two pointers at each other', query('c00e00010001c00c00010001', '0002000000000000')],
  ['a pointer ahead', query('c01000010001000161')],
  ['a pointer into the header', query('c00000010001')],
  ['a label of a reserved kind', query('40610000010001')],
  ['a name of 256 bytes', query(`${'3f'.padEnd(128, '61').repeat(4)}0000010001`)],
  ['65,535 records that are not there', query('0000010001', '0001ffffffffffff')],
  ['a record longer than the message', query('0000010001000001000100000005000401', '0001000100000000')],
  ['an address of 3 bytes', query('00000100010000010001000000050003010203', '0001000100000000')],
  ['a target longer than its record', query('00000100010000050001000000050001016100', '0001000100000000')],
  ['an OPT among the answers', query('00000100010000291000000000000000', '0001000100000000')],
  ['two OPT records', query(`0000010001${'0000291000000000000000'.repeat(2)}`, '0001000000000002')],
  ['more than a message can be', Buffer.alloc(65_536)],
])('decodeMessage() refuses %s', (_, bytes) => {
  expect(() => decodeMessage(bytes)).toThrow(DnsFormatError);
});

test('decodeMessage() is not slower than its input is long: names in many pieces are refused', () => {
  // Each record is named by a pointer to the name of the one before: the last would be a thousand jumps.
  const first = Buffer.from('01610000630001000000050000', 'hex');
  const records = (count: number) => {
    const parts = [first];
    for (let at = 1; at < count; at++) {
      const target = 12 + (at === 1 ? 0 : first.length + (at - 2) * 12);
      parts.push(Buffer.from([0xc0 | (target >> 8), target & 255, 0, 99, 0, 1, 0, 0, 0, 5, 0, 0]));
    }
    return query(Buffer.concat(parts).toString('hex'), `0000${count.toString(16).padStart(4, '0')}00000000`);
  };
  expect(decodeMessage(records(30)).answers.map(({ name: labels }) => labels)).toEqual(Array(30).fill(['a']));
  expect(() => decodeMessage(records(1_000))).toThrow('a name in too many pieces');
});
