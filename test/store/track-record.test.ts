/**
 * etcd's historic bugs (its robustness suite's table of sixteen), each as a test here. Those of watches stand in
 * track-record-watch.test.ts. Each was put back once, and this is what failed:
 *
 * #13766  a crash under load: inconsistent revision. Put back: a batch carries the applied index of one entry less
 *         (state-machine.ts). Failed: revision 11 where 10 was due, the entry was applied twice.
 * #14370  the only member acknowledges what a crash loses. Put back: the node does not wait for the log's sync
 *         (raft/node.ts). Failed: the newest acknowledged value is gone. (That the core counts its own entry before it
 *         is stable is not enough: it applies nothing unstable either.)
 * #14685  a crash in defragmentation: no counterpart, the symptom is tested. Put back: compaction forgets the living
 *         write (core/compaction.ts). Failed: on the index's assertion.
 * #17780  a crash in a compaction: revision decreases. Put back: the revision has no row of its own, as in etcd
 *         (state-machine.ts). Failed: on the assertion that no row is newer than the revision.
 * #18055  two snapshots close together: panic. Put back: the second is not refused (raft/node.ts). Failed: the first
 *         one's sender is never answered.
 * #18667  a transaction that reads a compacted revision: members differ. Put back: reads inside a transaction are not
 *         checked before its first write (core/txn.ts). Failed: on the assertion at the read.
 * #20271  a torn page: no counterpart, the end of the log is torn instead. Put back: a torn end is taken for damage
 *         (disk/wal.ts). Failed: the member does not come up.
 * #20418  stale reads after a pause: a ReadIndex number used again. Put back: numbers begin anew with a leadership
 *         (core/read-index.ts). Failed: old answers confirm the new round.
 *
 * #14571 (enabling auth makes members differ) is in auth/guard.test.ts, "the log"; its head says how it was put back.
 */
import { describe, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import { CompactionRequest } from '../../src/proto/etcd.ts';
import { Member } from '../../src/store/member.ts';
import { encodeProposal, type Command } from '../../src/store/mvcc/command.ts';
import { FaultyBackends } from '../../src/store/mvcc/faulty-backend.ts';
import { memoryBackends } from '../../src/store/mvcc/memory-backend.ts';
import { openSnapshot } from '../../src/store/mvcc/snapshot.ts';
import { ReadIndexRounds } from '../../src/store/raft/core/read-index.ts';
import type { SnapshotMeta } from '../../src/store/raft/core/types.ts';
import type { RaftReceiver, RaftTransport } from '../../src/store/raft/transport.ts';
import { StateMachine, type CommandOutcome } from '../../src/store/state-machine.ts';
import type { Machine } from '../sim/machine.ts';
import { World } from '../sim/world.ts';
import { PlainBackend } from './mvcc/plain-backend.ts';
import { compareOf, deleteOf, op, putOf, rangeOf, text, txnOf } from './mvcc/requests.ts';

const put = (key: string, value: string): Command => ({ kind: 'put', request: putOf(key, value) });
const remove = (key: string, end = ''): Command => ({ kind: 'delete-range', request: deleteOf(key, end) });
const compact = (revision: number): Command => ({ kind: 'compaction', request: CompactionRequest.create({ revision }) });

function applyTo(machine: StateMachine, command: Command): CommandOutcome {
  const index = machine.applied.index + 1;
  return machine.apply({ index, term: 1, data: encodeProposal({ id: BigInt(index), command }) }).outcome;
}

/** A state machine whose backend loses what a power cut may take, beside its log, which is never lost. */
class Crashing {
  readonly #backends: FaultyBackends;
  readonly #log: Command[] = [];
  machine!: StateMachine;
  #backend!: Awaited<ReturnType<ReturnType<FaultyBackends['incarnation']>['open']>>;

  constructor(seed: number) {
    this.#backends = new FaultyBackends({ clock: new DrivenClock(), random: seededRandom(seed) });
  }

  async start(): Promise<void> {
    this.#backend = await this.#backends.incarnation().open('db');
    this.machine = await StateMachine.open(this.#backend);
    for (const command of this.#log.slice(this.machine.applied.index)) applyTo(this.machine, command);
  }

  apply(command: Command): void {
    this.#log.push(command);
    applyTo(this.machine, command);
  }

  /** Begins a batch; it has landed when the promise resolves. */
  async flush(): Promise<void> {
    const { ops } = this.machine.takeBatch();
    await this.#backend.batch(ops);
    this.machine.batchLanded();
  }

  async powerCut(): Promise<void> {
    this.#backends.powerCut();
    await this.start();
  }

  /** What a member says that never stopped. */
  async expectAsNeverStopped(): Promise<void> {
    const other = await StateMachine.open(new PlainBackend());
    for (const command of this.#log) applyTo(other, command);
    expect(this.machine.revision).toBe(other.revision);
    expect(this.machine.hashAll()).toBe(other.hashAll());
  }
}

describe('a crash', () => {
  test('#13766: under load leaves revision and state as if there had been none', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed);
      const subject = new Crashing(seed);
      await subject.start();
      for (let step = 0; step < 60; step++) {
        subject.apply(random.chance(0.2) ? remove('k0', 'k5') : put(`k${random.below(9)}`, `${step}`));
        const landing = random.chance(0.3) ? subject.flush() : undefined;
        if (random.chance(0.1)) {
          // The batch may be on its way.
          await subject.powerCut();
          await subject.expectAsNeverStopped();
        } else await landing;
      }
    }
  });

  test('#14370: of the only member loses nothing that it has acknowledged', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const single = new SingleMember(seed);
      await single.up();
      for (let write = 1; write <= 4; write++) {
        await single.until('an acknowledgement', single.put('k', `${seed}-${write}`));
        single.world.powerCut(single.machine);
        await single.up();
        expect(single.get('k')).toBe(`${seed}-${write}`);
      }
    }
  });

  test('#14685: while space is given back (etcd: defragmentation) changes no revision and loses no key', async () => {
    // No counterpart of the cause: there is no second file that takes the first one's place. This is the symptom.
    for (let seed = 1; seed <= 20; seed++) {
      const subject = new Crashing(seed);
      await subject.start();
      for (let key = 0; key < 20; key++) for (const value of ['1', '2']) subject.apply(put(`k${key}`, value));
      await subject.flush();
      subject.apply(compact(subject.machine.revision));
      while (subject.machine.scrub(3)) {
        const landing = subject.flush();
        if (seededRandom(seed).fork(String(subject.machine.pendingWrites)).chance(0.3)) break;
        await landing;
      }
      await subject.powerCut();
      await subject.expectAsNeverStopped();
      while (subject.machine.scrub(3));
      const outcome = subject.machine.range(rangeOf('k', 'l'));
      expect(outcome.ok && outcome.result.kvs.map(({ value }) => text(value))).toEqual(Array(20).fill('2'));
    }
  });

  test('#17780: in a compaction that leaves no key does not take the revision back', async () => {
    const subject = new Crashing(1);
    await subject.start();
    for (let i = 0; i < 5; i++) subject.apply(put('a', `${i}`));
    subject.apply(remove('a'));
    subject.apply(put('b', '1'));
    subject.apply(remove('b'));
    const { revision } = subject.machine;
    subject.apply(compact(revision));
    // The last tombstone stays for those who watch from there; one more write and compaction takes it too.
    subject.apply(put('c', '1'));
    subject.apply(remove('c'));
    subject.apply(compact(subject.machine.revision));
    while (subject.machine.scrub(1));
    await subject.flush();
    await subject.powerCut();
    expect(subject.machine.revision).toBe(revision + 2);
    await subject.expectAsNeverStopped();
  });

  test('#20271: that tears a page (here: the last batch of the log) costs nothing that was acknowledged', async () => {
    // Bbolt's pages have no counterpart: LevelDB appends. What can be torn is the end of the log.
    let torn = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const single = new SingleMember(seed);
      await single.up();
      await single.until('an acknowledgement', single.put('k', 'kept'));
      const { machine } = single;
      let isWriting = false;
      machine.onWrite = () => (isWriting = true);
      void single.put('k', 'x'.repeat(2000)).catch(() => undefined);
      await single.untilTrue('a write to begin', () => isWriting);
      single.world.powerCut(machine);
      torn += machine.disk.counters.tornTails;
      await single.up();
      expect(['kept', 'x'.repeat(2000)]).toContain(single.get('k'));
    }
    expect(torn).toBeGreaterThan(3);
  });
});

describe('members', () => {
  test('#18667: a transaction that reads a compacted revision does the same on all, however far each has cleaned up', async () => {
    const replicas = [await StateMachine.open(new PlainBackend()), await StateMachine.open(new PlainBackend())];
    const [clean, behind] = replicas as [StateMachine, StateMachine];
    for (const machine of replicas) {
      for (let i = 0; i < 5; i++) applyTo(machine, put('a', `${i}`));
      applyTo(machine, compact(5));
    }
    while (clean.scrub(1));
    const reads = op.range(rangeOf('a', '', { revision: 3 }));
    const exists = compareOf({ key: Buffer.from('a'), target: 0, result: 1, targetUnion: { case: 'version', value: 0 } });
    for (const request of [
      txnOf([], [op.put(putOf('b', '1')), reads]),
      txnOf([exists], [op.put(putOf('c', '1')), op.txn(txnOf([], [op.put(putOf('d', '1')), reads]))]),
    ]) {
      const outcomes = replicas.map((machine) => applyTo(machine, { kind: 'txn', request }));
      expect(outcomes[0]).toMatchObject({ ok: false, code: 'compacted', compactRevision: 5 });
      expect(outcomes[1]).toEqual(outcomes[0]);
      expect(behind.hashAll()).toBe(clean.hashAll());
      // Nothing of it has happened.
      expect(clean.revision).toBe(6);
    }
  });

  test('#18055: two snapshots that arrive close together: one is installed, the other is refused', async () => {
    const clock = new DrivenClock();
    const random = seededRandom(1);
    const faults = { latencyMs: { min: 1, max: 5 } };
    let receiver: RaftReceiver | undefined;
    const transport: RaftTransport = {
      start: async (ours) => void (receiver = ours),
      setPeers: () => undefined,
      send: () => undefined,
      sendSnapshot: () => Promise.reject(new Error('nobody asks for one')),
      close: async () => undefined,
    };
    const failures: unknown[] = [];
    const disk = new MemoryDisk({ clock, random, faults }).incarnation();
    const backends = new FaultyBackends({ clock, random, ...faults }).incarnation();
    const opening = Member.open(
      { clock, random, log: silentLog, disk, backends, transport },
      { clusterId: 7n, id: 1n, initialMembers: members, onFatal: (error) => failures.push(error) },
    );
    await clock.advance(500);
    const member = await opening;
    await member.start();

    const outcomes: string[] = [];
    for (const { meta, chunks } of [await snapshotAt(40), await snapshotAt(50)]) {
      const message = { type: 'install-snapshot', from: 2n, to: 1n, term: 1, snapshot: meta } as const;
      receiver!.receiveSnapshot(2n, meta, message, chunks).then(
        () => outcomes.push(`installed ${meta.index}`),
        (error: unknown) => outcomes.push(String(error)),
      );
    }
    await clock.advanceUntil(() => outcomes.length === 2, 5_000, 'both to be answered');
    expect(failures).toEqual([]);
    expect(outcomes).toContain('Error: another snapshot is being installed');
    expect(outcomes.filter((outcome) => outcome.startsWith('installed'))).toHaveLength(1);
    expect([40, 50]).toContain(member.machine.applied.index);
  });
});

test('#20418: after a pause an answer to an old round confirms no read that came later', () => {
  const voters = { voters: [1n, 2n, 3n], votersOutgoing: [] };
  const rounds = new ReadIndexRounds();
  rounds.add({ request: 1n, from: 1n });
  const old = rounds.begin(5);
  const again = rounds.retry();
  // It was paused, led no more, leads again; the answers of before come now.
  rounds.drop();
  rounds.add({ request: 1n, from: 1n });
  const now = rounds.begin(9);
  for (const late of [old, again]) {
    rounds.answered(2n, late);
    rounds.answered(3n, late);
  }
  expect(rounds.takeConfirmed(voters, 1n)).toEqual([]);
  rounds.answered(2n, now);
  expect(rounds.takeConfirmed(voters, 1n)).toMatchObject([{ index: 9 }]);
});

const members = [1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, peerUrls: [], clientUrls: [], isLearner: false }));

async function snapshotAt(index: number): Promise<{ readonly meta: SnapshotMeta; readonly chunks: AsyncIterable<Uint8Array> }> {
  const backend = await memoryBackends().open('db');
  const machine = await StateMachine.open(backend);
  const confState = { voters: [1n, 2n, 3n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  machine.bootstrap(confState, { initial: members, members: [] });
  for (let at = 1; at <= index; at++) applyTo(machine, put('k', `${at}`));
  await backend.batch(machine.takeBatch().ops);
  const open = await openSnapshot(backend);
  return { meta: open!.meta, chunks: open!.chunks };
}

/** A cluster of one in the simulator's world, where every write to the disk takes its time. */
class SingleMember {
  readonly world: World;
  readonly machine: Machine;

  constructor(seed: number) {
    this.world = new World({ seed, members: 1 });
    this.machine = this.world.machine(1n);
  }

  get member(): Member | undefined {
    return this.machine.process?.member;
  }

  async up(): Promise<void> {
    this.world.start(this.machine);
    await this.untilTrue('it to lead', () => this.member?.isLeader === true);
    await this.until('a read', this.member!.linearizable());
  }

  async put(key: string, value: string): Promise<void> {
    await this.member!.propose(put(key, value));
  }

  get(key: string): string | undefined {
    const outcome = this.member!.machine.range(rangeOf(key));
    const [kv] = outcome.ok ? outcome.result.kvs : [];
    return kv === undefined ? undefined : text(kv.value);
  }

  /** As soon as it is settled: no more time passes. */
  async until(what: string, promise: Promise<unknown>): Promise<void> {
    let isDone = false;
    void promise.then(() => (isDone = true));
    await this.untilTrue(what, () => isDone);
  }

  async untilTrue(what: string, isTrue: () => boolean): Promise<void> {
    const untilMs = this.world.clock.monotonic() + 20_000;
    while (!isTrue()) if (!(await this.world.step(untilMs))) throw new Error(`waited in vain for ${what}`);
    expect(this.world.violations).toEqual([]);
  }
}
