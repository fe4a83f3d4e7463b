import { describe, expect, test } from 'vitest';
import { EventType, FilterType } from '../../../../src/proto/etcd.ts';
import { Mvcc } from '../../../../src/store/mvcc/core/mvcc.ts';
import { IntervalIndex } from '../../../../src/store/mvcc/core/interval-index.ts';
import { WatchHub, type WatchStream } from '../../../../src/store/mvcc/core/watch-hub.ts';
import { ALL_WATCHERS, type WatchCreate, type WatchMessage } from '../../../../src/store/mvcc/core/watch-messages.ts';
import { fc } from '../../../base/property.ts';
import { MapRows } from '../map-rows.ts';
import { bytes, text } from '../requests.ts';

/** Fewer than a member lets wait, so that streams fall behind sooner. */
const QUEUED_EVENTS_MAX = 1024;

/** A map and its hub; `write` is one transaction of puts (`k=v`) and deletes (`k`). */
class World {
  readonly mvcc = new Mvcc(new MapRows());
  readonly hub = new WatchHub(this.mvcc, QUEUED_EVENTS_MAX);

  write(...writes: string[]): void {
    this.mvcc.begin();
    for (const write of writes) {
      const [key, value] = write.split('=') as [string, string?];
      if (value !== undefined) this.mvcc.put(key, bytes(value), 0n);
      else this.mvcc.deleteRange({ from: key, to: key + '\0' });
    }
    this.hub.notify(this.mvcc.commit());
  }

  open(): WatchStream {
    return this.hub.openStream(() => {});
  }
}

function create(
  key: string,
  rest: Partial<Omit<WatchCreate, 'key' | 'rangeEnd'>> & { end?: string } = {},
): WatchCreate {
  const { end = '', ...options } = rest;
  return {
    key: bytes(key),
    rangeEnd: bytes(end),
    startRevision: 0,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0,
    fragment: false,
    ...options,
  };
}

/** What is there to pull, in short: `0@5 k=v -d` is watcher 0, header revision 5, a put and a delete. */
function drain(stream: WatchStream): string[] {
  const lines: string[] = [];
  for (;;) {
    const message = stream.next();
    if (message === undefined) return lines;
    if (message !== 'pause') lines.push(line(message));
  }
}

function line(message: WatchMessage): string {
  switch (message.kind) {
    case 'refused':
      return `refused ${message.reason}`;
    case 'canceled':
      return `${message.watchId} canceled ${message.reason} ${message.compactRevision}`;
    case 'events': {
      const events = message.events.map((shared) => {
        const { type, kv, prevKv } = message.withPrevious ? shared.withPrevious : shared.plain;
        const previous = prevKv === undefined ? '' : `<${text(prevKv.value)}`;
        return type === EventType.DELETE
          ? `-${text(kv!.key)}${previous}`
          : `${text(kv!.key)}=${text(kv!.value)}${previous}`;
      });
      return `${message.watchId}@${message.revision} ${events.join(' ')}`;
    }
    default:
      return `${message.watchId} ${message.kind} ${message.revision}`;
  }
}

describe('WatchStream', () => {
  test('events are delivered in order, those of one revision together, after the created answer', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { end: 'c' }));
    world.write('a=1', 'b=2', 'c=3');
    world.write('a');
    expect(drain(stream)).toEqual(['0 created 1', '0@3 a=1 b=2 -a']);
  });

  test('what happens before an answer is taken leaves with it, in whole revisions', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { end: 'c' }));
    stream.create(create('a'));
    drain(stream);
    world.write('a=1', 'b=2');
    world.write('b=3');
    expect(line(stream.next() as WatchMessage)).toBe('1@2 a=1');
    world.write('a=4');
    expect(drain(stream)).toEqual(['0@4 a=1 b=2 b=3 a=4', '1@4 a=4']);
    world.write('b=5');
    expect(drain(stream)).toEqual(['0@5 b=5']);
  });

  test('an answer grows to a thousand events, then the next one begins', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    drain(stream);
    for (let i = 0; i < 1002; i++) world.write(`a=${i}`);
    expect(drain(stream).map((each) => each.split(' ').length - 1)).toEqual([1000, 2]);
  });

  test('what happens after a progress does not leave before it', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { progressNotify: true }));
    stream.create(create('b'));
    drain(stream);
    world.write('b=1');
    stream.requestProgress();
    world.write('b=2');
    expect(drain(stream)).toEqual(['1@2 b=1', '-1 progress 2', '1@3 b=2']);
    stream.progressTick();
    world.write('a=3');
    expect(drain(stream)).toEqual(['0 progress 3', '0@4 a=3']);
  });

  test('one key is one key: its successors are not watched', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    world.write('a\0=x', 'ab=y', 'b=z');
    world.write('a=1');
    expect(drain(stream)).toEqual(['0 created 1', '0@3 a=1']);
  });

  test('an empty key with a range end of zero watches everything', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('', { end: '\0' }));
    world.write('\0=1', '\xff=2');
    expect(drain(stream)).toEqual(['0 created 1', '0@2 \0=1 \xff=2']);
  });

  test('a start in the past reads history, then goes on with the present, nothing twice and nothing left out', () => {
    const world = new World();
    for (let i = 2; i < 7; i++) world.write(`a=${i}`);
    const stream = world.open();
    stream.create(create('', { end: '\0', startRevision: 4 }));
    expect(line(stream.next() as WatchMessage)).toBe('0 created 6');
    world.write('a=7');
    expect(drain(stream)).toEqual(['0@7 a=4 a=5 a=6 a=7']);
    world.write('a=8');
    expect(drain(stream)).toEqual(['0@8 a=8']);
  });

  test('a start in the future delivers nothing older, progress neither (etcd #20221)', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { startRevision: 4, progressNotify: true }));
    drain(stream);
    world.write('a=2');
    stream.requestProgress();
    stream.progressTick();
    world.write('a=3');
    expect(drain(stream)).toEqual([]);
    world.write('a=4');
    expect(drain(stream)).toEqual(['0@4 a=4', `${ALL_WATCHERS} progress 4`]);
  });

  test('filters leave out puts or deletes', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { filters: [FilterType.NOPUT] }));
    stream.create(create('a', { filters: [FilterType.NODELETE] }));
    drain(stream);
    world.write('a=1');
    world.write('a');
    expect(drain(stream)).toEqual(['1@2 a=1', '0@3 -a']);
  });

  test('prev_kv is the state before, absent for a create and where history is compacted', () => {
    const world = new World();
    const live = world.open();
    live.create(create('a', { prevKv: true }));
    world.write('a=1');
    world.write('a=2');
    world.write('a');
    expect(drain(live).slice(1)).toEqual(['0@4 a=1 a=2<1 -a<2']);
    world.mvcc.compact(3);
    const late = world.open();
    late.create(create('a', { prevKv: true, startRevision: 3 }));
    expect(drain(late).slice(1)).toEqual(['0@4 a=2 -a<2']);
  });

  test('watch ids: chosen from 0, explicit ones kept, a duplicate and an empty range refused', () => {
    const stream = new World().open();
    stream.create(create('a', { watchId: 1 }));
    stream.create(create('a'));
    stream.create(create('a'));
    stream.create(create('a', { watchId: 2 }));
    stream.create(create('b', { end: 'a' }));
    stream.create(create('b', { end: 'b' }));
    stream.create(create('a', { startRevision: -1 }));
    expect(drain(stream)).toEqual([
      '1 created 1',
      '0 created 1',
      '2 created 1',
      'refused duplicate-watch-id',
      'refused empty-range',
      'refused empty-range',
      'refused compacted-start',
    ]);
  });

  test('a cancelled watcher hears nothing more; an unknown one is not answered', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    stream.cancel(7);
    stream.cancel(0);
    world.write('a=1');
    expect(drain(stream)).toEqual(['0 created 1', '0 canceled requested 0']);
    expect(world.hub.watcherCount).toBe(0);
  });

  test('a compacted start is created, then cancelled with the compacted revision', () => {
    const world = new World();
    for (let i = 2; i < 7; i++) world.write(`a=${i}`);
    world.mvcc.compact(5);
    const stream = world.open();
    stream.create(create('a', { startRevision: 4 }));
    stream.create(create('a', { startRevision: 5 }));
    expect(drain(stream).sort()).toEqual(['0 canceled compacted 5', '0 created 6', '1 created 6', '1@6 a=5 a=6']);
  });

  test('a delete at the compacted revision is delivered to a watch that starts there (etcd #18089, #19179)', () => {
    const world = new World();
    world.write('a=1', 'b=1');
    world.write('a');
    world.write('b');
    world.mvcc.compact(3);
    while (world.mvcc.scrub(1));
    const stream = world.open();
    stream.create(create('', { end: '\0', startRevision: 3 }));
    stream.create(create('a', { startRevision: 3 }));
    expect(drain(stream).sort()).toEqual(['0 created 4', '0@4 -a -b', '1 created 4', '1@4 -a']);
  });

  test('a slow stream costs no more than its queue, and loses nothing', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    drain(stream);
    const writes = QUEUED_EVENTS_MAX * 3;
    for (let i = 0; i < writes; i++) world.write(`a=${i}`);
    expect(stream.queued).toBeLessThanOrEqual(QUEUED_EVENTS_MAX);
    expect(stream.isSynced).toBe(false);
    const seen = drain(stream).flatMap((each) => each.split(' ').slice(1));
    expect(seen).toEqual(Array.from({ length: writes }, (_, i) => `a=${i}`));
    expect(stream.isSynced).toBe(true);
  });

  test('a slow watcher whose history was compacted is cancelled after what was queued', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    drain(stream);
    for (let i = 0; i < QUEUED_EVENTS_MAX + 10; i++) world.write(`a=${i}`);
    world.mvcc.compact(world.mvcc.revision);
    const lines = drain(stream);
    expect(lines.slice(0, -1).flatMap((each) => each.split(' ').slice(1))).toHaveLength(QUEUED_EVENTS_MAX);
    expect(lines[lines.length - 1]).toBe(`0 canceled compacted ${world.mvcc.revision}`);
  });

  test('manual progress is answered once, by all watchers, and never ahead of the events (etcd #15220)', () => {
    const world = new World();
    for (let i = 2; i < 5; i++) world.write(`a=${i}`);
    const stream = world.open();
    stream.requestProgress();
    expect(drain(stream)).toEqual([]);
    stream.create(create('a', { startRevision: 2 }));
    stream.create(create('b'));
    stream.requestProgress();
    world.write('b=5');
    const lines = drain(stream);
    expect(lines[lines.length - 1]).toBe(`${ALL_WATCHERS} progress 5`);
    expect(lines.filter((each) => each.includes('progress'))).toHaveLength(1);
    expect(lines).toContain('1@5 b=5');
  });

  test('periodic progress goes to quiet watchers that asked for it', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a', { progressNotify: true }));
    stream.create(create('b'));
    drain(stream);
    world.write('a=1');
    stream.progressTick();
    expect(drain(stream)).toEqual(['0@2 a=1']);
    stream.progressTick();
    expect(drain(stream)).toEqual(['0 progress 2']);
  });

  test('a watcher of an idle store hears progress at the revision it began at', () => {
    const stream = new World().open();
    stream.create(create('a', { progressNotify: true }));
    stream.requestProgress();
    stream.progressTick();
    expect(drain(stream)).toEqual(['0 created 1', `${ALL_WATCHERS} progress 1`, '0 progress 1']);
  });

  test('a stream that is never idle does not keep a watcher from its past (etcd #17529)', () => {
    const world = new World();
    for (let i = 2; i < 5; i++) world.write(`old=${i}`);
    const stream = world.open();
    stream.create(create('old', { startRevision: 2 }));
    for (let i = 0; i < 40; i++) stream.create(create('busy'));
    const pulled: string[] = [];
    for (let i = 0; i < 20; i++) {
      world.write(`busy=${i}`, `busy2=${i}`);
      world.write(`busy=${i}`);
      pulled.push(line(stream.next() as WatchMessage));
    }
    expect(stream.queued).toBeGreaterThan(0);
    expect(pulled.some((each) => each.includes('old=2 old=3 old=4'))).toBe(true);
  });

  test('after a snapshot a watcher reads on where it was, nothing twice (etcd #15271)', () => {
    const world = new World();
    const stream = world.open();
    stream.create(create('a'));
    world.write('a=2');
    expect(drain(stream)).toEqual(['0 created 1', '0@2 a=2']);
    const other = new World();
    for (let i = 2; i < 6; i++) other.write(`a=${i}`);
    world.hub.replace(other.mvcc);
    expect(drain(stream)).toEqual(['0@5 a=3 a=4 a=5']);
  });

  test('an event is made once for all its watchers', () => {
    const world = new World();
    const streams = [world.open(), world.open()];
    for (const stream of streams) stream.create(create('a', { end: 'b' }));
    for (const stream of streams) drain(stream);
    world.write('a=1');
    const [one, two] = streams.map((stream) => stream.next() as Extract<WatchMessage, { kind: 'events' }>);
    expect(one!.events[0]).toBe(two!.events[0]);
  });

  test('who is told the same is told together, as long as nobody comes or goes', () => {
    const world = new World();
    const stream = world.open();
    const create3 = () => stream.create(create('a'));
    const together = () => {
      const lines: string[] = [];
      for (let message = stream.nextOfAll(); message !== undefined; message = stream.nextOfAll()) {
        if (message !== 'pause') lines.push(message.kind === 'shared' ? `${message.watchIds.join()} ${message.events.length}` : message.kind);
      }
      return lines;
    };
    create3();
    create3();
    stream.create(create('a', { end: 'b' }));
    stream.create(create('a', { filters: [FilterType.NOPUT] }));
    stream.create(create('a', { startRevision: 3 }));
    together();
    world.write('a=1');
    expect(together()).toEqual(['0,1 1', '2 1']);
    world.write('a=2');
    create3();
    world.write('a=3');
    stream.cancel(1);
    world.write('a=4');
    expect(together()).toEqual(['0,1 1', '4 2', '2 2', 'created', '0,1,5 1', 'canceled', '0,5 1', '4 1', '2 1']);
    stream.close();
    expect(world.hub.watcherCount).toBe(0);
  });

  test.each(['one by one', 'together'])('every watcher sees exactly its part of the history, whoever is slow: %s', (how) => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const write = fc.uniqueArray(fc.record({ key, isPut: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
      selector: (w) => w.key,
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: write.map((writes) => ({ kind: 'write', writes }) as const) },
      { weight: 3, arbitrary: fc.nat(4).map((count) => ({ kind: 'pull', count }) as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'flood' } as const) },
      { weight: 1, arbitrary: fc.constant({ kind: 'progress' } as const) },
      {
        weight: 2,
        arbitrary: fc
          .record({ key, end: fc.constantFrom('', '\0', 'c', 'e'), start: fc.integer({ min: 0, max: 12 }) })
          .map((watch) => ({ kind: 'watch', ...watch }) as const),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const world = new World();
        const stream = world.open();
        const history: { revision: number; key: string; text: string }[] = [];
        const watches: { key: string; end: string; start: number; got: string[]; upTo: number; isCreated: boolean }[] = [];
        const write = (...writes: string[]) => {
          const before = new Set(history.length === 0 ? [] : living(history));
          const real = writes.filter((each) => each.includes('=') || before.has(each));
          world.write(...writes);
          for (const each of real) {
            history.push({
              revision: world.mvcc.revision,
              key: each.split('=')[0]!,
              text: each.includes('=') ? each : `-${each}`,
            });
          }
        };
        const pull = () => (how === 'together' ? stream.nextOfAll() : stream.next());
        const take = (message: ReturnType<typeof pull>): void => {
          if (message === undefined || message === 'pause') return;
          if (message.kind === 'shared') {
            for (const watchId of message.watchIds) take({ ...message, kind: 'events', watchId });
            return;
          }
          if (message.kind === 'created') watches[message.watchId]!.isCreated = true;
          // It speaks of the watchers that the client has been told of.
          if (message.kind === 'progress')
            for (const watch of watches) if (watch.isCreated) watch.upTo = Math.max(watch.upTo, message.revision);
          if (message.kind !== 'events') return;
          const watch = watches[message.watchId]!;
          for (const event of message.events) {
            expect(event.revision).toBeGreaterThan(watch.upTo);
            const { type, kv } = event.plain;
            watch.got.push(type === EventType.DELETE ? `-${text(kv!.key)}` : `${text(kv!.key)}=${text(kv!.value)}`);
          }
          watch.upTo = message.revision;
        };
        let count = 0;
        for (const next of steps) {
          if (next.kind === 'write') write(...next.writes.map((w) => (w.isPut ? `${w.key}=${count++}` : w.key)));
          else if (next.kind === 'flood') for (let i = 0; i < QUEUED_EVENTS_MAX / 2 + 50; i++) write(`b=${count++}`);
          else if (next.kind === 'pull') for (let i = 0; i < next.count; i++) take(pull());
          else if (next.kind === 'progress') stream.requestProgress();
          else if (next.end === '' || next.end === '\0' || next.key < next.end) {
            const start = next.start === 0 ? world.mvcc.revision + 1 : next.start;
            watches.push({ ...next, start, got: [], upTo: 0, isCreated: false });
            stream.create(create(next.key, { end: next.end, startRevision: next.start }));
          }
        }
        for (let message = pull(); message !== undefined; message = pull()) take(message);
        for (const { key: from, end, start, got } of watches) {
          const isMine = (at: string) => (end === '' ? at === from : at >= from && (end === '\0' || at < end));
          expect(got).toEqual(history.filter((h) => h.revision >= start && isMine(h.key)).map((h) => h.text));
        }
      }),
      { numRuns: 200 },
    );
  });
});

function living(history: readonly { key: string; text: string }[]): Set<string> {
  const keys = new Set<string>();
  for (const { key, text: what } of history) {
    if (what.startsWith('-')) keys.delete(key);
    else keys.add(key);
  }
  return keys;
}

test('IntervalIndex finds what a scan of all ranges finds', () => {
  const point = fc.constantFrom('a', 'b', 'b\0', 'c', 'd', 'e', 'f');
  const interval = fc
    .record({ from: point, to: fc.option(point, { nil: undefined }) })
    .filter(({ from, to }) => to === undefined || from < to);
  fc.assert(
    fc.property(
      fc.array(fc.record({ interval, isAdd: fc.integer({ min: 0, max: 3 }) }), { maxLength: 60 }),
      (steps) => {
        const index = new IntervalIndex<number>();
        const all: { range: { from: string; to: string | undefined }; item: number }[] = [];
        for (const [item, { interval: range, isAdd }] of steps.entries()) {
          if (isAdd > 0) {
            index.add(range, item);
            all.push({ range, item });
          } else if (all.length > 0) {
            const [gone] = all.splice(item % all.length, 1);
            index.remove(gone!.range, gone!.item);
          }
        }
        for (const key of ['', 'a', 'b', 'b\0', 'bb', 'c', 'd', 'e', 'f', 'z']) {
          const found: number[] = [];
          index.visit(key, (item) => found.push(item));
          const wanted = all.filter(({ range: { from, to } }) => from <= key && (to === undefined || key < to));
          expect(found.sort()).toEqual(wanted.map(({ item }) => item).sort());
        }
      },
    ),
  );
});
