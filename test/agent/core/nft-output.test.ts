import { expect, test } from 'vitest';
import { parseFlows, staleDestinations, staleFlows, udpDestinations } from '../../../src/agent/core/conntrack.ts';
import { describeRefusal, differingObjects, parseListing, tableOfListing } from '../../../src/agent/core/nft-output.ts';
import { planTable } from '../../../src/agent/core/nft-services.ts';
import { endpoint, node, service, slice } from '../nftables/objects.ts';

const LISTING = `table ip podium {
\tset hairpins {
\t\ttype ipv4_addr . ipv4_addr
\t\telements = { 10.244.0.1 . 10.244.0.1 }
\t}

\tset aff/ns/web/tcp/http/10.244.0.1/8080/60 {
\t\ttype ipv4_addr
\t\tsize 65535
\t\tflags dynamic,timeout
\t\ttimeout 1m
\t\telements = { 10.244.0.9 expires 31s,
\t\t\t     10.244.0.10 expires 1s }
\t}

\tchain services {
\t\tip daddr . meta l4proto . th dport vmap @service-ips
\t}
}
`;

test('differingObjects() passes over what packets have left, and nothing else', () => {
  expect([...parseListing(LISTING)].map(([name, { kind }]) => `${kind} ${name}`)).toEqual([
    'set hairpins',
    'set aff/ns/web/tcp/http/10.244.0.1/8080/60',
    'chain services',
  ]);
  const forgotten = LISTING.replace(/\t\telements = \{ 10\.244\.0\.9[^}]*\}\n/, '');
  expect(forgotten).not.toBe(LISTING);
  expect(differingObjects(LISTING, forgotten)).toEqual([]);
  expect(differingObjects(LISTING, LISTING.replace('10.244.0.1 . 10.244.0.1', '10.244.0.1 . 10.244.0.2'))).toEqual(['hairpins']);
  expect(differingObjects(LISTING, LISTING.replace('vmap', '!='))).toEqual(['services']);
  expect(differingObjects(LISTING, '')).toHaveLength(3);
});

test('tableOfListing() reads elements of sets and maps, and leaves those that packets have left', () => {
  const maps = `\tmap service-ips {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\t\telements = { 10.96.0.1 . tcp . 443 : goto svc/a,\n\t\t\t     10.96.0.2 . udp . 53 : drop }\n\t}\n}\n`;
  const { sets, chains } = tableOfListing('podium', LISTING.replace(/\}\n$/, maps));
  expect([...chains.keys()]).toEqual(['services']);
  expect([...sets.values()].map(({ name, isMap, elements }) => [name, isMap, [...elements]])).toEqual([
    ['hairpins', false, [['10.244.0.1 . 10.244.0.1', undefined]]],
    ['aff/ns/web/tcp/http/10.244.0.1/8080/60', false, []],
    ['service-ips', true, [['10.96.0.1 . tcp . 443', 'svc/a'], ['10.96.0.2 . udp . 53', 'drop']]],
  ]);
});

test('describeRefusal() names the line of the script, as far as it can be read', () => {
  const stderr = '/dev/stdin:2:5-9: Error: Could not process rule: No such file or directory\nadd rule\n    ^^^^^\n';
  expect(describeRefusal(stderr, 'one\ntwo\nthree')).toBe('Could not process rule: No such file or directory in: two');
  expect(describeRefusal(stderr, `one\n${'x'.repeat(5_000)}`).length).toBeLessThan(400);
  expect(describeRefusal('nft: not found\n', 'one')).toBe('nft: not found');
});

const FLOWS = `udp      17 29 src=10.244.7.4 dst=10.96.0.53 sport=4000 dport=53 src=10.244.7.2 dst=10.244.7.4 sport=5353 dport=4000 [ASSURED] mark=0 use=1
udp      17 20 src=10.244.7.4 dst=10.96.0.53 sport=4001 dport=53 [UNREPLIED] src=10.244.7.3 dst=10.244.7.4 sport=5353 dport=4001 mark=0 use=1
udp      17 20 src=192.0.2.1 dst=192.0.2.7 sport=4001 dport=30053 [UNREPLIED] src=192.0.2.7 dst=192.0.2.1 sport=30053 dport=4001 mark=0 use=1
udp      17 20 src=192.0.2.1 dst=192.0.2.7 sport=4001 dport=99 [UNREPLIED] src=192.0.2.7 dst=192.0.2.1 sport=99 dport=4001 mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.
`;

test('staleFlows() are those to what has lost their endpoint, or has just become a service’s', () => {
  const dns = service('dns', { clusterIP: '10.96.0.53', type: 'NodePort', ports: [{ name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_053 }] });
  const of = (...lasts: number[]) =>
    udpDestinations(planTable([dns], [slice('dns', lasts.map((last) => endpoint(`10.244.7.${last}`)), [{ name: 'dns', port: 5353, protocol: 'UDP' }])], node));
  const flows = parseFlows(FLOWS);
  expect(flows).toHaveLength(4);
  const stale = (before: ReturnType<typeof of> | undefined, after: ReturnType<typeof of>) =>
    staleFlows(flows, staleDestinations(before, after), after).map(({ address, port, replyAddress }) => `${address}:${port} ${replyAddress}`);
  expect(stale(of(2, 3), of(2))).toEqual(['10.96.0.53:53 10.244.7.3', '192.0.2.7:30053 192.0.2.7']);
  expect(stale(of(2), of(2, 3))).toEqual([]);
  expect(stale(undefined, of(2, 3))).toEqual(['192.0.2.7:30053 192.0.2.7']);
  expect(stale(of(2, 3), new Map())).toEqual(['10.96.0.53:53 10.244.7.2', '10.96.0.53:53 10.244.7.3', '192.0.2.7:30053 192.0.2.7']);
});
