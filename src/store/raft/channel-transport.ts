/**
 * RaftTransport over channels (src/proto/rpc.ts), whatever carries those: gRPC between processes, direct calls in one.
 *
 *   member 1 ── Stream (its messages) ─────────► member 2      one stream a pair and direction, dialled by the sender;
 *            ◄─ one empty envelope: "I am here"                its first answer says that the connection stands, its end
 *            ◄───────── Stream (its messages) ──                that the peer is gone
 *
 * A message that finds no connection, or a queue that is full, is dropped: Raft sends what matters again.
 *
 * A member that was away while another joined does not know that one, which may lead by now, and could not say what it
 * lacks (simulator, seed 20487). So whoever opens a stream says where it is reached; for as long as the stream stands it
 * is answered there, member or not. Who was removed is refused.
 */
import { crc32 } from 'node:zlib';
import { sleep, type Clock, type Millis } from '../../base/clock.ts';
import { AbortedError, describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { forEach } from '../../base/pipe.ts';
import type { Random } from '../../base/random.ts';
import { Tasks } from '../../base/tasks.ts';
import { type Envelope, Raft as RaftService, type SnapshotChunk, type SnapshotProgressRequest } from '../../proto/raft.ts';
import {
  bind,
  RpcCode,
  RpcError,
  type BidiCall,
  type BoundService,
  type CallContext,
  type Channel,
} from '../../proto/rpc.ts';
import { type Init, WireError } from '../../proto/wire.ts';
import { NO_MEMBER, type MemberId, type Message } from './core/types.ts';
import { peerUrlsOf } from '../membership/identity.ts';
import { messageFromWire, messageToWire } from './message-codec.ts';
import { PeerTraffic, serviceCounting, streamTo, type PeerCounts } from './peer-traffic.ts';
import { SnapshotInbox, SnapshotPartError, type SnapshotPart, type SnapshotProgress } from './snapshot-inbox.ts';
import {
  SnapshotRefusedError,
  type ConnectionNumber,
  type PeerAddress,
  type PeerSet,
  type RaftReceiver,
  type RaftTransport,
  type SnapshotSource,
} from './transport.ts';

export interface ChannelTransportOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly clusterId: bigint;
  readonly self: MemberId;
  /** A channel to another member; the transport closes it. */
  readonly dial: (peer: PeerAddress) => Channel;
}

/** Messages that wait for a slow peer; past it the newest are dropped. The core's window bounds their bytes. */
const QUEUE_MAX = 4096;
const RECONNECT_MIN_MS = 20;
const RECONNECT_MAX_MS = 1000;
/** To ask a peer what it has of a snapshot. */
const PROGRESS_TIMEOUT_MS = 5_000;
/** Names none: real ones are never 0. */
const NO_SNAPSHOT = 0n;

const CLUSTER_HEADER = 'podium-cluster-id';
const MEMBER_HEADER = 'podium-member-id';
const URLS_HEADER = 'podium-peer-urls';
/** Callers at a time that the log does not know; further ones are heard and not answered. */
const STRANGERS_MAX = 16;

export class ChannelTransport implements RaftTransport {
  /** For the member's peer server. */
  readonly service: BoundService;
  /** For metrics. */
  readonly traffic = new PeerTraffic();
  readonly #options: ChannelTransportOptions;
  readonly #peers = new Map<MemberId, Peer>();
  /** Those of the peers that are no members as far as the log tells. */
  readonly #strangers = new Set<MemberId>();
  /** Per peer, over all of its connections. */
  readonly #connections = new Map<MemberId, ConnectionNumber>();
  readonly #abort = new AbortController();
  readonly #tasks: Tasks;
  /** Ends the streams that others have opened to us, by who they are. */
  readonly #callers = new Map<MemberId, Set<() => void>>();
  #set: PeerSet = { peers: [], isRemoved: () => false };
  #receiver: RaftReceiver | undefined;
  #inbox: SnapshotInbox | undefined;

  constructor(options: ChannelTransportOptions) {
    this.#options = options;
    this.#tasks = new Tasks((error) =>
      options.log.error({ error: describeError(error) }, 'raft: transport task failed'),
    );
    this.service = bind(
      serviceCounting(this.traffic),
      {
        stream: (requests, context) => this.#receiveStream(requests, context),
        snapshot: (requests, context) => this.#receiveSnapshot(requests, context),
        snapshotProgress: (request, context) => this.#snapshotProgress(request, context),
      },
      (error) => {
        if (error instanceof WireError) return new RpcError(RpcCode.INVALID_ARGUMENT, error.message);
        return error instanceof SnapshotPartError ? new RpcError(RpcCode.ABORTED, error.message) : undefined;
      },
    );
  }

  async start(receiver: RaftReceiver): Promise<void> {
    this.#receiver = receiver;
    this.#inbox = new SnapshotInbox(receiver, this.#options.clock);
    for (const peer of this.#peers.values()) this.#tasks.run(peer.run(receiver));
  }

  setPeers(set: PeerSet): void {
    this.#set = set;
    for (const [id, peer] of this.#peers) {
      const isMember = set.peers.some((address) => address.id === id);
      if (!isMember && this.#strangers.has(id) && !set.isRemoved(id)) continue;
      this.#strangers.delete(id);
      if (!set.peers.some((address) => isSame(address, peer.address))) this.#drop(id);
    }
    for (const address of set.peers) if (!this.#peers.has(address.id)) this.#add(address);
    // A member that counts no more, and missed why, may have nothing to send: with its stream it is told (simulator, seed 25).
    for (const [id, ends] of this.#callers) if (set.isRemoved(id)) for (const end of [...ends]) end();
  }

  /** To a peer of now, for other calls than ours. */
  channel(id: MemberId): Channel | undefined {
    return this.#peers.get(id)?.channel;
  }

  send(messages: readonly Message[]): void {
    let last: Peer | undefined;
    for (const message of messages) {
      const peer = this.#peers.get(message.to);
      // The one is on its way while those for the next are written.
      if (peer !== last) last?.flush();
      peer?.send(message);
      last = peer;
    }
    last?.flush();
  }

  /** Asks a peer for what costs it nothing, over the connection that all goes over, and answers how long that took. */
  async roundTrip(id: MemberId): Promise<Millis> {
    const { clock, self } = this.#options;
    const channel = this.channel(id);
    if (channel === undefined) throw notMember(id);
    const startedAt = clock.monotonic();
    await this.#progressAt(channel, self, NO_SNAPSHOT);
    return clock.monotonic() - startedAt;
  }

  async sendSnapshot(message: Message, source: SnapshotSource): Promise<void> {
    const channel = this.channel(message.to);
    if (channel === undefined) throw notMember(message.to);
    const options = { signal: this.#abort.signal, metadata: this.#metadata() };
    const { offset, installed } = await this.#progressAt(channel, message.from, source.id);
    if (installed) return;
    const chunks = chunksOf(message, source, { offset, counts: this.traffic.add(message.to) });
    const answer = await channel.clientStream(RaftService.methods.snapshot, chunks, options);
    if (!answer.installed) throw new SnapshotRefusedError(`the peer did not install the snapshot: ${answer.error}`);
  }

  /** What the peer has of it already. */
  async #progressAt(channel: Channel, from: MemberId, id: bigint): Promise<SnapshotProgress> {
    const options = { signal: this.#abort.signal, metadata: this.#metadata(), timeoutMs: PROGRESS_TIMEOUT_MS };
    try {
      return await channel.unary(RaftService.methods.snapshotProgress, { from, id }, options);
    } catch (error) {
      if (error instanceof RpcError && error.code === RpcCode.UNIMPLEMENTED) return { offset: 0, installed: false };
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#abort.abort();
    for (const peer of this.#peers.values()) peer.close();
    this.#inbox?.close();
    await this.#tasks.idle();
  }

  /** Who calls and is no member yet gets a way back. */
  #meet(id: MemberId, { metadata }: CallContext): void {
    if (id === NO_MEMBER || id === this.#options.self || this.#peers.has(id)) return;
    const peerUrls = peerUrlsOf((metadata.get(URLS_HEADER) ?? '').split(','));
    if (peerUrls === undefined || this.#strangers.size >= STRANGERS_MAX) return;
    this.#strangers.add(id);
    this.#add({ id, peerUrls });
  }

  #drop(id: MemberId): void {
    this.#strangers.delete(id);
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
    this.traffic.drop(id);
  }

  #add(address: PeerAddress): void {
    if (this.#abort.signal.aborted) return;
    const { id } = address;
    const nextConnection = () => {
      const number = (this.#connections.get(id) ?? 0) + 1;
      this.#connections.set(id, number);
      return number;
    };
    const channel = this.#options.dial(address);
    const counts = this.traffic.add(id);
    const peer = new Peer({ ...this.#options, address, channel, counts, nextConnection, metadata: () => this.#metadata() });
    this.#peers.set(id, peer);
    if (this.#receiver !== undefined) this.#tasks.run(peer.run(this.#receiver));
  }

  #metadata(): Record<string, string> {
    const { clusterId, self } = this.#options;
    const { ownUrls = [] } = this.#set;
    return {
      [CLUSTER_HEADER]: clusterId.toString(16),
      [MEMBER_HEADER]: self.toString(16),
      ...(ownUrls.length === 0 ? {} : { [URLS_HEADER]: ownUrls.join() }),
    };
  }

  async *#receiveStream(requests: AsyncIterable<Envelope>, context: CallContext): AsyncIterable<Init<Envelope>> {
    const receiver = this.#checkCaller(context);
    const caller = callerOf(context);
    const end = () => void requests[Symbol.asyncIterator]().return?.();
    const ends = this.#callers.get(caller) ?? new Set();
    this.#callers.set(caller, ends.add(end));
    this.#meet(caller, context);
    try {
      yield {};
      // Others wait for what a message brings about: no turn of a promise lies between its bytes and the core.
      await forEach(requests, (envelope) => {
        const message = this.#checkReceiver(messageFromWire(envelope));
        this.#checkMember(message.from);
        receiver.receive(message);
      });
      this.#checkMember(caller);
    } finally {
      ends.delete(end);
      if (ends.size === 0 && this.#callers.get(caller) === ends) {
        this.#callers.delete(caller);
        if (this.#strangers.has(caller)) this.#drop(caller);
      }
    }
  }

  async #receiveSnapshot(
    requests: AsyncIterable<SnapshotChunk>,
    context: CallContext,
  ): Promise<{ installed: boolean; index: number; error: string }> {
    this.#checkCaller(context);
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done === true || first.value.chunk?.case !== 'header') throw new WireError('a snapshot without a header');
    const { id, offset } = first.value;
    const message = this.#checkReceiver(messageFromWire(first.value.chunk.value));
    if (message.type !== 'install-snapshot') throw new WireError(`a snapshot with a header of type ${message.type}`);
    const { snapshot, from } = message;
    try {
      const parts = partsOf(id, { [Symbol.asyncIterator]: () => iterator }, (bytes) => this.traffic.received(from, bytes));
      await this.#inbox!.take({ message, id, offset }, parts);
      return { installed: true, index: snapshot.index, error: '' };
    } catch (error) {
      if (!(error instanceof SnapshotRefusedError)) throw error;
      this.#options.log.warn(
        { peer: from.toString(16), index: snapshot.index, error: describeError(error) },
        'raft: snapshot refused',
      );
      return { installed: false, index: snapshot.index, error: describeError(error) };
    }
  }

  #snapshotProgress({ from, id }: SnapshotProgressRequest, context: CallContext): SnapshotProgress {
    this.#checkCaller(context);
    return this.#inbox!.progress(from, id);
  }

  #checkCaller(context: CallContext): RaftReceiver {
    const theirs = context.metadata.get(CLUSTER_HEADER);
    const ours = this.#options.clusterId.toString(16);
    if (theirs !== ours) {
      throw new RpcError(
        RpcCode.FAILED_PRECONDITION,
        `cluster ID mismatch: this is a member of ${ours}, the caller of ${theirs ?? 'none'}`,
      );
    }
    this.#checkMember(callerOf(context));
    if (this.#receiver === undefined) throw new RpcError(RpcCode.UNAVAILABLE, 'the member is starting');
    return this.#receiver;
  }

  /** A removed member may have missed that it was: nobody tells it but whom it talks to. */
  #checkMember(id: MemberId): void {
    if (!this.#set.isRemoved(id)) return;
    throw new RpcError(RpcCode.NOT_FOUND, `member ${id.toString(16)} has been permanently removed from the cluster`);
  }

  #checkReceiver(message: Message): Message {
    if (message.to !== this.#options.self) throw new WireError(`a message for member ${message.to.toString(16)}`);
    return message;
  }
}

interface PeerOptions extends ChannelTransportOptions {
  readonly address: PeerAddress;
  readonly channel: Channel;
  readonly counts: PeerCounts;
  readonly nextConnection: () => ConnectionNumber;
  readonly metadata: () => Readonly<Record<string, string>>;
}

/** The stream of our messages to one peer, dialled again whenever it ends. */
class Peer {
  readonly #options: PeerOptions;
  readonly #stream: typeof RaftService.methods.stream;
  readonly #abort = new AbortController();
  #call: BidiCall<Envelope, Envelope> | undefined;
  /** What waits while the stream holds back; undefined while it does not. */
  #queue: Message[] | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#stream = streamTo(options.counts);
  }

  get address(): PeerAddress {
    return this.#options.address;
  }

  get channel(): Channel {
    return this.#options.channel;
  }

  close(): void {
    this.#abort.abort();
    this.channel.close();
  }

  send(message: Message): void {
    const isLost = this.#call === undefined || (this.#queue !== undefined && this.#queue.length >= QUEUE_MAX);
    if (isLost) this.#options.counts.sentFailures++;
    if (this.#call === undefined || isLost) return;
    if (this.#queue !== undefined) {
      this.#queue.push(message);
    } else if (!this.#call.send(messageToWire(message))) {
      this.#queue = [];
      void this.#drain(this.#call);
    }
  }

  flush(): void {
    this.#call?.flush?.();
  }

  async run(receiver: RaftReceiver): Promise<void> {
    const { clock, random, log } = this.#options;
    const { id } = this.address;
    const { signal } = this.#abort;
    let backoffMs = RECONNECT_MIN_MS;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      const why = await this.#converse(receiver);
      if (signal.aborted) return;
      if (clock.monotonic() - startedAt > RECONNECT_MAX_MS) backoffMs = RECONNECT_MIN_MS;
      log.debug(
        { peer: id.toString(16), error: why, durationMs: backoffMs },
        'raft: no stream to peer, dialling again',
      );
      await sleep(clock, backoffMs * (0.5 + random.float()), signal).catch(ignoreAbort);
      backoffMs = Math.min(backoffMs * 2, RECONNECT_MAX_MS);
    }
  }

  /** One connection from dial to end; answers why it ended. */
  async #converse(receiver: RaftReceiver): Promise<string> {
    const { channel, metadata, log, nextConnection } = this.#options;
    const { id } = this.address;
    const { signal } = this.#abort;
    const connection = nextConnection();
    const call = channel.bidi(this.#stream, { signal, metadata: metadata() });
    let isOpen = false;
    try {
      for await (const _ of call.responses) {
        if (isOpen) continue;
        isOpen = true;
        this.#call = call;
        log.info({ peer: id.toString(16) }, 'raft: stream to peer established');
        receiver.opened(id, connection);
      }
      return 'the peer ended the stream';
    } catch (error) {
      if (error instanceof RpcError && error.code === RpcCode.FAILED_PRECONDITION) {
        log.error({ peer: id.toString(16), error: error.message }, 'raft: peer refuses this member');
      }
      if (error instanceof RpcError && error.code === RpcCode.NOT_FOUND && !signal.aborted) receiver.removed?.();
      return describeError(error);
    } finally {
      this.#call = undefined;
      this.#queue = undefined;
      if (isOpen && !signal.aborted) receiver.closed(id, connection);
    }
  }

  async #drain(call: BidiCall<Envelope, Envelope>): Promise<void> {
    for (;;) {
      await call.drained();
      if (this.#call !== call || this.#queue === undefined) return;
      const waiting = this.#queue;
      this.#queue = [];
      let mayGoOn = true;
      for (const message of waiting) mayGoOn = call.send(messageToWire(message));
      if (mayGoOn) {
        this.#queue = undefined;
        return;
      }
    }
  }
}

function notMember(id: MemberId): RpcError {
  return new RpcError(RpcCode.NOT_FOUND, `no member ${id.toString(16)}`);
}

/** {@link NO_MEMBER} where it does not say. */
function callerOf({ metadata }: CallContext): MemberId {
  const caller = metadata.get(MEMBER_HEADER) ?? '';
  return /^[0-9a-f]{1,16}$/.test(caller) ? BigInt(`0x${caller}`) : NO_MEMBER;
}

function isSame(a: PeerAddress, b: PeerAddress): boolean {
  return a.id === b.id && a.peerUrls.join() === b.peerUrls.join();
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof AbortedError)) throw error;
}

async function* chunksOf(
  message: Message,
  { id, read }: SnapshotSource,
  { offset: from, counts }: { readonly offset: number; readonly counts: PeerCounts },
): AsyncIterable<Init<SnapshotChunk>> {
  yield { chunk: { case: 'header', value: messageToWire(message) }, id, offset: from };
  let offset = from;
  for await (const value of read(from)) {
    counts.sentBytes += value.length;
    yield { chunk: { case: 'data', value }, offset, checksum: crc32(value) };
    offset += value.length;
  }
}

async function* partsOf(
  id: bigint,
  requests: AsyncIterable<SnapshotChunk>,
  count: (bytes: number) => void,
): AsyncIterable<SnapshotPart> {
  let end = 0;
  for await (const { chunk, offset, checksum } of requests) {
    if (chunk?.case !== 'data') throw new WireError('a snapshot chunk without data');
    const data = chunk.value;
    count(data.length);
    // A member from before snapshots had ids says neither; its stream is in order.
    yield id === 0n ? { offset: end, checksum: crc32(data), data } : { offset, checksum, data };
    end += data.length;
  }
}
