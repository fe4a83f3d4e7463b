/** Watch and Lease as a client on the wire sees them. */
import { describe, expect, test } from 'vitest';
import { settle } from '../../../src/base/driven-clock.ts';
import { Lease, Watch, WatchRequest, type WatchResponse } from '../../../src/proto/etcd.ts';
import type { CallOptions } from '../../../src/proto/rpc.ts';
import type { Init } from '../../../src/proto/wire.ts';
import { bytes, op, putOf, rangeOf, text, txnOf, deleteOf } from '../mvcc/requests.ts';
import { SingleStore } from './single.ts';

type Create = Extract<NonNullable<WatchRequest['requestUnion']>, { case: 'createRequest' }>['value'];

class Client {
  readonly store: SingleStore;
  readonly got: WatchResponse[] = [];
  failure: unknown;
  readonly call;

  constructor(store: SingleStore, options: CallOptions = {}) {
    this.store = store;
    this.call = store.connect().bidi(Watch.methods.watch, options);
    void this.#take();
  }

  async #take(): Promise<void> {
    try {
      for await (const response of this.call.responses) this.got.push(response);
    } catch (error) {
      this.failure = error;
    }
  }

  create(init: Init<Create>): void {
    this.call.send({ requestUnion: { case: 'createRequest', value: init } });
  }

  /** What arrived since the last time. */
  async arrived(): Promise<WatchResponse[]> {
    for (let i = 0; i < 10; i++) await settle();
    return this.got.splice(0);
  }
}

const put = (store: SingleStore, key: string, value: string) =>
  store.propose({ kind: 'put', request: putOf(key, value) });
const kvs = (response: WatchResponse) => response.events.map(({ kv }) => `${text(kv!.key)}=${text(kv!.value)}`);

describe('Watch', () => {
  test('created, events with previous values, cancelled', async () => {
    const store = await SingleStore.open();
    const client = new Client(store);
    client.create({ key: bytes('a'), prevKv: true });
    client.create({ key: bytes('a'), rangeEnd: bytes('b') });
    await client.arrived();
    await put(store, 'a', '1');
    const responses = await client.arrived();
    await put(store, 'a', '2');
    responses.push(...(await client.arrived()));
    expect(responses.map((each) => [each.watchId, each.header!.revision, kvs(each)])).toEqual([
      [0, 2, ['a=1']],
      [1, 2, ['a=1']],
      [0, 3, ['a=2']],
      [1, 3, ['a=2']],
    ]);
    expect(responses.map(({ events }) => events[0]!.prevKv && text(events[0]!.prevKv.value))).toEqual([
      undefined,
      undefined,
      '1',
      undefined,
    ]);
    client.call.send({ requestUnion: { case: 'cancelRequest', value: { watchId: 0 } } });
    expect(await client.arrived()).toMatchObject([{ watchId: 0, canceled: true, compactRevision: 0 }]);
    client.call.cancel();
    await settle();
    expect(store.machine.hub.watcherCount).toBe(0);
  });

  test('a delete event has its key and revision, nothing else', async () => {
    const store = await SingleStore.open();
    await put(store, 'a', '1');
    const client = new Client(store);
    client.create({ key: bytes('a') });
    await client.arrived();
    await store.propose({ kind: 'delete-range', request: deleteOf('a') });
    const [response] = await client.arrived();
    expect(response!.events).toEqual([
      {
        type: 1,
        kv: { key: bytes('a'), modRevision: 3, createRevision: 0, version: 0, value: new Uint8Array(0), lease: 0n },
        prevKv: undefined,
      },
    ]);
  });

  test('refusals are answers, with etcd’s words', async () => {
    const client = new Client(await SingleStore.open());
    client.create({ key: bytes('a'), watchId: 3 });
    client.create({ key: bytes('a'), watchId: 3 });
    client.create({ key: bytes('b'), rangeEnd: bytes('a') });
    client.create({ key: bytes('b'), startRevision: -1 });
    const responses = (await client.arrived()).slice(1);
    expect(responses.map(({ watchId, created, canceled }) => [watchId, created, canceled])).toEqual(
      Array.from({ length: 3 }, () => [-1, true, true]),
    );
    expect(responses.map(({ cancelReason }) => cancelReason)).toEqual([
      'mvcc: duplicate watch ID provided on the WatchStream',
      'mvcc: watcher range is empty',
      'mvcc: required revision has been compacted',
    ]);
  });

  test('a compacted start is cancelled with compact_revision', async () => {
    const store = await SingleStore.open();
    for (let i = 0; i < 5; i++) await put(store, 'a', String(i));
    await store.propose({ kind: 'compaction', request: { revision: 4, physical: false } });
    const client = new Client(store);
    client.create({ key: bytes('a'), startRevision: 2 });
    expect(await client.arrived()).toMatchObject([
      { created: true },
      { canceled: true, compactRevision: 4, watchId: 0 },
    ]);
  });

  test('a revision is cut into fragments only where that was asked for', async () => {
    const store = await SingleStore.open();
    const client = new Client(store);
    client.create({ key: bytes('k'), rangeEnd: bytes('l'), fragment: true });
    client.create({ key: bytes('k'), rangeEnd: bytes('l') });
    await client.arrived();
    // As large as several requests: a limit of the proposer, not of the state machine.
    const puts = Array.from({ length: 6 }, (_, i) => op.put(putOf(`k${i}`, 'x'.repeat(1024 * 1024))));
    await store.propose({ kind: 'txn', request: txnOf([], puts) });
    const responses = await client.arrived();
    const cut = responses.filter(({ watchId }) => watchId === 0);
    expect(cut.length).toBeGreaterThan(1);
    expect(cut.map(({ fragment }) => fragment)).toEqual(cut.map((_, at) => at < cut.length - 1));
    expect(cut.flatMap(({ events }) => events.map(({ kv }) => text(kv!.key))).join()).toBe('k0,k1,k2,k3,k4,k5');
    expect(responses.filter(({ watchId }) => watchId === 1).map(({ events }) => events.length)).toEqual([6]);
  });

  test('progress: periodic for whom asked, manual with watch id -1', async () => {
    const store = await SingleStore.open();
    const client = new Client(store);
    client.create({ key: bytes('a'), progressNotify: true });
    client.create({ key: bytes('a') });
    await client.arrived();
    await store.clock.advance(1200);
    expect(await client.arrived()).toMatchObject([{ watchId: 0, events: [], header: { revision: 1 } }]);
    client.call.send({ requestUnion: { case: 'progressRequest', value: {} } });
    expect(await client.arrived()).toMatchObject([{ watchId: -1, events: [], created: false }]);
  });

  test('a client that has no more requests still hears', async () => {
    const store = await SingleStore.open();
    const client = new Client(store);
    client.create({ key: bytes('a') });
    client.call.end();
    await client.arrived();
    await put(store, 'a', '1');
    expect((await client.arrived()).map(kvs)).toEqual([['a=1']]);
  });

  test('many requests at once are all answered', async () => {
    const client = new Client(await SingleStore.open());
    for (let i = 0; i < 1000; i++) client.create({ key: bytes(`k${i}`) });
    expect(await client.arrived()).toHaveLength(1000);
  });

  test('a stream that requires a leader ends after three elections without one', async () => {
    const store = await SingleStore.open();
    const client = new Client(store, { metadata: { hasleader: 'true' } });
    client.create({ key: bytes('a') });
    await client.arrived();
    store.leader = 0n;
    await store.clock.advance(2500);
    expect(client.failure).toBeUndefined();
    await store.clock.advance(1500);
    expect(client.failure).toMatchObject({ message: 'etcdserver: no leader' });
  });
});

describe('Lease', () => {
  const { leaseGrant, leaseRevoke, leaseKeepAlive, leaseTimeToLive, leaseLeases } = Lease.methods;

  test('grant: an id of the server’s choice, a time that is long enough, a known id refused', async () => {
    const store = await SingleStore.open();
    const client = store.connect();
    const granted = await client.unary(leaseGrant, { ttl: 1 });
    expect(granted.ttl).toBe(2);
    expect(granted.id > 0n).toBe(true);
    await expect(client.unary(leaseGrant, { id: granted.id, ttl: 9 })).rejects.toMatchObject({
      code: 9,
      message: 'etcdserver: lease already exists',
    });
    await expect(client.unary(leaseGrant, { ttl: 9_000_000_001 })).rejects.toMatchObject({
      code: 11,
      message: 'etcdserver: too large lease TTL',
    });
    expect((await client.unary(leaseLeases, {})).leases).toEqual([{ id: granted.id }]);
  });

  test('time to live counts down and names the keys; -1 for a lease that is not there', async () => {
    const store = await SingleStore.open();
    const client = store.connect();
    await client.unary(leaseGrant, { id: 5n, ttl: 60 });
    await store.propose({ kind: 'put', request: putOf('b', 'x', { lease: 5n }) });
    await store.propose({ kind: 'put', request: putOf('a', 'x', { lease: 5n }) });
    await store.clock.advance(10_000);
    const answer = await client.unary(leaseTimeToLive, { id: 5n, keys: true });
    expect([answer.ttl, answer.grantedTtl, answer.keys.map(text)]).toEqual([50, 60, ['a', 'b']]);
    expect((await client.unary(leaseTimeToLive, { id: 6n })).ttl).toBe(-1);
  });

  test('keep-alive renews; of a lease that is not there it says 0', async () => {
    const store = await SingleStore.open();
    const client = store.connect();
    await client.unary(leaseGrant, { id: 5n, ttl: 60 });
    await store.clock.advance(50_000);
    const call = client.bidi(leaseKeepAlive);
    call.send({ id: 5n });
    call.send({ id: 6n });
    call.end();
    const answers: unknown[] = [];
    for await (const { id, ttl } of call.responses) answers.push([id, ttl]);
    expect(answers).toEqual([
      [5n, 60],
      [6n, 0],
    ]);
    expect((await client.unary(leaseTimeToLive, { id: 5n })).ttl).toBe(60);
  });

  test('revoke deletes the keys; of a lease that is not there it is refused', async () => {
    const store = await SingleStore.open();
    const client = store.connect();
    await client.unary(leaseGrant, { id: 5n, ttl: 60 });
    await store.propose({ kind: 'put', request: putOf('a', 'x', { lease: 5n }) });
    expect((await client.unary(leaseRevoke, { id: 5n })).header!.revision).toBe(3);
    expect(store.machine.range(rangeOf('a'))).toMatchObject({ result: { count: 0 } });
    await expect(client.unary(leaseRevoke, { id: 5n })).rejects.toMatchObject({
      code: 5,
      message: 'etcdserver: requested lease not found',
    });
  });
});
