import { describe, expect, test } from 'vitest';
import { CHECKPOINT_INTERVAL_MS, FIRST_CHECKPOINT_MS, LEASE_TTL_SECONDS_MAX, Lessor } from '../../../src/store/lease/core/lessor.ts';
import { fc } from '../../base/property.ts';

const all = { max: 100, retryMs: 1000 };

describe('Lessor', () => {
  test('grant() refuses a known id and a time that is too long', () => {
    const lessor = new Lessor();
    expect(lessor.grant(1n, 10, undefined)).toEqual({ ok: true, ttlSeconds: 10 });
    expect(lessor.grant(1n, 10, undefined)).toMatchObject({ code: 'lease-exists' });
    expect(lessor.grant(2n, LEASE_TTL_SECONDS_MAX + 1, undefined)).toMatchObject({ code: 'lease-ttl-too-large' });
    expect(lessor.list()).toEqual([1n]);
  });

  test('revoke() answers the keys that are attached, sorted', () => {
    const lessor = new Lessor();
    lessor.grant(1n, 10, undefined);
    for (const key of ['c', 'a', 'b']) lessor.attach(1n, key);
    lessor.detach(1n, 'b');
    expect(lessor.revoke(1n)).toEqual({ ok: true, keys: ['a', 'c'] });
    expect(lessor.revoke(1n)).toMatchObject({ code: 'lease-not-found' });
  });

  test('a follower counts no time', () => {
    const lessor = new Lessor();
    lessor.grant(1n, 10, undefined);
    expect(lessor.expired(1e12, all)).toEqual([]);
    expect(lessor.nextDeadline()).toBeUndefined();
    expect(lessor.remainingSeconds(1n, 1e12)).toBe(10);
  });

  test('a new leader gives every lease its full time again', () => {
    const lessor = new Lessor();
    lessor.promote(0);
    lessor.grant(1n, 10, 0);
    lessor.demote();
    lessor.promote(9_000);
    expect(lessor.remainingSeconds(1n, 9_000)).toBe(10);
    expect(lessor.expired(18_999, all)).toEqual([]);
    expect(lessor.expired(19_000, all)).toEqual([1n]);
  });

  test('renew() moves the deadline; one that comes too late promises nothing', () => {
    const lessor = new Lessor();
    lessor.promote(0);
    lessor.grant(1n, 10, 0);
    expect(lessor.renew(1n, 8_000)).toBe(10);
    expect(lessor.expired(10_000, all)).toEqual([]);
    expect(lessor.remainingSeconds(1n, 10_000)).toBe(8);
    expect(lessor.renew(1n, 18_000)).toBeUndefined();
    expect(lessor.renew(2n, 0)).toBeUndefined();
    expect(lessor.expired(18_000, all)).toEqual([1n]);
  });

  test('expired() names at most so many, and a lease again until its revoke is done', () => {
    const lessor = new Lessor();
    lessor.promote(0);
    for (let id = 1n; id <= 3n; id++) lessor.grant(id, 10, 0);
    expect(lessor.expired(10_000, { max: 2, retryMs: 1000 })).toEqual([1n, 2n]);
    expect(lessor.expired(10_000, { max: 2, retryMs: 1000 })).toEqual([3n]);
    expect(lessor.expired(10_999, all)).toEqual([]);
    lessor.revoke(2n);
    expect(lessor.expired(11_000, all)).toEqual([1n, 3n]);
  });

  describe('checkpoints', () => {
    const hour = 3600;
    const leading = (): Lessor => {
      const lessor = new Lessor();
      lessor.promote(0);
      lessor.grant(1n, hour, 0);
      lessor.grant(2n, CHECKPOINT_INTERVAL_MS / 1000, 0);
      return lessor;
    };

    test('dueCheckpoints() names long leases each interval, and none that ends before the next', () => {
      const lessor = leading();
      expect(lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS - 1, 10)).toEqual([]);
      const named: number[] = [];
      for (let now = 0; now < hour * 1000; now += 500) {
        for (const due of lessor.dueCheckpoints(now, 10)) {
          expect(due.id).toBe(1n);
          named.push(due.remainingSeconds);
          lessor.checkpoint(due);
        }
      }
      expect(named).toEqual([3300, 3000, 2700, 2400, 2100, 1800, 1500, 1200, 900, 600, 300]);
    });

    test('dueCheckpoints() names at most so many, and each again though the log lost it', () => {
      const lessor = new Lessor();
      lessor.promote(0);
      for (let id = 1n; id <= 3n; id++) lessor.grant(id, hour, 0);
      const ids = (now: number) => lessor.dueCheckpoints(now, 2).map(({ id }) => id);
      expect([ids(CHECKPOINT_INTERVAL_MS), ids(CHECKPOINT_INTERVAL_MS), ids(CHECKPOINT_INTERVAL_MS)]).toEqual([[1n, 2n], [3n], []]);
      expect(ids(2 * CHECKPOINT_INTERVAL_MS)).toEqual([1n, 2n]);
    });

    test('promote() goes on from a checkpoint, plus what clients need to find the leader, and soon writes the next', () => {
      const lessor = leading();
      lessor.demote();
      lessor.checkpoint({ id: 1n, remainingSeconds: 1000 });
      lessor.promote(50_000, 2_000);
      expect(lessor.remainingSeconds(1n, 50_000)).toBe(1002);
      expect(lessor.remainingSeconds(2n, 50_000)).toBe(302);
      expect(lessor.dueCheckpoints(50_000 + FIRST_CHECKPOINT_MS, 10)).toEqual([{ id: 1n, remainingSeconds: 972 }]);
    });

    test('a keep-alive must be written where a checkpoint is, or is under way', () => {
      const lessor = leading();
      expect(lessor.isCheckpointed(1n)).toBe(false);
      const [due] = lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS, 10);
      expect(lessor.isCheckpointed(1n)).toBe(true);
      lessor.checkpoint(due!);
      expect(lessor.isCheckpointed(1n)).toBe(true);
      lessor.checkpoint({ id: 1n, remainingSeconds: 0 });
      expect(lessor.isCheckpointed(1n)).toBe(false);
    });

    test('a lease that was just kept alive is not named; one that has ended is passed over', () => {
      const lessor = leading();
      lessor.renew(1n, CHECKPOINT_INTERVAL_MS);
      expect(lessor.dueCheckpoints(CHECKPOINT_INTERVAL_MS, 10)).toEqual([]);
      expect(lessor.checkpoint({ id: 9n, remainingSeconds: 1 })).toBeUndefined();
      lessor.revoke(1n);
      expect(lessor.dueCheckpoints(3 * CHECKPOINT_INTERVAL_MS, 10)).toEqual([]);
    });
  });

  test('expires as a scan of all deadlines would', () => {
    const id = fc.bigInt({ min: 1n, max: 6n });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('grant' as const), id, ttl: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ kind: fc.constant('renew' as const), id }),
      fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(6) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const lessor = new Lessor();
        lessor.promote(0);
        const twin = new Map<bigint, { ttl: number; at: number }>();
        let now = 0;
        for (const next of steps) {
          if (next.kind === 'grant') {
            if (lessor.grant(next.id, next.ttl, now).ok)
              twin.set(next.id, { ttl: next.ttl, at: now + next.ttl * 1000 });
          } else if (next.kind === 'renew') {
            const lease = twin.get(next.id);
            expect(lessor.renew(next.id, now)).toBe(lease?.ttl);
            if (lease !== undefined) lease.at = now + lease.ttl * 1000;
          } else {
            now += next.seconds * 1000;
            const due = [...twin].filter(([, { at }]) => at <= now).map(([each]) => each);
            const named = lessor.expired(now, all);
            expect([...named].sort()).toEqual(due.sort());
            for (const each of named) {
              lessor.revoke(each);
              twin.delete(each);
            }
          }
        }
      }),
    );
  });
});
