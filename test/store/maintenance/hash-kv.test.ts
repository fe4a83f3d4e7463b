import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { EMPTY_BYTES } from '../../../src/base/bytes.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { CompactionRequest } from '../../../src/proto/etcd.ts';
import { hashKv } from '../../../src/store/maintenance/hash-kv.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
import { KvHashWalk } from '../../../src/store/mvcc/core/kv-hash.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';
import { deleteOf, putOf } from '../mvcc/requests.ts';

/** More than two slices. */
const KEYS = 600;

async function filled(): Promise<{ machine: StateMachine; apply: (command: Command) => void }> {
  const machine = await StateMachine.open(new PlainBackend());
  const apply = (command: Command) => {
    const data = encodeProposal({ id: 1n, command });
    machine.apply({ index: machine.applied.index + 1, term: 1, data });
  };
  for (let i = 0; i < KEYS; i++) apply({ kind: 'put', request: putOf(`k${i}`, `v${i}`) });
  apply({ kind: 'delete-range', request: deleteOf('k7') });
  return { machine, apply };
}

const compact = (revision: number): Command => ({ kind: 'compaction', request: CompactionRequest.create({ revision }) });

async function drive<T>(clock: DrivenClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => (isDone = true));
  while (!isDone) await clock.advance(1);
  return done;
}

test('hashKv() lets others run between slices; newer writes are not in it', async () => {
  const { machine, apply } = await filled();
  const clock = new DrivenClock();
  const revision = machine.revision;
  const quiet = await drive(clock, hashKv(() => machine, clock, revision));
  const hashing = hashKv(() => machine, clock, 0);
  apply({ kind: 'put', request: putOf('k599', 'later') });
  expect(await drive(clock, hashing)).toEqual(quiet);
});

test('hashKv() begins anew when history was compacted below it, and ends equal to a member that was quiet', async () => {
  const [busy, quiet] = [await filled(), await filled()];
  const clock = new DrivenClock();
  const revision = busy.machine.revision;
  const hashing = hashKv(() => busy.machine, clock, revision);
  for (const { apply } of [busy, quiet]) apply(compact(revision));
  // One has given the space back, the other has not begun.
  while (busy.machine.scrub(1000));
  const hashes = [await drive(clock, hashing), await drive(clock, hashKv(() => quiet.machine, clock, revision))];
  expect(hashes[0]).toEqual(hashes[1]);
  expect(hashes[0]!.compactRevision).toBe(revision);
});

test('hashKv() counts what stands before a key without a value', async () => {
  const { machine, apply } = await filled();
  const clock = new DrivenClock();
  const hash = async () => (await drive(clock, hashKv(() => machine, clock, 0))).hash;
  apply({ kind: 'put', request: putOf('z', '') });
  // Such as it is once somebody has looked at its memory: then it has no address.
  void EMPTY_BYTES.buffer;
  const before = await hash();
  apply({ kind: 'put', request: putOf('k1', 'other') });
  expect(await hash()).not.toBe(before);
});

test('hashKv() lets others run within a key, however long its history; and is then equal to one that hashed it at once', async () => {
  const { machine, apply } = await filled();
  const clock = new DrivenClock();
  for (let i = 0; i < 3_000; i++) apply({ kind: 'put', request: putOf(i % 3 === 0 ? 'k3' : 'k300', `${i}`) });
  const revision = machine.revision;
  apply(compact(revision - 2_500));
  let reads = 0;
  const sizes: number[] = [];
  const { mvcc } = machine;
  const stored = mvcc.storedValue.bind(mvcc);
  mvcc.storedValue = (write) => {
    reads++;
    return stored(write);
  };
  const between: Clock = {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    setTimer: (delayMs, run) => {
      sizes.push(reads);
      reads = 0;
      // Newer than the revision, and older than what is kept: neither is in it.
      apply({ kind: 'put', request: putOf('k300', 'later') });
      machine.scrub(10);
      return clock.setTimer(delayMs, run);
    },
  };
  const busy = await drive(clock, hashKv(() => machine, between, revision));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(150);
  expect(sizes.length).toBeGreaterThan(10);
  const whole = new KvHashWalk(mvcc, revision, (part) => hash.update(part));
  const hash = createHash('sha256');
  while (whole.step(1_000_000));
  const sliced = createHash('sha256');
  const walk = new KvHashWalk(mvcc, revision, (part) => sliced.update(part));
  while (walk.step(7));
  expect(sliced.digest('hex')).toBe(hash.digest('hex'));
  expect(await drive(clock, hashKv(() => machine, clock, revision))).toEqual(busy);
});

test('hashKv() counts a long value as several', async () => {
  const machine = await StateMachine.open(new PlainBackend());
  for (let i = 0; i < 20; i++) {
    const data = encodeProposal({ id: 1n, command: { kind: 'put', request: putOf(`k${i}`, 'x'.repeat(1024 * 1024)) } });
    machine.apply({ index: i + 1, term: 1, data });
  }
  let steps = 0;
  const walk = new KvHashWalk(machine.mvcc, machine.revision, () => undefined);
  while (walk.step(150)) steps++;
  expect(steps).toBeGreaterThanOrEqual(6);
});
