/** Lock and Election on one store: who waits for whom, and what becomes of a waiter. The wire is in test/conformance. */
import { describe, expect, test } from 'vitest';
import { settle } from '../../../src/base/driven-clock.ts';
import { Election, Lease, Lock } from '../../../src/proto/etcd.ts';
import { RpcCode } from '../../../src/proto/rpc.ts';
import { bytes, deleteOf, putOf, text } from '../mvcc/requests.ts';
import { SingleStore } from './single.ts';

async function open() {
  const store = await SingleStore.open();
  const channel = store.connect();
  const grant = async (id: bigint) => (await channel.unary(Lease.methods.leaseGrant, { id, ttl: 60 })).id;
  const keys = () => {
    const outcome = store.machine.range({ ...RANGE, key: bytes('l/'), rangeEnd: bytes('l0') });
    return outcome.ok ? outcome.result.kvs.map(({ key }) => text(key)) : [];
  };
  return { store, channel, grant, keys };
}

const RANGE = {
  ...{ limit: 0, revision: 0, sortOrder: 0, sortTarget: 0, serializable: false, keysOnly: false, countOnly: false },
  ...{ minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 },
};

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await settle();
}

describe('Lock', () => {
  test('waits for the key before its own, and for no other', async () => {
    const { store, channel, grant } = await open();
    await channel.unary(Lock.methods.lock, { name: bytes('l'), lease: await grant(1n) });
    const held: string[] = [];
    for (const lease of [2n, 3n]) {
      void channel.unary(Lock.methods.lock, { name: bytes('l'), lease: await grant(lease) }).then(
        ({ key }) => held.push(text(key)),
        () => held.push(`${lease} failed`),
      );
      await settled();
    }
    // A key beside the queue is not of it.
    await store.propose({ kind: 'put', request: putOf('l', 'x') });
    await store.propose({ kind: 'delete-range', request: deleteOf('l') });
    await settled();
    expect(held).toEqual([]);
    // The one in the middle goes first: the last then waits for the holder.
    await store.propose({ kind: 'delete-range', request: deleteOf('l/2') });
    await settled();
    expect(held).toEqual([]);
    await channel.unary(Lock.methods.unlock, { key: bytes('l/1') });
    await settled();
    expect(held.sort()).toEqual(['2 failed', 'l/3']);
  });

  test('of a caller who goes away takes its key out of the queue, and no watch is left behind', async () => {
    const { store, channel, grant, keys } = await open();
    await channel.unary(Lock.methods.lock, { name: bytes('l'), lease: await grant(1n) });
    const caller = new AbortController();
    const request = { name: bytes('l'), lease: await grant(2n) };
    const call = channel.unary(Lock.methods.lock, request, { signal: caller.signal });
    await settled();
    expect(keys()).toEqual(['l/1', 'l/2']);
    expect(store.machine.hub.watcherCount).toBe(1);
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: RpcCode.CANCELLED });
    await settled();
    expect(keys()).toEqual(['l/1']);
    expect(store.machine.hub.watcherCount).toBe(0);
  });

  test('that is held answers with one transaction', async () => {
    const { store, channel, grant } = await open();
    const lease = await grant(1n);
    const { proposals } = store;
    await channel.unary(Lock.methods.lock, { name: bytes('l'), lease });
    expect([store.proposals - proposals, store.reads]).toEqual([1, 0]);
  });

  test('fails with etcd’s texts and no code where there is no lease', async () => {
    const { channel } = await open();
    await expect(channel.unary(Lock.methods.lock, { name: bytes('l'), lease: 9n })).rejects.toMatchObject({
      code: RpcCode.UNKNOWN,
      message: 'etcdserver: requested lease not found',
    });
  });

  test('of a negative lease has the key that etcd gives it', async () => {
    const { channel, grant } = await open();
    const { key } = await channel.unary(Lock.methods.lock, { name: bytes('l'), lease: await grant(-255n) });
    expect(text(key)).toBe('l/-ff');
  });
});

describe('Election', () => {
  test('Observe leaves out no proclamation of a leader, and goes on after a compaction', async () => {
    const { store, channel, grant } = await open();
    const name = bytes('l');
    const { leader } = await channel.unary(Election.methods.campaign, { name, lease: await grant(1n), value: bytes('0') });
    const seen: string[] = [];
    const caller = new AbortController();
    const observing = (async () => {
      const responses = channel.serverStream(Election.methods.observe, { name }, { signal: caller.signal });
      for await (const { kv } of responses) seen.push(text(kv!.value));
    })();
    await settled();
    for (const value of ['1', '2', '3']) await channel.unary(Election.methods.proclaim, { leader, value: bytes(value) });
    await settled();
    await store.propose({ kind: 'compaction', request: { revision: store.machine.revision, physical: false } });
    await channel.unary(Election.methods.proclaim, { leader, value: bytes('4') });
    await settled();
    expect(seen).toEqual(['0', '1', '2', '3', '4']);
    caller.abort();
    await expect(observing).rejects.toMatchObject({ code: RpcCode.CANCELLED });
    await settled();
    expect(store.machine.hub.watcherCount).toBe(0);
  });
});
