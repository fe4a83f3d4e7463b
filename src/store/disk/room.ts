/**
 * Room on a disk that is full. A reserve is a few files of zeros that stand beside the log and the state; given up, they
 * leave room for what leads out of a full disk: deletes, compactions, a database that is opened anew, an orderly end.
 * Each folder has its own, for the log may lie on another disk (--wal-dir).
 */
import { type Disk, writeZeros } from '../../base/disk.ts';
import { isNoSpace } from '../../base/errors.ts';

/** Answers whether there is room now that was not there before. */
export type MakeRoom = (cause: unknown) => Promise<boolean>;

export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';

  constructor(cause: unknown) {
    super(
      'the disk is full, and the reserve for this is used up: nothing that was acknowledged is lost. Make room on the disk ' +
        'of the data directory (not in it), then start this member again',
      { cause },
    );
  }
}

/** Once with what there is, again with each reserve that can be given up; a database may need it twice. */
const TRIES_WITHOUT_RESERVE_MAX = 3;

/** Does `work`, which may be done again from its beginning, with the help of `makeRoom` where the disk has none. */
export async function withRoom<T>(makeRoom: MakeRoom | undefined, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (makeRoom === undefined || error instanceof DiskFullError || !isNoSpace(error)) throw error;
      const isMade = await makeRoom(error);
      if (!isMade && tries >= TRIES_WITHOUT_RESERVE_MAX) throw new DiskFullError(error);
    }
  }
}

export interface ReserveFile {
  readonly dir: string;
  readonly bytes: number;
}

const NAME = 'reserve';

export class Reserve {
  readonly #disk: Disk;
  readonly #files: readonly ReserveFile[];
  /** One at a time: what is being made must not come back after it was given up. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, files: readonly ReserveFile[]) {
    this.#disk = disk;
    this.#files = files.filter(({ bytes }) => bytes > 0);
  }

  /** False: there is no room for all of it, and what was made of it is gone again. */
  make(): Promise<boolean> {
    return this.#inTurn(async () => {
      try {
        for (const file of this.#files) await this.#makeFile(file);
        return true;
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        await this.#remove();
        return false;
      }
    });
  }

  /** Answers whether there was something to give up. */
  free(): Promise<boolean> {
    return this.#inTurn(() => this.#remove());
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run, run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #makeFile({ dir, bytes }: ReserveFile): Promise<void> {
    const file = await this.#disk.open(`${dir}/${NAME}`, { create: true });
    try {
      const size = await file.size();
      if (size > bytes) await file.truncate(bytes);
      if (size < bytes) await writeZeros(file, size, bytes);
      if (size !== bytes) await file.datasync();
    } finally {
      await file.close();
    }
    await this.#disk.syncDir(dir);
  }

  async #remove(): Promise<boolean> {
    let isRemoved = false;
    for (const { dir } of this.#files) {
      if (!(await this.#disk.exists(`${dir}/${NAME}`))) continue;
      await this.#disk.remove(`${dir}/${NAME}`);
      isRemoved = true;
    }
    return isRemoved;
  }
}
