/** Watchers of one interest: whatever the order of what happens, each is told what a queue of its own would have told it. */
import { expect, test } from 'vitest';
import { fc } from '../base/property.ts';
import { Audience, Watcher } from '../../src/api/watch-audience.ts';
import type { CacheEvent } from '../../src/api/watch-cache.ts';
import { waiting } from './fixture.ts';

const WAITING_MAX = 7;

const added = (revision: number): CacheEvent => ({
  type: 'ADDED',
  revision,
  cached: {
    key: `k${revision}`,
    revision,
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `k${revision}` } },
    json: () => new Uint8Array(),
    forgetJson: () => {},
  },
});

const newAudience = (max = WAITING_MAX) => new Audience({ prefix: '', matches: () => true, indexed: undefined }, max);

function join(audience: Audience, { after = 0, bookmarks = true, first = [] as CacheEvent[] } = {}): Watcher {
  const watcher: Watcher = new Watcher(audience, {
    first,
    after,
    bookmarks,
    onSlow: undefined,
    onReturn: () => audience.watchers.delete(watcher),
  });
  audience.watchers.add(watcher);
  return watcher;
}

const shown = (events: readonly CacheEvent[]) =>
  events.map(({ type, revision }) => `${type === 'BOOKMARK' ? 'bookmark ' : ''}${revision}`);

/** What a watcher has been told, and what a queue of its own would hold. */
interface Pair {
  readonly watcher: Watcher;
  readonly after: number;
  readonly bookmarks: boolean;
  queue: string[];
  bookmark: { readonly at: number; readonly text: string } | undefined;
  pushed: number;
  hasEnded: boolean;
}

test('each watcher is told what a queue of its own would hold, however they come, go and fall behind', async () => {
  const step = fc.record({
    what: fc.constantFrom('push', 'push', 'push', 'join', 'take', 'bookmark', 'end', 'leave'),
    who: fc.nat(9),
    ahead: fc.nat(3),
    bookmarks: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), async (steps) => {
      const audience = newAudience();
      const pairs: Pair[] = [];
      let revision = 10;
      const take = async (pair: Pair) => {
        const at = pair.bookmark;
        const wanted =
          at === undefined ? pair.queue : [...pair.queue.slice(0, at.at), at.text, ...pair.queue.slice(at.at)];
        // One that is asked while nothing waits would take what comes next.
        if (wanted.length === 0) return;
        [pair.queue, pair.bookmark, pair.pushed] = [[], undefined, 0];
        expect(shown(await waiting(pair.watcher))).toEqual(wanted);
      };
      for (const { what, who, ahead, bookmarks } of steps) {
        const pair = pairs[who % Math.max(1, pairs.length)];
        if (what === 'push') {
          const slow = audience.push(added(++revision));
          const before = pairs.filter(({ hasEnded }) => !hasEnded);
          for (const one of before) {
            if (revision > one.after) one.queue.push(String(revision));
            one.hasEnded = ++one.pushed >= WAITING_MAX;
          }
          expect(new Set(slow)).toEqual(
            new Set(before.filter(({ hasEnded }) => hasEnded).map(({ watcher }) => watcher)),
          );
          expect(audience.watchers.size).toBe(pairs.filter(({ hasEnded }) => !hasEnded).length);
        } else if (what === 'join') {
          const options = { after: revision + ahead, bookmarks, first: [added(revision)] };
          pairs.push({
            watcher: join(audience, options),
            after: options.after,
            bookmarks,
            queue: [String(revision)],
            bookmark: undefined,
            pushed: 0,
            hasEnded: false,
          });
        } else if (pair === undefined || pair.hasEnded) continue;
        else if (what === 'take') await take(pair);
        else if (what === 'bookmark') {
          pair.watcher.bookmark({ type: 'BOOKMARK', revision });
          if (pair.bookmarks && revision >= pair.after)
            pair.bookmark = { at: pair.queue.length, text: `bookmark ${revision}` };
        } else {
          pair.hasEnded = true;
          audience.watchers.delete(pair.watcher);
          if (what === 'end') pair.watcher.end();
          else {
            await pair.watcher[Symbol.asyncIterator]().return?.();
            [pair.queue, pair.bookmark] = [[], undefined];
          }
        }
      }
      for (const pair of pairs) {
        await take(pair);
        if (!pair.hasEnded) pair.watcher.end();
        expect(await waiting(pair.watcher)).toEqual([]);
      }
    }),
    { numRuns: 150 },
  );
});

test('those that come for the same are handed the very same array', async () => {
  const audience = newAudience();
  const [a, b, late] = [join(audience), join(audience), join(audience, { after: 1 })];
  audience.push(added(1));
  audience.push(added(2));
  const [ofA, ofB, ofLate] = [await waiting(a), await waiting(b), await waiting(late)];
  expect([shown(ofA), ofB === ofA, shown(ofLate)]).toEqual([['1', '2'], true, ['2']]);
});

test('an error comes after what waits, and is thrown once', async () => {
  const audience = newAudience();
  const watcher = join(audience);
  audience.push(added(1));
  watcher.end(new Error('expired'));
  const iterator = watcher[Symbol.asyncIterator]();
  expect(shown((await iterator.next()).value ?? [])).toEqual(['1']);
  await expect(iterator.next()).rejects.toThrow('expired');
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test('one that waits is woken by an event, a bookmark, and the end', async () => {
  const audience = newAudience();
  const watcher = join(audience);
  const iterator = watcher[Symbol.asyncIterator]();
  for (const [happens, wanted] of [
    [() => void audience.push(added(1)), ['1']],
    [() => watcher.bookmark({ type: 'BOOKMARK', revision: 1 }), ['bookmark 1']],
    [() => watcher.end(), []],
  ] as const) {
    const next = iterator.next();
    happens();
    expect(shown((await next).value ?? [])).toEqual(wanted);
  }
});

test('what all have had is let go', async () => {
  const audience = newAudience(100_000);
  const watcher = join(audience);
  for (let revision = 1; revision <= 10_000; revision++) {
    audience.push(added(revision));
    if (revision % 10 === 0) await watcher[Symbol.asyncIterator]().next();
  }
  expect(audience.end).toBe(10_000);
  expect(audience.kept).toBeLessThan(200);
});
