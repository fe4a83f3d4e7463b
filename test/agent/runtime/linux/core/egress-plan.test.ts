import { expect, test } from 'vitest';
import { egressKinds, egressNames, freePair } from '../../../../../src/agent/runtime/linux/core/egress-plan.ts';
import { clusterDnsAddress } from '../../../../../src/agent/runtime/linux/core/node-network.ts';

test('egressKinds() takes what this user can have', () => {
  expect(egressKinds('auto', true)).toEqual(['masquerade']);
  expect(egressKinds('auto', false)).toEqual(['pasta', 'slirp4netns']);
  expect(egressKinds('slirp4netns', true)).toEqual(['slirp4netns']);
  expect(egressKinds('none', true)).toEqual([]);
});

test('egressNames() fit into the name of a link', () => {
  expect(egressNames('0123abcd')).toEqual({ link: 'podium-0123abcd', table: 'podium-egress-0123abcd' });
  expect(egressNames('0123abcd').link.length).toBeLessThan(16);
});

test('freePair() begins at the node’s own place, goes on where an address is taken, round the end, and gives up', () => {
  expect(freePair('00000000', new Set())).toEqual({ machine: '169.254.64.1', node: '169.254.64.2' });
  expect(freePair('00000001', new Set(['169.254.64.6']))).toEqual({ machine: '169.254.64.9', node: '169.254.64.10' });
  expect(freePair('00000fff', new Set(['169.254.127.253']))).toEqual({ machine: '169.254.64.1', node: '169.254.64.2' });
  const all = new Set(Array.from({ length: 4_096 }, (_, at) => `169.254.${64 + Math.floor(at / 64)}.${(at % 64) * 4 + 1}`));
  expect(freePair('00000000', all)).toBeUndefined();
});

test('clusterDnsAddress() is the tenth, where there are so many', () => {
  expect(clusterDnsAddress('10.96.0.0/16')).toBe('10.96.0.10');
  expect(clusterDnsAddress('10.0.0.0/28')).toBe('10.0.0.10');
  expect(clusterDnsAddress('10.0.0.0/29')).toBeUndefined();
});
