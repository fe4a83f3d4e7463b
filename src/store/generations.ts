/**
 * Where a member keeps its state machine: a backend in a folder `db-N`, and a file CURRENT that names the folder. A
 * snapshot from a peer is written to the next folder; CURRENT is swapped by rename when the log knows of it.
 *
 *   member/CURRENT     "db-3\n"
 *   member/db-3/       the state
 *   member/db-4/       a snapshot on its way in; db-4.whole stands beside it once it is written to its end
 *
 * A crash leaves CURRENT with the old folder or the new one, both whole; what it does not name is removed at start, but
 * for a whole folder that the log already counts on (see `open`).
 */
import { fromUtf8, toUtf8 } from '../base/bytes.ts';
import { type Disk, readWhole } from '../base/disk.ts';
import { systemErrorCode } from '../base/errors.ts';
import { withRoom, type MakeRoom } from './disk/room.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import { ReopeningBackend } from './mvcc/reopening-backend.ts';

export interface Generation {
  readonly number: number;
  readonly backend: ReopeningBackend;
}

const CURRENT = 'CURRENT';

export class Generations {
  readonly #disk: Disk;
  readonly #backends: BackendFactory;
  readonly #dir: string;
  readonly #makeRoom: MakeRoom | undefined;
  #newest = 0;

  /** `makeRoom` is for the current folder alone: a new one that finds no room is not worth the reserve. */
  constructor(disk: Disk, backends: BackendFactory, dir: string, makeRoom?: MakeRoom) {
    this.#makeRoom = makeRoom;
    this.#disk = disk;
    this.#backends = backends;
    this.#dir = dir;
  }

  /** The folder that CURRENT names; undefined before the first boot is complete. */
  async openCurrent(): Promise<Generation | undefined> {
    const number = await this.#readCurrent();
    if (number === undefined) return undefined;
    // A complete folder that is not the current one may become it yet, wherever the backends keep theirs.
    this.#newest = Math.max(number, ...(await this.#numbers(/^db-(\d+)/)));
    return { number, backend: await this.#open(number, this.#makeRoom) };
  }

  /** A new, empty folder. */
  async create(): Promise<Generation> {
    const number = ++this.#newest;
    await this.#destroy(number);
    return { number, backend: await this.#open(number) };
  }

  /** The folder is complete: after a crash it may be taken in place of an older one. */
  async markWhole({ number }: Generation): Promise<void> {
    const file = await this.#disk.open(this.#wholePath(number), { create: true });
    await file.datasync();
    await file.close();
    await this.#disk.syncDir(this.#dir);
  }

  /** Complete folders other than the current one, newest first. */
  async openWhole(current: number): Promise<Generation[]> {
    const numbers = (await this.#numbers(/^db-(\d+)\.whole$/))
      .filter((number) => number > current)
      .sort((a, b) => b - a);
    const found: Generation[] = [];
    for (const number of numbers) found.push({ number, backend: await this.#open(number, this.#makeRoom) });
    return found;
  }

  async makeCurrent({ number, backend }: Generation): Promise<void> {
    await withRoom(this.#makeRoom, () => this.#writeCurrent(number));
    backend.makeRoom = this.#makeRoom;
  }

  async #writeCurrent(number: number): Promise<void> {
    const temporary = `${this.#dir}/${CURRENT}.new`;
    const file = await this.#disk.open(temporary, { create: true });
    const text = fromUtf8(`db-${number}\n`);
    await file.writeAt(0, [text]);
    await file.truncate(text.length);
    await file.datasync();
    await file.close();
    await this.#disk.rename(temporary, `${this.#dir}/${CURRENT}`);
    await this.#disk.syncDir(this.#dir);
  }

  async discard({ number, backend }: Generation): Promise<void> {
    await backend.close();
    await this.#destroy(number);
  }

  /** Removes every folder but the current one. */
  async cleanUp(current: number): Promise<void> {
    for (const number of await this.#numbers(/^db-(\d+)/)) if (number !== current) await this.#destroy(number);
  }

  async #readCurrent(): Promise<number | undefined> {
    const path = `${this.#dir}/${CURRENT}`;
    let text: string;
    try {
      text = toUtf8(await readWhole(this.#disk, path));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const match = /^db-(\d+)\n$/.exec(text);
    if (match === null) throw new Error(`${path}: damaged: it names no folder; replace this member`);
    return Number(match[1]);
  }

  async #numbers(name: RegExp): Promise<number[]> {
    const names = await this.#disk.list(this.#dir);
    return [...new Set(names.flatMap((entry) => (name.test(entry) ? [Number(name.exec(entry)![1])] : [])))];
  }

  #open(number: number, makeRoom?: MakeRoom): Promise<ReopeningBackend> {
    return ReopeningBackend.open(() => this.#backends.open(this.#path(number)), makeRoom);
  }

  async #destroy(number: number): Promise<void> {
    await this.#disk.remove(this.#wholePath(number));
    await this.#backends.destroy(this.#path(number));
  }

  #path(number: number): string {
    return `${this.#dir}/db-${number}`;
  }

  #wholePath(number: number): string {
    return `${this.#path(number)}.whole`;
  }
}
