/**
 * The seam for files of the store. Two bindings: files (`file-disk.ts`), and memory that can lose what was not synced
 * (`memory-disk.ts`). Paths are relative to the disk's own root, with `/` between their parts.
 *
 * Durability is as on a POSIX file system at its worst: bytes are durable after `datasync` of their file; a created,
 * renamed or removed name is durable after `syncDir` of its directory; before that a power cut may undo either.
 */
export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Reads up to `length` bytes at `offset`; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `parts`, one behind the other, at `offset`. */
  writeAt(offset: number, parts: readonly Uint8Array[]): Promise<void>;
  datasync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Opens a file for reading and writing. Without `create` a missing file is an error with code `ENOENT`. */
  open(path: string, options?: { readonly create?: boolean }): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with all that is in it; a missing one is no error. */
  remove(path: string): Promise<void>;
  /** Creates a directory and its parents. */
  makeDir(path: string): Promise<void>;
  /** Names of a directory's entries, sorted; empty if it is missing. */
  list(path: string): Promise<string[]>;
  syncDir(path: string): Promise<void>;
  /**
   * Asked with every news. Where there is often more, resolves once what is said in this turn has left and all that came in
   * with it is heard: a write then is one for all of it, and may hold up the loop. Undefined: nobody more is waited for.
   * Absent: what promises have still to do in this turn is all there is.
   */
  turnEnd?(): Promise<void> | undefined;
  /** Resolves once what this turn has given to the disk is under way, for what can be done behind it. Absent: it is. */
  turnWritten?(): Promise<void> | undefined;
}

/** All bytes of a file. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path);
  try {
    return await file.read(0, await file.size());
  } finally {
    await file.close();
  }
}

const ZEROS = new Uint8Array(1024 * 1024);

/** Takes up the room between two offsets: a file that only had the size would find none when it is written to. */
export async function writeZeros(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += ZEROS.length) {
    await file.writeAt(at, [ZEROS.subarray(0, Math.min(ZEROS.length, to - at))]);
  }
}
