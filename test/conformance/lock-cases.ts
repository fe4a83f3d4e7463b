/** Locks and elections as etcd serves them over gRPC: part of cases.ts. */
import { expect } from 'vitest';
import { toUtf8 } from '../../src/base/bytes.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { Election, Lease, Lock, type LeaderResponse } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError, type Channel } from '../../src/proto/rpc.ts';
import type { Case } from './cases.ts';

const text = (value: string) => Buffer.from(value);
/** What a lock grants itself. */
const SESSION_SECONDS = 60;
/** Weeks: on a driven clock minutes pass between two looks of a test. */
const LEASE_SECONDS = 1_000_000;
const UNKNOWN_LEASE = 0x1234_5678_9abcn;

async function grant(channel: Channel, ttl = LEASE_SECONDS): Promise<bigint> {
  return (await channel.unary(Lease.methods.leaseGrant, { ttl })).id;
}

/** Resolves once so many keys stand in the queue: what was sent has arrived. */
async function untilQueued(client: StoreClient, name: Buffer, count: number): Promise<void> {
  const range = { key: Buffer.concat([name, text('/')]), rangeEnd: Buffer.concat([name, text('0')]) };
  await expect.poll(async () => (await client.range({ ...range, countOnly: true })).count, { timeout: 10_000 }).toBe(count);
}

async function failure(call: Promise<unknown>): Promise<{ code: RpcCode; message: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RpcError) return { code: error.code, message: error.message };
  throw new Error('it did not fail as a call');
}

const locks: readonly Case[] = [
  {
    name: 'a lock is the key name/<lease>, attached to the lease; the same lease again holds already',
    async run({ client, channel }, at) {
      const lease = await grant(channel);
      const name = at('lock');
      const { key, header } = await channel.unary(Lock.methods.lock, { name, lease });
      expect(toUtf8(key)).toBe(`${toUtf8(name)}/${lease.toString(16)}`);
      const [kv] = (await client.range({ key })).kvs;
      expect(kv).toMatchObject({ lease, createRevision: header!.revision, version: 1 });
      expect((await channel.unary(Lock.methods.lock, { name, lease })).key).toEqual(key);
      expect((await client.range({ key })).kvs[0]!.modRevision).toBe(header!.revision);
      await channel.unary(Lock.methods.unlock, { key });
      expect((await client.range({ key })).count).toBe(0);
    },
  },
  {
    name: 'locks are held in the order in which they were asked for',
    async run({ client, channel }, at) {
      const name = at('lock');
      const held: number[] = [];
      const calls: Promise<{ key: Uint8Array }>[] = [];
      for (let number = 0; number < 3; number++) {
        const lease = await grant(channel);
        const call = channel.unary(Lock.methods.lock, { name, lease });
        void call.then(() => held.push(number));
        calls.push(call);
        await untilQueued(client, name, number + 1);
      }
      for (let number = 0; number < 3; number++) {
        const { key } = await calls[number]!;
        expect(held).toEqual([0, 1, 2].slice(0, number + 1));
        await channel.unary(Lock.methods.unlock, { key });
      }
    },
  },
  {
    name: 'a lock goes over when its holder’s lease is revoked',
    async run({ client, channel }, at) {
      const name = at('lock');
      const [first, second] = [await grant(channel), await grant(channel)];
      await channel.unary(Lock.methods.lock, { name, lease: first });
      const waits = channel.unary(Lock.methods.lock, { name, lease: second });
      await untilQueued(client, name, 2);
      await channel.unary(Lease.methods.leaseRevoke, { id: first });
      expect(toUtf8((await waits).key).endsWith(`/${second.toString(16)}`)).toBe(true);
    },
  },
  {
    name: 'a waiter whose lease ends is told so',
    async run({ client, channel }, at) {
      const name = at('lock');
      const { key } = await channel.unary(Lock.methods.lock, { name, lease: await grant(channel) });
      const lease = await grant(channel);
      const expires = failure(channel.unary(Lock.methods.lock, { name, lease }));
      await untilQueued(client, name, 2);
      await channel.unary(Lease.methods.leaseRevoke, { id: lease });
      await channel.unary(Lock.methods.unlock, { key });
      expect(await expires).toEqual({ code: RpcCode.UNKNOWN, message: 'mutex: session is expired' });
    },
  },
  {
    name: 'a waiter that goes away leaves the queue, and the next one does not wait for it',
    async run({ client, channel }, at) {
      const name = at('lock');
      const { key } = await channel.unary(Lock.methods.lock, { name, lease: await grant(channel) });
      const gone = new AbortController();
      const left = failure(channel.unary(Lock.methods.lock, { name, lease: await grant(channel) }, { signal: gone.signal }));
      await untilQueued(client, name, 2);
      const last = channel.unary(Lock.methods.lock, { name, lease: await grant(channel) });
      await untilQueued(client, name, 3);
      gone.abort();
      expect((await left).code).toBe(RpcCode.CANCELLED);
      await untilQueued(client, name, 2);
      await channel.unary(Lock.methods.unlock, { key });
      await last;
    },
  },
  {
    name: 'a lock without a lease gets one; one with a lease that is none fails; so does an unlock without a key',
    async run({ client, channel }, at) {
      const { key } = await channel.unary(Lock.methods.lock, { name: at('lock'), lease: 0n });
      const [kv] = (await client.range({ key })).kvs;
      const { grantedTtl } = await channel.unary(Lease.methods.leaseTimeToLive, { id: kv!.lease });
      expect(grantedTtl).toBe(SESSION_SECONDS);
      await channel.unary(Lock.methods.unlock, { key });
      const refused = await failure(channel.unary(Lock.methods.lock, { name: at('other'), lease: UNKNOWN_LEASE }));
      expect(refused).toEqual({ code: RpcCode.UNKNOWN, message: 'etcdserver: requested lease not found' });
      const empty = await failure(channel.unary(Lock.methods.unlock, {}));
      expect(empty).toEqual({ code: RpcCode.UNKNOWN, message: 'etcdserver: key is not provided' });
    },
  },
];

const elections: readonly Case[] = [
  {
    name: 'a campaign is won by the first, proclaimed by the leader alone, and goes over when it resigns',
    async run({ client, channel }, at) {
      const name = at('election');
      expect(await failure(channel.unary(Election.methods.leader, { name }))).toEqual({
        code: RpcCode.UNKNOWN,
        message: 'election: no leader',
      });
      const lease = await grant(channel);
      const { leader, header } = await channel.unary(Election.methods.campaign, { name, lease, value: text('a') });
      expect(leader).toEqual({ name: new Uint8Array(name), key: leader!.key, rev: header!.revision, lease });
      expect(toUtf8(leader!.key)).toBe(`${toUtf8(name)}/${lease.toString(16)}`);
      const next = channel.unary(Election.methods.campaign, { name, lease: await grant(channel), value: text('b') });
      await untilQueued(client, name, 2);
      await channel.unary(Election.methods.proclaim, { leader, value: text('a2') });
      const { kv } = await channel.unary(Election.methods.leader, { name });
      expect(kv).toMatchObject({ createRevision: leader!.rev, version: 2, lease });
      expect(toUtf8(kv!.value)).toBe('a2');
      await channel.unary(Election.methods.resign, { leader });
      await next;
      const late = await failure(channel.unary(Election.methods.proclaim, { leader, value: text('late') }));
      expect(late).toEqual({ code: RpcCode.UNKNOWN, message: 'election: not leader' });
      await channel.unary(Election.methods.resign, { leader });
      expect(toUtf8((await channel.unary(Election.methods.leader, { name })).kv!.value)).toBe('b');
    },
  },
  {
    name: 'the same lease campaigns again with another value: it leads, and proclaims it',
    async run({ channel }, at) {
      const name = at('election');
      const lease = await grant(channel);
      const first = await channel.unary(Election.methods.campaign, { name, lease, value: text('a') });
      const again = await channel.unary(Election.methods.campaign, { name, lease, value: text('b') });
      expect(again.leader).toEqual(first.leader);
      expect(toUtf8((await channel.unary(Election.methods.leader, { name })).kv!.value)).toBe('b');
    },
  },
  {
    name: 'an observer sees what each leader says, in order, also one that comes before the first leader',
    async run({ client, channel }, at) {
      const name = at('election');
      const gone = new AbortController();
      const seen: string[] = [];
      const revisions: number[] = [];
      const take = async (responses: AsyncIterable<LeaderResponse>) => {
        for await (const { kv, header } of responses) {
          expect(header!.revision).toBeGreaterThanOrEqual(kv!.modRevision);
          seen.push(toUtf8(kv!.value));
          revisions.push(kv!.modRevision);
        }
      };
      const observing = take(channel.serverStream(Election.methods.observe, { name }, { signal: gone.signal }));
      const expectSeen = (values: readonly string[]) => expect.poll(() => seen, { timeout: 10_000 }).toEqual(values);
      const a = await channel.unary(Election.methods.campaign, { name, lease: await grant(channel), value: text('a1') });
      await expectSeen(['a1']);
      await channel.unary(Election.methods.proclaim, { leader: a.leader, value: text('a2') });
      await channel.unary(Election.methods.proclaim, { leader: a.leader, value: text('a3') });
      const b = channel.unary(Election.methods.campaign, { name, lease: await grant(channel), value: text('b1') });
      await untilQueued(client, name, 2);
      await expectSeen(['a1', 'a2', 'a3']);
      await channel.unary(Election.methods.resign, { leader: a.leader });
      await b;
      await expectSeen(['a1', 'a2', 'a3', 'b1']);
      expect(revisions).toEqual([...revisions].sort((x, y) => x - y));
      gone.abort();
      expect((await failure(observing)).code).toBe(RpcCode.CANCELLED);
    },
  },
  {
    name: 'a candidate that goes away leaves the election; calls without a leader key are refused',
    async run({ client, channel }, at) {
      const name = at('election');
      await channel.unary(Election.methods.campaign, { name, lease: await grant(channel), value: text('a') });
      const gone = new AbortController();
      const request = { name, lease: await grant(channel), value: text('b') };
      const left = failure(channel.unary(Election.methods.campaign, request, { signal: gone.signal }));
      await untilQueued(client, name, 2);
      gone.abort();
      expect((await left).code).toBe(RpcCode.CANCELLED);
      await untilQueued(client, name, 1);
      const missing = { code: RpcCode.UNKNOWN, message: '"leader" field must be provided' };
      expect(await failure(channel.unary(Election.methods.proclaim, {}))).toEqual(missing);
      expect(await failure(channel.unary(Election.methods.resign, {}))).toEqual(missing);
    },
  },
];

export const lockCases: readonly Case[] = [...locks, ...elections];
