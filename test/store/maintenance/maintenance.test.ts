import { expect, onTestFinished, test } from 'vitest';
import { AlarmAction, AlarmType, DowngradeAction, KV, Lease, Maintenance } from '../../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../../src/proto/rpc.ts';
import type { MemberConfig } from '../../../src/store/member-config.ts';
import { bytes } from '../mvcc/requests.ts';
import { LONE_ID, loneWorld, startLoneMember, type LoneMember } from './lone-member.ts';

const { put, deleteRange, range, compact, txn } = KV.methods;
const { alarm, status, downgrade, hashKV, hash, defragment, moveLeader } = Maintenance.methods;

async function start(config: Partial<MemberConfig> = {}, world = loneWorld()): Promise<LoneMember> {
  const lone = await startLoneMember(config, world);
  onTestFinished(() => lone.drive(lone.member.stop()));
  return lone;
}

async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof RpcError) return `${error.code} ${error.message}`;
    throw error;
  }
}

const NO_SPACE = `${RpcCode.RESOURCE_EXHAUSTED} etcdserver: mvcc: database space exceeded`;
const CORRUPT = `${RpcCode.DATA_LOSS} etcdserver: corrupt cluster`;
const put1 = { request: { case: 'requestPut' as const, value: { key: bytes('t'), value: bytes('1') } } };
const delete1 = { request: { case: 'requestDeleteRange' as const, value: { key: bytes('t') } } };

test('a member past its quota raises NOSPACE; what takes space is refused until there is room and the alarm is disarmed', async () => {
  const { channel, drive } = await start({ quotaBytes: 40_000 });
  const call = (key: string) => refusal(drive(channel.unary(put, { key: bytes(key), value: bytes('x'.repeat(5000)) })));
  const outcomes: string[] = [];
  for (let i = 0; i < 12 && outcomes.at(-1) !== NO_SPACE; i++) outcomes.push(await call(`k${i}`));
  // Not at once, and not much too late: each put costs 5,258 bytes.
  expect(outcomes.length).toBeGreaterThan(5);
  expect(outcomes.at(-1)).toBe(NO_SPACE);
  const { alarms } = await drive(channel.unary(alarm, { action: AlarmAction.GET }));
  expect(alarms).toEqual([{ memberId: LONE_ID, alarm: AlarmType.NOSPACE }]);
  const state = await drive(channel.unary(status, {}));
  expect([state.errors, state.dbSizeQuota]).toEqual([[`memberID:${LONE_ID} alarm:NOSPACE `], 40_000]);

  // Small as it is: the alarm stands, whatever the size.
  expect(await refusal(drive(channel.unary(put, { key: bytes('s') })))).toBe(NO_SPACE);
  expect(await refusal(drive(channel.unary(Lease.methods.leaseGrant, { ttl: 10 })))).toBe(NO_SPACE);
  expect(await refusal(drive(channel.unary(txn, { success: [put1] })))).toBe(NO_SPACE);
  expect(await refusal(drive(channel.unary(txn, { success: [delete1] })))).toBe('ok');
  await drive(channel.unary(range, { key: bytes('k0') }));
  const { header } = await drive(channel.unary(deleteRange, { key: bytes('k'), rangeEnd: bytes('l') }));
  await drive(channel.unary(compact, { revision: header!.revision, physical: true }));
  await drive(channel.unary(defragment, {}));
  expect(await call('k')).toBe(NO_SPACE);
  const disarm = { action: AlarmAction.DEACTIVATE, memberId: LONE_ID, alarm: AlarmType.NOSPACE };
  expect((await drive(channel.unary(alarm, disarm))).alarms).toEqual([{ memberId: LONE_ID, alarm: AlarmType.NOSPACE }]);
  expect(await call('k')).toBe('ok');
});

test('an alarm that was disarmed too early comes back with the next put, and not for deletes or a restart', async () => {
  const world = loneWorld();
  const config = { quotaBytes: 600_000 };
  const first = await startLoneMember(config, world);
  const { drive } = first;
  const value = bytes('x'.repeat(50_000));
  const refused = async ({ channel }: LoneMember) => (await refusal(drive(channel.unary(put, { key: bytes('k'), value })))) === NO_SPACE;
  let puts = 0;
  while (puts++ < 30 && !(await refused(first)));
  const raised = async ({ channel }: LoneMember) => (await drive(channel.unary(alarm, { action: AlarmAction.GET }))).alarms.length;
  expect(await raised(first)).toBe(1);
  const disarm = { action: AlarmAction.DEACTIVATE, memberId: LONE_ID, alarm: AlarmType.NOSPACE };
  await drive(first.channel.unary(alarm, disarm));
  // Deletes whose entries are long enough to make it look again.
  for (let at = 0; at < 15; at++) await drive(first.channel.unary(deleteRange, { key: bytes(`n${'o'.repeat(60_000)}`) }));
  expect(await raised(first)).toBe(0);
  await drive(first.member.stop());

  const second = await start(config, world);
  await world.clock.advance(5_000);
  expect(await raised(second)).toBe(0);
  expect(await refused(second)).toBe(true);
  expect(await raised(second)).toBe(1);
});

test('a negative quota is none; 0 is the default of etcd', async () => {
  const unlimited = await start({ quotaBytes: -1 });
  expect(unlimited.member.quotaBytes).toBe(0);
  expect((await start({ quotaBytes: 0 })).member.quotaBytes).toBe(2 * 1024 ** 3);
});

test('CORRUPT refuses every write; reads and alarms go on; both alarms outlive a restart', async () => {
  const world = loneWorld();
  const first = await startLoneMember({}, world);
  const { drive } = first;
  await drive(first.channel.unary(put, { key: bytes('a'), value: bytes('1') }));
  for (const type of [AlarmType.CORRUPT, AlarmType.NOSPACE]) {
    await drive(first.channel.unary(alarm, { action: AlarmAction.ACTIVATE, memberId: 5n, alarm: type }));
  }
  await drive(first.member.stop());

  const { channel } = await start({}, world);
  const { alarms } = await drive(channel.unary(alarm, { action: AlarmAction.GET }));
  expect(alarms.map(({ alarm: type }) => type)).toEqual([AlarmType.NOSPACE, AlarmType.CORRUPT]);
  const writes = [
    channel.unary(put, { key: bytes('a') }),
    channel.unary(deleteRange, { key: bytes('a') }),
    channel.unary(txn, { success: [delete1] }),
    channel.unary(compact, { revision: 2 }),
    channel.unary(Lease.methods.leaseGrant, { ttl: 10 }),
    channel.unary(Lease.methods.leaseRevoke, { id: 1n }),
  ];
  for (const write of writes) expect(await refusal(drive(write))).toBe(CORRUPT);
  expect((await drive(channel.unary(range, { key: bytes('a') }))).count).toBe(1);
});

test('an alarm is applied where it is replicated: what was proposed before it and comes after it is refused', async () => {
  const { channel, drive } = await start();
  // Both pass the edge in one turn, before either is applied.
  const raised = channel.unary(alarm, { action: AlarmAction.ACTIVATE, memberId: 5n, alarm: AlarmType.NOSPACE });
  const written = refusal(channel.unary(put, { key: bytes('a') }));
  await drive(raised);
  expect(await drive(written)).toBe(NO_SPACE);
});

test('HashKV: the same for the same history; refusals as for a read; Hash knows leases', async () => {
  const { channel, drive } = await start();
  const { header } = await drive(channel.unary(put, { key: bytes('a'), value: bytes('1') }));
  const revision = header!.revision;
  const before = await drive(channel.unary(hashKV, {}));
  expect([before.hashRevision, before.compactRevision]).toEqual([revision, 0]);
  await drive(channel.unary(put, { key: bytes('a'), value: bytes('2') }));
  expect((await drive(channel.unary(hashKV, { revision }))).hash).toBe(before.hash);
  expect((await drive(channel.unary(hashKV, {}))).hash).not.toBe(before.hash);
  expect(await refusal(drive(channel.unary(hashKV, { revision: 99 })))).toContain('future revision');
  await drive(channel.unary(compact, { revision: revision + 1 }));
  expect(await refusal(drive(channel.unary(hashKV, { revision })))).toContain('has been compacted');
  const whole = await drive(channel.unary(hash, {}));
  await drive(channel.unary(Lease.methods.leaseGrant, { id: 3n, ttl: 60 }));
  expect((await drive(channel.unary(hash, {}))).hash).not.toBe(whole.hash);
});

test('Downgrade: one minor down, announced once, shown by Status until it is cancelled', async () => {
  const { channel, drive } = await start();
  const ask = (action: number, version = '') => refusal(drive(channel.unary(downgrade, { action, version })));
  expect(await ask(DowngradeAction.VALIDATE, 'three')).toContain('wrong downgrade target version format');
  expect(await ask(DowngradeAction.VALIDATE, '3.5.0')).toContain('invalid downgrade target version');
  expect(await ask(DowngradeAction.CANCEL)).toBe('ok');
  expect(await ask(DowngradeAction.VALIDATE, '3.6')).toBe('ok');
  expect(await ask(DowngradeAction.ENABLE, '3.6.4')).toBe('ok');
  expect((await drive(channel.unary(status, {}))).downgradeInfo).toEqual({ enabled: true, targetVersion: '3.6.0' });
  expect(await ask(DowngradeAction.ENABLE, '3.6.0')).toContain('cluster has a downgrade job in progress');
  expect(await ask(DowngradeAction.CANCEL)).toBe('ok');
  expect((await drive(channel.unary(status, {}))).downgradeInfo?.enabled).toBe(false);
});

test('MoveLeader: to itself at once, to a stranger not', async () => {
  const { channel, drive } = await start();
  expect(await refusal(drive(channel.unary(moveLeader, { targetId: LONE_ID })))).toBe('ok');
  expect(await refusal(drive(channel.unary(moveLeader, { targetId: 99n })))).toBe(
    `${RpcCode.FAILED_PRECONDITION} etcdserver: bad leader transferee`,
  );
});

test('auto-compaction: the leader forgets what is older than the retention', async () => {
  const { channel, drive, clock, member } = await start({ autoCompaction: { mode: 'periodic', retention: 60_000 } });
  for (let minute = 0; minute < 3; minute++) {
    await drive(channel.unary(put, { key: bytes('a'), value: bytes(String(minute)) }));
    await clock.advance(60_000);
  }
  // The third is a minute old at most, and stays readable.
  expect(member.machine.mvcc.compactRevision).toBeGreaterThanOrEqual(2);
  expect(member.machine.mvcc.compactRevision).toBeLessThanOrEqual(4);
});
