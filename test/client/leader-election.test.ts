import { expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { resources } from '../../src/client/api-client.ts';
import { apiError } from '../../src/client/api-error.ts';
import { LeaderElection } from '../../src/client/leader-election.ts';
import type { Lease } from '../../src/client/objects.ts';
import { FakeApi } from './fake-api.ts';

const timings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const leases = { ...resources.leases, namespace: 'kube-system' };

/** Candidates over one API; a client of each that can be cut off. */
function world(names: readonly string[]) {
  const clock = new DrivenClock();
  const api = new FakeApi();
  const acting = new Set<string>();
  const history: string[] = [];
  let most = 0;
  const candidates = names.map((identity) => {
    const own = { isCut: false };
    const client = new Proxy(api, {
      get(target, property: keyof FakeApi) {
        const value = target[property];
        if (typeof value !== 'function') return value;
        return (...args: never[]) => {
          if (own.isCut) return Promise.reject(apiError('ServiceUnavailable', 'cut off'));
          return (value as (...args: never[]) => unknown).apply(target, args);
        };
      },
    });
    const stop = new AbortController();
    const election = new LeaderElection({
      client,
      clock,
      random: seededRandom(identity),
      log: silentLog,
      identity,
      leaseName: 'controllers',
      timings,
      lead: (signal) => {
        acting.add(identity);
        most = Math.max(most, acting.size);
        history.push(identity);
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            acting.delete(identity);
            resolve();
          });
        });
      },
    });
    return { own, stop, done: election.run(stop.signal), election };
  });
  return { clock, api, acting, history, candidates, most: () => most };
}

test('one of two leads, and keeps leading', async () => {
  const { clock, acting, history } = world(['a', 'b']);
  await clock.advance(120_000);
  expect(acting.size).toBe(1);
  expect(history).toHaveLength(1);
});

test('a leader that stops lets the next one in at once', async () => {
  const { clock, api, candidates, history, acting } = world(['a', 'b']);
  await clock.advance(5_000);
  const first = history[0] === 'a' ? 0 : 1;
  candidates[first]!.stop.abort();
  await candidates[first]!.done;
  expect(api.find<Lease>(leases, 'controllers')!.spec!.holderIdentity).toBe('');
  await clock.advance(3_000);
  expect(history).toHaveLength(2);
  expect([...acting]).toEqual([history[1]]);
});

test('a leader that is cut off stops before another begins', async () => {
  const { clock, candidates, history, acting, most } = world(['a', 'b']);
  await clock.advance(5_000);
  const first = history[0] === 'a' ? 0 : 1;
  candidates[first]!.own.isCut = true;
  await clock.advance(10_000);
  expect([...acting]).toEqual([]);
  await clock.advance(15_000);
  expect(history[1]).not.toBe(history[0]);
  expect(acting.size).toBe(1);
  expect(most()).toBe(1);
});

test('a short cut is survived', async () => {
  const { clock, candidates, history } = world(['a', 'b']);
  await clock.advance(5_000);
  const first = history[0] === 'a' ? 0 : 1;
  candidates[first]!.own.isCut = true;
  await clock.advance(5_000);
  candidates[first]!.own.isCut = false;
  await clock.advance(60_000);
  expect(history).toHaveLength(1);
});

test('the transitions of the lease are counted', async () => {
  const { clock, api, candidates, history } = world(['a', 'b']);
  await clock.advance(5_000);
  candidates[history[0] === 'a' ? 0 : 1]!.stop.abort();
  await clock.advance(5_000);
  const spec = api.find<Lease>(leases, 'controllers')!.spec!;
  expect(spec.leaseTransitions).toBe(1);
  expect(spec.holderIdentity).toBe(history[1]);
});
