import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { EMPTY_BYTES } from '../../../src/base/bytes.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { CompactionRequest } from '../../../src/proto/etcd.ts';
import { hashKv } from '../../../src/store/maintenance/hash-kv.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
import { BLOCK_WRITES_MAX } from '../../../src/store/mvcc/core/block.ts';
import { droppedBy } from '../../../src/store/mvcc/core/compaction.ts';
import { KvHashWalk } from '../../../src/store/mvcc/core/kv-hash.ts';
import type { Mvcc } from '../../../src/store/mvcc/core/mvcc.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';
import { deleteOf, op, putOf, txnOf } from '../mvcc/requests.ts';

/** More than two slices. */
const KEYS = 1_000;

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
  const stored = mvcc.storedFrom.bind(mvcc);
  mvcc.storedFrom = (from, writesMax) => {
    const slice = stored(from, writesMax);
    reads += slice.looked;
    return slice;
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
  expect(Math.max(...sizes)).toBeLessThanOrEqual(250 + BLOCK_WRITES_MAX);
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

test('the walk passes what a compaction keeps, in the order of the writes, wherever it lies', async () => {
  const backend = new PlainBackend();
  const machine = await StateMachine.open(backend);
  const { mvcc } = machine;
  const apply = (command: Command) => machine.apply({ index: machine.applied.index + 1, term: 1, data: encodeProposal({ id: 1n, command }) });
  const land = async () => {
    await backend.batch(machine.takeBatch().ops);
    machine.batchLanded();
  };
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 100; i++) apply({ kind: 'put', request: putOf(`k${(i * 37) % 100}`, `${round}.${i}`) });
    apply({ kind: 'delete-range', request: deleteOf('k2', 'k3') });
    apply({ kind: 'txn', request: txnOf([], [op.put(putOf('twice', 'gone')), op.put(putOf('k7', 'stays')), op.delete(deleteOf('twice'))]) });
    if (round === 1) apply(compact(machine.revision));
    if (round === 2) {
      apply(compact(machine.revision - 20));
      for (let step = 0; step < 5; step++) machine.scrub(10);
    }
    if (round < 3) await land();
    for (const revision of [mvcc.compactRevision, mvcc.compactRevision + 7, machine.revision]) {
      const heard: string[] = [];
      const walk = new KvHashWalk(mvcc, revision, (part) => heard.push(typeof part === 'string' ? part : Buffer.from(part).toString()));
      while (walk.step(3));
      expect(heard, `round ${round}, revision ${revision}`).toEqual(keptOf(mvcc, revision));
    }
  }
});

/** By the index: the walk goes by what lies in the backend. */
function keptOf(mvcc: Mvcc, revision: number): string[] {
  const kept = mvcc.index.entriesFrom('', Infinity).flatMap(({ writes }) => writes.slice(droppedBy(writes, mvcc.compactRevision)));
  const sorted = kept.filter(({ main }) => main <= revision).sort((a, b) => a.main - b.main || a.sub - b.sub);
  return sorted.flatMap((write) => {
    const { key, main, sub, create, version, lease } = write;
    const value = mvcc.storedValue(write);
    return [JSON.stringify([key, main, sub, create, version, String(lease), value.length]), Buffer.from(value).toString()];
  });
}

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
