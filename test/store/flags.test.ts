import { expect, test } from 'vitest';
import { addressOf, parseStoreFlags } from '../../src/store/flags.ts';

const three = 'a=http://127.0.0.1:2380,b=http://127.0.0.1:12380,c=http://127.0.0.1:22380';

test('parseStoreFlags() without flags is a cluster of one on etcd’s ports', () => {
  const flags = parseStoreFlags([]);
  expect(flags).toMatchObject({ name: 'default', dataDir: 'default.etcd', listenClientUrls: ['http://localhost:2379'] });
  expect(flags.members).toHaveLength(1);
  expect(flags.clientTls).toBeUndefined();
});

test('parseStoreFlags() derives the ids that etcd derives', () => {
  // What a real etcd, started without flags, logs of itself.
  const one = parseStoreFlags(['--name', 'default', '--initial-cluster', 'default=http://localhost:2380']);
  expect(one.id.toString(16)).toBe('8e9e05c52164694d');
  expect(one.clusterId.toString(16)).toBe('cdf818194e3a8c32');
});

test('parseStoreFlags() gives all members the same ids, and each its own', () => {
  const members = ['a', 'b', 'c'].map((name) => parseStoreFlags(['--name', name, '--initial-cluster', three]));
  expect(new Set(members.map(({ clusterId }) => clusterId)).size).toBe(1);
  expect(new Set(members.map(({ id }) => id)).size).toBe(3);
  expect(members[0]!.members).toEqual(members[1]!.members);
  expect(members[0]!.members.map(({ id }) => id)).toEqual([...members[0]!.members.map(({ id }) => id)].sort((x, y) => (x < y ? -1 : 1)));
  const other = parseStoreFlags(['--name', 'a', '--initial-cluster', three, '--initial-cluster-token', 'other']);
  expect(other.clusterId).not.toBe(members[0]!.clusterId);
});

test('parseStoreFlags() takes one dash or two, a space or =', () => {
  expect(parseStoreFlags(['-name=x', '--data-dir', '/tmp/x', '-initial-cluster', 'x=http://127.0.0.1:1']).dataDir).toBe('/tmp/x');
});

test.each([
  [['--nmae', 'x'], /nmae/],
  [['--name', 'x', '--initial-cluster', three], /does not name this member: add "x=<peer URL>"/],
  [['--initial-cluster', 'a=http://h:1,b=http://h:1', '--name', 'a'], /a and b have the same peer URL/],
  [['--initial-cluster', 'http://h:1'], /write name=URL/],
  [['--listen-client-urls', '127.0.0.1:2379'], /listen-client-urls/],
  [['--listen-client-urls', 'http://127.0.0.1'], /the port is missing/],
  [['--listen-client-urls', 'https://127.0.0.1:2379'], /https needs --cert-file and --key-file/],
  [['--cert-file', 'x'], /go together/],
  [['--client-cert-auth'], /needs --cert-file/],
  [['--initial-cluster-state', 'old'], /use "new" or "existing"/],
  [['--log-level', 'loud'], /use debug, info, warn or error/],
])('parseStoreFlags(%j) is refused, naming the flag and the remedy', (args, message) => {
  expect(() => parseStoreFlags(args)).toThrow(message);
});

test('addressOf() is what a socket listens on', () => {
  expect(addressOf('https://127.0.0.1:2379')).toBe('127.0.0.1:2379');
});
