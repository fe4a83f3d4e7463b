/** One member in a test: a core, its disk as the Readys leave it, and the few lines of shell between. */
import { assert } from '../../../src/base/assert.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { Trace } from '../../../src/base/trace.ts';
import { decodeConfChange } from '../../../src/store/raft/core/confchange.ts';
import { Raft, type RaftOptions } from '../../../src/store/raft/core/raft.ts';
import type {
  ConfState,
  Entry,
  HardState,
  MemberId,
  Message,
  ReadState,
  Ready,
  SnapshotMeta,
  Term,
} from '../../../src/store/raft/core/types.ts';

export const NO_HARD_STATE: HardState = { term: 0, votedFor: 0n, commit: 0 };

export function confOf(voters: readonly MemberId[], learners: readonly MemberId[] = []): ConfState {
  return { voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false };
}

export function bootstrap(voters: readonly MemberId[], learners: readonly MemberId[] = []): SnapshotMeta {
  return { index: 0, term: 0, confState: confOf(voters, learners) };
}

export function optionsOf(id: MemberId, overrides: Partial<RaftOptions> = {}): RaftOptions {
  return {
    id,
    electionTicks: 10,
    heartbeatTicks: 2,
    preVote: true,
    checkQuorum: true,
    maxAppendBytes: 1024,
    maxInflightMessages: 4,
    maxInflightBytes: 4096,
    maxUncommittedBytes: 1 << 20,
    random: seededRandom(`member ${id}`),
    ...overrides,
  };
}

export function entriesOf(terms: readonly Term[], first = 1): Entry[] {
  return terms.map((term, i) => ({ term, index: first + i, kind: 'normal', data: new Uint8Array(0) }));
}

/** Any message with its envelope left to the caller's taste. */
export type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

export class Member {
  raft: Raft;
  readonly id: MemberId;
  options: RaftOptions;
  /** What is durable. */
  disk: { hardState: HardState; snapshot: SnapshotMeta | undefined; entries: Entry[] };
  /** Readys taken and not yet durable, in order. */
  unsynced: Ready[] = [];
  applied: Entry[] = [];
  appliedIndex: number;
  conf: ConfState;
  /** The state machine after a crash: what was applied, but a snapshot only once its Ready is durable. */
  #durable: { index: number; conf: ConfState };
  /** The configurations since the first, each with the index that made it. */
  #confs: { index: number; conf: ConfState }[];
  reads: ReadState[] = [];
  /** Called with each Ready as it is taken. */
  onReady: (ready: Ready) => void = () => {};

  constructor(
    options: RaftOptions,
    disk: { hardState?: HardState; snapshot?: SnapshotMeta; entries?: readonly Entry[] },
  ) {
    this.id = options.id;
    this.options = options;
    this.disk = {
      hardState: disk.hardState ?? NO_HARD_STATE,
      snapshot: disk.snapshot,
      entries: [...(disk.entries ?? [])],
    };
    this.appliedIndex = disk.snapshot?.index ?? 0;
    this.conf = disk.snapshot?.confState ?? confOf([]);
    this.#durable = { index: this.appliedIndex, conf: this.conf };
    this.#confs = [{ index: this.appliedIndex, conf: this.conf }];
    this.raft = new Raft(options, this.disk);
  }

  get role() {
    return this.raft.status().role;
  }

  get term() {
    return this.raft.status().term;
  }

  /** Takes every Ready there is, applies what is committed; what may leave at once is returned. */
  take(): Message[] {
    const messages: Message[] = [];
    for (let ready = this.raft.ready(); ready !== undefined; ready = this.raft.ready()) {
      this.onReady(ready);
      this.unsynced.push(ready);
      messages.push(...ready.messages);
      this.reads.push(...ready.readStates);
      this.#apply(ready);
    }
    return messages;
  }

  /** The oldest Ready becomes durable; what waited for it is returned. */
  sync(): Message[] {
    const ready = this.unsynced.shift();
    if (ready === undefined) return [];
    this.#write(ready);
    this.raft.persisted(ready.number);
    return [...ready.messagesAfterSync];
  }

  /** As a shell with an immediate disk would run it, until nothing is left to do. */
  settle(): Message[] {
    const messages = this.take();
    while (this.unsynced.length > 0) messages.push(...this.sync(), ...this.take());
    return messages;
  }

  /** The process ends and starts again with what is durable. The state machine keeps what it applied. */
  restart(options: Partial<RaftOptions> = {}): void {
    this.unsynced = [];
    this.reads = [];
    this.options = { ...this.options, ...options };
    this.appliedIndex = this.#durable.index;
    this.conf = this.#durable.conf;
    const applied = { index: this.appliedIndex, confState: this.conf };
    this.raft = new Raft(this.options, { ...this.disk, applied });
  }

  compact(index: number): void {
    const term = this.raft.termAt(index);
    if (term === undefined || index <= this.raft.status().firstIndex - 1) return;
    const confState = this.#confs.findLast((change) => change.index <= index)!.conf;
    this.raft.compact(index, confState);
    const durable = this.disk.entries.at(-1)?.index ?? this.disk.snapshot?.index ?? 0;
    assert(index <= durable, 'only durable entries are compacted');
    this.disk.entries = this.disk.entries.filter((entry) => entry.index > index);
    this.disk.snapshot = { index, term, confState };
  }

  #write({ snapshot, entries, hardState }: Ready): void {
    if (snapshot !== undefined) {
      this.#durable = { index: snapshot.index, conf: snapshot.confState };
      this.disk.snapshot = snapshot;
      this.disk.entries = [];
    }
    if (entries.length > 0) {
      const first = entries[0]!.index;
      this.disk.entries = [...this.disk.entries.filter((entry) => entry.index < first), ...entries];
    }
    if (hardState !== undefined) this.disk.hardState = hardState;
  }

  #apply({ snapshot, committed }: Ready): void {
    if (snapshot !== undefined) {
      this.appliedIndex = snapshot.index;
      this.#useConf(snapshot.confState);
    }
    for (const entry of committed) {
      assert(entry.index === this.appliedIndex + 1, 'entries are applied in order');
      this.applied.push(entry);
      this.appliedIndex = entry.index;
      if (entry.kind === 'conf-change') this.#useConf(this.raft.appliedConfChange(decodeConfChange(entry.data)!));
    }
    if (committed.length === 0) return;
    this.raft.applied(this.appliedIndex);
    this.#durable = { index: this.appliedIndex, conf: this.conf };
  }

  #useConf(conf: ConfState): void {
    this.conf = conf;
    this.#confs.push({ index: this.appliedIndex, conf });
  }
}

/** Members on a network that loses nothing and delivers in order; for paper tests. */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  /** Messages for which this is false are lost. */
  delivers: (message: Message) => boolean = () => true;
  /** Everything that was delivered. */
  readonly delivered: Message[] = [];

  constructor(ids: readonly MemberId[], options: Partial<RaftOptions> = {}, trace?: (id: MemberId) => Trace) {
    for (const id of ids) {
      const own = trace === undefined ? options : { ...options, trace: trace(id) };
      this.members.set(id, new Member(optionsOf(id, own), { snapshot: bootstrap(ids) }));
    }
  }

  at(id: MemberId): Member {
    const member = this.members.get(id);
    assert(member !== undefined, `member ${id} exists`);
    return member;
  }

  /** Delivers until nobody has anything to say. */
  run(): void {
    for (let round = 0; round < 1000; round++) {
      const messages = [...this.members.values()].flatMap((member) => member.settle());
      if (messages.length === 0) return;
      for (const message of messages) {
        if (!this.delivers(message) || !this.members.has(message.to)) continue;
        this.delivered.push(message);
        this.at(message.to).raft.step(message);
      }
    }
    throw new Error('the cluster does not come to rest');
  }

  elect(id: MemberId): Member {
    this.at(id).raft.campaign();
    this.run();
    return this.at(id);
  }

  tick(times = 1): void {
    for (let i = 0; i < times; i++) {
      for (const member of this.members.values()) member.raft.tick();
      this.run();
    }
  }
}
