/**
 * What a user may touch: the key ranges of all of its roles, merged, and whether they cover a range that a request names.
 * Pure; auth-state.ts keeps the rules, needs.ts says what a request touches.
 *
 * Every range here was made by `keyRange`, as the ranges that requests work on are, so that a permission and a request
 * can never read one `range_end` differently (GHSA-xg4h-6gfc-h4m8: an empty one passed a check as a single key, and was
 * then watched as "every key from here on").
 */
import { Permission_Type, type Permission } from '../../../proto/etcd.ts';
import type { KeyRange } from '../../mvcc/core/key-index.ts';
import { keyRange } from '../../mvcc/core/txn.ts';

export type Access = 'read' | 'write';

export interface RangeNeed {
  readonly access: Access;
  readonly range: KeyRange;
}

/** Merged ranges: sorted, none touching the next. */
export interface UserPermissions {
  readonly isRoot: boolean;
  readonly read: readonly KeyRange[];
  readonly write: readonly KeyRange[];
}

/** All but these are refused when a permission is granted: they hold no key. */
export function isValidPermissionRange({ key, rangeEnd }: Permission): boolean {
  if (key.length === 0) return false;
  const { from, to } = keyRange(key, rangeEnd);
  return to === undefined || from < to;
}

export function mergePermissions(isRoot: boolean, permissions: readonly Permission[]): UserPermissions {
  const granting = (access: number): readonly KeyRange[] =>
    mergeRanges(
      permissions
        .filter(({ permType }) => permType === Permission_Type.READWRITE || permType === access)
        .map(({ key, rangeEnd }) => keyRange(key, rangeEnd)),
    );
  return { isRoot, read: granting(Permission_Type.READ), write: granting(Permission_Type.WRITE) };
}

export function isPermitted(permissions: UserPermissions, { access, range }: RangeNeed): boolean {
  return permissions.isRoot || covers(permissions[access], range);
}

/** Ranges that meet become one, so that a request may lie across two grants. */
export function mergeRanges(ranges: readonly KeyRange[]): readonly KeyRange[] {
  const sorted = [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: KeyRange[] = [];
  for (const { from, to } of sorted) {
    const last = merged[merged.length - 1];
    if (last === undefined || (last.to !== undefined && last.to < from)) merged.push({ from, to });
    else if (last.to !== undefined && (to === undefined || to > last.to))
      merged[merged.length - 1] = { from: last.from, to };
  }
  return merged;
}

/**
 * Whether one of the merged ranges holds all of `range`. Of an empty range, which no request does anything with, its
 * beginning must be held: nobody learns by it what he could not ask for.
 */
export function covers(merged: readonly KeyRange[], { from, to }: KeyRange): boolean {
  let low = 0;
  let high = merged.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (merged[middle]!.from <= from) low = middle + 1;
    else high = middle;
  }
  const candidate = merged[low - 1];
  if (candidate === undefined) return false;
  if (candidate.to === undefined) return true;
  return from < candidate.to && to !== undefined && to <= candidate.to;
}
