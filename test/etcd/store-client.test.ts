/** The store client over members that answer, refuse, hang or are gone. */
import { describe, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { directStoreClient } from '../../src/etcd/direct-store-client.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { KV, Lease, Watch } from '../../src/proto/etcd.ts';
import { bind, RpcCode, RpcError, type BoundService, type Channel, type Handlers } from '../../src/proto/rpc.ts';

const text = (value: string) => new TextEncoder().encode(value);
const unavailable = (notSent = false) => new RpcError(RpcCode.UNAVAILABLE, 'etcdserver: no leader', { notSent });

/** A member that counts what reaches it; `fail` decides what it answers. */
function member(name: string, calls: string[], fail?: () => RpcError | Promise<never>): readonly BoundService[] {
  const answer = async <T>(method: string, value: T): Promise<T> => {
    calls.push(`${name} ${method}`);
    const failure = fail?.();
    if (failure !== undefined) throw await failure;
    return value;
  };
  const kv: Handlers<typeof KV> = {
    range: () => answer('range', { count: 1 }),
    put: () => answer('put', { header: { revision: 2 } }),
  };
  return [
    bind(KV, kv),
    bind(Lease, {
      async *leaseKeepAlive(requests) {
        for await (const { id } of requests) yield await answer('keep-alive', { id, ttl: 10 });
      },
    }),
    bind(Watch, {
      async *watch(requests, context) {
        for await (const { requestUnion } of requests) {
          if (requestUnion?.case === 'progressRequest') yield { watchId: -1, header: { revision: 9 } };
          if (requestUnion?.case !== 'createRequest') continue;
          await answer(`watch hasleader=${context.metadata.get('hasleader')}`, undefined);
          yield { created: true };
          yield { events: [{ kv: { key: requestUnion.value.key ?? text('?'), modRevision: 5 } }] };
        }
      },
    }),
  ];
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof RpcError ? error.code : error),
  );

describe('failover', () => {
  test('a read goes on to the next member, and stays there', async () => {
    const calls: string[] = [];
    const members = [member('a', calls, () => unavailable()), member('b', calls)];
    const store = directStoreClient({ members, clock: new DrivenClock(), log: silentLog });
    expect((await store.range({ key: text('k') })).count).toBe(1);
    expect((await store.put({ key: text('k') })).header?.revision).toBe(2);
    expect(calls).toEqual(['a range', 'b range', 'b put']);
  });

  test('a write that may have been done is not sent again; the next one goes elsewhere', async () => {
    const calls: string[] = [];
    const members = [member('a', calls, () => unavailable()), member('b', calls)];
    const store = directStoreClient({ members, clock: new DrivenClock(), log: silentLog });
    expect(await outcome(store.put({ key: text('k') }))).toBe(RpcCode.UNAVAILABLE);
    expect(calls).toEqual(['a put']);
    expect(await outcome(store.put({ key: text('k') }))).toBe('ok');
    expect(calls).toEqual(['a put', 'b put']);
  });

  test('a write that was not sent goes on to the next member', async () => {
    const calls: string[] = [];
    const clock = new DrivenClock();
    const nobody: Channel = {
      ...directChannel({ services: [], clock, log: silentLog }),
      unary: () => Promise.reject(unavailable(true)),
    };
    const channels = [nobody, directChannel({ services: member('b', calls), clock, log: silentLog })];
    expect(await outcome(channelStoreClient({ channels }).put({ key: text('k') }))).toBe('ok');
    expect(calls).toEqual(['b put']);
  });

  test('with every member away each is tried once', async () => {
    const calls: string[] = [];
    const members = ['a', 'b', 'c'].map((name) => member(name, calls, () => unavailable()));
    const store = directStoreClient({ members, clock: new DrivenClock(), log: silentLog });
    expect(await outcome(store.range({ key: text('k') }))).toBe(RpcCode.UNAVAILABLE);
    expect(calls).toEqual(['a range', 'b range', 'c range']);
  });

  test('after a timeout the next call goes elsewhere', async () => {
    const calls: string[] = [];
    const clock = new DrivenClock();
    const members = [member('frozen', calls, () => new Promise<never>(() => undefined)), member('b', calls)];
    const store = directStoreClient({ members, clock, log: silentLog, requestTimeoutMs: 500 });
    const calling = outcome(store.range({ key: text('k') }));
    await clock.advance(500);
    expect(await calling).toBe(RpcCode.DEADLINE_EXCEEDED);
    expect(await outcome(store.range({ key: text('k') }))).toBe('ok');
    expect(calls).toEqual(['frozen range', 'b range']);
  });

  test('an answer is an answer: other errors are not retried', async () => {
    const calls: string[] = [];
    const compacted = () =>
      new RpcError(RpcCode.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
    const store = directStoreClient({
      members: [member('a', calls, compacted), member('b', calls)],
      clock: new DrivenClock(),
      log: silentLog,
    });
    expect(await outcome(store.range({ key: text('k') }))).toBe(RpcCode.OUT_OF_RANGE);
    expect(calls).toEqual(['a range']);
  });
});

describe('streams', () => {
  test('a lease is kept alive', async () => {
    const store = directStoreClient({ members: [member('a', [])], clock: new DrivenClock(), log: silentLog });
    expect(await store.leaseKeepAliveOnce(5n)).toMatchObject({ id: 5n, ttl: 10 });
  });

  test('a watch finds a member that serves it, requires a leader, and asks for progress', async () => {
    const calls: string[] = [];
    const members = [member('a', calls, () => unavailable()), member('b', calls)];
    const store = directStoreClient({ members, clock: new DrivenClock(), log: silentLog });
    const watch = store.watch({ key: text('k') });
    const seen: unknown[] = [];
    for await (const response of watch) {
      seen.push(response.created || response.events[0]?.kv?.modRevision || response.header?.revision);
      if (seen.length === 2) watch.requestProgress();
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([true, 5, 9]);
    expect(calls).toEqual(['a watch hasleader=true', 'b watch hasleader=true']);
  });

  test('a watch that breaks throws: its caller knows the revision to resume from', async () => {
    const breaking = [
      bind(Watch, {
        async *watch() {
          yield { created: true };
          throw unavailable();
        },
      }),
    ];
    const calls: string[] = [];
    const store = directStoreClient({
      members: [breaking, member('b', calls)],
      clock: new DrivenClock(),
      log: silentLog,
    });
    const read = async () => {
      for await (const response of store.watch({ key: text('k') })) expect(response.created).toBe(true);
    };
    expect(await outcome(read())).toBe(RpcCode.UNAVAILABLE);
    expect(calls).toEqual([]);
    const controller = new AbortController();
    const again = async () => {
      for await (const response of store.watch({ key: text('k') }, { signal: controller.signal }))
        if (!response.created) controller.abort();
    };
    expect(await outcome(again())).toBe(RpcCode.CANCELLED);
    expect(calls).toEqual(['b watch hasleader=true']);
  });
});
