/**
 * The simulated world: machines with a disk each, the network between them, and on each machine a whole store member or
 * none. One driven clock moves all of it; what happens is written to the tracer.
 */
import { assert } from '../../src/base/assert.ts';
import type { Disk } from '../../src/base/disk.ts';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import type { Millis } from '../../src/base/clock.ts';
import { describeError, UserError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom, type Random } from '../../src/base/random.ts';
import type { TraceEvent } from '../../src/base/trace.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import type { InitialMember } from '../../src/store/flags.ts';
import { identify, type Identity } from '../../src/store/join.ts';
import { Member } from '../../src/store/member.ts';
import type { MemberInfo } from '../../src/store/membership/core/members.ts';
import { MemberRemovedError } from '../../src/store/membership/membership.ts';
import { Peers } from '../../src/store/peers.ts';
import type { MemberId, Message } from '../../src/store/raft/core/types.ts';
import { clientServices } from '../../src/store/services.ts';
import { newCounters, type Counters } from './counters.ts';
import { addressOf, failuresOf, isSound, newMachine, type Machine, type Process } from './machine.ts';
import { Network, type Station } from './network.ts';
import { ServerChannel, type Target } from './server-channel.ts';
import { tracedDisk } from './traced-disk.ts';
import { Tracer } from './tracer.ts';

const CLUSTER_ID = 0x51eedn;
/** Drawn once a seed. Small, so that logs are compacted, segments roll and snapshots travel within seconds. */
const SIZES = [
  { snapshotEntries: 4, catchUpEntries: 1, walSegmentBytes: 4 * 1024 },
  { snapshotEntries: 10, catchUpEntries: 3, walSegmentBytes: 4 * 1024 },
  { snapshotEntries: 30, catchUpEntries: 15, walSegmentBytes: 16 * 1024 },
  { snapshotEntries: 80, catchUpEntries: 20, walSegmentBytes: 8 * 1024, logBytes: { max: 3000, catchUp: 1000, maxWhileSending: 9000 } },
] as const;
/** So that a snapshot travels in many. */
const SNAPSHOT_CHUNK_BYTES = 512;
const REQUEST_TIMEOUT_MS = 2_000;
/** A segment of the log or two, and some batches. */
const RESERVE_BYTES = 12 * 1024;
/** A supervisor starts a process that ended by itself again. */
const RESTART_MS = 500;
/** At one instant. */
const EVENTS_AT_ONCE_MAX = 100_000;
const STEPS_A_TURN = 1000;
/** A member whose log could not be synced has ended by then. */
const STOP_WITHIN_MS = 100;
const ACKNOWLEDGEMENTS = new Set<Message['type']>(['append-answer', 'vote', 'append', 'heartbeat', 'request-vote']);
const SEGMENT = /\.log$/;

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
  /** Those that are there now, whether members or not. */
  readonly machines: Machine[] = [];
  readonly violations: string[] = [];
  /** How much sooner than its time a lease may end: a leader's clock may be fast. */
  leaseTolerance = 0.95;
  /** Of every member; negative: none. */
  quotaBytes = -1;
  /** All that have ever been there. */
  readonly #known = new Map<MemberId, Machine>();
  readonly #strictReconfigCheck: boolean;
  readonly #sizes: (typeof SIZES)[number];
  readonly #initialMembers: readonly MemberInfo[];
  #standingStill = 0;
  #steps = 0;
  events: WorldEvents = { raft() {}, sent() {} };

  constructor({ seed, members, print }: WorldOptions) {
    this.random = seededRandom(seed);
    this.tracer = new Tracer(this.clock, print);
    this.#sizes = this.random.fork('sizes').pick(SIZES);
    this.#strictReconfigCheck = this.random.fork('strict').chance(0.5);
    this.network = new Network({
      clock: this.clock,
      random: this.random.fork('network'),
      tracer: this.tracer,
      counters: this.counters,
      whenAwake: (id, run) => this.machine(id).clock.whenAwake(run),
      onFailure: (id, error) => this.fail(`member ${id} failed on a message: ${stackOf(error)}`),
      onSent: (message) => this.#onSent(message),
    });
    for (let number = 1; number <= members; number++) this.add({ id: BigInt(number), name: `m${number}` });
    this.#initialMembers = this.machines.map(infoOf);
  }

  machine(id: MemberId): Machine {
    const machine = this.#known.get(id);
    assert(machine !== undefined, 'who is spoken of has been there');
    return machine;
  }

  knows(id: MemberId): boolean {
    return this.#known.has(id);
  }

  /** A machine with empty disks. `joins`: the cluster that its member was added to. */
  add({ id, name, joins }: { readonly id: MemberId; readonly name: string; readonly joins?: readonly InitialMember[] }): Machine {
    const random = this.random.fork(`machine/${id}`);
    const machine = newMachine({ id, ...addressOf(name), joins, base: this.clock, random });
    this.#known.set(id, machine);
    this.machines.push(machine);
    this.network.add(id);
    this.tracer.add(`machine ${name} is member ${id}`);
    return machine;
  }

  /** It is not a member any more, and is taken away. */
  retire(machine: Machine): void {
    if (machine.isRetired) return;
    this.tracer.add(`retire ${machine.id}`);
    this.#endProcess(machine, 'closes');
    machine.isRetired = true;
    this.machines.splice(this.machines.indexOf(machine), 1);
    this.network.remove(machine.id);
  }

  /** With all that it holds. */
  destroy(machine: Machine): void {
    this.powerCut(machine);
    this.counters.destroyedMembers++;
    machine.isLost = true;
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
    return this.machines.filter(isSound);
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
    await this.#settle();
    const before = this.clock.monotonic();
    const isFired = this.clock.fireNext(untilMs);
    this.#standingStill = this.clock.monotonic() > before ? 0 : this.#standingStill + 1;
    if (this.#standingStill > EVENTS_AT_ONCE_MAX) throw new Error('time stands still: somebody sets timers of no delay for ever');
    return isFired;
  }

  /**
   * A callback of `nextTick` comes when no promise is left that could go on, like a macrotask, and without a turn of the
   * event loop, which would be a tenth of a run's time. Now and then one for the others who live there.
   */
  #settle(): Promise<void> {
    if (++this.#steps % STEPS_A_TURN === 0) return settle();
    return new Promise((resolve) => process.nextTick(resolve));
  }

  start(machine: Machine): void {
    if (machine.process !== undefined || machine.isLost || machine.isRetired) return;
    // Whoever damages it starts it, and not before its damage is noted (seed 20549).
    if (machine.isAtRisk) return;
    const clock = machine.clock.view();
    const number = ++machine.starts;
    const process: Process = {
      number,
      clock,
      failuresBefore: failuresOf(machine),
      hasFailedSync: false,
      isAsking: false,
      member: undefined,
      isDead: false,
      onDeath: new Set(),
      channel: this.#channel(this.random, () => undefined),
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
    return this.#channel(random, () => machine);
  }

  /** To whoever serves at this place of the list that clients have, when they call. */
  channelToPlace(place: number, random: Random): Channel {
    return this.#channel(random, () => {
      const voters = this.machines.filter((machine) => !servesNobody(machine));
      return voters[place % voters.length];
    });
  }

  #channel(random: Random, machineNow: () => Machine | undefined): Channel {
    const target = (): Target | undefined => {
      const machine = machineNow();
      return machine === undefined ? undefined : this.#targetOf(machine);
    };
    return new ServerChannel({ clock: this.clock, random, target });
  }

  #targetOf(machine: Machine): Target {
    return {
      server: () => (machine.process?.member === undefined ? undefined : machine.process),
      whenAwake: (run) => machine.clock.whenAwake(run),
      onAnswer: (method) => this.#onAnswer(machine, method),
    };
  }

  /** What the disks have lost so far. */
  countLosses(): void {
    for (const { disk, backends } of this.#known.values()) {
      this.counters.tornTails += disk.counters.tornTails;
      this.counters.fullDiskRefusals += disk.counters.refusals + backends.counters.refusals;
      this.counters.misdirectedWrites += disk.counters.misdirectedWrites;
      this.counters.unsyncedLosses += disk.counters.unsyncedLosses + backends.counters.unsyncedLosses;
    }
  }

  async #run(machine: Machine, process: Process): Promise<void> {
    const { id, name } = machine;
    const random = this.random.fork(`process/${id}/${process.number}`);
    const disk = this.#diskOf(machine, process);
    const identity = await this.#identify(machine, { process, disk, random });
    if (process.isDead) return;
    const station = this.network.attach(id);
    const member = await Member.open(
      {
        clock: process.clock,
        random,
        log: silentLog,
        disk,
        backends: machine.backends.incarnation(),
        transport: station,
        trace: (event) => {
          if (process.isDead) return;
          this.tracer.add(`raft ${id} ${printEvent(event)}`);
          this.events.raft(machine, event);
        },
      },
      {
        ...identity,
        ...this.#sizes,
        quotaBytes: this.quotaBytes,
        strictReconfigCheck: this.#strictReconfigCheck,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        reserveBytes: RESERVE_BYTES,
        snapshotChunkBytes: SNAPSHOT_CHUNK_BYTES,
        onFatal: (error) => this.#ended(machine, process, error),
      },
    );
    if (process.isDead) return;
    if (machine.damage !== undefined) return this.#lose(machine, process, undefined);
    const peers = new Peers({ channel: this.#peerChannels(station, random) });
    const services = clientServices({ member, peers, clock: process.clock, random: random.fork('services') });
    const channel = directChannel({ services: [...services, peers.service(member)], clock: process.clock, log: silentLog });
    Object.assign(process, { channel });
    await member.start();
    member.membership.publish({ name, clientUrls: [`http://${name}:2379`] });
    process.member = member;
    machine.hasBeenUp = true;
    this.tracer.add(`up ${id}`);
  }

  /** Of a member that joins: by the same way as in a process. */
  async #identify(
    { id, name, joins }: Machine,
    { process, disk, random }: { readonly process: Process; readonly disk: Disk; readonly random: Random },
  ): Promise<Identity> {
    if (joins === undefined) return { clusterId: CLUSTER_ID, id, initialMembers: this.#initialMembers };
    const flags = { name, members: joins, advertisedPeers: [name], initialClusterState: 'existing', clusterId: 0n, id: 0n } as const;
    const dial = ({ name: other }: InitialMember) =>
      this.#channel(random.fork(`dial/${other}`), () => this.machines.findLast((machine) => machine.name === other));
    process.isAsking = true;
    const identity = await identify(flags, { disk, dial });
    process.isAsking = false;
    if (identity.id !== id) throw new Error(`joined as member ${identity.id}`);
    return identity;
  }

  #diskOf(machine: Machine, process: Process): Disk {
    return tracedDisk(machine.disk.incarnation(), {
      tell: (what) => {
        this.tracer.add(`disk ${machine.id} ${what}`);
        const { onWrite } = machine;
        if (onWrite === undefined || process.isDead || !what.startsWith('write')) return;
        machine.onWrite = undefined;
        onWrite();
      },
      onFailedSync: (path) => this.#onFailedSync(machine, process, path),
    });
  }

  #peerChannels(station: Station, random: Random): (to: MemberId) => Channel | undefined {
    const channels = new Map<MemberId, Channel>();
    return (to) => {
      if (!station.knows(to) || !this.#known.has(to)) return undefined;
      const channel = channels.get(to) ?? this.channelTo(this.machine(to), random.fork(`peer/${to}`));
      channels.set(to, channel);
      return channel;
    };
  }

  /** By itself: allowed where its disk failed it, where it was removed, or where nobody told it what to join. */
  #ended(machine: Machine, process: Process, error: unknown): void {
    if (process.isDead) return;
    if (error instanceof MemberRemovedError) return this.#removed(machine, process);
    if (machine.damage !== undefined && process.member === undefined) return this.#lose(machine, process, error);
    const mayEnd = process.isAsking ? error instanceof UserError : failuresOf(machine) !== process.failuresBefore;
    if (!mayEnd) this.fail(`member ${machine.id} ended by itself: ${stackOf(error)}`);
    this.tracer.add(`ended ${machine.id} ${describeError(error)}`);
    machine.disk.faults = { ...machine.disk.faults, writeFailure: 0, syncFailure: 0 };
    machine.backends.faults = { ...machine.backends.faults, batchFailure: 0 };
    // Not from within the code that tells of it.
    this.clock.setTimer(0, () => !process.isDead && this.#exit(machine, process));
  }

  #removed(machine: Machine, process: Process): void {
    if (!machine.isToGo) this.fail(`member ${machine.id} ends as removed, and nobody has removed it`);
    this.tracer.add(`ended ${machine.id} removed`);
    this.counters.removedMembersEnded++;
    this.clock.setTimer(0, () => !process.isDead && this.retire(machine));
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
    process.clock.setTimer(STOP_WITHIN_MS, () => {
      // One that has not begun to serve closes what it has opened first, however slow its disk is (seed 41304).
      if (process.member !== undefined) this.fail(`member ${machine.id} goes on though a sync of ${path} failed`);
    });
  }

  #onSent(message: Message): void {
    const sender = this.machine(message.from).process;
    if (sender?.hasFailedSync === true && ACKNOWLEDGEMENTS.has(message.type)) {
      this.fail(`member ${message.from} sends ${message.type} though a sync of its log failed`);
    }
    this.events.sent(message);
  }

  #onAnswer(machine: Machine, method: string): void {
    if (machine.process?.hasFailedSync !== true) return;
    this.fail(`member ${machine.id} answers ${method} though a sync of its log failed`);
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

/** A learner, or one that was exchanged through a joint configuration, which its row does not show yet (seed 20462). */
function servesNobody({ id, process }: Machine): boolean {
  const member = process?.member;
  const row = member?.machine.members.get(id);
  if (member === undefined || row === undefined) return false;
  return row.isLearner || !member.status().confState.voters.includes(id);
}

function infoOf({ id, name, peerUrl }: Machine): MemberInfo {
  return { id, name, peerUrls: [peerUrl], clientUrls: [], isLearner: false };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function printEvent({ type, ...facts }: TraceEvent): string {
  const values = Object.entries(facts).map(([name, value]) => (typeof value === 'object' ? '' : ` ${name}=${String(value)}`));
  return `${type}${values.join('')}`;
}
