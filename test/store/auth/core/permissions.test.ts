import { describe, expect, test } from 'vitest';
import { fc } from '../../../base/property.ts';
import { Permission_Type, type Permission } from '../../../../src/proto/etcd.ts';
import {
  isPermitted,
  isValidPermissionRange,
  mergePermissions,
  type Access,
} from '../../../../src/store/auth/core/permissions.ts';
import { keyRange } from '../../../../src/store/mvcc/core/txn.ts';
import { bytes } from '../../mvcc/requests.ts';

const { READ, WRITE, READWRITE } = Permission_Type;

const permission = (permType: number, key: string, rangeEnd = ''): Permission => ({
  permType,
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
});

function may(
  permissions: readonly Permission[],
  access: Access,
  [key, rangeEnd = '']: readonly [string, string?],
): boolean {
  return isPermitted(mergePermissions(false, permissions), { access, range: keyRange(bytes(key), bytes(rangeEnd)) });
}

describe('isPermitted()', () => {
  test('one key is no range, and a range is every key before its end', () => {
    const granted = [permission(READ, 'a'), permission(WRITE, 'b', 'd')];
    expect(may(granted, 'read', ['a'])).toBe(true);
    expect(may(granted, 'read', ['a', '\0'])).toBe(false);
    expect(may(granted, 'read', ['a', 'b'])).toBe(false);
    expect(may(granted, 'write', ['a'])).toBe(false);
    expect(may(granted, 'write', ['b', 'd'])).toBe(true);
    expect(may(granted, 'write', ['cz'])).toBe(true);
    expect(may(granted, 'write', ['d'])).toBe(false);
    expect(may(granted, 'read', ['b'])).toBe(false);
  });

  test('a single key with an empty end is not "from this key on" (GHSA-xg4h-6gfc-h4m8)', () => {
    const single = [permission(READWRITE, 'a', '')];
    expect(may(single, 'read', ['a', ''])).toBe(true);
    expect(may(single, 'read', ['b'])).toBe(false);
    expect(may(single, 'read', ['a', '\0'])).toBe(false);
  });

  test('from a key on, and everything', () => {
    expect(may([permission(READ, 'b', '\0')], 'read', ['b', '\0'])).toBe(true);
    expect(may([permission(READ, 'b', '\0')], 'read', ['a', '\0'])).toBe(false);
    expect(may([permission(READ, 'b', '\0')], 'read', ['\xff\xff'])).toBe(true);
    expect(may([permission(READ, '\0', '\0')], 'read', ['\0', '\0'])).toBe(true);
  });

  test('a request may lie across grants that meet', () => {
    const granted = [permission(READ, 'c', 'e'), permission(READWRITE, 'a', 'c')];
    expect(may(granted, 'read', ['a', 'e'])).toBe(true);
    expect(may(granted, 'write', ['a', 'e'])).toBe(false);
    expect(may([permission(READ, 'a', 'c'), permission(READ, 'd', 'e')], 'read', ['a', 'e'])).toBe(false);
  });

  test('root may do everything', () => {
    const root = mergePermissions(true, []);
    expect(isPermitted(root, { access: 'write', range: keyRange(bytes('a'), bytes('\0')) })).toBe(true);
  });

  // The twin asks for each key of a small space by itself.
  const names = ['a', 'b', 'c'].flatMap((one) => [one, ...['a', 'b', 'c'].map((two) => one + two)]).sort();
  const name = fc.constantFrom(...names);
  const end = fc.oneof(fc.constant(''), fc.constant('\0'), name);
  const range = fc.tuple(name, end);
  const isIn = ([key, rangeEnd]: readonly [string, string], one: string): boolean =>
    rangeEnd === '' ? one === key : one >= key && (rangeEnd === '\0' || one < rangeEnd);

  test('says of every range what asking for each of its keys says', () => {
    // Keys between the names, so that a hole between two names is seen.
    const space = names.flatMap((one) => [one, `${one}\0`, `${one}\0\0`, `${one}~`]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(READ, WRITE, READWRITE), range), { maxLength: 6 }),
        range,
        (granted, asked) => {
          const keys = space.filter((one) => isIn(asked, one));
          fc.pre(keys.length > 0);
          const permissions = granted
            .map(([type, [key, rangeEnd]]) => permission(type, key, rangeEnd))
            .filter(isValidPermissionRange);
          const valid = granted.filter(([, [key, rangeEnd]]) => rangeEnd === '' || rangeEnd === '\0' || key < rangeEnd);
          for (const [access, types] of [
            ['read', [READ, READWRITE]],
            ['write', [WRITE, READWRITE]],
          ] as const) {
            const byKey = keys.every((key) =>
              valid.some(([type, one]) => (types as readonly number[]).includes(type) && isIn(one, key)),
            );
            // Without an end no list of keys is all of them: somebody must have been granted one without an end, too.
            const isUnbounded =
              asked[1] !== '\0' ||
              valid.some(([type, one]) => (types as readonly number[]).includes(type) && one[1] === '\0');
            expect(may(permissions, access, asked)).toBe(byKey && isUnbounded);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test('isValidPermissionRange() refuses what holds no key', () => {
  expect(isValidPermissionRange(permission(READ, ''))).toBe(false);
  expect(isValidPermissionRange(permission(READ, 'b', 'a'))).toBe(false);
  expect(isValidPermissionRange(permission(READ, 'b', 'b'))).toBe(false);
  expect(isValidPermissionRange(permission(READ, 'b', '\0'))).toBe(true);
  expect(isValidPermissionRange(permission(READ, 'b'))).toBe(true);
});
