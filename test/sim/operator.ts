/**
 * Who looks after a simulated cluster, by the API that an operator has. It is level-triggered: it asks who the members
 * are, and does one of the things that bring them to what is wanted: so many voters, none of them lost or unwanted, no
 * learner left over. An answer that was lost needs no care: the next look tells.
 *
 * It endangers nothing: a voter goes only where the rest is a majority that can be brought back, and as long as a change
 * is under way or its outcome unknown, `mayLose` lets nobody be damaged.
 */
import { sleep, type Millis } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { Cluster, Maintenance } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError, type Channel } from '../../src/proto/rpc.ts';
import type { MemberInfo } from '../../src/store/membership/core/members.ts';
import type { MemberId } from '../../src/store/raft/core/types.ts';
import { storeErrorText } from '../../src/store/rpc/errors.ts';
import { addressOf, isSound, nameAt, type Machine } from './machine.ts';
import type { World } from './world.ts';

const TIMEOUT_MS = 2_500;
const LOOK_EVERY_MS = { low: 200, high: 900 };
const START_WITHIN_MS = 1_500;
/** A change that the members do not show so long after it was asked for was lost: its leader has committed reads since. */
const UNKNOWN_MS = 6_000;
const READY_SHARE = 0.9;
const VOTERS_MIN = 3;
const VOTERS_MAX = 5;

/** It certainly did not happen. */
const REFUSED: ReadonlySet<RpcCode> = new Set([
  RpcCode.INVALID_ARGUMENT,
  RpcCode.NOT_FOUND,
  RpcCode.FAILED_PRECONDITION,
  RpcCode.RESOURCE_EXHAUSTED,
]);

/** A `Member` as it travels. */
interface Listed {
  readonly id: MemberId;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}

type Action = () => Promise<void>;

export class Operator {
  /** How many voters the cluster shall have. */
  wanted: number;
  readonly #world: World;
  readonly #random: Random;
  /** Members that shall go, though nothing is wrong with them. */
  readonly #unwanted = new Set<Machine>();
  /** Who the members are, by the newest answer. */
  #members: readonly Listed[];
  /** A change was asked for and nobody knows its outcome: whether the members show it. */
  #isShown: ((members: readonly Listed[]) => boolean) | undefined;
  #unknownSince: Millis = 0;
  #isChanging = false;
  /** What it has decided on may still change the members. */
  #isAtWork = false;
  #isOver = false;
  /** From now on it only finishes what is begun. */
  #isFinishing = false;
  /** Addresses of machines that are gone, for others to take. */
  #freeNames: string[] = [];
  #nextNumber: number;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('operator');
    this.wanted = world.machines.length;
    this.#members = world.machines.map(({ id, name, peerUrl }) => ({ id, name, peerUrls: [peerUrl], isLearner: false }));
    this.#nextNumber = world.machines.length + 1;
  }

  start(): void {
    void this.#run();
  }

  finish(): void {
    this.#isFinishing = true;
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Everybody who is there is a member, is well, and votes; there are as many as wanted, and nobody is to go. */
  get isContent(): boolean {
    if (this.#isAtWork || this.#unwanted.size > 0) return false;
    const { machines } = this.#world;
    const areIn = this.#members.every((member) => !member.isLearner && this.#isWell(member));
    return areIn && this.#members.length === this.wanted && machines.length === this.wanted && this.#isShown === undefined;
  }

  /** Whether the cluster would come back without what this machine holds. */
  mayLose(machine: Machine): boolean {
    if (this.#isChanging || this.#isShown !== undefined) return false;
    const voters = this.#members.filter(({ isLearner }) => !isLearner);
    const rest = voters.filter(({ id }) => id !== machine.id);
    const isMember = this.#members.some(({ id }) => id === machine.id);
    return isMember && voters.length >= VOTERS_MIN && rest.every((voter) => this.#isWell(voter) && this.#hasHeard(voter, voters));
  }

  /** A leader that is cut off may be the only one to know that a change was committed; the others would ask it for its vote. */
  #hasHeard({ id }: Listed, voters: readonly Listed[]): boolean {
    const confState = this.#world.machine(id).process?.member?.machine.applied.confState;
    return confState !== undefined && confState.voters.length === voters.length && voters.every((voter) => confState.voters.includes(voter.id));
  }

  /** Another one shall take its place, though nothing is wrong with it. */
  unwant(machine: Machine): void {
    if (this.#unwanted.size === 0) this.#unwanted.add(machine);
  }

  resize(random: Random): void {
    this.wanted = random.pick([VOTERS_MIN, VOTERS_MIN + 1, VOTERS_MAX].filter((size) => size !== this.wanted));
  }

  async #run(): Promise<void> {
    const random = this.#random;
    while (!this.#isOver) {
      await sleep(this.#world.clock, random.between(LOOK_EVERY_MS.low, LOOK_EVERY_MS.high));
      if (this.isContent) continue;
      if (!(await this.#look())) continue;
      const actions = this.#actions();
      if (actions.length === 0 || this.#isOver) continue;
      this.#isAtWork = true;
      if (random.chance(0.15)) await this.#moveLeader();
      await random.pick(actions)();
      this.#isAtWork = false;
    }
  }

  /** True if it saw how things are. */
  async #look(): Promise<boolean> {
    const list = (linearizable: boolean) =>
      this.#ask('list', (channel) => channel.unary(Cluster.methods.memberList, { linearizable }, { timeoutMs: TIMEOUT_MS }));
    const listed = await list(true);
    if (listed !== undefined) {
      this.#note(listed.members);
      return true;
    }
    // A voter that was added, of which the answer was lost, may be the one without whom there is no majority.
    const seen = await list(false);
    if (seen !== undefined) this.#equip(seen.members);
    return false;
  }

  #note(members: readonly Listed[]): void {
    this.#members = members;
    const isOld = this.#world.clock.monotonic() - this.#unknownSince > UNKNOWN_MS;
    if (isOld || this.#isShown?.(members) === true) this.#isShown = undefined;
    if (this.#isShown === undefined) this.#unknownSince = 0;
    this.#equip(members);
    for (const machine of [...this.#world.machines]) {
      // What is gone for good is taken away. One that takes part hears that it does not any more.
      const isGone = machine.isToGo && (machine.isLost || !machine.hasBeenUp);
      if (!isGone || members.some(({ id }) => id === machine.id)) continue;
      this.#world.retire(machine);
      this.#freeNames.push(machine.name);
    }
    for (const machine of this.#unwanted) if (!members.some(({ id }) => id === machine.id)) this.#unwanted.delete(machine);
  }

  /** Whoever is listed and has no machine yet gets one. */
  #equip(members: readonly Listed[]): void {
    const joins = members.map(({ peerUrls }) => ({ name: nameAt(peerUrls), id: 0n, peerUrls }));
    for (const { id, peerUrls } of members) {
      if (!this.#world.knows(id)) this.#begin(this.#world.add({ id, name: nameAt(peerUrls), joins }));
      const machine = this.#world.machine(id);
      if (machine.joins !== undefined && !machine.hasBeenUp) machine.joins = joins;
    }
  }

  #begin(machine: Machine): void {
    const delayMs = this.#random.chance(0.5) ? 0 : this.#random.between(0, START_WITHIN_MS);
    this.#world.clock.setTimer(delayMs, () => this.#world.start(machine));
  }

  #actions(): Action[] {
    const voters = this.#members.filter(({ isLearner }) => !isLearner);
    const learner = this.#members.find(({ isLearner }) => isLearner);
    const doomed = voters.filter((voter) => this.#isDoomed(voter));
    const goes = doomed.find((voter) => this.#maySpare(voter, voters));
    const kept = voters.length - doomed.length;
    const actions: Action[] = [];
    if (goes !== undefined) actions.push(() => this.#remove(goes));
    if (learner === undefined) {
      if (kept < this.wanted) actions.push(() => this.#add(this.#random.chance(0.75)));
      if (kept > this.wanted && doomed.length === 0) actions.push(async () => this.unwant(this.#pickVoter(voters)));
    } else if (this.#isDoomed(learner) || this.#mayGiveUp()) {
      actions.push(() => this.#remove(learner));
    } else if (this.#world.machine(learner.id).hasBeenUp) {
      actions.push(() => this.#promote(learner));
      const [old] = doomed;
      if (old !== undefined && this.#isShown === undefined) actions.push(() => this.#exchange(learner, old));
    }
    return actions;
  }

  /** A learner that was added in vain. */
  #mayGiveUp(): boolean {
    return !this.#isFinishing && this.#isShown === undefined && this.#random.chance(0.05);
  }

  /** Often the leader. */
  #pickVoter(voters: readonly Listed[]): Machine {
    const leader = this.#world.leader();
    if (leader !== undefined && this.#random.chance(0.4)) return leader;
    return this.#world.machine(this.#random.pick(voters).id);
  }

  /** The rest is a majority of itself, of members that are well or come back. */
  #maySpare(voter: Listed, voters: readonly Listed[]): boolean {
    const rest = voters.filter(({ id }) => id !== voter.id);
    const well = rest.filter((other) => this.#isWell(other)).length;
    return rest.length >= VOTERS_MIN - 1 && 2 * well > rest.length;
  }

  #isDoomed({ id }: Listed): boolean {
    const machine = this.#world.machine(id);
    return machine.isLost || this.#unwanted.has(machine);
  }

  #isWell({ id }: Listed): boolean {
    return this.#world.knows(id) && isSound(this.#world.machine(id));
  }

  async #add(isLearner: boolean): Promise<void> {
    const { counters } = this.#world;
    const name = this.#freeNames.pop() ?? `m${this.#nextNumber++}`;
    const { peerUrl } = addressOf(name);
    const isThere = (members: readonly Listed[]) => members.some(({ peerUrls }) => peerUrls.includes(peerUrl));
    const isDone = await this.#change(`add ${name}${isLearner ? ' as learner' : ''}`, isThere, (channel) =>
      channel.unary(Cluster.methods.memberAdd, { peerUrls: [peerUrl], isLearner }, { timeoutMs: TIMEOUT_MS }),
    );
    if (isDone) counters[isLearner ? 'learnersAdded' : 'votersAdded']++;
  }

  async #promote({ id }: Listed): Promise<void> {
    const isVoter = (members: readonly Listed[]) => members.every((member) => member.id !== id || !member.isLearner);
    const isDone = await this.#change(`promote ${id}`, isVoter, (channel) =>
      channel.unary(Cluster.methods.memberPromote, { id }, { timeoutMs: TIMEOUT_MS }),
    );
    if (isDone) this.#world.counters.learnersPromoted++;
  }

  /**
   * A learner for a voter, in one step through both majorities, which no service offers. The members' rows do not show it:
   * what the operator does next, promoting the one and removing the other, brings them in line.
   */
  async #exchange({ id }: Listed, old: Listed): Promise<void> {
    const { tracer, counters } = this.#world;
    const leader = this.#world.leader()?.process?.member;
    const match = leader?.status().peers.find(({ member }) => member === id)?.match ?? 0;
    // Else the new majority would wait for one that has nothing yet.
    if (leader === undefined || match < leader.status().commit * READY_SHARE) return;
    const isProposed = leader.proposeJointly([
      { kind: 'add-voter', member: id },
      { kind: 'remove', member: old.id },
    ]);
    tracer.add(`operator exchanges ${old.id} for ${id}: ${isProposed ? 'proposed' : 'refused'}`);
    if (!isProposed) return;
    counters.jointChanges++;
    this.#isShown = (members) => members.every((member) => member.id !== old.id && (member.id !== id || !member.isLearner));
    this.#unknownSince = Infinity;
  }

  async #remove({ id }: Listed): Promise<void> {
    const { counters } = this.#world;
    const machine = this.#world.machine(id);
    const isLeader = machine.process?.member?.isLeader === true;
    machine.isToGo = true;
    const isGone = (members: readonly Listed[]) => members.every((member) => member.id !== id);
    const isDone = await this.#change(`remove ${id}`, isGone, (channel) =>
      channel.unary(Cluster.methods.memberRemove, { id }, { timeoutMs: TIMEOUT_MS }),
    );
    if (!isDone) return;
    counters.membersRemoved++;
    if (isLeader) counters.leadersRemoved++;
    if (machine.isLost) counters.lostMembersReplaced++;
  }

  async #moveLeader(): Promise<void> {
    const leader = this.#world.leader();
    const { id } = this.#random.pick(this.#members);
    if (leader === undefined) return;
    const channel = this.#world.channelTo(leader, this.#random.fork(`leader/${leader.starts}`));
    const moved = await told(channel.unary(Maintenance.methods.moveLeader, { targetId: id }, { timeoutMs: TIMEOUT_MS }));
    this.#world.tracer.add(`operator moves the leader to ${id}: ${moved.kind}`);
    if (moved.kind === 'done') this.#world.counters.leadersMoved++;
  }

  /** True if it was acknowledged. */
  async #change(
    what: string,
    isShown: (members: readonly Listed[]) => boolean,
    ask: (channel: Channel) => Promise<{ readonly members: readonly MemberInfo[] }>,
  ): Promise<boolean> {
    this.#isChanging = true;
    const outcome = await told(ask(this.#channel()));
    this.#isChanging = false;
    this.#world.tracer.add(`operator ${what}: ${outcome.kind}${outcome.kind === 'done' ? '' : ` ${outcome.why}`}`);
    if (outcome.kind === 'refused') this.#world.counters.changesRefused++;
    if (outcome.kind === 'unknown' && this.#unknownSince !== Infinity) {
      this.#isShown = isShown;
      this.#unknownSince = this.#world.clock.monotonic();
    }
    if (outcome.kind !== 'done') return false;
    // None was on its way any more when this one was proposed; what is not in the rows yet waits for them.
    if (this.#unknownSince !== Infinity) this.#isShown = undefined;
    this.#note(outcome.value.members);
    if (!isShown(outcome.value.members)) this.#world.fail(`operator: ${what} was acknowledged, and the members do not show it`);
    return true;
  }

  async #ask<T>(what: string, ask: (channel: Channel) => Promise<T>): Promise<T | undefined> {
    const outcome = await told(ask(this.#channel()));
    if (outcome.kind === 'done') return outcome.value;
    this.#world.tracer.add(`operator ${what}: ${outcome.why}`);
    return undefined;
  }

  #channel(): Channel {
    return this.#world.channelToPlace(this.#random.below(VOTERS_MAX), this.#random);
  }
}

type Told<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused' | 'unknown'; readonly why: string };

async function told<T>(asked: Promise<T>): Promise<Told<T>> {
  try {
    return { kind: 'done', value: await asked };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const isRefused = error.notSent || REFUSED.has(error.code) || error.message === storeErrorText('unhealthy');
    return { kind: isRefused ? 'refused' : 'unknown', why: error.message };
  }
}
