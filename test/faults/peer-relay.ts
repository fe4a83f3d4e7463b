/**
 * The network between the members of a cluster of real processes: members advertise the address of a relay, and whoever
 * dials one is carried to the member behind it. What happens on the way is said by a weather for each ordered pair: it
 * holds for all bytes from one to the other, on connections that either has dialled.
 *
 *   hole    nothing arrives; what is sent waits, as it waits in a sender's kernel, and arrives late when the hole is
 *           closed, unless the connection is `cut` before. Its end waits as well: nobody hears that a peer died.
 *   delay   each piece arrives after `meanMs` ± `spreadMs`, in order.
 *   drop    each piece is lost with a probability of `chance`. TCP sends it again after 200 ms, then after twice that, and
 *           so on, and what is behind it waits; a piece that is lost four times in a row breaks the connection (reset).
 *
 * A connection tells who dialled it by its port: Linux says in /proc whose it is.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { sleep } from '../../src/base/clock.ts';

export type Weather =
  | { readonly kind: 'hole' }
  | { readonly kind: 'delay'; readonly meanMs: number; readonly spreadMs: number }
  | { readonly kind: 'drop'; readonly chance: number };

/** What a weather did, so that a test can say that it struck. */
export interface NetworkCounts {
  held: number;
  delayed: number;
  lost: number;
  cut: number;
}

const RETRANSMIT_MS = 200;
const LOST_IN_A_ROW_MAX = 4;
/** What waits on the way in one direction; past it the sender has to wait. */
const BYTES_AHEAD_MAX = 1024 * 1024;

export interface PeerNetworkOptions {
  readonly random: Random;
  /** By place: where a member's relay listens, and where the member does. */
  readonly members: ReadonlyArray<{ readonly relayPort: number; readonly peerPort: number }>;
  /** The process of a member, while it runs. */
  readonly pidOf: (member: number) => number | undefined;
}

export class PeerNetwork {
  counts: NetworkCounts = { held: 0, delayed: 0, lost: 0, cut: 0 };
  readonly #options: PeerNetworkOptions;
  readonly #weather = new Map<string, Weather>();
  readonly #servers: Server[] = [];
  /** Both ends of each connection, with the pair of members that it is between. */
  readonly #sockets = new Map<Socket, string>();
  #changed: () => void = () => undefined;
  #change: Promise<void> = Promise.resolve();

  private constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#renew();
  }

  static async open(options: PeerNetworkOptions): Promise<PeerNetwork> {
    const network = new PeerNetwork(options);
    for (const at of options.members.keys()) await network.#listen(at);
    return network;
  }

  /** Of every ordered pair that is named; undefined: all is well. */
  set(pairs: ReadonlyArray<readonly [from: number, to: number]>, weather: Weather | undefined): void {
    for (const [from, to] of pairs) {
      if (weather === undefined) this.#weather.delete(`${from} ${to}`);
      else this.#weather.set(`${from} ${to}`, weather);
    }
    this.#renew();
  }

  clear(): void {
    this.#weather.clear();
    this.#renew();
  }

  /** Breaks the connections that are there; what was on its way is lost. */
  cut(pairs: ReadonlyArray<readonly [from: number, to: number]>): void {
    const broken = new Set(pairs.flatMap(([from, to]) => [`${from} ${to}`, `${to} ${from}`]));
    for (const [socket, pair] of this.#sockets) if (broken.has(pair)) socket.resetAndDestroy();
  }

  /** Everything between `member` and the others. */
  around(member: number, direction: 'to' | 'from' | 'both'): Array<readonly [number, number]> {
    const others = [...this.#options.members.keys()].filter((other) => other !== member);
    return others.flatMap((other) => [
      ...(direction === 'from' ? [] : [[other, member] as const]),
      ...(direction === 'to' ? [] : [[member, other] as const]),
    ]);
  }

  async close(): Promise<void> {
    this.clear();
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #renew(): void {
    this.#changed();
    this.#change = new Promise((resolve) => (this.#changed = resolve));
  }

  #listen(to: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#carry(socket, to));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.members[to]!.relayPort, '127.0.0.1', resolve);
    });
  }

  #carry(near: Socket, to: number): void {
    const { relayPort, peerPort } = this.#options.members[to]!;
    const from = this.#ownerOf(near.remotePort ?? 0, relayPort);
    const far = connect({ port: peerPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [near, far]) {
      this.#sockets.set(socket, `${from} ${to}`);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    this.#pipe(near, far, `${from} ${to}`);
    this.#pipe(far, near, `${to} ${from}`);
  }

  /** In order, whatever the weather: a piece, then its end, or the end of the connection. */
  #pipe(source: Socket, sink: Socket, pair: string): void {
    let tail = Promise.resolve();
    let ahead = 0;
    let isOver = false;
    const then = (act: () => void | Promise<void>) => {
      tail = tail.then(() => this.#outOfHole(pair)).then(act);
    };
    source.on('data', (piece) => {
      ahead += piece.length;
      if (ahead > BYTES_AHEAD_MAX) source.pause();
      const fate = this.#fateOf(pair);
      const dueAt = systemClock.monotonic() + fate.afterMs;
      then(async () => {
        const waitMs = dueAt - systemClock.monotonic();
        if (waitMs > 0) await sleep(systemClock, waitMs);
        ahead -= piece.length;
        if (ahead <= BYTES_AHEAD_MAX) source.resume();
        if (fate.isCut) for (const socket of [source, sink]) socket.resetAndDestroy();
        else if (!sink.destroyed) sink.write(piece);
      });
    });
    source.once('end', () => then(() => void sink.end()));
    source.on('error', () => undefined); // Its close follows, and says all.
    source.once('close', () => {
      if (isOver) return;
      isOver = true;
      then(() => void sink.destroy());
    });
  }

  async #outOfHole(pair: string): Promise<void> {
    if (this.#weather.get(pair)?.kind !== 'hole') return;
    this.counts.held++;
    while (this.#weather.get(pair)?.kind === 'hole') await this.#change;
  }

  #fateOf(pair: string): { readonly afterMs: number; readonly isCut: boolean } {
    const { random } = this.#options;
    const weather = this.#weather.get(pair);
    switch (weather?.kind) {
      case 'delay':
        this.counts.delayed++;
        return { afterMs: weather.meanMs + (2 * random.float() - 1) * weather.spreadMs, isCut: false };
      case 'drop': {
        let lost = 0;
        while (lost < LOST_IN_A_ROW_MAX && random.chance(weather.chance)) lost++;
        this.counts.lost += lost;
        const isCut = lost === LOST_IN_A_ROW_MAX;
        if (isCut) this.counts.cut++;
        return { afterMs: RETRANSMIT_MS * (2 ** lost - 1), isCut };
      }
      default:
        return { afterMs: 0, isCut: false };
    }
  }

  /** The member whose socket a connection from `port` to `relayPort` is; -1: nobody's of ours. */
  #ownerOf(port: number, relayPort: number): number {
    const hex = (number: number) => `0100007F:${number.toString(16).toUpperCase().padStart(4, '0')}`;
    const line = readFileSync('/proc/net/tcp', 'utf8').split('\n').find((row) => row.includes(`${hex(port)} ${hex(relayPort)} `));
    const inode = line?.trim().split(/\s+/)[9];
    if (inode === undefined) return -1;
    return [...this.#options.members.keys()].findIndex((member) => {
      const pid = this.#options.pidOf(member);
      return pid !== undefined && holds(pid, inode);
    });
  }
}

function holds(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false; // It ended meanwhile.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // Closed meanwhile.
  }
}
