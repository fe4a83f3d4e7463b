/** Sends a snapshot to its end, though the way to the peer may break: each try goes on where the one before has come to. */
import { sleep, type Clock, type Millis } from '../../base/clock.ts';
import { SnapshotRefusedError, type RaftTransport, type SnapshotSource } from './transport.ts';
import type { Message } from './core/types.ts';

const TRY_AGAIN_MS: Millis = 250;
/** A peer that has taken nothing for so long is given up: the view that is read from holds back what was deleted since. */
const GIVE_UP_MS: Millis = 15_000;

export interface SnapshotSendingOptions {
  readonly clock: Clock;
  readonly transport: RaftTransport;
  readonly message: Message;
  readonly source: SnapshotSource;
  readonly signal: AbortSignal;
  /** False: the peer could not go on from it any more, or not with us. */
  readonly isOfUse: () => boolean;
}

/** Resolves when the peer has installed it. */
export async function sendToItsEnd(options: SnapshotSendingOptions): Promise<void> {
  const { clock, transport, message, source, signal, isOfUse } = options;
  let takenAt = clock.monotonic();
  const noted: SnapshotSource = {
    id: source.id,
    read: async function* (from) {
      for await (const chunk of source.read(from)) {
        yield chunk;
        takenAt = clock.monotonic();
      }
    },
  };
  for (;;) {
    try {
      return await transport.sendSnapshot(message, noted);
    } catch (error) {
      const isOver = error instanceof SnapshotRefusedError || signal.aborted || !isOfUse();
      if (isOver || clock.monotonic() - takenAt >= GIVE_UP_MS) throw error;
    }
    await sleep(clock, TRY_AGAIN_MS, signal);
  }
}
