import { expect, test } from 'vitest';
import { decide, reverseNames } from '../../../src/agent/core/dns-answer.ts';
import { decodeMessage, formatName, parseName, Rcode, RecordType, type Message, type ResourceRecord } from '../../../src/agent/core/dns-message.ts';
import { ClusterZone } from '../../../src/agent/core/dns-zone.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { endpoint, service, slice, TERMINATING, UNREADY } from '../nftables/objects.ts';

const ports = [{ name: 'http', port: 80 }, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 99 }];
const endpoints = [
  endpoint('10.244.7.2', { hostname: 'db-0' }),
  endpoint('10.244.8.3'),
  endpoint('10.244.8.4', { conditions: UNREADY, hostname: 'db-2' }),
  endpoint('10.244.8.5', { conditions: TERMINATING, hostname: 'db-3' }),
];
const slicePorts = [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: 'dns', port: 5353, protocol: 'UDP' }];
const services = [
  service('web', { clusterIP: '10.96.0.10', ports }),
  service('db', { clusterIP: 'None', ports }),
  service('all', { clusterIP: 'None', ports, publishNotReadyAddresses: true }),
  service('empty', { clusterIP: 'None', ports }),
  service('out', { type: 'ExternalName', externalName: 'www.example.com' }),
  service('alias', { type: 'ExternalName', externalName: 'web.ns.svc.cluster.local' }),
  service('ping', { type: 'ExternalName', externalName: 'pong.ns.svc.cluster.local' }),
  service('pong', { type: 'ExternalName', externalName: 'ping.ns.svc.cluster.local' }),
  service('bare', { clusterIP: 'None', ports: [] }),
];
const slices = [slice('db', endpoints, slicePorts), slice('all', endpoints, slicePorts), slice('web', endpoints, slicePorts), slice('bare', [endpoint('10.244.7.9')], [])];

function zoneOf(): ClusterZone {
  const zone = new ClusterZone({ domain: 'cluster.local', serverAddress: '10.96.0.2' });
  zone.update(services, slices);
  return zone;
}

const EMPTY = decodeMessage(Buffer.alloc(12));

function ask(name: string, type: keyof typeof RecordType, options: { readonly hasUpstream?: boolean; readonly of?: Partial<Message> } = {}) {
  const query: Message = { ...EMPTY, recursionDesired: true, questions: [{ name: parseName(name), type: RecordType[type], class: 1 }], ...options.of };
  return decide(query, { zone: zoneOf(), random: seededRandom(1), hasUpstream: options.hasUpstream ?? false, ownReverse: reverseNames('10.0.0.0/8') });
}

function text({ name, ttl, data }: ResourceRecord): string {
  switch (data.type) {
    case 'A':
      return `${formatName(name)} ${ttl} A ${data.address}`;
    case 'SRV':
      return `${formatName(name)} ${ttl} SRV ${data.priority} ${data.weight} ${data.port} ${formatName(data.target)}`;
    case 'TXT':
      return `${formatName(name)} ${ttl} TXT ${data.texts.join(' ')}`;
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return `${formatName(name)} ${ttl} ${data.type} ${formatName(data.target)}`;
    default:
      return data.type;
  }
}

/** The answers; or what was said in place of them. */
function answers(name: string, type: keyof typeof RecordType = 'A', options: Parameters<typeof ask>[2] = {}): string[] {
  const decision = ask(name, type, options);
  if (decision.kind === 'forward') return [...decision.before.map(text), `ask ${formatName(decision.question.name)}`];
  const { rcode, answers: found, authorities, isAuthoritative } = decision.message;
  const soa = authorities.some(({ data }) => data.type === 'SOA') ? ' SOA' : '';
  if (rcode !== Rcode.NOERROR) return [...found.map(text), `rcode ${rcode}${soa}`];
  expect(isAuthoritative).toBe(true);
  return found.length === 0 ? [`no data${soa}`] : found.map(text).sort();
}

test('a service with an address: A, no AAAA, SRV of its named ports, PTR', () => {
  expect(answers('web.ns.svc.cluster.local')).toEqual(['web.ns.svc.cluster.local. 5 A 10.96.0.10']);
  expect(answers('web.ns.svc.cluster.local', 'AAAA')).toEqual(['no data SOA']);
  expect(answers('_http._tcp.web.ns.svc.cluster.local', 'SRV')).toEqual(['_http._tcp.web.ns.svc.cluster.local. 5 SRV 0 100 80 web.ns.svc.cluster.local.']);
  expect(answers('_dns._udp.web.ns.svc.cluster.local', 'SRV')).toEqual(['_dns._udp.web.ns.svc.cluster.local. 5 SRV 0 100 53 web.ns.svc.cluster.local.']);
  expect(answers('_http._udp.web.ns.svc.cluster.local', 'SRV')).toEqual(['rcode 3 SOA']);
  expect(answers('_http._tcp.web.ns.svc.cluster.local', 'A')).toEqual(['no data SOA']);
  expect(answers('web.ns.svc.cluster.local', 'SRV')).toHaveLength(3);
  expect(answers('10.0.96.10.in-addr.arpa', 'PTR')).toEqual(['10.0.96.10.in-addr.arpa. 5 PTR web.ns.svc.cluster.local.']);
  const additionals = ask('_http._tcp.web.ns.svc.cluster.local', 'SRV');
  expect(additionals.kind === 'answer' && additionals.message.additionals.map(text)).toEqual(['web.ns.svc.cluster.local. 5 A 10.96.0.10']);
});

test('a headless service: its ready endpoints, each by its hostname or its address', () => {
  expect(answers('db.ns.svc.cluster.local')).toEqual(['db.ns.svc.cluster.local. 5 A 10.244.7.2', 'db.ns.svc.cluster.local. 5 A 10.244.8.3']);
  expect(answers('db.ns.svc.cluster.local', 'AAAA')).toEqual(['no data SOA']);
  expect(answers('db-0.db.ns.svc.cluster.local')).toEqual(['db-0.db.ns.svc.cluster.local. 5 A 10.244.7.2']);
  expect(answers('10-244-8-3.db.ns.svc.cluster.local')).toEqual(['10-244-8-3.db.ns.svc.cluster.local. 5 A 10.244.8.3']);
  expect(answers('db-2.db.ns.svc.cluster.local')).toEqual(['rcode 3 SOA']);
  expect(answers('_http._tcp.db.ns.svc.cluster.local', 'SRV')).toEqual([
    '_http._tcp.db.ns.svc.cluster.local. 5 SRV 0 50 8080 10-244-8-3.db.ns.svc.cluster.local.',
    '_http._tcp.db.ns.svc.cluster.local. 5 SRV 0 50 8080 db-0.db.ns.svc.cluster.local.',
  ]);
  expect(answers('2.7.244.10.in-addr.arpa', 'PTR')).toContain('2.7.244.10.in-addr.arpa. 5 PTR db-0.db.ns.svc.cluster.local.');
  expect(answers('bare.ns.svc.cluster.local')).toEqual(['bare.ns.svc.cluster.local. 5 A 10.244.7.9']);
});

test('publishNotReadyAddresses: all of them; without endpoints there is no such name', () => {
  expect(answers('all.ns.svc.cluster.local')).toHaveLength(4);
  expect(answers('db-2.all.ns.svc.cluster.local')).toHaveLength(1);
  expect(answers('empty.ns.svc.cluster.local')).toEqual(['rcode 3 SOA']);
});

test('an external name: CNAME, followed within the cluster, asked for outside, and never in circles', () => {
  expect(answers('alias.ns.svc.cluster.local')).toEqual([
    'alias.ns.svc.cluster.local. 5 CNAME web.ns.svc.cluster.local.',
    'web.ns.svc.cluster.local. 5 A 10.96.0.10',
  ]);
  expect(answers('alias.ns.svc.cluster.local', 'CNAME')).toEqual(['alias.ns.svc.cluster.local. 5 CNAME web.ns.svc.cluster.local.']);
  expect(answers('out.ns.svc.cluster.local')).toEqual(['out.ns.svc.cluster.local. 5 CNAME www.example.com.']);
  expect(answers('out.ns.svc.cluster.local', 'A', { hasUpstream: true })).toEqual(['out.ns.svc.cluster.local. 5 CNAME www.example.com.', 'ask www.example.com.']);
  expect(answers('ping.ns.svc.cluster.local')).toEqual(['rcode 2']);
});

test('pods by their addresses, the version, and the server itself', () => {
  expect(answers('1-2-3-4.ns.pod.cluster.local')).toEqual(['1-2-3-4.ns.pod.cluster.local. 5 A 1.2.3.4']);
  expect(answers('1-2-3.ns.pod.cluster.local')).toEqual(['rcode 3 SOA']);
  expect(answers('1-2-3-256.ns.pod.cluster.local')).toEqual(['rcode 3 SOA']);
  expect(answers('x.1-2-3-4.ns.pod.cluster.local')).toEqual(['rcode 3 SOA']);
  expect(answers('dns-version.cluster.local', 'TXT')).toEqual(['dns-version.cluster.local. 5 TXT 1.1.0']);
  expect(answers('cluster.local', 'NS')).toEqual(['cluster.local. 5 NS ns.dns.cluster.local.']);
  expect(answers('ns.dns.cluster.local')).toEqual(['ns.dns.cluster.local. 5 A 10.96.0.2']);
});

test('names that only have others below them exist; others do not', () => {
  for (const name of ['cluster.local', 'svc.cluster.local', 'ns.svc.cluster.local', 'pod.cluster.local', 'ns.pod.cluster.local', '_tcp.web.ns.svc.cluster.local']) {
    expect([name, ...answers(name)]).toEqual([name, 'no data SOA']);
  }
  for (const name of ['x.cluster.local', 'other.svc.cluster.local', 'web.other.svc.cluster.local', 'x.web.ns.svc.cluster.local', 'a.b.db.ns.svc.cluster.local']) {
    expect([name, ...answers(name)]).toEqual([name, 'rcode 3 SOA']);
  }
});

test('case does not count, and comes back as it was asked', () => {
  expect(answers('WEB.Ns.SVC.cluster.LOCAL')).toEqual(['WEB.Ns.SVC.cluster.LOCAL. 5 A 10.96.0.10']);
});

test('what is not the cluster’s is asked for outside, or refused; its own addresses never are', () => {
  expect(answers('www.example.com')).toEqual(['rcode 5']);
  expect(answers('www.example.com', 'A', { hasUpstream: true })).toEqual(['ask www.example.com.']);
  expect(answers('1.2.0.192.in-addr.arpa', 'PTR', { hasUpstream: true })).toEqual(['ask 1.2.0.192.in-addr.arpa.']);
  expect(answers('1.2.3.10.in-addr.arpa', 'PTR', { hasUpstream: true })).toEqual(['rcode 3 SOA']);
  expect(reverseNames('10.96.0.0/12').map(formatName)).toHaveLength(16);
  expect(reverseNames('10.244.0.0/16').map(formatName)).toEqual(['244.10.in-addr.arpa.']);
  expect(reverseNames('127.34.16.0/20').map(formatName).at(-1)).toBe('31.34.127.in-addr.arpa.');
});

test('decide() refuses what is no question of its kind', () => {
  const rcode = (of: Partial<Message>) => {
    const decision = ask('web.ns.svc.cluster.local', 'A', { of });
    return decision.kind === 'answer' ? decision.message.rcode : undefined;
  };
  const question = { name: parseName('web.ns.svc.cluster.local'), type: 1, class: 1 };
  expect(rcode({ opcode: 4 })).toBe(Rcode.NOTIMP);
  expect(rcode({ questions: [] })).toBe(Rcode.FORMERR);
  expect(rcode({ questions: [question, question] })).toBe(Rcode.FORMERR);
  expect(rcode({ questions: [{ ...question, class: 3 }] })).toBe(Rcode.REFUSED);
  expect(rcode({ questions: [{ ...question, type: RecordType.AXFR }] })).toBe(Rcode.NOTIMP);
  expect(rcode({ edns: { udpBytes: 512, version: 1 } })).toBe(Rcode.BADVERS);
});

test('a zone follows what there is', () => {
  const zone = zoneOf();
  const before = zone.serial;
  zone.update([service('new', { clusterIP: '10.96.0.77' })], []);
  expect(zone.serial).toBeGreaterThan(before);
  expect(zone.lookup(parseName('web.ns.svc.cluster.local'), 1).kind).toBe('no-name');
  expect(zone.lookup(parseName('77.0.96.10.in-addr.arpa'), RecordType.PTR).kind).toBe('records');
  expect(zone.lookup(parseName('10.0.96.10.in-addr.arpa'), RecordType.PTR).kind).toBe('elsewhere');
});
