import { describe, expect, test } from 'vitest';
import type { StoreEvent } from '../../src/verify/core/store-model.ts';
import { checkWatchPromises, type SeenResponse, type SeenWatch } from '../../src/verify/core/watch-promises.ts';

const put = (revision: number, key: string): StoreEvent => ({ revision, kind: 'put', key, value: `v${revision}` });

/** Revision 4 is a transaction of two keys. */
const HISTORY: readonly StoreEvent[] = [put(2, 'a'), put(3, 'b'), put(4, 'a'), put(4, 'b'), put(5, 'c'), put(6, 'a')];

const at = (revision: number) => HISTORY.filter((event) => event.revision === revision);
const events = (...all: StoreEvent[]): SeenResponse => ({ kind: 'events', revision: all.at(-1)!.revision, events: all });
const progress = (revision: number): SeenResponse => ({ kind: 'progress', revision, events: [] });
const watch = (responses: readonly SeenResponse[], more: Partial<SeenWatch> = {}): SeenWatch => ({
  name: 'test',
  key: '\0',
  rangeEnd: '\0',
  startRevision: 1,
  responses: [{ kind: 'created', revision: 1, events: [] }, ...responses],
  ...more,
});
const promises = (seen: SeenWatch) => [...new Set(checkWatchPromises(seen, HISTORY).map(({ promise }) => promise))].sort();

describe('checkWatchPromises()', () => {
  test('finds nothing in a watch that keeps them', () => {
    expect(promises(watch([events(...at(2), ...at(3)), events(...at(4)), progress(4), events(...at(5), ...at(6)), progress(6)]))).toEqual([]);
  });

  test('asks of a range no more than its keys', () => {
    expect(promises(watch([events(...at(2)), events(put(4, 'a')), progress(5), events(...at(6))], { key: 'a', rangeEnd: 'b' }))).toEqual([]);
  });

  test('asks nothing of a watch that ended early', () => {
    expect(promises(watch([events(...at(2))]))).toEqual([]);
    expect(promises(watch([]))).toEqual([]);
  });

  test('ordered: revisions never fall', () => {
    expect(promises(watch([events(...at(2)), events(...at(4)), events(...at(3))]))).toEqual(['ordered']);
  });

  test('unique: no event comes twice', () => {
    expect(promises(watch([events(...at(2)), events(...at(3)), events(...at(3)), events(...at(4))]))).toEqual(['unique']);
  });

  test('atomic: a revision comes in one response', () => {
    expect(promises(watch([events(...at(2)), events(...at(3)), events(put(4, 'a')), events(put(4, 'b'))]))).toEqual(['atomic']);
  });

  test('atomic: half of a revision is not enough', () => {
    expect(promises(watch([events(...at(2), ...at(3), put(4, 'a'))]))).toEqual(['atomic']);
  });

  test('reliable: nothing is left out', () => {
    expect(promises(watch([events(...at(2)), events(...at(4))]))).toEqual(['reliable']);
  });

  test('reliable: nothing is invented', () => {
    expect(promises(watch([events(...at(2)), events({ ...put(3, 'b'), value: 'other' }), events(...at(4))]))).toEqual(['reliable']);
  });

  test('resumable: a watch begins with the first event that it is owed', () => {
    expect(promises(watch([events(...at(5), ...at(6))], { startRevision: 4 }))).toEqual(['resumable']);
    expect(promises(watch([events(...at(4), ...at(5))], { startRevision: 4 }))).toEqual([]);
  });

  test('bookmarkable: a progress response comes after all events up to its revision', () => {
    expect(promises(watch([events(...at(2)), progress(3), events(...at(3))]))).toEqual(['bookmarkable']);
    expect(promises(watch([events(...at(2)), progress(5)]))).toEqual(['bookmarkable']);
  });

  test('bookmarkable: a progress response is not behind what came', () => {
    expect(promises(watch([events(...at(2), ...at(3), ...at(4)), progress(3)]))).toEqual(['bookmarkable']);
  });

  test('bookmarkable: a lagging progress response passes only where it may lag', () => {
    expect(promises(watch([events(...at(2), ...at(3), ...at(4)), progress(3)], { mayLagBookmark: true }))).toEqual([]);
  });

  test('previous: an event comes with the value before it', () => {
    const before = { modRevision: 2, value: 'v2' };
    const change = (previous: typeof before | undefined, more: Partial<SeenWatch> = {}) =>
      promises(watch([{ ...events(...at(2)), previous: [undefined] }, { ...events(put(4, 'a')), previous: [previous] }], { key: 'a', rangeEnd: 'b', ...more }));
    expect(change(before)).toEqual([]);
    expect(change({ ...before, value: 'v4' })).toEqual(['previous']);
    expect(change(undefined)).toEqual(['previous']);
    expect(change(undefined, { mayLackPrevious: true })).toEqual([]);
  });
});
