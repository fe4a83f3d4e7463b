/**
 * A `Disk` of two: one folder of it lies on another device (etcd's --wal-dir). The folder is the other disk's root. It
 * may be a mount point, which cannot be removed and has things of its own in it: removing it removes the files in it
 * that are the log's.
 */
import type { Disk, DiskFile } from '../../base/disk.ts';

const LOG_FILE = /^(?:[0-9a-f]{16}\.log|prepared.*)$/;

export class DividedDisk implements Disk {
  readonly #main: Disk;
  readonly #other: Disk;
  readonly #folder: string;

  constructor(main: Disk, folder: string, other: Disk) {
    this.#main = main;
    this.#folder = folder;
    this.#other = other;
  }

  open(path: string, options?: { readonly create?: boolean }): Promise<DiskFile> {
    const { disk, at } = this.#find(path);
    return disk.open(at, options);
  }

  exists(path: string): Promise<boolean> {
    const { disk, at } = this.#find(path);
    return disk.exists(at);
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#find(from);
    const target = this.#find(to);
    if (source.disk !== target.disk) throw new Error(`${from} cannot be renamed to ${to}, which is on another disk`);
    await source.disk.rename(source.at, target.at);
  }

  async remove(path: string): Promise<void> {
    if (path !== this.#folder) {
      const { disk, at } = this.#find(path);
      return disk.remove(at);
    }
    for (const name of await this.list(path)) await this.#other.remove(name);
  }

  async makeDir(path: string): Promise<void> {
    const { disk, at } = this.#find(path);
    await disk.makeDir(at);
  }

  /** Of the folder itself only what is the log's: a file system has a lost+found of its own. */
  async list(path: string): Promise<string[]> {
    const { disk, at } = this.#find(path);
    const names = await disk.list(at);
    return path === this.#folder ? names.filter((name) => LOG_FILE.test(name)) : names;
  }

  syncDir(path: string): Promise<void> {
    const { disk, at } = this.#find(path);
    return disk.syncDir(at);
  }

  turnEnd(): Promise<void> | undefined {
    return this.#other.turnEnd?.();
  }

  turnWritten(): Promise<void> | undefined {
    return this.#other.turnWritten?.();
  }

  #find(path: string): { readonly disk: Disk; readonly at: string } {
    if (path === this.#folder) return { disk: this.#other, at: '' };
    if (path.startsWith(`${this.#folder}/`)) return { disk: this.#other, at: path.slice(this.#folder.length + 1) };
    return { disk: this.#main, at: path };
  }
}
