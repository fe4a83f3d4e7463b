/**
 * Five members on a bad network, one seed a history: messages are dropped, doubled and overtaken, disks are slow, members
 * crash and lose what they had not synced, the configuration changes, logs are compacted. Then all is healed, and they
 * must agree. NETWORK_SEED=n replays one seed, NETWORK_SEEDS=n runs more.
 */
import { expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { membersOf } from '../../../src/store/raft/core/confchange.ts';
import type { ConfChange, ConfChangeKind, Entry, MemberId, Message, Ready } from '../../../src/store/raft/core/types.ts';
import { Member, bootstrap, optionsOf } from './harness.ts';

const IDS: readonly MemberId[] = [1n, 2n, 3n, 4n, 5n];
const FIRST_VOTERS: readonly MemberId[] = [1n, 2n, 3n];
const STEPS = 6000;
/** Messages under way; at it the oldest are lost. */
const UNDER_WAY_MAX = 200;

/** What a seed is like: some are calm, some have an election at every turn, some have disks that hardly write. */
interface Faults {
  readonly tick: number;
  readonly sync: number;
  readonly preVote: boolean;
  readonly drop: number;
  readonly duplicate: number;
  readonly crash: number;
}

class Network {
  readonly random: Random;
  readonly faults: Faults;
  readonly members = new Map<MemberId, Member>();
  readonly down = new Set<MemberId>();
  readonly isolated = new Set<MemberId>();
  underWay: Message[] = [];
  /** What the run met, so that a test can see that it met something. */
  readonly met = { leaders: 0, truncations: 0, snapshots: 0, crashes: 0, lostReadys: 0, reads: 0, joint: 0, committed: 0 };

  readonly #leaderOf = new Map<number, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #committed: Entry[] = [];
  /** (index, term) → the entry and the term before it: log matching, Raft paper §5.3. */
  readonly #known = new Map<string, string>();
  readonly #reads = new Map<bigint, number>();
  #nextRead = 1n;
  #nextValue = 1;

  constructor(seed: number) {
    this.random = seededRandom(`network ${seed}`);
    const { random } = this;
    this.faults = {
      tick: random.pick([0.12, 0.12, 0.3]),
      sync: random.pick([0.25, 0.1]),
      preVote: random.chance(0.5),
      drop: random.pick([0, 0.02, 0.1, 0.3]),
      duplicate: random.pick([0, 0.05, 0.2]),
      crash: random.pick([0, 0.002, 0.01, 0.03]),
    };
    for (const id of IDS) this.members.set(id, this.#newMember(id, seed));
  }

  #newMember(id: MemberId, seed: number): Member {
    const options = optionsOf(id, {
      random: seededRandom(`network ${seed} member ${id}`),
      preVote: this.faults.preVote,
      checkQuorum: this.faults.preVote,
      holdsCommits: seed % 2 === 0,
      maxAppendBytes: 100,
      maxInflightBytes: 300,
      trace: (event) => this.#onTrace(id, event.type),
    });
    const member = new Member(options, { snapshot: bootstrap(FIRST_VOTERS) });
    member.onReady = (ready) => this.#check(member, ready);
    return member;
  }

  /** And what the shell's timer for held commits would do. */
  #tick(member: Member): void {
    member.raft.tick();
    member.raft.tellCommits();
  }

  #onTrace(id: MemberId, type: string): void {
    if (type === 'raft: replaced conflicting entries') this.met.truncations++;
    if (type === 'raft: takes a snapshot') this.met.snapshots++;
    if (type === 'raft: became leader') this.#checkNewLeader(this.members.get(id)!);
  }

  /** Leader completeness, Raft paper §5.4.3. */
  #checkNewLeader(member: Member): void {
    this.met.leaders++;
    const { firstIndex } = member.raft.status();
    for (const { index, term } of this.#committed) {
      if (index >= firstIndex) expect(member.raft.termAt(index), `leader ${member.id} has entry ${index}`).toBe(term);
    }
  }

  #check(member: Member, ready: Ready): void {
    const { role, term } = member.raft.status();
    if (role === 'leader') {
      const known = this.#leaderOf.get(term) ?? member.id;
      if (known !== member.id) throw new Error(`two leaders in term ${term}: ${known} and ${member.id}`);
      this.#leaderOf.set(term, member.id);
    }
    for (const entry of ready.entries) this.#checkEntry(member, entry);
    for (const entry of ready.committed) this.#checkCommitted(entry);
    for (const { request, index } of ready.readStates) this.#checkRead(request, index);
    if (member.conf.votersOutgoing.length > 0) this.met.joint++;
  }

  #checkEntry(member: Member, { index, term, data }: Entry): void {
    const key = `${index}/${term}`;
    const text = `${Buffer.from(data).toString('latin1')} after ${member.raft.termAt(index - 1)}`;
    const known = this.#known.get(key) ?? text;
    if (known !== text && member.raft.termAt(index - 1) !== undefined) {
      throw new Error(`log matching: ${key} is '${known}' and '${text}'`);
    }
    this.#known.set(key, known);
  }

  #checkCommitted(entry: Entry): void {
    const known = this.#committed[entry.index - 1];
    if (known === undefined) {
      if (entry.index !== this.#committed.length + 1) throw new Error(`commit skipped to ${entry.index}`);
      this.#committed.push(entry);
      this.met.committed++;
      return;
    }
    if (known.term !== entry.term || !Buffer.from(known.data).equals(entry.data)) {
      throw new Error(`entry ${entry.index} was committed in terms ${known.term} and ${entry.term}`);
    }
  }

  /** Linearizable: a read sees all that anybody knew to be committed when it was asked. */
  #checkRead(request: bigint, index: number): void {
    const atLeast = this.#reads.get(request);
    if (atLeast === undefined) throw new Error(`read ${request} was not asked`);
    if (index < atLeast) throw new Error(`stale read: index ${index}, ${atLeast} was committed when it was asked`);
    this.met.reads++;
  }

  /** A member votes once a term, whatever it forgets in between (Raft paper §5.2). */
  #checkVote(message: Message): void {
    if (message.type !== 'vote' || message.preVote || !message.granted) return;
    const key = `${message.from}/${message.term}`;
    const known = this.#votes.get(key) ?? message.to;
    if (known !== message.to) throw new Error(`member ${message.from} voted twice in term ${message.term}`);
    this.#votes.set(key, known);
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.#checkVote(message);
      if (this.random.chance(this.faults.drop)) {
        this.#lose(message);
        continue;
      }
      this.underWay.push(message);
      // A proposal is delivered at most once, by contract with the transport.
      if (message.type !== 'propose' && this.random.chance(this.faults.duplicate)) this.underWay.push(message);
    }
    while (this.underWay.length > UNDER_WAY_MAX) this.#lose(this.underWay.shift()!);
  }

  /** The shell of a leader hears when it could not move the state machine; of everything else nobody hears. */
  #lose({ type, from, to }: Message): void {
    if (type === 'install-snapshot' && !this.down.has(from)) this.members.get(from)!.raft.reportSnapshot(to, false);
  }

  deliver(): void {
    if (this.underWay.length === 0) return;
    const at = this.random.chance(0.7) ? 0 : this.random.below(this.underWay.length);
    const [message] = this.underWay.splice(at, 1);
    const { from, to, type } = message!;
    if (this.down.has(to) || this.isolated.has(to) || this.isolated.has(from)) return this.#lose(message!);
    const member = this.members.get(to)!;
    member.raft.step(message!);
    this.send(member.take());
    // The shell of the leader hears how the transfer of the state machine went.
    if (type === 'install-snapshot' && !this.down.has(from)) {
      this.members.get(from)!.raft.reportSnapshot(to, this.random.chance(0.8));
    }
  }

  crash(id: MemberId): void {
    const member = this.members.get(id)!;
    this.met.crashes++;
    this.met.lostReadys += member.unsynced.length;
    member.unsynced = [];
    this.down.add(id);
    for (const other of this.#up()) if (this.random.chance(0.7)) other.raft.connectionClosed(id);
  }

  start(id: MemberId): void {
    this.down.delete(id);
    this.members.get(id)!.restart();
    for (const other of this.#up()) {
      if (other.id === id) continue;
      other.raft.connectionOpened(id);
      this.members.get(id)!.raft.connectionOpened(other.id);
    }
  }

  #up(): Member[] {
    return [...this.members.values()].filter(({ id }) => !this.down.has(id));
  }

  step(): void {
    const { random } = this;
    if (random.chance(this.faults.crash)) this.crash(random.pick(IDS));
    for (const id of [...this.down]) if (random.chance(0.03)) this.start(id);
    if (random.chance(0.004)) this.isolated.add(random.pick(IDS));
    if (random.chance(0.02)) this.isolated.clear();
    const up = this.#up();
    if (up.length === 0) return;
    const member = random.pick(up);
    const choice = random.float();
    const { tick, sync } = this.faults;
    if (choice < tick) this.#tick(member);
    else if (choice < tick + sync) this.send(member.sync());
    else if (choice < 0.85) this.deliver();
    else this.#ask(member);
    this.send(member.take());
  }

  #ask(member: Member): void {
    const { random } = this;
    const choice = random.float();
    if (choice < 0.5) member.raft.propose([this.#value()]);
    else if (choice < 0.8) this.read(member);
    else if (choice < 0.86) member.compact(random.between(0, member.appliedIndex));
    else if (choice < 0.92) member.raft.proposeConfChange(this.#confChange());
    else if (choice < 0.94) member.raft.transferLeader(random.pick(IDS));
    else if (choice < 0.96) member.raft.reportUnreachable(random.pick(IDS));
    else if (choice < 0.97) member.raft.connectionClosed(random.pick(IDS));
    else if (choice < 0.98) member.raft.campaign();
  }

  read(member: Member): bigint {
    const request = this.#nextRead++;
    this.#reads.set(request, this.#committed.length);
    member.raft.readIndex(request);
    return request;
  }

  #value(): Uint8Array {
    return Buffer.from(`value ${this.#nextValue++}`);
  }

  #confChange(): ConfChange {
    const { random } = this;
    const kinds: readonly ConfChangeKind[] = ['add-voter', 'add-voter', 'add-learner', 'remove'];
    const members = random.shuffle(IDS).slice(0, random.pick([1, 1, 2, 3]));
    return { changes: members.map((member) => ({ kind: random.pick(kinds), member })), joint: random.chance(0.3) };
  }

  /** Everything works again: a leader is found, a write commits and reaches every member. */
  heal(): void {
    for (const id of [...this.down]) this.start(id);
    this.isolated.clear();
    Object.assign(this.faults, { drop: 0, duplicate: 0, crash: 0 });
    for (let round = 0; round < 400; round++) {
      for (const member of this.members.values()) {
        this.#tick(member);
        this.#drain();
      }
      if (this.#hasConverged()) return;
      if (round % 40 === 20) this.#leader()?.raft.propose([this.#value()]);
    }
    const states = [...this.members.values()].map(({ raft }) => raft.status());
    throw new Error(`no progress after healing: ${JSON.stringify(states, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`);
  }

  #leader(): Member | undefined {
    return [...this.members.values()].find(({ role }) => role === 'leader');
  }

  #drain(): void {
    for (let i = 0; i < 10_000; i++) {
      const before = this.underWay.length;
      for (const member of this.members.values()) this.send(member.settle());
      if (before === 0 && this.underWay.length === 0) return;
      this.deliver();
    }
    throw new Error('messages without end');
  }

  #hasConverged(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const { commit, lastIndex, term, confState } = leader.raft.status();
    if (commit !== lastIndex || leader.raft.termAt(commit) !== term || confState.votersOutgoing.length > 0) return false;
    return membersOf(confState).every((id) => this.members.get(id)!.appliedIndex === commit);
  }
}

function runSeed(seed: number): Network {
  const network = new Network(seed);
  try {
    for (let step = 0; step < STEPS; step++) network.step();
    network.heal();
    const leader = [...network.members.values()].find(({ role }) => role === 'leader')!;
    const served = network.met.reads;
    network.read(leader);
    network.heal();
    expect(network.met.reads, 'a read is served after healing').toBeGreaterThan(served);
  } catch (error) {
    throw new Error(`seed ${seed}; replay: NETWORK_SEED=${seed} npx vitest run test/store/raft/network.test.ts`, { cause: error });
  }
  return network;
}

test('members on a bad network agree, whatever happens', () => {
  const only = process.env['NETWORK_SEED'];
  const count = Number(process.env['NETWORK_SEEDS'] ?? 100);
  const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];
  const met: Record<string, number> = {};
  for (const seed of seeds) {
    for (const [what, times] of Object.entries(runSeed(seed).met)) met[what] = (met[what] ?? 0) + times;
  }
  if (only !== undefined) return;
  for (const [what, times] of Object.entries(met)) expect(times, `the seeds met ${what}`).toBeGreaterThan(0);
  if (process.env['NETWORK_SEEDS'] !== undefined) console.log(met);
}, 60_000);

test('the same seed twice gives the same history', () => {
  expect(runSeed(7).met).toEqual(runSeed(7).met);
});
