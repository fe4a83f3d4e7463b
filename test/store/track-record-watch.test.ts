/**
 * etcd's historic bugs of watches; the others, and where they come from, stand in track-record.test.ts. Each was put back
 * once, and this is what failed:
 *
 * #15220  progress ahead of the stream's events. Put back: watchers that read history do not hold it back. Failed: it
 *         comes before them.
 * #15271  a watch goes back in time after a partition. Put back: watchers read a restored state from its begin. Failed:
 *         revisions 2 and 3 come again.
 * #17247  an event delivered twice. Put back: what happens is offered to watchers that still read history, too. Failed:
 *         120 events come twice.
 * #17529  events lost when a stream starves. Put back: the queue goes before history always. Failed: the past never
 *         comes.
 * #18089  a delete dropped by a compaction at its revision. Put back: every tombstone up to it goes. Failed: so does
 *         this one.
 * #19179  a delete missing from a watch opened at the compacted revision. Put back: the log is cut behind that revision.
 *         Failed: only the later event comes.
 * #20221  a watch of a future revision is told older things. Put back: its start is not compared. Failed: it is told
 *         of revisions 2 and 3.
 */
import { describe, expect, test } from 'vitest';
import { EventType } from '../../src/proto/etcd.ts';
import { Mvcc } from '../../src/store/mvcc/core/mvcc.ts';
import { QUEUED_EVENTS_MAX, WatchHub, type WatchStream } from '../../src/store/mvcc/core/watch-hub.ts';
import { ALL_WATCHERS, type WatchMessage } from '../../src/store/mvcc/core/watch-messages.ts';
import { MapRows } from './mvcc/map-rows.ts';
import { bytes, text } from './mvcc/requests.ts';

/** Writes of one transaction: `key=value` puts, `key` deletes. */
function write(mvcc: Mvcc, ...writes: string[]) {
  mvcc.begin();
  for (const each of writes) {
    const [key, value] = each.split('=') as [string, string?];
    if (value === undefined) mvcc.deleteRange({ from: key, to: key + '\0' });
    else mvcc.put(key, bytes(value), 0n);
  }
  return mvcc.commit();
}

class Store {
  readonly mvcc = new Mvcc(new MapRows());
  readonly hub = new WatchHub(this.mvcc);

  write(...writes: string[]): void {
    this.hub.notify(write(this.mvcc, ...writes));
  }

  compact(revision: number): void {
    expect(this.mvcc.compact(revision)).toEqual({ ok: true });
    while (this.mvcc.scrub(1));
  }

  /** A stream with one watcher of every key that starts with `k`. */
  watch(startRevision = 0): WatchStream {
    const stream = this.hub.openStream(() => {});
    watchAlso(stream, startRevision);
    return stream;
  }
}

function watchAlso(stream: WatchStream, startRevision: number): void {
  const options = { progressNotify: true, filters: [], prevKv: false, watchId: 0, fragment: false };
  stream.create({ key: bytes('k'), rangeEnd: bytes('l'), startRevision, ...options });
}

/** What is there to pull: `3:k1=v` and `4:-k1` are events, `progress 4` what it says. */
function drain(stream: WatchStream, pullsMax = Infinity): string[] {
  const lines: string[] = [];
  for (let pull = 0; pull < pullsMax; pull++) {
    const message = stream.next();
    if (message === undefined) break;
    if (message !== 'pause') lines.push(...linesOf(message));
  }
  return lines;
}

function linesOf(message: WatchMessage): string[] {
  switch (message.kind) {
    case 'events':
      return message.events.map(({ plain: { type, kv }, revision }) =>
        type === EventType.DELETE ? `${revision}:-${text(kv!.key)}` : `${revision}:${text(kv!.key)}=${text(kv!.value)}`,
      );
    case 'progress':
      return [`progress ${message.revision}`];
    case 'canceled':
      return [`canceled ${message.reason} ${message.compactRevision}`];
    default:
      return [];
  }
}

describe('progress', () => {
  test('#15220: is not ahead of the events of its stream', () => {
    const store = new Store();
    for (let i = 2; i <= 5; i++) store.write(`k=${i}`);
    const stream = store.watch(2);
    stream.requestProgress();
    expect(drain(stream)).toEqual(['2:k=2', '3:k=3', '4:k=4', '5:k=5', 'progress 5']);
    // One that is behind because it was slow, not because it began in the past.
    for (let i = 0; i < QUEUED_EVENTS_MAX + 10; i++) store.write(`k=${i}`);
    stream.requestProgress();
    stream.progressTick();
    const lines = drain(stream);
    expect(lines.at(-1)).toBe(`progress ${store.mvcc.revision}`);
    expect(lines.filter((line) => line.startsWith('progress'))).toHaveLength(1);
  });

  test('#20221: and events are not told to a watcher of a later revision', () => {
    const store = new Store();
    const stream = store.watch(5);
    stream.requestProgress();
    for (let tick = 0; tick < 3; tick++) stream.progressTick();
    store.write('k=2');
    store.write('k=3');
    stream.requestProgress();
    stream.progressTick();
    expect(drain(stream)).toEqual([]);
    store.write('k=4');
    expect(drain(stream)).toEqual([]);
    store.write('k=5');
    expect(drain(stream)).toEqual(['5:k=5', 'progress 5']);
    expect(ALL_WATCHERS).toBe(-1);
  });
});

describe('events', () => {
  test('#15271: do not go back when a restored snapshot takes the place of the state', () => {
    const store = new Store();
    const stream = store.watch(2);
    store.write('k=2');
    store.write('k=3');
    expect(drain(stream)).toEqual(['2:k=2', '3:k=3']);
    // The partition is over: a leader's snapshot holds what came meanwhile.
    const restored = new Mvcc(new MapRows());
    for (let i = 2; i <= 5; i++) write(restored, `k=${i}`);
    store.hub.replace(restored);
    stream.requestProgress();
    expect(drain(stream)).toEqual(['4:k=4', '5:k=5', 'progress 5']);
  });

  test('#17247: come once each, also to a watcher that reads history while transactions go on', () => {
    const store = new Store();
    for (let i = 0; i < 3000; i++) store.write(`k${i % 7}=${i}`);
    const stream = store.watch(2);
    const seen: string[] = [];
    for (let i = 0; i < 40; i++) {
      seen.push(...drain(stream, 1));
      store.write('k1=x', 'k2=y', 'k3=z');
    }
    seen.push(...drain(stream));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(3000 + 40 * 3);
    const revisions = seen.map((line) => parseInt(line, 10));
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  });

  test('#17529: of the past are told though the stream is never idle', () => {
    const store = new Store();
    for (let i = 2; i <= 5; i++) store.write(`k=${i}`);
    const stream = store.watch();
    drain(stream);
    watchAlso(stream, 2);
    const seen: string[] = [];
    for (let i = 0; i < 10; i++) {
      // Two for the first watcher at each pull: its queue only grows.
      store.write('k=busy');
      store.write('k=busy');
      seen.push(...drain(stream, 1));
    }
    expect(seen).toEqual(expect.arrayContaining(['2:k=2', '3:k=3', '4:k=4', '5:k=5']));
  });

  test('#18089: a delete is not dropped by a compaction at its revision', () => {
    const store = new Store();
    store.write('k=2');
    store.write('k');
    store.write('other=4');
    store.compact(3);
    expect(store.mvcc.historyOf('k', 3)).toHaveLength(1);
    expect(drain(store.watch(3))).toEqual(['3:-k']);
    // Behind it, it is gone.
    store.compact(4);
    expect(store.mvcc.historyOf('k', 4)).toEqual([]);
  });

  test('#19179: a watch that begins at the compacted revision is told of the delete there', () => {
    const store = new Store();
    store.write('k1=2', 'k2=2');
    store.write('k1');
    store.write('k2=4');
    expect(store.mvcc.compact(3)).toEqual({ ok: true });
    // Before and after the space was given back.
    expect(drain(store.watch(3))).toEqual(['3:-k1', '4:k2=4']);
    while (store.mvcc.scrub(1));
    expect(drain(store.watch(3))).toEqual(['3:-k1', '4:k2=4']);
    expect(drain(store.watch(2))).toEqual(['canceled compacted 3']);
  });
});
