/**
 * What has come of a peer's snapshot, over as many connections as it takes. The state that is being written waits in the
 * middle of its bytes for the next ones.
 *
 *   connection 1: header, parts … ✗ broken          one snapshot at a time: another one, or another sender,
 *   connection 2: "how much is there?" ─► offset    puts an end to it, and so does a sender that does not come back
 *                 header, parts … end ─► installed
 *
 * A part with a wrong checksum ends its connection; what was there before it stays. Whether the whole is right its
 * receiver knows when it has read it to its end.
 */
import { crc32 } from 'node:zlib';
import type { Clock, Timer } from '../../base/clock.ts';
import { Pipe } from '../../base/pipe.ts';
import type { MemberId, Message } from './core/types.ts';
import { SnapshotRefusedError, type RaftReceiver } from './transport.ts';

/** A sender that was cut off has so long to come back. */
export const SNAPSHOT_STALE_MS = 30_000;
/** What waits to be written; past it the sender waits. Enough that neither end stands while the other has its turn. */
const BYTES_AHEAD_MAX = 1024 * 1024;

export interface SnapshotOffer {
  readonly message: Extract<Message, { type: 'install-snapshot' }>;
  /** 0: from a member that cannot go on with it. */
  readonly id: bigint;
  /** Where the first part belongs. */
  readonly offset: number;
}

export interface SnapshotPart {
  readonly offset: number;
  /** CRC-32. */
  readonly checksum: number;
  readonly data: Uint8Array;
}

export interface SnapshotProgress {
  readonly offset: number;
  readonly installed: boolean;
}

/** Not what was to come next. The sender asks how much is here, and goes on from there. */
export class SnapshotPartError extends Error {
  override readonly name = 'SnapshotPartError';
}

interface Arriving {
  readonly from: MemberId;
  readonly id: bigint;
  readonly bytes: Pipe<Uint8Array>;
  /** Settles when it is installed, or was refused. */
  readonly done: Promise<void>;
  isOver: boolean;
  offset: number;
  /** Counts up; only the newest may add to it. */
  connection: number;
  staleTimer: Timer | undefined;
}

export class SnapshotInbox {
  readonly #receiver: RaftReceiver;
  readonly #clock: Clock;
  #arriving: Arriving | undefined;
  #installed: { readonly from: MemberId; readonly id: bigint } | undefined;

  constructor(receiver: RaftReceiver, clock: Clock) {
    this.#receiver = receiver;
    this.#clock = clock;
  }

  progress(from: MemberId, id: bigint): SnapshotProgress {
    const isOf = (one: { from: MemberId; id: bigint } | undefined) => one !== undefined && one.from === from && one.id === id;
    if (isOf(this.#arriving)) return { offset: this.#arriving!.offset, installed: false };
    return { offset: 0, installed: isOf(this.#installed) };
  }

  /** One connection's worth. Resolves when all is installed; rejects with `SnapshotRefusedError` when it was refused. */
  async take(offer: SnapshotOffer, parts: AsyncIterable<SnapshotPart>): Promise<void> {
    const arriving = this.#arrivingOf(offer);
    const connection = ++arriving.connection;
    arriving.staleTimer?.cancel();
    try {
      for await (const part of parts) {
        if (arriving.isOver) return await arriving.done;
        if (arriving.connection !== connection) throw new SnapshotPartError('another connection goes on with this snapshot');
        await this.#add(arriving, part);
      }
    } catch (error) {
      // What was refused is over anyway.
      if (arriving.connection === connection && !arriving.isOver) this.#waitForMore(arriving);
      throw error;
    }
    arriving.bytes.end();
    await arriving.done;
  }

  /** What is here is of no use any more. */
  close(): void {
    this.#drop('the member stops');
  }

  #arrivingOf({ message, id, offset }: SnapshotOffer): Arriving {
    const { from } = message;
    const known = this.#arriving;
    if (known !== undefined && id !== 0n && known.from === from && known.id === id) {
      if (offset === known.offset) return known;
      throw new SnapshotPartError(`${known.offset} bytes of this snapshot are here, not ${offset}`);
    }
    if (offset !== 0) throw new SnapshotPartError('nothing is here of this snapshot any more');
    this.#drop('another snapshot has come');
    return this.#begin(message, id);
  }

  #begin(message: SnapshotOffer['message'], id: bigint): Arriving {
    const { from, snapshot } = message;
    const bytes = new Pipe<Uint8Array>(BYTES_AHEAD_MAX);
    const installing = this.#receiver.receiveSnapshot(from, snapshot, message, bytes);
    const done = installing.then(
      () => {
        this.#installed = { from, id };
        this.#over(arriving);
      },
      (error: unknown) => {
        this.#over(arriving);
        throw new SnapshotRefusedError('the snapshot was not installed', { cause: error });
      },
    );
    done.catch(() => undefined); // told to whoever is connected
    const arriving: Arriving = { from, id, bytes, done, isOver: false, offset: 0, connection: 0, staleTimer: undefined };
    this.#arriving = arriving;
    return arriving;
  }

  async #add(arriving: Arriving, { offset, checksum, data }: SnapshotPart): Promise<void> {
    if (offset !== arriving.offset) throw new SnapshotPartError(`a part for byte ${offset}, where ${arriving.offset} is next`);
    if (crc32(data) !== checksum) throw new SnapshotPartError(`the part for byte ${offset} does not have its checksum`);
    arriving.offset += data.length;
    // Who waits for room must hear that nobody reads any more.
    if (!arriving.bytes.push(data, data.length)) await Promise.race([arriving.bytes.drained(), arriving.done]);
  }

  #waitForMore(arriving: Arriving): void {
    arriving.staleTimer = this.#clock.setTimer(SNAPSHOT_STALE_MS, () => {
      if (this.#arriving === arriving) this.#drop('its sender did not come back');
    });
  }

  #drop(why: string): void {
    const arriving = this.#arriving;
    if (arriving === undefined) return;
    this.#over(arriving);
    arriving.bytes.end(new Error(`the rest of the snapshot is not waited for: ${why}`));
  }

  #over(arriving: Arriving): void {
    arriving.isOver = true;
    arriving.staleTimer?.cancel();
    if (this.#arriving === arriving) this.#arriving = undefined;
  }
}
