import { describe, expect, test } from 'vitest';
import { AlarmAction, AlarmType } from '../../../../src/proto/etcd.ts';
import { Alarms, costOf } from '../../../../src/store/maintenance/core/alarms.ts';
import { AutoCompaction, type AutoCompactionOptions } from '../../../../src/store/maintenance/core/auto-compaction.ts';
import { corruptMembers } from '../../../../src/store/maintenance/core/corruption.ts';
import { downgradeTarget, NO_DOWNGRADE } from '../../../../src/store/maintenance/core/downgrade.ts';
import { deleteOf, op, putOf, txnOf } from '../../mvcc/requests.ts';

describe('Alarms', () => {
  const alarms = () => {
    const all = new Alarms();
    const apply = (action: number, memberId: bigint, alarm: number) => all.apply({ action, memberId, alarm });
    return { all, apply };
  };

  test('apply() answers what it raised, what it disarmed, and nothing for what was not raised', () => {
    const { all, apply } = alarms();
    const raised = { memberId: 2n, alarm: AlarmType.NOSPACE };
    expect(apply(AlarmAction.ACTIVATE, 2n, AlarmType.NOSPACE)).toEqual([raised]);
    expect(apply(AlarmAction.ACTIVATE, 2n, AlarmType.NOSPACE)).toEqual([raised]);
    expect(all.list()).toEqual([raised]);
    // As in etcd, 0 is no wildcard: etcdctl lists, and disarms each.
    expect(apply(AlarmAction.DEACTIVATE, 0n, AlarmType.NOSPACE)).toEqual([]);
    expect(apply(AlarmAction.ACTIVATE, 2n, AlarmType.NONE)).toEqual([]);
    expect(apply(AlarmAction.DEACTIVATE, 2n, AlarmType.NOSPACE)).toEqual([raised]);
    expect(all.list()).toEqual([]);
  });

  test('list() has one order, whatever was raised first', () => {
    const { all, apply } = alarms();
    apply(AlarmAction.ACTIVATE, 1n, AlarmType.CORRUPT);
    apply(AlarmAction.ACTIVATE, 3n, AlarmType.NOSPACE);
    apply(AlarmAction.ACTIVATE, 2n, AlarmType.NOSPACE);
    expect(all.list().map(({ memberId }) => memberId)).toEqual([2n, 3n, 1n]);
    expect(all.list(AlarmType.CORRUPT).map(({ memberId }) => memberId)).toEqual([1n]);
  });

  test('costOf() is 256 and key and value for a put, the dearer branch for a transaction, however deep', () => {
    expect(costOf({ kind: 'put', request: putOf('abc', '12345') })).toBe(264);
    expect(costOf({ kind: 'delete-range', request: deleteOf('abc') })).toBe(0);
    const inner = txnOf([], [op.put(putOf('a', '1'))]);
    expect(costOf({ kind: 'txn', request: inner })).toBe(258);
    expect(costOf({ kind: 'txn', request: txnOf([], [op.delete(deleteOf('a'))], [op.txn(inner)]) })).toBe(258);
    expect(costOf({ kind: 'txn', request: txnOf([], [op.delete(deleteOf('a'))]) })).toBe(0);
  });
});

describe('AutoCompaction', () => {
  /** What it compacts when looked at every interval, one revision a look; done at once. */
  function run(options: AutoCompactionOptions, looks: number): { readonly at: number; readonly to: number }[] {
    const core = new AutoCompaction(options, 0);
    const done: { at: number; to: number }[] = [];
    for (let look = 1; look <= looks; look++) {
      const now = look * core.intervalMs;
      const to = core.look(now, look);
      if (to === undefined) continue;
      done.push({ at: now, to });
      core.compacted(now, to);
    }
    return done;
  }

  test('periodic: waits for the retention, then goes on in steps, and never takes what is younger', () => {
    const minute = 60_000;
    const done = run({ mode: 'periodic', retention: 10 * minute }, 45);
    expect(done.map(({ at }) => at / minute)).toEqual([10, 20, 30, 40]);
    // Revision n was noted at minute n.
    for (const { at, to } of done) expect(at / minute - to).toBeGreaterThanOrEqual(9);
    expect(done.slice(1).every(({ at, to }) => at / minute - to === 10)).toBe(true);
  });

  test('periodic: past an hour the steps are an hour', () => {
    const done = run({ mode: 'periodic', retention: 5 * 3_600_000 }, 80);
    expect(done.map(({ at }) => at / 3_600_000)).toEqual([5, 6, 7, 8]);
  });

  test('revision: keeps so many, looked at every five minutes', () => {
    const core = new AutoCompaction({ mode: 'revision', retention: 100 }, 0);
    expect(core.intervalMs).toBe(300_000);
    expect(core.look(300_000, 100)).toBeUndefined();
    expect(core.look(600_000, 150)).toBe(50);
    // It failed: asked again, for what is due by then.
    expect(core.look(900_000, 150)).toBe(50);
    core.compacted(900_000, 50);
    expect(core.look(1_200_000, 150)).toBeUndefined();
  });
});

describe('corruptMembers()', () => {
  const of = (member: bigint, hash: number, compactRevision = 0, hashRevision = 9) => {
    return { member, hash, hashRevision, compactRevision };
  };

  test('names the one that differs from a majority, the asking leader too', () => {
    expect(corruptMembers(of(1n, 5), [of(2n, 5), of(3n, 6)], 3)).toEqual([3n]);
    expect(corruptMembers(of(1n, 6), [of(2n, 5), of(3n, 5)], 3)).toEqual([1n]);
    expect(corruptMembers(of(1n, 5), [of(2n, 5), of(3n, 5)], 3)).toEqual([]);
  });

  test('without a majority the leader is believed; another compacted revision is not compared', () => {
    expect(corruptMembers(of(1n, 5), [of(2n, 6)], 3)).toEqual([2n]);
    expect(corruptMembers(of(1n, 5), [of(2n, 6, 4), of(3n, 5)], 3)).toEqual([]);
  });

  test('one that has applied all and lacks revisions differs, whatever its hash', () => {
    expect(corruptMembers(of(1n, 5), [of(2n, 5), of(3n, 5, 0, 8)], 3)).toEqual([3n]);
  });
});

test('downgradeTarget() takes one minor down, with or without a patch level', () => {
  const code = (version: string, state = NO_DOWNGRADE) => {
    const target = downgradeTarget(version, '3.7.0', state);
    return target.ok ? target.version : target.code;
  };
  expect(code('3.6')).toBe('3.6.0');
  expect(code('3.6.9')).toBe('3.6.0');
  for (const version of ['3.7.0', '3.5.0', '2.6.0', '4.6.0']) expect(code(version)).toBe('invalid-downgrade-target-version');
  for (const version of ['', '3', 'v3.6.0', '3.6.0.0', '3.x', '3.6-rc', ' 3.6', '99999999999999999999.6.0']) expect(code(version)).toBe('wrong-downgrade-version-format');
  expect(code('3.6', { enabled: true, targetVersion: '3.6.0' })).toBe('downgrade-in-process');
});
