/**
 * The log of one container, which the runtime writes and the agent reads and rotates:
 *
 *   0.log.4 … 0.log.1   0.log        oldest to newest; whoever rotates renames, then has the runtime open the file anew
 *
 * A reader opens what there is at once, so that files that are renamed meanwhile are read all the same, each once.
 */
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { sleep, type Clock } from '../../../base/clock.ts';
import { systemErrorCode } from '../../../base/errors.ts';
import type { LogOptions } from '../runtime.ts';
import { LogOutput, lineStarts, parseLogLine } from './core/log-lines.ts';

/** The kubelet's defaults: containerLogMaxSize and containerLogMaxFiles. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024;
export const LOG_FILES_MAX = 5;
const READ_BYTES = 64 * 1024;
/** A line that is longer is handed out in pieces; runtimes write none above 16 KiB. */
const LINE_BYTES_MAX = 1024 * 1024;
const FOLLOW_POLL_MS = 100;
const NEWLINE = 10;

export interface ReadContext {
  readonly clock: Clock;
  /** Nobody writes any more. */
  readonly isEnded: () => boolean;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: number;
}

export class ContainerLog {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async *read(options: LogOptions, { clock, isEnded }: ReadContext): AsyncGenerator<Uint8Array> {
    const files = await this.#open();
    const output = new LogOutput(options);
    let left = options.limitBytes ?? Infinity;
    try {
      let position = await startOf(files, options.tailLines);
      let rest: Buffer = Buffer.alloc(0);
      while (left > 0 && options.signal?.aborted !== true) {
        // Asked before reading: what was written until then is read below.
        const ended = isEnded();
        const [file] = files;
        const bytes = file === undefined ? Buffer.alloc(0) : await readAt(file.handle, position);
        position += bytes.length;
        if (bytes.length === 0) {
          // What a renamed file still gets is read before the next one.
          if (await this.#next(files, position)) position = 0;
          else if (!options.follow || ended) return;
          else await sleep(clock, FOLLOW_POLL_MS, options.signal).catch(() => undefined); // an abort ends the loop
          continue;
        }
        const whole = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
        const end = whole.length > LINE_BYTES_MAX ? whole.length : whole.lastIndexOf(NEWLINE) + 1;
        rest = Buffer.from(whole.subarray(end));
        const shown = shownOf(whole.subarray(0, end), output).subarray(0, left);
        left -= shown.length;
        if (shown.length > 0) yield shown;
      }
    } finally {
      for (const { handle } of files) await handle.close();
    }
  }

  /**
   * Oldest first. They are opened from the newest on: files are renamed towards the older end, so that one that is renamed
   * meanwhile is met twice, but never missed.
   */
  async #open(): Promise<OpenFile[]> {
    const files: OpenFile[] = [];
    for (let number = 0; number < LOG_FILES_MAX; number++) {
      const file = await openFile(number === 0 ? this.#path : `${this.#path}.${number}`);
      if (file === undefined) continue;
      if (files.some(({ inode }) => inode === file.inode)) await file.handle.close();
      else files.unshift(file);
    }
    return files;
  }

  /** Goes on to the next file, if the first is at its end. */
  async #next(files: OpenFile[], position: number): Promise<boolean> {
    const [current, following] = files;
    if (current === undefined) {
      // Nothing was written yet.
      const file = await openFile(this.#path);
      if (file !== undefined) files.push(file);
      return file !== undefined;
    }
    if (following === undefined) {
      const newest = await inodeOf(this.#path);
      if (newest === undefined || newest === current.inode) return false;
      files.push(...(await this.#openBehind(current)));
      if (files.length === 1) return false;
      // What came between the last look at it and the renaming.
      if ((await current.handle.stat()).size > position) return false;
    }
    files.shift();
    await current.handle.close();
    return true;
  }

  /** More than one, where it was rotated more than once since somebody looked. */
  async #openBehind(current: OpenFile): Promise<OpenFile[]> {
    const all = await this.#open();
    const at = all.findIndex(({ inode }) => inode === current.inode);
    for (const { handle } of all.slice(0, at + 1)) await handle.close();
    return all.slice(at + 1);
  }

  /** `reopen`: has the runtime write to a new file of the old name. */
  async rotate(bytesMax: number, reopen: () => Promise<void>): Promise<boolean> {
    const size = await stat(this.#path).then(({ size: bytes }) => bytes, () => 0); // not written yet
    if (size <= bytesMax) return false;
    await rm(`${this.#path}.${LOG_FILES_MAX - 1}`, { force: true });
    for (let number = LOG_FILES_MAX - 2; number >= 0; number--) {
      await renameIfThere(number === 0 ? this.#path : `${this.#path}.${number}`, `${this.#path}.${number + 1}`);
    }
    try {
      await reopen();
    } catch (error) {
      // It writes on to the file that it has: under its old name it will be looked at again.
      if ((await inodeOf(this.#path)) === undefined) await renameIfThere(`${this.#path}.1`, this.#path);
      throw error;
    }
    return true;
  }
}

function shownOf(bytes: Buffer, output: LogOutput): Buffer {
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    const to = newline < 0 ? bytes.length : newline;
    pieces.push(...output.next(parseLogLine(bytes.subarray(from, to))));
    from = to + 1;
  }
  return Buffer.concat(pieces);
}

/** Where to begin; files that lie wholly before it are closed and taken away. */
async function startOf(files: OpenFile[], tailLines: number | undefined): Promise<number> {
  if (tailLines === undefined) return 0;
  let wanted = tailLines;
  for (let index = files.length - 1; index >= 0; index--) {
    const before = files[index - 1];
    const found = await tailOf(files[index]!.handle, { wanted, isOpen: before !== undefined && (await endsWithin(before.handle)) });
    wanted -= found.lines;
    if (wanted > 0) continue;
    for (const { handle } of files.splice(0, index)) await handle.close();
    return found.start;
  }
  return 0;
}

interface Tail {
  readonly wanted: number;
  /** Its first line goes on from the file before. */
  readonly isOpen: boolean;
}

/** The last `wanted` lines of a file, or as many as begin in it. */
async function tailOf(handle: FileHandle, { wanted, isOpen }: Tail): Promise<{ readonly start: number; readonly lines: number }> {
  const { size } = await handle.stat();
  if (wanted <= 0) return { start: size, lines: 0 };
  for (let length = READ_BYTES; ; length *= 4) {
    const from = Math.max(0, size - length);
    const bytes = await readAt(handle, from, size - from);
    // The first line of a piece may have begun before it.
    const first = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    const { starts } = lineStarts(bytes.subarray(first), from === 0 && isOpen);
    // Within a file the first of a piece may go on from what is before it.
    if (starts.length > wanted || (from === 0 && starts.length === wanted)) return { start: from + first + starts[starts.length - wanted]!, lines: wanted };
    if (from === 0) return { start: 0, lines: starts.length };
  }
}

/** Its last line goes on in the next file. */
async function endsWithin(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  const from = Math.max(0, size - READ_BYTES);
  const bytes = await readAt(handle, from, size - from);
  return lineStarts(bytes.subarray(from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1)).isOpen;
}

async function readAt(handle: FileHandle, position: number, length: number = READ_BYTES): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    filled += bytesRead;
    if (bytesRead === 0 || length === READ_BYTES) break;
  }
  return buffer.subarray(0, filled);
}

async function openFile(path: string): Promise<OpenFile | undefined> {
  try {
    const handle = await open(path, 'r');
    return { handle, inode: (await handle.stat()).ino };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(({ ino }) => ino, () => undefined); // not there
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
}
