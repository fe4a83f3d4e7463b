/**
 * The seam for messages between members. Bindings: a gRPC stream per peer, a direct call, the simulator's network.
 * Delivery is at most once, unordered in principle, and lossy: Raft repairs what is lost.
 */
import type { MemberId, Message, SnapshotMeta } from './core/types.ts';

/** Names one connection to a peer; a later connection has a larger number. */
export type ConnectionNumber = number;

/** What a member does with what arrives. */
export interface RaftReceiver {
  receive(message: Message): void;
  /**
   * The connection to `peer` ended. A killed process closes its connections, so the loss of the *current* one is
   * evidence of its death; a late close of an older connection is not, and is ignored.
   */
  closed(peer: MemberId, connection: ConnectionNumber): void;
  /** A peer says that this member was removed from the cluster. */
  removed?(): void;
  opened(peer: MemberId, connection: ConnectionNumber): void;
  /** A peer's state machine at `meta`, as the chunks of a snapshot file, in order; resolves when it is installed. */
  receiveSnapshot(
    from: MemberId,
    meta: SnapshotMeta,
    message: Message,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void>;
}

/** A state machine as bytes that can be read again. */
export interface SnapshotSource {
  /** Names them among all that this member sends; never 0, and never used for others. */
  readonly id: bigint;
  /** From this byte to their end, in chunks. */
  read(from: number): AsyncIterable<Uint8Array>;
}

/** The peer does not want it, or could not use it: to go on with it is of no use. */
export class SnapshotRefusedError extends Error {
  override readonly name = 'SnapshotRefusedError';
}

export interface PeerAddress {
  readonly id: MemberId;
  readonly peerUrls: readonly string[];
}

/** Whom to reach, and whom not to hear any more. */
export interface PeerSet {
  /** All others, by id. */
  readonly peers: readonly PeerAddress[];
  /** Where this member is reached: others may have to answer it before their log tells them. */
  readonly ownUrls?: readonly string[];
  isRemoved(id: MemberId): boolean;
}

export interface RaftTransport {
  /** From now on these are the peers: before `start`, and whenever the members have changed. */
  setPeers(set: PeerSet): void;
  /** Called once, before anything is sent. */
  start(receiver: RaftReceiver): Promise<void>;
  /** Never blocks; drops the message when the peer is away or its queue is full. */
  send(messages: readonly Message[]): void;
  /**
   * Moves the state machine to a peer, from where an earlier call with the same source has come to; resolves when the
   * peer has installed it. Rejects with `SnapshotRefusedError`, or where the way to the peer broke.
   */
  sendSnapshot(message: Message, source: SnapshotSource): Promise<void>;
  close(): Promise<void>;
}
