/**
 * Messages of the DNS (RFC 1035, 2782, 6891): bytes to data and back. Names are lists of labels, each the latin1 string of
 * its bytes, so that a label may hold anything and is given back as it was asked for; who compares them lowers their case.
 *
 * What comes from outside is refused with a `DnsFormatError` and never costs more than its length: a pointer of a
 * compressed name has to go back, each further than the one before, and a name has no more than 255 bytes.
 */
import { asBuffer } from '../../base/bytes.ts';

export type Name = readonly string[];

export const RecordType = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const Rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export const CLASS_IN = 1;
export const HEADER_BYTES = 12;
/** What a client takes over UDP that does not say. */
export const UDP_BYTES_DEFAULT = 512;
export const MESSAGE_BYTES_MAX = 65_535;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;
/** Of one name; a writer needs one. Else a message of pointers alone would be read in the square of its length. */
const JUMPS_MAX = 32;
const POINTER = 0xc0;
const POINTER_OFFSET_MAX = 0x3fff;

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
}

export type RecordData =
  | { readonly type: 'A'; readonly address: string }
  /** Of other types as it came: they hold no compressed names (RFC 3597 §4). */
  | { readonly type: 'AAAA' | 'other'; readonly bytes: Uint8Array }
  | { readonly type: 'CNAME' | 'NS' | 'PTR'; readonly target: Name }
  | { readonly type: 'MX'; readonly preference: number; readonly target: Name }
  | { readonly type: 'SRV'; readonly priority: number; readonly weight: number; readonly port: number; readonly target: Name }
  | { readonly type: 'TXT'; readonly texts: readonly string[] }
  | { readonly type: 'SOA'; readonly server: Name; readonly mailbox: Name; readonly serial: number; readonly times: readonly [refresh: number, retry: number, expire: number, minimum: number] };

export interface ResourceRecord {
  readonly name: Name;
  /** The number: of `other` data nothing else says it. */
  readonly type: number;
  readonly ttl: number;
  readonly data: RecordData;
}

export interface Edns {
  readonly udpBytes: number;
  readonly version: number;
}

export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  /** With its upper bits, if there is an OPT record. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without OPT, which is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns: Edns | undefined;
}

export class DnsFormatError extends Error {
  override readonly name = 'DnsFormatError';
}

// --- bytes to data

export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length > MESSAGE_BYTES_MAX) throw new DnsFormatError('longer than a message can be');
  const reader = new Reader(asBuffer(bytes));
  const [id, flags] = [reader.uint16(), reader.uint16()];
  const [questionCount, answerCount, authorityCount, additionalCount] = [reader.uint16(), reader.uint16(), reader.uint16(), reader.uint16()];
  const questions = Array.from({ length: reader.atMost(questionCount, 5) }, () => ({ name: reader.name(), type: reader.uint16(), class: reader.uint16() }));
  let edns: Edns | undefined;
  let extendedRcode = 0;
  const section = (count: number, isLast = false): ResourceRecord[] => {
    const records: ResourceRecord[] = [];
    for (let i = reader.atMost(count, 11); i > 0; i--) {
      const { owner, type, rdclass, ttl, length } = reader.recordHead();
      if (type === RecordType.OPT) {
        if (!isLast || edns !== undefined || owner.length > 0) throw new DnsFormatError('an OPT record that is out of place');
        edns = { udpBytes: rdclass, version: (ttl >>> 16) & 0xff };
        extendedRcode = ttl >>> 24;
        reader.skip(length);
      } else records.push({ name: owner, type, ttl, data: reader.data(type, length) });
    }
    return records;
  };
  const [answers, authorities, additionals] = [section(answerCount), section(authorityCount), section(additionalCount, true)];
  return {
    id,
    isResponse: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    isAuthoritative: (flags & 0x0400) !== 0,
    isTruncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    rcode: (extendedRcode << 4) | (flags & 15),
    questions,
    answers,
    authorities,
    additionals,
    edns,
  };
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** What is counted has to be able to be there: a count alone must not cost memory. */
  atMost(count: number, bytesEach: number): number {
    if (count * bytesEach > this.#bytes.length - this.#at) throw new DnsFormatError('fewer bytes than records');
    return count;
  }

  recordHead() {
    return { owner: this.name(), type: this.uint16(), rdclass: this.uint16(), ttl: this.uint32(), length: this.uint16() };
  }

  name(): Name {
    const labels: string[] = [];
    let at = this.#at;
    /** A pointer must go before all that was read of this name: so it ends. */
    let before = at;
    let jumps = 0;
    for (let size = 1; ; ) {
      const length = this.#byteAt(at);
      if (length === 0) {
        if (jumps === 0) this.#at = at + 1;
        return labels;
      }
      if (length >= POINTER) {
        const target = ((length & 0x3f) << 8) | this.#byteAt(at + 1);
        if (target >= before || target < HEADER_BYTES) throw new DnsFormatError('a compressed name that does not go back');
        if (jumps === 0) this.#at = at + 2;
        if (++jumps > JUMPS_MAX) throw new DnsFormatError('a name in too many pieces');
        at = target;
        before = target;
        continue;
      }
      if (length > LABEL_BYTES_MAX) throw new DnsFormatError('a label of a kind that there is not');
      size += length + 1;
      if (size > NAME_BYTES_MAX) throw new DnsFormatError('a name of more than 255 bytes');
      if (at + 1 + length > this.#bytes.length) throw new DnsFormatError('a label that is cut off');
      labels.push(this.#bytes.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
  }

  data(type: number, length: number): RecordData {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new DnsFormatError('a record that is cut off');
    const data = this.#known(type, length, end);
    if (this.#at !== end) throw new DnsFormatError('a record whose length does not fit');
    return data;
  }

  #known(type: number, length: number, end: number): RecordData {
    switch (type) {
      case RecordType.A: {
        if (length !== 4) throw new DnsFormatError('an address of not 4 bytes');
        const at = this.#take(4);
        return { type: 'A', address: [...this.#bytes.subarray(at, at + 4)].join('.') };
      }
      case RecordType.CNAME:
        return { type: 'CNAME', target: this.name() };
      case RecordType.NS:
        return { type: 'NS', target: this.name() };
      case RecordType.PTR:
        return { type: 'PTR', target: this.name() };
      case RecordType.MX:
        return { type: 'MX', preference: this.uint16(), target: this.name() };
      case RecordType.SRV:
        return { type: 'SRV', priority: this.uint16(), weight: this.uint16(), port: this.uint16(), target: this.name() };
      case RecordType.TXT:
        return { type: 'TXT', texts: this.#texts(end) };
      case RecordType.SOA:
        return {
          type: 'SOA',
          server: this.name(),
          mailbox: this.name(),
          serial: this.uint32(),
          times: [this.uint32(), this.uint32(), this.uint32(), this.uint32()],
        };
      default: {
        if (type === RecordType.AAAA && length !== 16) throw new DnsFormatError('an address of not 16 bytes');
        const at = this.#take(length);
        // A copy: the bytes of a socket are used again.
        return { type: type === RecordType.AAAA ? 'AAAA' : 'other', bytes: new Uint8Array(this.#bytes.subarray(at, at + length)) };
      }
    }
  }

  #texts(end: number): string[] {
    const texts: string[] = [];
    while (this.#at < end) {
      const length = this.#byteAt(this.#at);
      if (this.#at + 1 + length > end) throw new DnsFormatError('a text that is cut off');
      texts.push(this.#bytes.toString('latin1', this.#at + 1, this.#at + 1 + length));
      this.#at += 1 + length;
    }
    return texts;
  }

  #byteAt(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new DnsFormatError('cut off');
    return byte;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new DnsFormatError('cut off');
    this.#at = at + length;
    return at;
  }
}

// --- data to bytes

/**
 * No longer than `bytesMax`: what does not fit is left out by whole records, the last ones first. Where answers or
 * authorities are, the message says that it is cut short; additional records are a courtesy.
 */
export function encodeMessage(message: Message, bytesMax: number): Uint8Array {
  const optBytes = message.edns === undefined ? 0 : 11;
  const writer = new Writer(bytesMax - optBytes);
  for (const { name, type, class: of } of message.questions) writer.question(name, type, of);
  const counts = [writer.records(message.answers), writer.records(message.authorities), writer.records(message.additionals)] as const;
  const isCut = counts[0] < message.answers.length || counts[1] < message.authorities.length;
  if (message.edns !== undefined) writer.opt(message.edns, message.rcode >> 4);
  const flags =
    (message.isResponse ? 0x8000 : 0) |
    (message.opcode << 11) |
    (message.isAuthoritative ? 0x0400 : 0) |
    (message.isTruncated || isCut ? 0x0200 : 0) |
    (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) |
    (message.rcode & 15);
  return writer.finish([message.id, flags, message.questions.length, counts[0], counts[1], counts[2] + (optBytes > 0 ? 1 : 0)]);
}

class Writer {
  #bytes = Buffer.alloc(UDP_BYTES_DEFAULT);
  #at = HEADER_BYTES;
  readonly #bytesMax: number;
  /** Where a name was written, by its labels in lower case. */
  readonly #names = new Map<string, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  question(name: Name, type: number, of: number): void {
    this.#name(name);
    this.#uint16(type);
    this.#uint16(of);
  }

  /** How many fitted. */
  records(records: readonly ResourceRecord[]): number {
    let count = 0;
    for (const record of records) {
      const at = this.#at;
      this.#record(record);
      if (this.#at > this.#bytesMax) {
        this.#at = at;
        for (const [name, offset] of this.#names) if (offset >= at) this.#names.delete(name);
        break;
      }
      count++;
    }
    return count;
  }

  opt({ udpBytes, version }: Edns, extendedRcode: number): void {
    this.#byte(0);
    this.#uint16(RecordType.OPT);
    this.#uint16(udpBytes);
    this.#uint32(extendedRcode * 2 ** 24 + (version << 16));
    this.#uint16(0);
  }

  finish(header: readonly number[]): Uint8Array {
    header.forEach((word, at) => this.#bytes.writeUInt16BE(word, 2 * at));
    return this.#bytes.subarray(0, this.#at);
  }

  #record({ name, type, ttl, data }: ResourceRecord): void {
    this.#name(name);
    this.#uint16(type);
    this.#uint16(CLASS_IN);
    this.#uint32(ttl);
    const lengthAt = this.#at;
    this.#uint16(0);
    this.#data(data);
    this.#bytes.writeUInt16BE(this.#at - lengthAt - 2, lengthAt);
  }

  #data(data: RecordData): void {
    switch (data.type) {
      case 'A':
        for (const byte of data.address.split('.')) this.#byte(Number(byte));
        return;
      case 'AAAA':
      case 'other':
        for (const byte of data.bytes) this.#byte(byte);
        return;
      case 'CNAME':
      case 'NS':
      case 'PTR':
        return this.#name(data.target);
      case 'MX':
        this.#uint16(data.preference);
        return this.#name(data.target);
      case 'SRV':
        for (const word of [data.priority, data.weight, data.port]) this.#uint16(word);
        // RFC 2782: the target is not compressed.
        return this.#name(data.target, false);
      case 'TXT':
        for (const text of data.texts) {
          const bytes = Buffer.from(text, 'latin1').subarray(0, 255);
          this.#byte(bytes.length);
          for (const byte of bytes) this.#byte(byte);
        }
        return;
      case 'SOA':
        this.#name(data.server);
        this.#name(data.mailbox);
        for (const word of [data.serial, ...data.times]) this.#uint32(word);
    }
  }

  #name(labels: Name, isCompressed = true): void {
    for (let at = 0; at < labels.length; at++) {
      // The length before each label, for a label may hold a dot.
      const key = labels.slice(at).map((label) => `${label.length}.${label.toLowerCase()}`).join('');
      const known = isCompressed ? this.#names.get(key) : undefined;
      if (known !== undefined) return this.#uint16((POINTER << 8) | known);
      if (this.#at <= POINTER_OFFSET_MAX && !this.#names.has(key)) this.#names.set(key, this.#at);
      const label = labels[at]!;
      this.#byte(label.length);
      this.#room(label.length);
      this.#at += this.#bytes.write(label, this.#at, 'latin1');
    }
    this.#byte(0);
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  #uint16(value: number): void {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16BE(value, this.#at);
  }

  #uint32(value: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32BE(value >>> 0, this.#at);
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(2 * this.#bytes.length, this.#at + length));
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }
}

// --- names

/** `web.ns` as labels; the dot at the end may be missing. */
export function parseName(text: string): Name {
  return text.split('.').filter((label) => label !== '');
}

export function formatName(name: Name): string {
  return `${name.join('.')}.`;
}

export function lowerName(name: Name): Name {
  return name.map((label) => label.toLowerCase());
}

/** What stands before the zone; undefined: it lies elsewhere. Both in lower case. */
export function below(name: Name, zone: Name): Name | undefined {
  const length = name.length - zone.length;
  return length >= 0 && zone.every((label, at) => label === name[length + at]) ? name.slice(0, length) : undefined;
}

/** Whether it can be written: as the API allows names, and no longer than the DNS has them. */
export function isName(name: Name): boolean {
  const bytes = name.reduce((sum, label) => sum + label.length + 1, 1);
  return bytes <= NAME_BYTES_MAX && name.every((label) => label.length > 0 && label.length <= LABEL_BYTES_MAX && /^[\x21-\x7e]+$/.test(label));
}
