/**
 * Counts what goes between this member and each other one. Messages are counted where they become bytes, by codecs that
 * stand in for the service's own, so that neither the transport's stream nor the channel below it knows of it.
 */
import { Raft as RaftService, type Envelope } from '../../proto/raft.ts';
import type { MemberId } from './core/types.ts';

export interface PeerCounts {
  sentBytes: number;
  receivedBytes: number;
  /** Messages that found no connection, or a queue that is full. */
  sentFailures: number;
}

export class PeerTraffic {
  readonly #peers = new Map<MemberId, PeerCounts>();

  /** Those that are counted now; of others nothing is kept. */
  get peers(): ReadonlyMap<MemberId, Readonly<PeerCounts>> {
    return this.#peers;
  }

  add(peer: MemberId): PeerCounts {
    const counts = this.#peers.get(peer) ?? { sentBytes: 0, receivedBytes: 0, sentFailures: 0 };
    this.#peers.set(peer, counts);
    return counts;
  }

  drop(peer: MemberId): void {
    this.#peers.delete(peer);
  }

  /** From whoever it says it is from; who is no peer is not counted. */
  received(from: MemberId, bytes: number): void {
    const counts = this.#peers.get(from);
    if (counts !== undefined) counts.receivedBytes += bytes;
  }
}

const { stream } = RaftService.methods;

/** For the side that sends to this peer. */
export function streamTo(counts: PeerCounts): typeof stream {
  const encode: typeof stream.request.encode = (envelope) => {
    const bytes = stream.request.encode(envelope);
    counts.sentBytes += bytes.length;
    return bytes;
  };
  const write: typeof stream.request.write = (writer, envelope) => {
    const start = writer.length;
    stream.request.write(writer, envelope);
    counts.sentBytes += writer.length - start;
  };
  return { ...stream, request: { ...stream.request, encode, write } };
}

/** For the side that receives, from whoever calls. */
export function serviceCounting(traffic: PeerTraffic): typeof RaftService {
  const decode = (bytes: Uint8Array): Envelope => {
    const envelope = stream.request.decode(bytes);
    traffic.received(envelope.from, bytes.length);
    return envelope;
  };
  return { ...RaftService, methods: { ...RaftService.methods, stream: { ...stream, request: { ...stream.request, decode } } } };
}
