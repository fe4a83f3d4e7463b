/** Who may turn forwarding off again, by what nft lists. */
import { expect, test } from 'vitest';
import { egressNames } from '../../src/agent/runtime/linux/core/egress-plan.ts';
import { EGRESS_TABLE_PREFIX, readForwarding } from '../../src/cluster/forwarding.ts';

const MARK = 'table ip podium-forwarding {\n}\n';
const WAY_OUT = 'table ip podium-egress-0011aabb {\n\tchain passing {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}\n';
const DOCKER = 'table ip nat {\n\tchain POSTROUTING {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t}\n}\n';
const FIREWALL = 'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n';

test.for([
  ['nothing of ours', DOCKER, { isMarked: false, hasWayOut: false, isOthers: true }],
  ['the mark alone', MARK, { isMarked: true, hasWayOut: false, isOthers: false }],
  ['a firewall that lets nothing in forwards nothing', MARK + FIREWALL, { isMarked: true, hasWayOut: false, isOthers: false }],
  ['another node of ours', MARK + WAY_OUT, { isMarked: true, hasWayOut: true, isOthers: false }],
  ['somebody else came to forward', DOCKER + MARK, { isMarked: true, hasWayOut: false, isOthers: true }],
] as const)('readForwarding() %s', ([, rules, state]) => {
  expect(readForwarding(rules)).toEqual(state);
});

test('a way out is known by the name of its table', () => {
  expect(egressNames('0011aabb').table).toBe(`${EGRESS_TABLE_PREFIX}0011aabb`);
});
