/**
 * What Prometheus is told of the ways between members, by etcd's names: bytes, messages that were lost on this side, and
 * how long the way there and back takes, which is asked each few seconds.
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { Histogram, type Registry, type Sample } from '../../base/prometheus.ts';
import type { MemberId } from '../raft/core/types.ts';
import type { PeerCounts, PeerTraffic } from '../raft/peer-traffic.ts';

/** etcd's interval. A peer that is away is asked all the same; only answers count. */
const PROBE_MS = 4_000;
/** etcd's: from a tenth of a millisecond, doubling. */
const SECONDS: readonly number[] = Array.from({ length: 16 }, (_, power) => 0.0001 * 2 ** power);

export interface Peering {
  readonly traffic: PeerTraffic;
  roundTrip(id: MemberId): Promise<Millis>;
}

export class PeerMetrics {
  readonly #clock: Clock;
  readonly #peering: Peering;
  readonly #roundTrips = new Map<MemberId, Histogram>();
  #timer: Timer | undefined;

  constructor(registry: Registry, { clock, peering }: { readonly clock: Clock; readonly peering: Peering }) {
    this.#clock = clock;
    this.#peering = peering;
    const counter = (name: string, help: string, label: 'To' | 'From', value: (counts: Readonly<PeerCounts>) => number) =>
      registry.add('counter', name, help, () =>
        [...peering.traffic.peers].map(([id, counts]): Sample => ({ labels: { [label]: id.toString(16) }, value: value(counts) })),
      );
    counter('etcd_network_peer_sent_bytes_total', 'The total number of bytes sent to peers.', 'To', ({ sentBytes }) => sentBytes);
    counter('etcd_network_peer_received_bytes_total', 'The total number of bytes received from peers.', 'From', ({ receivedBytes }) => receivedBytes);
    counter('etcd_network_peer_sent_failures_total', 'The total number of send failures from peers.', 'To', ({ sentFailures }) => sentFailures);
    registry.addHistograms('etcd_network_peer_round_trip_time_seconds', 'Round-Trip-Time histogram between peers', () =>
      [...this.#roundTrips].map(([id, histogram]) => ({ labels: { To: id.toString(16) }, histogram })),
    );
  }

  start(): void {
    this.#timer = this.#clock.setTimer(PROBE_MS, () => {
      this.#probe();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #probe(): void {
    const { peers } = this.#peering.traffic;
    for (const id of this.#roundTrips.keys()) if (!peers.has(id)) this.#roundTrips.delete(id);
    for (const id of peers.keys()) {
      this.#peering.roundTrip(id).then(
        (ms) => this.#histogramOf(id).observe(ms / 1000),
        () => undefined, // as lost messages tell
      );
    }
  }

  #histogramOf(id: MemberId): Histogram {
    const histogram = this.#roundTrips.get(id) ?? new Histogram(SECONDS);
    this.#roundTrips.set(id, histogram);
    return histogram;
  }
}
