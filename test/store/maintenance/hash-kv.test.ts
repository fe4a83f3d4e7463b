import { expect, test } from 'vitest';
import { EMPTY_BYTES } from '../../../src/base/bytes.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { CompactionRequest } from '../../../src/proto/etcd.ts';
import { hashKv } from '../../../src/store/maintenance/hash-kv.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
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
