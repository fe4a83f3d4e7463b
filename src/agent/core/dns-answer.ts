/**
 * From a question to an answer: what the cluster's zone says, what it cannot say, and what somebody else has to be asked.
 * Names of the zone are answered with authority; addresses of the cluster's ranges that are nobody's are never asked for
 * outside.
 */
import type { Random } from '../../base/random.ts';
import {
  below,
  CLASS_IN,
  lowerName,
  Rcode,
  RecordType,
  UDP_BYTES_DEFAULT,
  type Message,
  type Name,
  type Question,
  type RecordData,
  type ResourceRecord,
} from './dns-message.ts';
import type { ClusterZone, Found } from './dns-zone.ts';

export interface AnswerOptions {
  readonly zone: ClusterZone;
  /** Orders addresses anew for each client, for many take the first one. */
  readonly random: Random;
  readonly hasUpstream: boolean;
  /** First bytes of the names of addresses that are the cluster's: `10.in-addr.arpa` is not asked for outside. */
  readonly ownReverse?: readonly Name[];
}

export type Decision =
  | { readonly kind: 'answer'; readonly message: Message }
  /** To ask somebody else; `before` are the names that led there, which come before his answers. */
  | { readonly kind: 'forward'; readonly question: Question; readonly before: readonly ResourceRecord[] };

/** As CoreDNS has it: short, for endpoints come and go. */
export const TTL_SECONDS = 5;
/** Larger ones would be sent in pieces, of which some networks lose the second. */
export const UDP_BYTES_MAX = 1_232;
/** Names that only lead to names; past it they lead nowhere. */
const ALIASES_MAX = 8;
const OPCODE_QUERY = 0;
const REVERSE: Name = ['in-addr', 'arpa'];
const NOT_SERVED: ReadonlySet<number> = new Set([RecordType.AXFR, RecordType.IXFR]);

/** How many bytes an answer may have. */
export function answerBytesMax({ edns }: Pick<Message, 'edns'>, transport: 'udp' | 'tcp', messageBytesMax: number): number {
  if (transport === 'tcp') return messageBytesMax;
  return Math.min(UDP_BYTES_MAX, Math.max(UDP_BYTES_DEFAULT, edns?.udpBytes ?? UDP_BYTES_DEFAULT));
}

export function decide(query: Message, options: AnswerOptions): Decision {
  const [question, ...more] = query.questions;
  if (query.opcode !== OPCODE_QUERY) return refuse(query, Rcode.NOTIMP);
  if (question === undefined || more.length > 0) return refuse(query, Rcode.FORMERR);
  if (query.edns !== undefined && query.edns.version > 0) return refuse(query, Rcode.BADVERS);
  if (NOT_SERVED.has(question.type)) return refuse(query, Rcode.NOTIMP);
  if (question.class !== CLASS_IN) return refuse(query, Rcode.REFUSED);
  return follow(query, question, options);
}

function follow(query: Message, question: Question, options: AnswerOptions): Decision {
  const { zone, random, hasUpstream, ownReverse = [] } = options;
  const aliases: ResourceRecord[] = [];
  for (let asked = question.name, step = 0; step <= ALIASES_MAX; step++) {
    const name = lowerName(asked);
    const found = zone.lookup(name, question.type);
    const reply = (facts: Partial<Message>): Decision => {
      const answers = [...aliases, ...(facts.answers ?? [])];
      return { kind: 'answer', message: answer(query, { isAuthoritative: true, ...facts, answers }) };
    };
    const owned = (one: Found): ResourceRecord => record(one.name ?? asked, one.data);
    switch (found.kind) {
      case 'records':
        return reply({ answers: random.shuffle(found.records).map(owned), additionals: found.additionals.map(owned) });
      case 'no-data':
        return reply({ authorities: [startOfAuthority(zone, zone.zone)] });
      case 'no-name':
        return reply({ rcode: Rcode.NXDOMAIN, authorities: [startOfAuthority(zone, zone.zone)] });
      case 'alias':
        aliases.push(record(asked, { type: 'CNAME', target: found.target }));
        if (question.type === RecordType.CNAME) return reply({});
        asked = found.target;
        break;
      case 'elsewhere': {
        const isOwn = ownReverse.some((range) => below(name, range) !== undefined);
        if (isOwn) return reply({ rcode: Rcode.NXDOMAIN, authorities: [startOfAuthority(zone, REVERSE)] });
        if (hasUpstream) return { kind: 'forward', question: { ...question, name: asked }, before: aliases };
        // Who was led here got what is known; who came by himself is at the wrong place.
        return aliases.length > 0 ? reply({}) : refuse(query, Rcode.REFUSED);
      }
    }
  }
  return refuse(query, Rcode.SERVFAIL);
}

export function answer(query: Message, facts: Partial<Message>): Message {
  return {
    id: query.id,
    isResponse: true,
    opcode: query.opcode,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: query.recursionDesired,
    recursionAvailable: true,
    rcode: Rcode.NOERROR,
    questions: query.questions.slice(0, 1),
    answers: [],
    authorities: [],
    additionals: [],
    edns: query.edns === undefined ? undefined : { udpBytes: UDP_BYTES_MAX, version: 0 },
    ...facts,
  };
}

export function refuse(query: Message, rcode: number): Decision & { readonly kind: 'answer' } {
  return { kind: 'answer', message: answer(query, { rcode }) };
}

function record(name: Name, data: RecordData): ResourceRecord {
  return { name, type: data.type === 'other' ? 0 : RecordType[data.type], ttl: TTL_SECONDS, data };
}

/** Says how long "there is no such thing" may be believed. */
function startOfAuthority({ zone, serial }: ClusterZone, of: Name): ResourceRecord {
  const data: RecordData = {
    type: 'SOA',
    server: ['ns', 'dns', ...zone],
    mailbox: ['hostmaster', ...zone],
    serial,
    times: [7_200, 1_800, 86_400, TTL_SECONDS],
  };
  return record(of, data);
}

/** `10.96.0.0/12` as the ends of names: `96.10.in-addr.arpa` to `111.10.in-addr.arpa`. */
export function reverseNames(cidr: string): Name[] {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  if (match === null) return [];
  const [a, b, c, d, bits] = match.slice(1).map(Number) as [number, number, number, number, number]; // five groups
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const bytes = Math.ceil(bits / 8);
  const count = 2 ** (8 * bytes - bits);
  const size = 2 ** (32 - 8 * bytes);
  const first = Math.floor(address / (size * count)) * count;
  return Array.from({ length: count }, (_, at) => {
    const number = (first + at) * size;
    const all = [24, 16, 8, 0].map((shift) => String(Math.floor(number / 2 ** shift) % 256));
    return [...all.slice(0, bytes).toReversed(), ...REVERSE];
  });
}
