/**
 * A backend that is opened anew where a batch found no room: LevelDB's log may then end in half a record, and a record
 * written behind it would be lost at the next start; after an error in the background it refuses every write.
 *
 * While it is closed nothing can be read: the state machine applies nothing (`reopening`), and who reads all the same is
 * told to ask again. Views and iterators of before end.
 */
import { isNoSpace } from '../../base/errors.ts';
import { withRoom, type MakeRoom } from '../disk/room.ts';
import { StoreError } from '../rpc/errors.ts';
import type { Backend, BackendBatch, BackendKey, BackendRow, BackendSnapshot, ScanRange } from './backend.ts';

export class ReopeningBackend implements Backend {
  /** Absent: a batch that finds no room fails, and the backend with it. */
  makeRoom: MakeRoom | undefined;
  readonly #open: () => Promise<Backend>;
  /** Undefined while it is closed. */
  #inner: Backend | undefined;
  #reopening: Promise<void> | undefined;

  private constructor(inner: Backend, open: () => Promise<Backend>, makeRoom: MakeRoom | undefined) {
    this.#inner = inner;
    this.#open = open;
    this.makeRoom = makeRoom;
  }

  static async open(open: () => Promise<Backend>, makeRoom?: MakeRoom): Promise<ReopeningBackend> {
    return new ReopeningBackend(await withRoom(makeRoom, open), open, makeRoom);
  }

  /** Resolves when it can be read again, or is given up; undefined: it can be read. */
  get reopening(): Promise<void> | undefined {
    return this.#reopening;
  }

  get(key: BackendKey): Uint8Array | undefined {
    return this.#current().get(key);
  }

  async batch(ops: BackendBatch): Promise<void> {
    const { makeRoom } = this;
    if (makeRoom === undefined) return this.#current().batch(ops);
    await withRoom(makeRoom, async () => {
      try {
        await this.#current().batch(ops);
      } catch (error) {
        if (isNoSpace(error)) await this.#reopen(makeRoom, error);
        throw error;
      }
    });
  }

  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]> {
    return this.#current().scan(range);
  }

  snapshot(): BackendSnapshot {
    return this.#current().snapshot();
  }

  sizeBytes(): Promise<number> {
    return this.#current().sizeBytes();
  }

  async compact(): Promise<void> {
    await this.#current().compact?.();
  }

  async close(): Promise<void> {
    await this.#reopening;
    await this.#inner?.close();
  }

  async #reopen(makeRoom: MakeRoom, cause: unknown): Promise<void> {
    const reopened = this.#closeAndOpen(makeRoom, cause);
    this.#reopening = reopened
      .catch(() => undefined) // told by the batch
      .finally(() => (this.#reopening = undefined));
    await reopened;
  }

  async #closeAndOpen(makeRoom: MakeRoom, cause: unknown): Promise<void> {
    const inner = this.#inner;
    this.#inner = undefined;
    await inner?.close();
    // It writes while it opens: the room is needed before.
    await makeRoom(cause);
    this.#inner = await withRoom(makeRoom, this.#open);
  }

  #current(): Backend {
    if (this.#inner === undefined) throw new StoreError('timeout');
    return this.#inner;
  }
}
