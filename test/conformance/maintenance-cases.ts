/** Cases of etcdserverpb.Maintenance. Alarms hold for the whole subject: each case disarms what it raised. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { AlarmAction, AlarmType, DowngradeAction, KV, Lease, Maintenance } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import type { Case, Subject } from './cases.ts';

const { alarm, status, hashKV, moveLeader, defragment, snapshot, downgrade } = Maintenance.methods;
const { put, deleteRange, range, txn } = KV.methods;

async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call.then(() => 'ok');
  } catch (error) {
    if (error instanceof RpcError) return [error.code, error.message];
    throw error;
  }
}

async function withAlarm({ channel }: Subject, type: number, run: (member: bigint) => Promise<void>): Promise<void> {
  const { header } = await channel.unary(status, {});
  const memberId = header!.memberId;
  const raised = await channel.unary(alarm, { action: AlarmAction.ACTIVATE, memberId, alarm: type });
  expect(raised.alarms).toEqual([{ memberId, alarm: type }]);
  try {
    await run(memberId);
  } finally {
    const disarmed = await channel.unary(alarm, { action: AlarmAction.DEACTIVATE, memberId, alarm: type });
    expect(disarmed.alarms).toEqual([{ memberId, alarm: type }]);
  }
}

export const maintenanceCases: readonly Case[] = [
  {
    name: 'NOSPACE: what takes space is refused, deletes and reads are not',
    async run(subject, at) {
      const { channel } = subject;
      const key = at('a');
      await channel.unary(put, { key });
      await withAlarm(subject, AlarmType.NOSPACE, async (memberId) => {
        const noSpace = [RpcCode.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'];
        const putOp = { request: { case: 'requestPut' as const, value: { key } } };
        const deleteOp = { request: { case: 'requestDeleteRange' as const, value: { key } } };
        expect(await refusal(channel.unary(put, { key }))).toEqual(noSpace);
        expect(await refusal(channel.unary(txn, { failure: [putOp] }))).toEqual(noSpace);
        expect(await refusal(channel.unary(Lease.methods.leaseGrant, { ttl: 60 }))).toEqual(noSpace);
        expect((await channel.unary(range, { key })).count).toBe(1);
        expect(await refusal(channel.unary(txn, { success: [deleteOp] }))).toBe('ok');
        expect((await channel.unary(deleteRange, { key })).deleted).toBe(0);
        const { errors } = await channel.unary(status, {});
        // Where the spaces are is no promise: from etcd 3.7 on it differs from one build to the next.
        expect(errors.map((error) => error.trim().split(/ +/))).toEqual([[`memberID:${memberId}`, 'alarm:NOSPACE']]);
      });
      expect(await refusal(channel.unary(put, { key }))).toBe('ok');
    },
  },
  {
    name: 'CORRUPT: writes are refused, reads are not',
    async run(subject, at) {
      const { channel } = subject;
      const key = at('a');
      await channel.unary(put, { key });
      await withAlarm(subject, AlarmType.CORRUPT, async () => {
        const corrupt = [RpcCode.DATA_LOSS, 'etcdserver: corrupt cluster'];
        const getOp = { request: { case: 'requestRange' as const, value: { key } } };
        expect(await refusal(channel.unary(put, { key }))).toEqual(corrupt);
        expect(await refusal(channel.unary(deleteRange, { key }))).toEqual(corrupt);
        expect(await refusal(channel.unary(KV.methods.compact, { revision: 1 }))).toEqual(corrupt);
        expect(await refusal(channel.unary(Lease.methods.leaseGrant, { ttl: 60 }))).toEqual(corrupt);
        expect((await channel.unary(range, { key })).count).toBe(1);
        expect(await refusal(channel.unary(txn, { success: [getOp] }))).toBe('ok');
      });
    },
  },
  {
    name: 'an alarm is disarmed for the member that it names, and listed by its type',
    async run(subject) {
      const { channel } = subject;
      await withAlarm(subject, AlarmType.NOSPACE, async (memberId) => {
        const list = async (type: number) => (await channel.unary(alarm, { action: AlarmAction.GET, alarm: type })).alarms;
        expect(await list(AlarmType.NONE)).toEqual([{ memberId, alarm: AlarmType.NOSPACE }]);
        expect(await list(AlarmType.CORRUPT)).toEqual([]);
        const other = { action: AlarmAction.DEACTIVATE, memberId: 0n, alarm: AlarmType.NOSPACE };
        expect((await channel.unary(alarm, other)).alarms).toEqual([]);
        expect(await list(AlarmType.NOSPACE)).toEqual([{ memberId, alarm: AlarmType.NOSPACE }]);
      });
    },
  },
  {
    name: 'HashKV: of one revision whatever came after it, and none of the future',
    async run({ channel }, at) {
      const { header } = await channel.unary(put, { key: at('a') });
      const revision = header!.revision;
      const first = await channel.unary(hashKV, { revision });
      await channel.unary(put, { key: at('a') });
      expect((await channel.unary(hashKV, { revision })).hash).toBe(first.hash);
      expect((await channel.unary(hashKV, {})).hash).not.toBe(first.hash);
      expect(await refusal(channel.unary(hashKV, { revision: revision + 1_000_000 }))).toEqual([
        RpcCode.OUT_OF_RANGE,
        'etcdserver: mvcc: required revision is a future revision',
      ]);
    },
  },
  {
    name: 'Defragment answers, and nothing is lost',
    async run({ channel }, at) {
      await channel.unary(put, { key: at('a') });
      await channel.unary(defragment, {});
      expect((await channel.unary(range, { key: at('a') })).count).toBe(1);
    },
  },
  {
    name: 'MoveLeader: only the leader, and only to a member',
    async run({ channel }) {
      const { leader, header } = await channel.unary(status, {});
      const text = leader === header!.memberId ? 'bad leader transferee' : 'not leader';
      const expected = [RpcCode.FAILED_PRECONDITION, `etcdserver: ${text}`];
      expect(await refusal(channel.unary(moveLeader, { targetId: 4711n }))).toEqual(expected);
      if (leader === header!.memberId) expect(await refusal(channel.unary(moveLeader, { targetId: leader }))).toBe('ok');
    },
  },
  {
    name: 'Snapshot: blobs with what remains, then the SHA-256 of all of them',
    async run({ channel }, at) {
      await channel.unary(put, { key: at('a'), value: Buffer.alloc(100_000) });
      const blobs: Uint8Array[] = [];
      const remaining: number[] = [];
      for await (const { blob, remainingBytes } of channel.serverStream(snapshot, {})) {
        blobs.push(blob);
        remaining.push(remainingBytes);
      }
      const content = Buffer.concat(blobs.slice(0, -1));
      expect(Buffer.from(blobs.at(-1)!)).toEqual(createHash('sha256').update(content).digest());
      expect(content.length % 512).toBe(0);
      expect(blobs[0]!.length).toBe(32 * 1024);
      let left = content.length;
      expect(remaining).toEqual(blobs.map(({ length }) => (left = Math.max(0, left - length))));
    },
  },
  {
    name: 'Downgrade: what is no version, or not one minor down',
    async run({ channel }) {
      const validate = (version: string) => refusal(channel.unary(downgrade, { action: DowngradeAction.VALIDATE, version }));
      const noVersion = [RpcCode.INVALID_ARGUMENT, 'etcdserver: wrong downgrade target version format'];
      for (const version of ['', 'x', '3', 'v3.6', '3.6.', '3.6-rc', '3.6.1.2', ' 3.6', '99999999999999999999.6.0']) {
        expect([version, await validate(version)]).toEqual([version, noVersion]);
      }
      const wrongVersion = [RpcCode.INVALID_ARGUMENT, 'etcdserver: invalid downgrade target version'];
      for (const version of ['1.0', '3.7', '3.7.0', '3.5.0', '2.6', '4.6', '3.8']) {
        expect([version, await validate(version)]).toEqual([version, wrongVersion]);
      }
      for (const version of ['3.6', '3.6.0', '3.6.99', '03.06', '3.6.0-rc.1', '3.6.0-', '3.6.0+meta']) {
        expect([version, await validate(version)]).toEqual([version, 'ok']);
      }
      expect(await refusal(channel.unary(downgrade, { action: 7 }))).toEqual([RpcCode.UNKNOWN, 'etcdserver: unknown method']);
    },
  },
  {
    name: 'Downgrade: announced once, shown, cancelled; to cancel none is no mistake',
    async run({ channel }) {
      const ask = (action: number, version = '') => channel.unary(downgrade, { action, version });
      const shown = async () => (await channel.unary(status, {})).downgradeInfo;
      expect((await ask(DowngradeAction.CANCEL)).version).toBe('3.7');
      expect((await ask(DowngradeAction.VALIDATE, '3.6')).version).toBe('3.7');
      expect(await shown()).toEqual({ enabled: false, targetVersion: '' });
      expect((await ask(DowngradeAction.ENABLE, '3.6.4')).version).toBe('3.7');
      const underWay = [RpcCode.FAILED_PRECONDITION, 'etcdserver: cluster has a downgrade job in progress'];
      expect(await refusal(ask(DowngradeAction.ENABLE, '3.6'))).toEqual(underWay);
      expect(await refusal(ask(DowngradeAction.VALIDATE, '3.6'))).toEqual(underWay);
      const wrongVersion = [RpcCode.INVALID_ARGUMENT, 'etcdserver: invalid downgrade target version'];
      expect(await refusal(ask(DowngradeAction.VALIDATE, '3.5'))).toEqual(wrongVersion);
      expect(await shown()).toEqual({ enabled: true, targetVersion: '3.6.0' });
      expect((await ask(DowngradeAction.CANCEL, 'x')).version).toBe('3.7');
      expect(await shown()).toEqual({ enabled: false, targetVersion: '' });
    },
  },
];
