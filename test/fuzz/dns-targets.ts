/** What the cluster's DNS reads: messages of anybody, and answers of servers outside. */
import { assert } from '../../src/base/assert.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { decide } from '../../src/agent/core/dns-answer.ts';
import { decodeMessage, DnsFormatError, encodeMessage, parseName, RecordType, type Message, type ResourceRecord } from '../../src/agent/core/dns-message.ts';
import { ClusterZone } from '../../src/agent/core/dns-zone.ts';
import { seededRandom } from '../../src/base/random.ts';
import { endpoint, service, slice } from '../agent/nftables/objects.ts';
import { refuses, type FuzzTarget } from './target.ts';

const zone = new ClusterZone({ domain: 'cluster.local', serverAddress: '10.96.0.2' });
zone.update(
  [service('web', { clusterIP: '10.96.0.10' }), service('db', { clusterIP: 'None' }), service('out', { type: 'ExternalName', externalName: 'web.ns.svc.cluster.local' })],
  [slice('db', [endpoint('10.244.7.2', { hostname: 'db-0' })])],
);
const random = seededRandom('dns');

const dns: FuzzTarget = {
  name: 'dns',
  async seeds() {
    const empty = decodeMessage(new Uint8Array(12));
    const asks = (name: string, type: number): Message => ({ ...empty, id: 7, recursionDesired: true, questions: [{ name: parseName(name), type, class: 1 }] });
    const records: ResourceRecord[] = [
      { name: parseName('web.ns.svc.cluster.local'), type: 1, ttl: 5, data: { type: 'A', address: '10.0.0.1' } },
      { name: parseName('out.ns.svc.cluster.local'), type: 5, ttl: 5, data: { type: 'CNAME', target: parseName('web.ns.svc.cluster.local') } },
      { name: parseName('_http._tcp.web.ns.svc.cluster.local'), type: 33, ttl: 5, data: { type: 'SRV', priority: 0, weight: 1, port: 80, target: parseName('web.ns.svc.cluster.local') } },
      { name: parseName('cluster.local'), type: 6, ttl: 5, data: { type: 'SOA', server: parseName('ns.dns.cluster.local'), mailbox: parseName('x.cluster.local'), serial: 1, times: [1, 2, 3, 4] } },
      { name: parseName('x'), type: 16, ttl: 5, data: { type: 'TXT', texts: ['1.1.0', ''] } },
    ];
    return [
      asks('web.ns.svc.cluster.local', RecordType.A),
      { ...asks('_http._tcp.db.ns.svc.cluster.local', RecordType.SRV), edns: { udpBytes: 1_232, version: 0 } },
      asks('2.7.244.10.in-addr.arpa', RecordType.PTR),
      asks('out.ns.svc.cluster.local', RecordType.AAAA),
      { ...asks('www.example.com', RecordType.ANY), isResponse: true, answers: records, authorities: records.slice(3), additionals: records.slice(0, 1), edns: { udpBytes: 512, version: 0 } },
    ].map((message) => encodeMessage(message, 65_535));
  },
  run(bytes) {
    try {
      const message = decodeMessage(bytes);
      // What was read can be written, and is read as the same.
      const written = encodeMessage(message, 65_535);
      if (!message.isTruncated && !decodeMessage(written).isTruncated) {
        assert(equalBytes(encodeMessage(decodeMessage(written), 65_535), written), 'what is read again is the same');
      }
      const decision = decide(message, { zone, random, hasUpstream: true });
      if (decision.kind === 'answer') assert(encodeMessage(decision.message, 512).length <= 512, 'an answer has room in a datagram');
      return true;
    } catch (error) {
      return refuses(error, DnsFormatError);
    }
  },
};

export const DNS_TARGETS: readonly FuzzTarget[] = [dns];
