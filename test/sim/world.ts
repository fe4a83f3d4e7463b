/**
 * The simulated world: machines with a disk each, the network between them, and on each machine a whole store member or
 * none. One driven clock moves all of it; what happens is written to the tracer.
 */
import { assert } from '../../src/base/assert.ts';
import type { Disk, DiskFile } from '../../src/base/disk.ts';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import type { Millis } from '../../src/base/clock.ts';
import { describeError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom, type Random } from '../../src/base/random.ts';
import type { TraceEvent } from '../../src/base/trace.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import { Member } from '../../src/store/member.ts';
import { FaultyBackends } from '../../src/store/mvcc/faulty-backend.ts';
import { Peers } from '../../src/store/peers.ts';
import type { MemberId, Message } from '../../src/store/raft/core/types.ts';
import { clientServices } from '../../src/store/services.ts';
import { newCounters, type Counters } from './counters.ts';
import { MachineClock, type ProcessClock } from './machine-clock.ts';
import { digest, Network } from './network.ts';
import type { Damage } from './damage.ts';
import { ServerChannel, type Server } from './server-channel.ts';
import { Tracer } from './tracer.ts';

const CLUSTER_ID = 0x51eedn;
/** Drawn once a seed. Small, so that logs are compacted, segments roll and snapshots travel within seconds. */
const SIZES = [
  { snapshotEntries: 10, catchUpEntries: 3, walSegmentBytes: 4 * 1024 },
  { snapshotEntries: 30, catchUpEntries: 15, walSegmentBytes: 16 * 1024 },
  { snapshotEntries: 80, catchUpEntries: 20, walSegmentBytes: 8 * 1024, logBytes: { max: 3000, catchUp: 1000, maxWhileSending: 9000 } },
] as const;
const REQUEST_TIMEOUT_MS = 2_000;
/** A supervisor starts a process that ended by itself again. */
const RESTART_MS = 500;
/** At one instant. */
const EVENTS_AT_ONCE_MAX = 100_000;
const CLOCK_DRIFT = 0.02;
/** A member whose log could not be synced has ended by then. */
const STOP_WITHIN_MS = 100;
const ACKNOWLEDGEMENTS = new Set<Message['type']>(['append-answer', 'vote', 'append', 'heartbeat', 'request-vote']);
const SEGMENT = /\.log$/;

/** Of a disk that is well: every write is on its way for a while, so that a crash finds some there. */
export const DISK_LATENCY_MS = { min: 0.05, max: 1.5 };

export interface Process extends Server {
  readonly number: number;
  readonly clock: ProcessClock;
  /** What its machine's disks had refused when it began: one that was refused more may end by itself. */
  readonly failuresBefore: number;
  /** A sync of its log has failed: it may promise nothing any more, and must end. */
  hasFailedSync: boolean;
  /** Undefined while it reads its disk. */
  member: Member | undefined;
}

export interface Machine {
  readonly id: MemberId;
  readonly clock: MachineClock;
  readonly disk: MemoryDisk;
  readonly backends: FaultyBackends;
  process: Process | undefined;
  starts: number;
  /** Called, once, when its process next writes to a file: faults strike in the middle of things. */
  onWrite: (() => void) | undefined;
  /** Of its disk: its next process must not take part. */
  damage: Damage | undefined;
  /** Damaged and found so: it waits for a replacement, which this run does not bring. */
  isLost: boolean;
}

export interface WorldEvents {
  raft(machine: Machine, event: TraceEvent): void;
  sent(message: Message): void;
}

export interface WorldOptions {
  readonly seed: number;
  readonly members: number;
  readonly print?: (line: string) => void;
}

export class World {
  readonly clock = new DrivenClock();
  readonly random: Random;
  readonly tracer: Tracer;
  readonly counters: Counters = newCounters();
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly violations: string[] = [];
  /** How much sooner than its time a lease may end: a leader's clock may be fast. */
  leaseTolerance = 0.95;
  readonly #sizes: (typeof SIZES)[number];
  #standingStill = 0;
  events: WorldEvents = { raft() {}, sent() {} };

  constructor({ seed, members, print }: WorldOptions) {
    this.random = seededRandom(seed);
    this.tracer = new Tracer(this.clock, print);
    this.#sizes = this.random.fork('sizes').pick(SIZES);
    const ids = Array.from({ length: members }, (_, at) => BigInt(at + 1));
    this.machines = ids.map((id) => this.#newMachine(id));
    this.network = new Network(ids, {
      clock: this.clock,
      random: this.random.fork('network'),
      tracer: this.tracer,
      counters: this.counters,
      whenAwake: (id, run) => this.machine(id).clock.whenAwake(run),
      onFailure: (id, error) => this.fail(`member ${id} failed on a message: ${stackOf(error)}`),
      onSent: (message) => this.#onSent(message),
    });
  }

  machine(id: MemberId): Machine {
    const machine = this.machines[Number(id) - 1];
    assert(machine !== undefined, 'members are numbered from 1');
    return machine;
  }

  /** Members that run, in order; their states may be read. */
  running(): Array<{ readonly machine: Machine; readonly member: Member }> {
    const running: Array<{ readonly machine: Machine; readonly member: Member }> = [];
    for (const machine of this.machines) {
      const member = machine.process?.member;
      if (member !== undefined) running.push({ machine, member });
    }
    return running;
  }

  /** All but those that wait for a replacement. */
  sound(): readonly Machine[] {
    return this.machines.filter(({ isLost, damage }) => !isLost && damage === undefined);
  }

  leader(): Machine | undefined {
    const leaders = this.running().filter(({ member }) => member.isLeader);
    leaders.sort((a, b) => b.member.status().term - a.member.status().term);
    return leaders[0]?.machine;
  }

  fail(what: string): void {
    this.violations.push(what);
    this.tracer.add(`VIOLATION ${what}`);
  }

  /** Every promise settles, then the next timer fires; false if there is none by `untilMs`. */
  async step(untilMs: Millis): Promise<boolean> {
    await settle();
    const before = this.clock.monotonic();
    const isFired = this.clock.fireNext(untilMs);
    this.#standingStill = this.clock.monotonic() > before ? 0 : this.#standingStill + 1;
    if (this.#standingStill > EVENTS_AT_ONCE_MAX) throw new Error('time stands still: somebody sets timers of no delay for ever');
    return isFired;
  }

  start(machine: Machine): void {
    if (machine.process !== undefined || machine.isLost) return;
    const clock = machine.clock.view();
    const number = ++machine.starts;
    const process: Process = {
      number,
      clock,
      failuresBefore: failuresOf(machine),
      hasFailedSync: false,
      member: undefined,
      isDead: false,
      onDeath: new Set(),
      channel: new ServerChannel({ clock: this.clock, random: this.random, server: () => undefined, whenAwake: (run) => run() }),
    };
    machine.process = process;
    this.tracer.add(`start ${machine.id}`);
    this.#run(machine, process).catch((error: unknown) => this.#ended(machine, process, error));
  }

  /** `kill -9`: the machine goes on, and its system closes the connections. */
  crash(machine: Machine): void {
    if (machine.process === undefined) return;
    this.tracer.add(`crash ${machine.id}`);
    this.counters.processCrashes++;
    this.#endProcess(machine, 'closes');
    machine.disk.processCrash();
    machine.backends.processCrash();
  }

  powerCut(machine: Machine): void {
    this.tracer.add(`power cut ${machine.id}`);
    this.counters.powerCuts++;
    this.#endProcess(machine, 'vanishes');
    machine.disk.powerCut();
    machine.backends.powerCut();
  }

  /** SIGTERM: it flushes and closes first. */
  stop(machine: Machine): void {
    const { process } = machine;
    if (process?.member === undefined) return;
    this.tracer.add(`stop ${machine.id}`);
    const { member } = process;
    process.member = undefined;
    member.stop().then(
      () => !process.isDead && this.#exit(machine, process),
      (error: unknown) => this.#ended(machine, process, error),
    );
  }

  pause(machine: Machine): void {
    this.tracer.add(`pause ${machine.id}`);
    machine.clock.hold();
  }

  resume(machine: Machine): void {
    this.tracer.add(`resume ${machine.id}`);
    machine.clock.release();
  }

  /** A client's way to a member, or a peer's. */
  channelTo(machine: Machine, random: Random): Channel {
    return new ServerChannel({
      clock: this.clock,
      random,
      server: () => (machine.process?.member === undefined ? undefined : machine.process),
      onAnswer: () => this.#onAnswer(machine),
      whenAwake: (run) => machine.clock.whenAwake(run),
    });
  }

  /** What the disks have lost so far. */
  countLosses(): void {
    for (const { disk, backends } of this.machines) {
      this.counters.tornTails += disk.counters.tornTails;
      this.counters.fullDiskRefusals += disk.counters.refusals + backends.counters.refusals;
      this.counters.misdirectedWrites += disk.counters.misdirectedWrites;
      this.counters.unsyncedLosses += disk.counters.unsyncedLosses + backends.counters.unsyncedLosses;
    }
  }

  #newMachine(id: MemberId): Machine {
    const random = this.random.fork(`machine/${id}`);
    const rate = 1 + (random.float() * 2 - 1) * CLOCK_DRIFT;
    const clock = new MachineClock({ base: this.clock, rate, wallOffsetMs: random.between(-5000, 5000) });
    const faults = { latencyMs: DISK_LATENCY_MS };
    const disk = new MemoryDisk({ clock: clock.view(), random: random.fork('disk'), faults });
    const backends = new FaultyBackends({ clock: clock.view(), random: random.fork('backends'), ...faults });
    const state = { process: undefined, starts: 0, onWrite: undefined, damage: undefined, isLost: false };
    return { id, clock, disk, backends, ...state };
  }

  async #run(machine: Machine, process: Process): Promise<void> {
    const { id } = machine;
    const random = this.random.fork(`process/${id}/${process.number}`);
    const member = await Member.open(
      {
        clock: process.clock,
        random,
        log: silentLog,
        disk: tracedDisk(machine.disk.incarnation(), {
          tell: (what) => {
            this.tracer.add(`disk ${id} ${what}`);
            const { onWrite } = machine;
            if (onWrite === undefined || process.isDead || !what.startsWith('write')) return;
            machine.onWrite = undefined;
            onWrite();
          },
          onFailedSync: (path) => this.#onFailedSync(machine, process, path),
        }),
        backends: machine.backends.incarnation(),
        transport: this.network.attach(id),
        trace: (event) => {
          if (process.isDead) return;
          this.tracer.add(`raft ${id} ${printEvent(event)}`);
          this.events.raft(machine, event);
        },
      },
      {
        clusterId: CLUSTER_ID,
        id,
        initialMembers: this.machines.map(infoOf),
        ...this.#sizes,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        onFatal: (error) => this.#ended(machine, process, error),
      },
    );
    if (process.isDead) return;
    if (machine.damage !== undefined) return this.#lose(machine, process, undefined);
    const others = this.machines.filter((other) => other !== machine);
    const channels = new Map(others.map((other) => [other.id, this.channelTo(other, random.fork(`peer/${other.id}`))]));
    const peers = new Peers({ channel: (to) => channels.get(to) });
    const services = clientServices({ member, peers, clock: process.clock, random: random.fork('services') });
    const channel = directChannel({ services: [...services, peers.service(member)], clock: process.clock, log: silentLog });
    Object.assign(process, { channel });
    await member.start();
    process.member = member;
    this.tracer.add(`up ${id}`);
  }

  /** By itself: allowed where its disk failed it. */
  #ended(machine: Machine, process: Process, error: unknown): void {
    if (process.isDead) return;
    if (machine.damage !== undefined && process.member === undefined) return this.#lose(machine, process, error);
    if (failuresOf(machine) === process.failuresBefore) this.fail(`member ${machine.id} ended by itself: ${stackOf(error)}`);
    this.tracer.add(`ended ${machine.id} ${describeError(error)}`);
    machine.disk.faults = { ...machine.disk.faults, writeFailure: 0, syncFailure: 0 };
    machine.backends.faults = { ...machine.backends.faults, batchFailure: 0 };
    // Not from within the code that tells of it.
    this.clock.setTimer(0, () => !process.isDead && this.#exit(machine, process));
  }

  /**
   * It was started on damaged bytes: it has refused them with `error`, or could not tell them from a tear. It is not
   * trusted either way.
   */
  #lose(machine: Machine, process: Process, error: unknown): void {
    const { damage } = machine;
    assert(damage !== undefined, 'who is lost was damaged');
    this.tracer.add(`lost ${machine.id} ${error === undefined ? 'unnoticed' : describeError(error)}`);
    const complaint = damage.complaint(error);
    if (complaint !== undefined) this.fail(`member ${machine.id}: ${damage.what}: ${complaint}`);
    if (error !== undefined) this.counters.damageRefused++;
    this.counters.lostMembers++;
    machine.isLost = true;
    this.clock.setTimer(0, () => !process.isDead && this.crash(machine));
  }

  // A sync that failed may have lost what the system will say is written at the next one: there is no second try.

  #onFailedSync(machine: Machine, process: Process, path: string): void {
    if (process.isDead || !SEGMENT.test(path)) return;
    this.counters.failedSyncs++;
    process.hasFailedSync = true;
    process.clock.setTimer(STOP_WITHIN_MS, () => this.fail(`member ${machine.id} goes on though a sync of ${path} failed`));
  }

  #onSent(message: Message): void {
    const sender = this.machine(message.from).process;
    if (sender?.hasFailedSync === true && ACKNOWLEDGEMENTS.has(message.type)) {
      this.fail(`member ${message.from} sends ${message.type} though a sync of its log failed`);
    }
    this.events.sent(message);
  }

  #onAnswer(machine: Machine): void {
    if (machine.process?.hasFailedSync === true) this.fail(`member ${machine.id} answers though a sync of its log failed`);
  }

  #exit(machine: Machine, process: Process): void {
    assert(machine.process === process, 'a process ends once');
    this.crash(machine);
    this.clock.setTimer(RESTART_MS, () => this.start(machine));
  }

  #endProcess(machine: Machine, how: 'closes' | 'vanishes'): void {
    const { process } = machine;
    machine.clock.release();
    if (process === undefined) return;
    process.isDead = true;
    process.clock.isDead = true;
    process.member = undefined;
    machine.process = undefined;
    this.network.detach(machine.id, how);
    for (const tell of process.onDeath) tell(how);
  }
}

function infoOf({ id }: { readonly id: MemberId }) {
  return { id, name: `m${id}`, peerUrls: [], clientUrls: [], isLearner: false };
}

function failuresOf({ disk, backends }: Machine): number {
  return [disk, backends].reduce((sum, { counters }) => sum + counters.failures + counters.refusals, 0);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function printEvent({ type, ...facts }: TraceEvent): string {
  const values = Object.entries(facts).map(([name, value]) => (typeof value === 'object' ? '' : ` ${name}=${String(value)}`));
  return `${type}${values.join('')}`;
}

interface DiskTrace {
  readonly tell: (what: string) => void;
  readonly onFailedSync: (path: string) => void;
}

/** Tells of what changes the disk. */
function tracedDisk(disk: Disk, { tell, onFailedSync }: DiskTrace): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    size: () => inner.size(),
    read: (offset, length) => inner.read(offset, length),
    writeAt: (offset, parts) => {
      tell(`write ${inner.path} ${offset} ${parts.map(digest).join(' ')}`);
      return inner.writeAt(offset, parts);
    },
    datasync: () =>
      inner.datasync().then(
        () => tell(`synced ${inner.path}`),
        (error: unknown) => {
          onFailedSync(inner.path);
          throw error;
        },
      ),
    truncate: (size) => inner.truncate(size),
    close: () => inner.close(),
  });
  return {
    open: async (path, options) => file(await disk.open(path, options)),
    exists: (path) => disk.exists(path),
    rename: (from, to) => {
      tell(`rename ${from} ${to}`);
      return disk.rename(from, to);
    },
    remove: (path) => {
      tell(`remove ${path}`);
      return disk.remove(path);
    },
    makeDir: (path) => disk.makeDir(path),
    list: (path) => disk.list(path),
    syncDir: (path) => disk.syncDir(path),
  };
}
