/** Who a container's program can be: by its own number, or in a user namespace within. */
import { expect, test } from 'vitest';
import { becomesUser, groupsOf, mappingsOf, usersOf } from '../../../../../src/agent/runtime/linux/core/users.ts';

const identity = (user: number, group = user, supplementalGroups: readonly number[] = []) => ({ user, group, supplementalGroups });

test('becomesUser() takes the number itself where it is there and files have their owners', () => {
  const how = (user: number, users: number, hasOwners = true) => becomesUser({ identity: identity(user), users, hasOwners });
  expect([how(0, Infinity), how(70_000, Infinity), how(1000, 65_536), how(0, 65_536, false)]).toEqual(['real', 'real', 'real', 'real']);
  expect(how(1000, 65_536, false)).toBe('swapped');
  expect([how(0, 1), how(1000, 1), how(70_000, 65_536), how(65_536, 65_536)]).toEqual(['only', 'only', 'only', 'only']);
});

test('groupsOf() has those that there are, and none where there is one', () => {
  expect(groupsOf(identity(5, 6, [7, 70_000]), 65_536)).toEqual([7]);
  expect(groupsOf(identity(5, 6, [7]), Infinity)).toEqual([7]);
  expect(groupsOf(identity(5, 6, [7]), 1)).toEqual([]);
});

test('mappingsOf() lets a user and root change places, with nobody left out and nobody twice', () => {
  expect(mappingsOf('real', identity(5), 10)).toBeUndefined();
  expect(mappingsOf('only', identity(5, 6), 1)).toEqual({ uidMappings: [{ containerID: 5, hostID: 0, size: 1 }], gidMappings: [{ containerID: 6, hostID: 0, size: 1 }] });
  for (const user of [0, 1, 5, 9]) {
    const { uidMappings = [] } = mappingsOf('swapped', identity(user), 10) ?? {};
    const pairs = uidMappings.flatMap(({ containerID, hostID, size }) => Array.from({ length: size }, (_, at) => [containerID + at, hostID + at] as const));
    const swap = (id: number) => (id === user ? 0 : id === 0 ? user : id);
    expect(new Map(pairs)).toEqual(new Map(Array.from({ length: 10 }, (_, id) => [id, swap(id)])));
    expect(pairs.length).toBe(10);
  }
});

test('usersOf() counts what begins at 0 without a gap, of users and groups the fewer', () => {
  const many = '         0       1000          1\n         1     100000      65535\n';
  expect(usersOf(many, many)).toBe(65_536);
  expect(usersOf(many, '0 1000 1\n')).toBe(1);
  expect(usersOf('         0          0 4294967295\n')).toBe(4_294_967_295);
  expect(usersOf('0 1000 1\n5 100000 10\n')).toBe(1);
});
