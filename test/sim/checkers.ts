/**
 * What must hold in a simulated cluster at any time, checked after every event: one leader a term, logs that match, what
 * was committed stays, states equal at equal indices, revisions that do not fall.
 */
import type { TraceEvent } from '../../src/base/trace.ts';
import type { Member } from '../../src/store/member.ts';
import type { ConfState, LogIndex, MemberId, Message, Term } from '../../src/store/raft/core/types.ts';
import type { StateMachine } from '../../src/store/state-machine.ts';
import { digest } from './network.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** States are hashed at intervals: it costs more than all other checks. */
const HASH_EVERY_MS = 400;

/** How far one process of a member has been checked. */
interface Progress {
  readonly member: Member;
  commit: LogIndex;
  firstIndex: LogIndex;
  revision: number;
  applied: LogIndex;
}

export class Checkers {
  readonly #world: World;
  readonly #leaders = new Map<Term, MemberId>();
  readonly #committed = new Map<LogIndex, Term>();
  readonly #contents = new Map<string, string>();
  readonly #states = new Map<LogIndex, string>();
  /** What was hashed last of each member. */
  readonly #hashed = new Map<MemberId, { readonly state: StateMachine; readonly index: LogIndex }>();
  readonly #progress = new Map<MemberId, Progress>();
  /** Up to where the log was committed while somebody was in that term; the leader who committed it was in no later one. */
  readonly #committedIn = new Map<Term, LogIndex>();
  #hashAt = 0;

  constructor(world: World) {
    this.#world = world;
    world.events = {
      raft: (machine, event) => this.#onRaft(machine, event),
      sent: (message) => this.#onSent(message),
    };
  }

  /** After every settled event. */
  check(): void {
    for (const machine of this.#world.machines) {
      if (!machine.clock.isTouched) continue;
      machine.clock.isTouched = false;
      if (machine.process?.member !== undefined) this.#checkMember(machine, machine.process.member);
    }
    if (this.#world.clock.monotonic() < this.#hashAt) return;
    this.#hashAt = this.#world.clock.monotonic() + HASH_EVERY_MS;
    this.checkStates();
  }

  /** Replicas that have applied the same hold the same. */
  checkStates(): void {
    for (const { machine, member } of this.#world.running()) {
      if (!member.isReadable) continue;
      const { index, confState } = member.machine.applied;
      const hashed = this.#hashed.get(machine.id);
      if (hashed?.state === member.machine && hashed.index === index) continue;
      this.#hashed.set(machine.id, { state: member.machine, index });
      const hash = `${member.machine.hashAll()} ${printConf(confState)}`;
      const known = this.#states.get(index);
      if (known === undefined) this.#states.set(index, hash);
      else if (known !== hash) this.#fail(machine, `its state at index ${index} is not that of the others`);
    }
  }

  /** Of a cluster at rest: who counts, by each member's rows and by its consensus, is who is there. */
  checkMembers(): void {
    const there = idsOf(this.#world.machines.map(({ id }) => id));
    for (const { machine, member } of this.#world.running()) {
      const rows = member.machine.members.list();
      if (rows.some(({ isLearner }) => isLearner) || idsOf(rows.map(({ id }) => id)) !== there) {
        this.#fail(machine, `its members are ${idsOf(rows.map(({ id }) => id))}, and there are ${there}`);
      }
      const { confState } = member.status();
      if (idsOf(confState.voters) !== there || printConf(confState) !== printConf(member.machine.applied.confState)) {
        this.#fail(machine, `it counts ${printConf(confState)}, and there are ${there}`);
      }
    }
  }

  #checkMember(machine: Machine, member: Member): void {
    const { commit, firstIndex, applied, term } = member.status();
    const { revision } = member.machine;
    let progress = this.#progress.get(machine.id);
    if (progress?.member !== member) {
      progress = { member, commit: firstIndex - 1, firstIndex, revision, applied };
      this.#progress.set(machine.id, progress);
    }
    if (commit < progress.commit) this.#fail(machine, 'its commit index fell');
    if (revision < progress.revision) this.#fail(machine, `its revision fell from ${progress.revision} to ${revision}`);
    if (applied < progress.applied) this.#fail(machine, `its applied index fell from ${progress.applied} to ${applied}`);
    for (let index = Math.max(progress.commit + 1, firstIndex); index <= commit; index++) {
      this.#checkCommitted(machine, index, { term: member.termAt(index), seenIn: term });
    }
    if (firstIndex > progress.firstIndex) this.#world.counters.logCompactions++;
    Object.assign(progress, { commit, firstIndex, revision, applied });
  }

  #checkCommitted(machine: Machine, index: LogIndex, { term, seenIn }: { readonly term: Term | undefined; readonly seenIn: Term }): void {
    if (term === undefined) return; // Compacted away in the same step.
    const known = this.#committed.get(index);
    if (known !== undefined && known !== term) {
      this.#fail(machine, `index ${index} was committed in term ${known}, and here in term ${term}`);
    }
    this.#committed.set(index, term);
    if (known === undefined) this.#committedIn.set(seenIn, Math.max(this.#committedIn.get(seenIn) ?? 0, index));
  }

  #onRaft(machine: Machine, event: TraceEvent): void {
    if (event.type === 'raft: replaced conflicting entries') this.#world.counters.truncatedConflicts++;
    if (event.type !== 'raft: became leader') return;
    const { term, lastIndex } = event as TraceEvent & { readonly term: Term; readonly lastIndex: LogIndex };
    const known = this.#leaders.get(term);
    if (known !== undefined) this.#fail(machine, `term ${term} has a leader, ${known}`);
    this.#leaders.set(term, machine.id);
    this.#world.counters.leaderChanges++;
    // Leader completeness: what is committed is in the log of every leader of a later term (Raft paper §5.4); one whose
    // votes were late may lead an earlier term yet (seed 41492). What it holds below is compared when the member reports
    // it committed.
    const needed = Math.max(0, ...[...this.#committedIn].flatMap(([before, index]) => (before < term ? [index] : [])));
    if (lastIndex < needed) this.#fail(machine, `leads term ${term} without index ${needed}`);
  }

  /** Log matching: one index and term, one content. */
  #onSent(message: Message): void {
    if (message.type !== 'append') return;
    for (const { index, term, kind, data } of message.entries) {
      const identity = `${index} ${term}`;
      const content = `${kind} ${digest(data)}`;
      const known = this.#contents.get(identity);
      if (known === undefined) this.#contents.set(identity, content);
      else if (known !== content) this.#world.fail(`index ${index} of term ${term} has two contents`);
    }
  }

  #fail(machine: Machine, what: string): void {
    this.#world.fail(`member ${machine.id}: ${what}`);
  }
}

function idsOf(ids: readonly MemberId[]): string {
  return [...ids].sort((a, b) => (a < b ? -1 : 1)).join();
}

function printConf({ voters, votersOutgoing, learners, learnersNext }: ConfState): string {
  return [voters, votersOutgoing, learners, learnersNext].map((ids) => ids.join()).join(' ');
}
