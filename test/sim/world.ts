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
import { ServerChannel, type Server } from './server-channel.ts';
import { Tracer } from './tracer.ts';

const CLUSTER_ID = 0x51eedn;
/** Small, so that logs are compacted and snapshots travel within seconds. */
const SNAPSHOT_ENTRIES = 30;
const CATCH_UP_ENTRIES = 15;
const WAL_SEGMENT_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 2_000;
/** A supervisor starts a process that ended by itself again. */
const RESTART_MS = 500;
/** At one instant. */
const EVENTS_AT_ONCE_MAX = 100_000;
const CLOCK_DRIFT = 0.02;

/** Of a disk that is well: every write is on its way for a while, so that a crash finds some there. */
export const DISK_LATENCY_MS = { min: 0.05, max: 1.5 };

export interface Process extends Server {
  readonly number: number;
  readonly clock: ProcessClock;
  /** What its machine's disks had refused when it began: one that was refused more may end by itself. */
  readonly failuresBefore: number;
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
  #standingStill = 0;
  events: WorldEvents = { raft() {}, sent() {} };

  constructor({ seed, members, print }: WorldOptions) {
    this.random = seededRandom(seed);
    this.tracer = new Tracer(this.clock, print);
    const ids = Array.from({ length: members }, (_, at) => BigInt(at + 1));
    this.machines = ids.map((id) => this.#newMachine(id));
    this.network = new Network(ids, {
      clock: this.clock,
      random: this.random.fork('network'),
      tracer: this.tracer,
      counters: this.counters,
      whenAwake: (id, run) => this.machine(id).clock.whenAwake(run),
      onFailure: (id, error) => this.fail(`member ${id} failed on a message: ${stackOf(error)}`),
      onSent: (message) => this.events.sent(message),
    });
  }

  machine(id: MemberId): Machine {
    const machine = this.machines[Number(id) - 1];
    assert(machine !== undefined, 'members are numbered from 1');
    return machine;
  }

  /** Members that run, in order; their states may be read. */
  running(): Array<{ readonly machine: Machine; readonly member: Member }> {
    return this.machines.flatMap((machine) => {
      const member = machine.process?.member;
      return member === undefined ? [] : [{ machine, member }];
    });
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
    if (machine.process !== undefined) return;
    const clock = machine.clock.view();
    const number = ++machine.starts;
    const process: Process = {
      number,
      clock,
      failuresBefore: failuresOf(machine),
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
      whenAwake: (run) => machine.clock.whenAwake(run),
    });
  }

  /** What the disks have lost so far. */
  countLosses(): void {
    for (const { disk, backends } of this.machines) {
      this.counters.tornTails += disk.counters.tornTails;
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
    return { id, clock, disk, backends, process: undefined, starts: 0, onWrite: undefined };
  }

  async #run(machine: Machine, process: Process): Promise<void> {
    const { id } = machine;
    const random = this.random.fork(`process/${id}/${process.number}`);
    const member = await Member.open(
      {
        clock: process.clock,
        random,
        log: silentLog,
        disk: tracedDisk(machine.disk.incarnation(), (what) => {
          this.tracer.add(`disk ${id} ${what}`);
          const { onWrite } = machine;
          if (onWrite === undefined || process.isDead || !what.startsWith('write')) return;
          machine.onWrite = undefined;
          onWrite();
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
        snapshotEntries: SNAPSHOT_ENTRIES,
        catchUpEntries: CATCH_UP_ENTRIES,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        walSegmentBytes: WAL_SEGMENT_BYTES,
        onFatal: (error) => this.#ended(machine, process, error),
      },
    );
    if (process.isDead) return;
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
    if (failuresOf(machine) === process.failuresBefore) this.fail(`member ${machine.id} ended by itself: ${stackOf(error)}`);
    this.tracer.add(`ended ${machine.id} ${describeError(error)}`);
    machine.disk.faults = { ...machine.disk.faults, writeFailure: 0, syncFailure: 0 };
    machine.backends.faults = { ...machine.backends.faults, batchFailure: 0 };
    // Not from within the code that tells of it.
    this.clock.setTimer(0, () => !process.isDead && this.#exit(machine, process));
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
  return disk.counters.failures + backends.counters.failures;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function printEvent({ type, ...facts }: TraceEvent): string {
  const values = Object.entries(facts).map(([name, value]) => (typeof value === 'object' ? '' : ` ${name}=${String(value)}`));
  return `${type}${values.join('')}`;
}

/** Tells of what changes the disk. */
function tracedDisk(disk: Disk, tell: (what: string) => void): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    size: () => inner.size(),
    read: (offset, length) => inner.read(offset, length),
    writeAt: (offset, parts) => {
      tell(`write ${inner.path} ${offset} ${parts.map(digest).join(' ')}`);
      return inner.writeAt(offset, parts);
    },
    datasync: () => inner.datasync().finally(() => tell(`synced ${inner.path}`)),
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
