import { describe, expect, test } from 'vitest';
import { LEASE_TTL_SECONDS_MAX, Lessor } from '../../../src/store/lease/core/lessor.ts';
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
