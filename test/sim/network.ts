/**
 * The simulator's network between members. A message is encoded when it is sent and decoded when it arrives; on the way
 * it may be dropped, delayed, overtaken or doubled, by the Random of its link. A link is cut in one direction at a time.
 *
 * Proposals are never doubled: below a real transport is TCP, and the core assumes that (raft.ts, "at most once").
 *
 * Connections are numbered a direction, as transport.ts has it. A process that dies closes those to it, which the others
 * hear of; a power cut and a partition close nothing. False and late closes are faults of their own.
 *
 * Who is reached follows what each process says of the members, as the real transport does: it sends to its peers alone,
 * and whoever a receiver knows to be removed is told so and not heard.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../../src/base/assert.ts';
import type { Clock, Millis } from '../../src/base/clock.ts';
import { sleep } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { describeError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/random.ts';
import { Envelope } from '../../src/proto/raft.ts';
import type { MemberId, Message } from '../../src/store/raft/core/types.ts';
import { messageFromWire, messageToWire } from '../../src/store/raft/message-codec.ts';
import { SnapshotInbox, type SnapshotPart } from '../../src/store/raft/snapshot-inbox.ts';
import type { PeerSet, RaftReceiver, RaftTransport, SnapshotSource } from '../../src/store/raft/transport.ts';
import type { Counters } from './counters.ts';
import type { Tracer } from './tracer.ts';

export interface LinkFaults {
  readonly drop: number;
  readonly double: number;
  readonly delayMs: { readonly min: Millis; readonly max: Millis };
}

export const CALM: LinkFaults = { drop: 0, double: 0, delayMs: { min: 0.2, max: 3 } };
/** How soon a member hears that a process died, and how soon it has dialled one that lives. */
const CLOSE_MS = { min: 0.1, max: 20 };
const DIAL_MS = { min: 5, max: 300 };
/** That the connection breaks at a part of a snapshot: what is for a whole link or process would hardly ever hit one. */
const BREAK_AT_PART = 0.02;
/** How soon a member that was removed hears so from whom it talks to. */
const REFUSAL_MS = { min: 0.2, max: 10 };

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly tracer: Tracer;
  readonly counters: Counters;
  /** Runs at a member now, or when its process is awake again. */
  readonly whenAwake: (member: MemberId, run: () => void) => void;
  /** What a receiver threw: a broken invariant. */
  readonly onFailure: (member: MemberId, error: unknown) => void;
  readonly onSent: (message: Message) => void;
}

interface Link {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly random: Random;
  faults: LinkFaults;
  isCut: boolean;
  /** Of the sender to the receiver; what the sender was told of last. */
  connection: number;
  isConnected: boolean;
  /** Breaks what is being streamed. */
  readonly transfers: Set<(why: string) => void>;
}

/** A process that takes part; a restarted member is another one. */
export class Station implements RaftTransport {
  readonly id: MemberId;
  receiver: RaftReceiver | undefined;
  inbox: SnapshotInbox | undefined;
  isDown = false;
  readonly #network: Network;
  #set: PeerSet = { peers: [], isRemoved: () => false };
  #peers: ReadonlySet<MemberId> = new Set();
  /** Who has a connection to it and is no member, as far as its log tells. */
  readonly #strangers = new Set<MemberId>();

  constructor(network: Network, id: MemberId) {
    this.#network = network;
    this.id = id;
  }

  setPeers(set: PeerSet): void {
    this.#set = set;
    for (const { id } of set.peers) this.#strangers.delete(id);
    for (const id of this.#strangers) if (set.isRemoved(id)) this.#strangers.delete(id);
    this.#repeer();
  }

  /** `caller` has a connection to it: it is answered, whether the log tells of it or not. */
  meet(caller: MemberId): void {
    if (this.knows(caller)) return;
    this.#strangers.add(caller);
    this.#repeer();
  }

  /** The connection of `caller` is gone. */
  part(caller: MemberId): void {
    if (this.#strangers.delete(caller)) this.#repeer();
  }

  #repeer(): void {
    const before = this.#peers;
    this.#peers = new Set([...this.#set.peers.map(({ id }) => id), ...this.#strangers]);
    if (this.receiver !== undefined && !this.isDown) this.#network.repeer(this, before);
  }

  /** By what its process last said. */
  knows(id: MemberId): boolean {
    return this.#peers.has(id);
  }

  hasRemoved(id: MemberId): boolean {
    return this.#set.isRemoved(id);
  }

  async start(receiver: RaftReceiver): Promise<void> {
    this.receiver = receiver;
    this.inbox = this.#network.inboxOf(receiver);
    this.#network.dialAll(this);
  }

  send(messages: readonly Message[]): void {
    if (this.isDown) return;
    for (const message of messages) if (this.knows(message.to)) this.#network.send(message);
  }

  sendSnapshot(message: Message, source: SnapshotSource): Promise<void> {
    assert(message.type === 'install-snapshot', 'only such a message carries a state');
    if (!this.knows(message.to)) return Promise.reject(new Error(`no member ${message.to}`));
    return this.#network.sendSnapshot(message, source);
  }

  async close(): Promise<void> {
    this.inbox?.close();
    this.#network.detach(this.id, 'closes');
  }
}

export class Network {
  readonly #options: NetworkOptions;
  readonly #ids = new Set<MemberId>();
  readonly #links = new Map<string, Link>();
  readonly #stations = new Map<MemberId, Station>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** A machine is there, linked with all others. */
  add(id: MemberId): void {
    for (const other of this.#ids) {
      this.#connect(id, other);
      this.#connect(other, id);
    }
    this.#ids.add(id);
  }

  /** It is gone for good. */
  remove(id: MemberId): void {
    assert(!this.#stations.has(id), 'nothing runs there any more');
    this.#ids.delete(id);
    for (const [name, { from, to }] of this.#links) if (from === id || to === id) this.#links.delete(name);
  }

  #connect(from: MemberId, to: MemberId): void {
    const random = this.#options.random.fork(`link/${from}>${to}`);
    const state = { faults: CALM, isCut: false, connection: 0, isConnected: false };
    this.#links.set(nameOf(from, to), { from, to, random, ...state, transfers: new Set() });
  }

  get links(): Iterable<{ readonly from: MemberId; readonly to: MemberId }> {
    return this.#links.values();
  }

  /** The transport of a process that begins. */
  attach(id: MemberId): Station {
    assert(!this.#stations.has(id), 'a member runs once at a time');
    const station = new Station(this, id);
    this.#stations.set(id, station);
    return station;
  }

  /** The process is gone. `closes`: its system says so to its peers; `vanishes`: nobody does, before it is back. */
  detach(id: MemberId, how: 'closes' | 'vanishes'): void {
    const station = this.#stations.get(id);
    if (station === undefined) return;
    station.isDown = true;
    this.#stations.delete(id);
    for (const link of this.#links.values()) {
      if (link.from === id) link.isConnected = false;
      if (link.from === id || link.to === id) this.#breakTransfers(link, 'a process died');
      if (link.to === id && how === 'closes') this.#closeSoon(link);
    }
  }

  cut(from: MemberId, to: MemberId): void {
    const link = this.#links.get(nameOf(from, to));
    if (link === undefined) return;
    link.isCut = true;
    this.#breakTransfers(link, 'the link is cut');
  }

  mend(from: MemberId, to: MemberId): void {
    const link = this.#links.get(nameOf(from, to));
    if (link !== undefined) link.isCut = false;
  }

  setFaults(from: MemberId, to: MemberId, faults: LinkFaults): void {
    const link = this.#links.get(nameOf(from, to));
    if (link !== undefined) link.faults = faults;
  }

  /** Every link whole and calm again. */
  heal(): void {
    for (const link of this.#links.values()) {
      link.isCut = false;
      link.faults = CALM;
    }
  }

  /** The sender is told that the connection ended, though the receiver lives; or of an older one, long gone. */
  closeFalsely(from: MemberId, to: MemberId, isLate: boolean): void {
    const link = this.#links.get(nameOf(from, to));
    if (link === undefined) return;
    const { connection } = link;
    this.#options.tracer.add(`net ${from}>${to} ${isLate ? 'late' : 'false'} close`);
    if (isLate) return this.#tell(link, (receiver) => receiver.closed(to, connection - 1));
    this.#close(link);
    this.#dialSoon(link);
  }

  inboxOf(receiver: RaftReceiver): SnapshotInbox {
    return new SnapshotInbox(receiver, this.#options.clock);
  }

  /** A process has started. */
  dialAll(station: Station): void {
    for (const link of this.#links.values()) {
      if (link.from === station.id) this.#dialSoon(link);
      if (link.to !== station.id) continue;
      // Whoever still believes in a connection to the process before this one learns better now.
      if (link.isConnected) this.#close(link);
      this.#dialSoon(link);
    }
  }

  /** The members have changed, by what the process at `station` knows. */
  repeer(station: Station, before: ReadonlySet<MemberId>): void {
    for (const link of this.#links.values()) {
      // Its stream ends with the word that it is removed.
      if (link.to === station.id && link.isConnected && station.hasRemoved(link.from)) this.#refuse(link);
      if (link.from !== station.id) continue;
      const isPeer = station.knows(link.to);
      if (isPeer && !before.has(link.to)) this.#dialSoon(link);
      if (isPeer || !before.has(link.to)) continue;
      // Who leaves tells nobody: the member knows by itself.
      link.isConnected = false;
      this.#breakTransfers(link, 'no member any more');
    }
  }

  send(message: Message): void {
    const { tracer, counters, onSent } = this.#options;
    const link = this.#links.get(nameOf(message.from, message.to));
    onSent(message);
    counters.messages++;
    if (link === undefined) return;
    const bytes = Envelope.encode(messageToWire(message));
    const what = `${message.from}>${message.to} ${message.type} term=${message.term}`;
    if (link.isCut || link.random.chance(link.faults.drop)) {
      counters.droppedMessages++;
      return tracer.add(`drop ${what} ${bytes.length}`);
    }
    tracer.add(`send ${what} ${digest(bytes)}`);
    this.#deliverLater(link, bytes, what);
    if (message.type !== 'propose' && link.random.chance(link.faults.double)) {
      counters.doubledMessages++;
      this.#deliverLater(link, bytes, `${what} again`);
    }
  }

  /** A stream of parts, in order; it breaks with either process, and when its link is cut. */
  async sendSnapshot(
    message: Extract<Message, { type: 'install-snapshot' }>,
    { id, read }: SnapshotSource,
  ): Promise<void> {
    const { clock, counters, tracer, whenAwake } = this.#options;
    const link = this.#links.get(nameOf(message.from, message.to));
    if (link === undefined) throw new Error('no such machine');
    const travel = async () => {
      await sleep(clock, drawDelay(link));
      await new Promise<void>((resolve) => whenAwake(link.to, resolve));
    };
    const station = this.#stations.get(message.to);
    const inbox = station?.inbox;
    if (link.isCut || station === undefined || inbox === undefined) throw new Error('no connection');
    if (station.hasRemoved(message.from)) {
      this.#refuse(link);
      throw new Error('removed from the cluster');
    }
    const bytes = Envelope.encode(messageToWire(message));
    tracer.add(`snapshot ${message.from}>${message.to} index=${message.snapshot.index}`);
    const broken = deferred<never>();
    broken.promise.catch(() => undefined);
    const breaks = (why: string) => broken.reject(new Error(why));
    link.transfers.add(breaks);
    const delayed = async function* (from: number): AsyncIterable<SnapshotPart> {
      const iterator = read(from)[Symbol.asyncIterator]();
      let offset = from;
      try {
        for (;;) {
          const next = await Promise.race([iterator.next(), broken.promise]);
          await Promise.race([travel(), broken.promise]);
          if (link.random.chance(BREAK_AT_PART)) breaks('the connection broke');
          if (next.done === true) return;
          const data = next.value.slice();
          yield { offset, checksum: crc32(data), data };
          offset += data.length;
        }
      } finally {
        void iterator.return?.();
      }
    };
    try {
      await Promise.race([travel(), broken.promise]);
      const arrived = messageFromWire(Envelope.decode(bytes));
      assert(arrived.type === 'install-snapshot', 'a message keeps its type');
      const { offset, installed } = inbox.progress(message.from, id);
      await Promise.race([travel(), broken.promise]);
      if (offset > 0 || installed) counters.resumedSnapshots++;
      if (!installed) await Promise.race([inbox.take({ message: arrived, id, offset }, delayed(offset)), broken.promise]);
      counters.installedSnapshots++;
      tracer.add(`snapshot ${message.from}>${message.to} index=${arrived.snapshot.index} installed`);
      await Promise.race([sleep(clock, drawDelay(link)), broken.promise]);
    } catch (error) {
      tracer.add(`snapshot ${message.from}>${message.to} failed: ${describeError(error)}`);
      throw error;
    } finally {
      link.transfers.delete(breaks);
    }
  }

  #deliverLater(link: Link, bytes: Uint8Array, what: string): void {
    const { clock, tracer, whenAwake, onFailure } = this.#options;
    clock.setTimer(drawDelay(link), () => {
      if (link.isCut) return tracer.add(`lost ${what}`);
      whenAwake(link.to, () => {
        const station = this.#stations.get(link.to);
        const receiver = station?.receiver;
        if (station === undefined || receiver === undefined) return tracer.add(`nobody ${what}`);
        if (station.hasRemoved(link.from)) return this.#refuse(link);
        tracer.add(`recv ${what}`);
        try {
          receiver.receive(messageFromWire(Envelope.decode(bytes)));
        } catch (error) {
          onFailure(link.to, error);
        }
      });
    });
  }

  #closeSoon(link: Link): void {
    const { clock } = this.#options;
    const { connection } = link;
    clock.setTimer(draw(link.random, CLOSE_MS), () => {
      if (link.connection !== connection || link.isCut) return;
      this.#close(link);
    });
  }

  #close(link: Link): void {
    const { connection } = link;
    if (!link.isConnected) return;
    link.isConnected = false;
    this.#breakTransfers(link, 'the connection ended');
    this.#stations.get(link.to)?.part(link.from);
    this.#options.tracer.add(`net ${link.from}>${link.to} closed ${connection}`);
    this.#tell(link, (receiver) => receiver.closed(link.to, connection));
  }

  /** Tries until both live and the way is free both ways. */
  #dialSoon(link: Link): void {
    const { clock, tracer } = this.#options;
    const caller = this.#stations.get(link.from);
    clock.setTimer(draw(link.random, DIAL_MS), () => {
      if (link.isConnected || caller === undefined || this.#stations.get(link.from) !== caller) return;
      if (!caller.knows(link.to)) return;
      const back = this.#links.get(nameOf(link.to, link.from));
      if (back === undefined) return;
      const callee = this.#stations.get(link.to);
      if (link.isCut || back.isCut || callee?.receiver === undefined) return this.#dialSoon(link);
      if (callee.hasRemoved(link.from)) {
        this.#refuse(link);
        return this.#dialSoon(link);
      }
      const connection = ++link.connection;
      link.isConnected = true;
      tracer.add(`net ${link.from}>${link.to} opened ${connection}`);
      callee.meet(link.from);
      this.#tell(link, (receiver) => receiver.opened(link.to, connection));
    });
  }

  /** A removed member may have missed that it was: it is told by whom it talks to, if the way back is free. */
  #refuse(link: Link): void {
    const { clock, tracer } = this.#options;
    tracer.add(`net ${link.from}>${link.to} refused: removed`);
    const station = this.#stations.get(link.from);
    clock.setTimer(draw(link.random, REFUSAL_MS), () => {
      if (this.#stations.get(link.from) !== station) return;
      if (this.#links.get(nameOf(link.to, link.from))?.isCut === false) return this.#tell(link, (receiver) => receiver.removed?.());
      // Its transport notices that nobody is there any more, and dials until it is told (seed 43264).
      if (!link.isConnected) return;
      this.#close(link);
      this.#dialSoon(link);
    });
  }

  #tell(link: Link, tell: (receiver: RaftReceiver) => void): void {
    const station = this.#stations.get(link.from);
    if (station === undefined) return;
    this.#options.whenAwake(link.from, () => {
      if (station.isDown || station.receiver === undefined) return;
      try {
        tell(station.receiver);
      } catch (error) {
        this.#options.onFailure(link.from, error);
      }
    });
  }

  #breakTransfers(link: Link, why: string): void {
    for (const breaks of [...link.transfers]) breaks(why);
  }
}

function nameOf(from: MemberId, to: MemberId): string {
  return `${from}>${to}`;
}

function drawDelay({ random, faults }: Link): Millis {
  return draw(random, faults.delayMs);
}

export function draw(random: Random, { min, max }: { readonly min: Millis; readonly max: Millis }): Millis {
  return min + random.float() * (max - min);
}

/** So that a trace tells messages apart that differ in their contents alone. */
export function digest(bytes: Uint8Array): string {
  return crc32(bytes).toString(16);
}
