/** What etcd's clients depend on in KV, each by name: validation, refusals, revisions. */
import { describe, expect, test } from 'vitest';
import {
  CompareResult,
  CompareTarget,
  KV,
  SortOrder,
  SortTarget,
  type RequestOp,
  type TxnRequest,
} from '../../../src/proto/etcd.ts';
import type { RpcError } from '../../../src/proto/rpc.ts';
import { bytes, compareOf, deleteOf, op, putOf, rangeOf, text, txnOf } from '../mvcc/requests.ts';
import { SingleStore } from './single.ts';

const { range, rangeStream, put, deleteRange, txn, compact } = KV.methods;

async function open() {
  const store = await SingleStore.open();
  return { store, kv: store.connect() };
}

async function refusal(call: Promise<unknown>): Promise<string> {
  const error = (await call.then(
    () => expect.unreachable('was not refused'),
    (reason: unknown) => reason,
  )) as RpcError;
  return `${error.code} ${error.message}`;
}

const modRevisionIs = (key: string, revision: number) =>
  compareOf({ key: bytes(key), target: CompareTarget.MOD, targetUnion: { case: 'modRevision', value: revision } });

describe('KV', () => {
  test('an empty store is at revision 1, and so says every header', async () => {
    const { kv } = await open();
    const answer = await kv.unary(range, rangeOf('a'));
    expect(answer.header).toEqual({ clusterId: 7n, memberId: 1n, revision: 1, raftTerm: 1 });
    expect((await kv.unary(put, putOf('a', '1'))).header!.revision).toBe(2);
    expect((await kv.unary(range, rangeOf('a'))).header!.revision).toBe(2);
  });

  test('requests without a key are refused', async () => {
    const { kv } = await open();
    const text = '3 etcdserver: key is not provided';
    expect(await refusal(kv.unary(range, rangeOf('')))).toBe(text);
    expect(await refusal(kv.unary(put, putOf('', 'x')))).toBe(text);
    expect(await refusal(kv.unary(deleteRange, deleteOf('')))).toBe(text);
    expect(await refusal(kv.unary(txn, txnOf([compareOf({})], [])))).toBe(text);
    expect(await refusal(kv.unary(txn, txnOf([], [op.put(putOf('', 'x'))])))).toBe(text);
  });

  test('a sort that does not exist is refused', async () => {
    const { kv } = await open();
    const text = '3 etcdserver: invalid sort option';
    expect(await refusal(kv.unary(range, rangeOf('a', '', { sortOrder: 3 })))).toBe(text);
    expect(await refusal(kv.unary(range, rangeOf('a', '', { sortTarget: 5 })))).toBe(text);
  });

  test('ignore_value and ignore_lease: nothing given, and the key must exist', async () => {
    const { kv } = await open();
    expect(await refusal(kv.unary(put, putOf('a', 'x', { ignoreValue: true })))).toBe(
      '3 etcdserver: value is provided',
    );
    expect(await refusal(kv.unary(put, putOf('a', 'x', { lease: 1n, ignoreLease: true })))).toBe(
      '3 etcdserver: lease is provided',
    );
    expect(await refusal(kv.unary(put, putOf('a', '', { ignoreValue: true })))).toBe('3 etcdserver: key not found');
    expect(await refusal(kv.unary(put, putOf('a', 'x', { ignoreLease: true })))).toBe('3 etcdserver: key not found');
    await kv.unary(put, putOf('a', 'kept'));
    await kv.unary(put, putOf('a', '', { ignoreValue: true }));
    const { kvs } = await kv.unary(range, rangeOf('a'));
    expect(kvs.map(({ value, version }) => [text(value), version])).toEqual([['kept', 2]]);
  });

  test('a put with a lease that is gone is refused', async () => {
    const { kv, store } = await open();
    expect(await refusal(kv.unary(put, putOf('a', 'x', { lease: 5n })))).toBe(
      '5 etcdserver: requested lease not found',
    );
    expect(store.machine.revision).toBe(1);
  });

  test('reads at compacted and future revisions are refused', async () => {
    const { kv } = await open();
    for (let i = 0; i < 4; i++) await kv.unary(put, putOf('a', String(i)));
    await kv.unary(compact, { revision: 3 });
    expect(await refusal(kv.unary(range, rangeOf('a', '', { revision: 2 })))).toBe(
      '11 etcdserver: mvcc: required revision has been compacted',
    );
    expect(await refusal(kv.unary(range, rangeOf('a', '', { revision: 6 })))).toBe(
      '11 etcdserver: mvcc: required revision is a future revision',
    );
    expect(text((await kv.unary(range, rangeOf('a', '', { revision: 3 }))).kvs[0]!.value)).toBe('1');
    expect(await refusal(kv.unary(compact, { revision: 3 }))).toContain('has been compacted');
    expect(await refusal(kv.unary(compact, { revision: 9 }))).toContain('future revision');
  });

  test('physical compaction answers when the space is given back', async () => {
    const { kv, store } = await open();
    for (let i = 0; i < 4; i++) await kv.unary(put, putOf('a', String(i)));
    await kv.unary(compact, { revision: 5, physical: true });
    expect(store.machine.mvcc.isScrubbing).toBe(false);
    expect(store.machine.mvcc.index.entriesFrom('', 10).map(({ writes }) => writes.length)).toEqual([1]);
  });

  test('a linearizable range asks for its place in the log, a serializable one does not', async () => {
    const { kv, store } = await open();
    await kv.unary(range, rangeOf('a', '', { serializable: true }));
    expect(store.reads).toBe(0);
    await kv.unary(range, rangeOf('a'));
    expect(store.reads).toBe(1);
  });

  test('count ignores limit and filters; more says that the limit cut', async () => {
    const { kv } = await open();
    for (const key of ['a', 'b', 'c', 'd']) await kv.unary(put, putOf(key, 'x'));
    const limited = await kv.unary(range, rangeOf('a', 'z', { limit: 2 }));
    expect([limited.kvs.length, limited.more, limited.count]).toEqual([2, true, 4]);
    const filtered = await kv.unary(range, rangeOf('a', 'z', { minModRevision: 4, limit: 5 }));
    expect([filtered.kvs.length, filtered.more, filtered.count]).toEqual([2, false, 4]);
    const exact = await kv.unary(range, rangeOf('a', 'z', { limit: 4 }));
    expect([exact.kvs.length, exact.more, exact.count]).toEqual([4, false, 4]);
  });

  test('a limit is applied after sort and filter; a target without an order ascends', async () => {
    const { kv } = await open();
    for (const [key, value] of [
      ['a', '3'],
      ['b', '1'],
      ['c', '2'],
    ] as const)
      await kv.unary(put, putOf(key, value));
    const keys = async (rest: object) =>
      (await kv.unary(range, rangeOf('a', 'z', rest))).kvs.map(({ key }) => text(key)).join('');
    expect(await keys({ sortTarget: SortTarget.VALUE, limit: 2 })).toBe('bc');
    expect(await keys({ sortOrder: SortOrder.DESCEND, limit: 1 })).toBe('c');
    expect(await keys({ sortTarget: SortTarget.MOD, sortOrder: SortOrder.DESCEND })).toBe('cba');
    expect(await keys({ maxCreateRevision: 3, limit: 5 })).toBe('ab');
  });

  test('a delete of nothing keeps the revision', async () => {
    const { kv } = await open();
    const answer = await kv.unary(deleteRange, deleteOf('a', 'z'));
    expect([answer.deleted, answer.header!.revision]).toEqual([0, 1]);
  });

  test('one revision a transaction; a range in it sees the writes before it', async () => {
    const { kv } = await open();
    const answer = await kv.unary(
      txn,
      txnOf(
        [],
        [op.put(putOf('a', '1')), op.range(rangeOf('a', 'z')), op.put(putOf('b', '2')), op.range(rangeOf('a', 'z'))],
      ),
    );
    expect(answer.header!.revision).toBe(2);
    const counts = answer.responses.map(({ response }) =>
      response?.case === 'responseRange' ? response.value.count : '-',
    );
    expect(counts).toEqual(['-', 1, '-', 2]);
    const { kvs } = await kv.unary(range, rangeOf('a', 'z'));
    expect(kvs.map(({ modRevision }) => modRevision)).toEqual([2, 2]);
  });

  test('a transaction that writes nothing keeps the revision, and one that only reads is not proposed', async () => {
    const { kv, store } = await open();
    await kv.unary(put, putOf('a', '1'));
    const failed = await kv.unary(txn, txnOf([modRevisionIs('a', 9)], [op.put(putOf('a', '2'))]));
    expect([failed.succeeded, failed.header!.revision]).toEqual([false, 2]);
    const before = store.proposals;
    await kv.unary(txn, txnOf([modRevisionIs('a', 2)], [op.range(rangeOf('a'))]));
    expect(store.proposals).toBe(before);
    expect(store.reads).toBe(1);
  });

  test('a missing key compares as zeros, but never by value', async () => {
    const { kv } = await open();
    const holds = async (request: TxnRequest) => (await kv.unary(txn, request)).succeeded;
    expect(await holds(txnOf([modRevisionIs('a', 0)], []))).toBe(true);
    for (const result of Object.values(CompareResult)) {
      const compare = compareOf({
        key: bytes('a'),
        target: CompareTarget.VALUE,
        result,
        targetUnion: { case: 'value', value: bytes('') },
      });
      expect(await holds(txnOf([compare], []))).toBe(false);
    }
  });

  test('a compare over a range must hold for every key', async () => {
    const { kv } = await open();
    await kv.unary(put, putOf('a', '1'));
    await kv.unary(put, putOf('b', '1'));
    const versionIs = (value: number) =>
      txnOf([compareOf({ key: bytes('a'), rangeEnd: bytes('z'), targetUnion: { case: 'version', value } })], []);
    expect((await kv.unary(txn, versionIs(1))).succeeded).toBe(true);
    await kv.unary(put, putOf('b', '2'));
    expect((await kv.unary(txn, versionIs(1))).succeeded).toBe(false);
  });

  test('a transaction whose range is compacted or in the future writes nothing (etcd #18667)', async () => {
    const { kv, store } = await open();
    for (let i = 0; i < 4; i++) await kv.unary(put, putOf('a', String(i)));
    await kv.unary(compact, { revision: 4 });
    for (const revision of [2, 6]) {
      const hash = store.machine.hash();
      const nested = txnOf([], [op.range(rangeOf('a', '', { revision }))]);
      await refusal(kv.unary(txn, txnOf([], [op.put(putOf('a', 'x')), op.txn(nested)])));
      expect(store.machine.hash()).toEqual(hash);
    }
  });

  test('a key is written once in a transaction', async () => {
    const { kv } = await open();
    const a = op.put(putOf('a', '1'));
    const removeA = op.delete(deleteOf('a', 'c'));
    const nested = (success: RequestOp[], failure: RequestOp[] = []) => op.txn(txnOf([], success, failure));
    const duplicate = '3 etcdserver: duplicate key given in txn request';
    for (const ops of [
      [a, a],
      [a, removeA],
      [removeA, a],
      [a, nested([a])],
      [nested([a]), nested([a])],
      [removeA, nested([a])],
    ]) {
      expect(await refusal(kv.unary(txn, txnOf([], ops)))).toBe(duplicate);
      expect(await refusal(kv.unary(txn, txnOf([], [], ops)))).toBe(duplicate);
    }
    // The branches exclude each other; two deletes are one.
    await kv.unary(txn, txnOf([], [a], [a]));
    await kv.unary(txn, txnOf([], [nested([a], [a])]));
    await kv.unary(txn, txnOf([], [removeA, removeA]));
  });

  test('an operation that says nothing, and too many of them, are refused', async () => {
    const { kv } = await open();
    expect(await refusal(kv.unary(txn, { success: [{}] }))).toBe('3 etcdserver: key not found');
    const many = (count: number) => Array.from({ length: count }, (_, i) => op.put(putOf(`k${i}`, 'x')));
    const text = '3 etcdserver: too many operations in txn request';
    expect(await refusal(kv.unary(txn, txnOf([], many(129))))).toBe(text);
    await kv.unary(txn, txnOf([], many(128)));
    // A nested transaction has what is left.
    expect(await refusal(kv.unary(txn, txnOf([], [op.txn(txnOf([], many(128)))])))).toBe(text);
    await kv.unary(txn, txnOf([], [op.txn(txnOf([], many(127)))]));
  });

  test('a request that is too large is refused', async () => {
    const { kv } = await open();
    const large = 'x'.repeat(800 * 1024);
    await kv.unary(put, putOf('a', large));
    const text = '3 etcdserver: request is too large';
    expect(await refusal(kv.unary(put, putOf('a', large + large)))).toBe(text);
    expect(await refusal(kv.unary(txn, txnOf([], [op.put(putOf('a', large)), op.put(putOf('b', large))])))).toBe(text);
  });

  test('who requires a leader is told at once that there is none', async () => {
    const { kv, store } = await open();
    store.leader = 0n;
    const metadata = { hasleader: 'true' };
    expect(await refusal(kv.unary(range, rangeOf('a', '', { serializable: true }), { metadata }))).toBe(
      '14 etcdserver: no leader',
    );
    await kv.unary(range, rangeOf('a', '', { serializable: true }));
  });

  test('rangeStream: the parts are one range at one revision', async () => {
    const { kv } = await open();
    for (let i = 0; i < 100; i++) await kv.unary(put, putOf(`k${String(i).padStart(3, '0')}`, String(i)));
    const whole = await kv.unary(range, rangeOf('k', 'l', { limit: 95 }));
    const kvs: unknown[] = [];
    const ends: unknown[] = [];
    let parts = 0;
    for await (const { rangeResponse: part } of kv.serverStream(rangeStream, rangeOf('k', 'l', { limit: 95 }))) {
      if (parts++ === 0) await kv.unary(put, putOf('k050', 'changed'));
      kvs.push(...part!.kvs);
      if (part!.header !== undefined) ends.push([part!.header.revision, part!.more, part!.count]);
    }
    expect(parts).toBeGreaterThan(2);
    expect(kvs).toEqual(whole.kvs);
    expect(ends).toEqual([[101, true, 100]]);
    const sorted = kv.serverStream(rangeStream, rangeOf('k', 'l', { sortOrder: SortOrder.DESCEND }));
    await expect(sorted[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 12 });
  });
});
