/**
 * etcd-io/etcd#15247: a leader whose disk hangs learns late that another one leads. By its clock leases end that the new
 * leader has prolonged, and others are prolonged of which the new one hears nothing. Found here by the simulator (seed 47616).
 */
import { expect, test } from 'vitest';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Command } from '../../../src/store/mvcc/command.ts';
import { Lessor } from '../../../src/store/lease/core/lessor.ts';
import { LeaseKeeper } from '../../../src/store/lease/lease-keeper.ts';

const ID = 13n;

function keeperOf(leads: { now: boolean }) {
  const clock = new DrivenClock();
  const lessor = new Lessor();
  const proposed: Command[] = [];
  const keeper = new LeaseKeeper({
    clock,
    log: silentLog,
    leases: () => lessor,
    extendMs: 0,
    writesCheckpoints: true,
    leadsNow: () => leads.now,
    propose: (command) => {
      proposed.push(command);
      return Promise.resolve({ ok: false, code: 'lease-not-found' });
    },
  });
  keeper.lead();
  lessor.grant(ID, 2, clock.monotonic());
  keeper.start();
  return { clock, keeper, proposed };
}

test('who leads ends a lease whose time is over', async () => {
  const { clock, keeper, proposed } = keeperOf({ now: true });
  await clock.advance(3_000);
  await settle();
  expect(proposed).toEqual([{ kind: 'lease-revoke', request: { id: ID } }]);
  keeper.stop();
});

test('who does not, and was not told of it yet, neither ends one nor prolongs it', async () => {
  const leads = { now: true };
  const { clock, keeper, proposed } = keeperOf(leads);
  await expect(keeper.renew(ID)).resolves.toBe(2);
  leads.now = false;
  await expect(keeper.renew(ID)).rejects.toMatchObject({ code: 'leader-changed' });
  await clock.advance(3_000);
  await settle();
  expect(proposed).toEqual([]);
  keeper.stop();
});
