/**
 * The log of one container of the process runtime. The program writes by descriptor, in append mode, with nobody in
 * between, so that it loses nothing when the agent dies. The price: lines carry no time. The agent looks at the size
 * about once a second and notes (offset, time) in an index; a line's time is that of the first note past its end, right
 * to about a second.
 *
 * Rotation: the file is copied to `log.1` and truncated; in append mode the program goes on at its new beginning. What
 * it writes between the last copied byte and the truncation (microseconds) is lost; there is no way around it without
 * a process in between. Offsets are logical: they go on over a rotation.
 *
 *      log.1 (previousBase … base)      log (base … end)
 */
import { appendFile, open, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, type Clock, type Millis } from '../../base/clock.ts';
import { isNoSpace } from '../../base/errors.ts';
import type { LogOptions } from './runtime.ts';

/** Kubernetes' default size of a container log file; two are kept. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** A longer line is handed out in pieces. */
const LINE_BYTES_MAX = 1024 * 1024;
const FOLLOW_POLL_MS = 100;
/** Somebody types and waits for the echo. */
const ATTACHED_POLL_MS = 20;
/** Notes kept; past it every other one goes, and times become coarser. */
const MARKS_MAX = 10_000;
const NEWLINE = 10;

export interface FollowOptions {
  readonly clock: Clock;
  readonly isEnded: () => boolean;
  readonly signal: AbortSignal;
}

interface Mark {
  /** Everything before this logical offset was written by `atMs`. */
  readonly offset: number;
  readonly atMs: Millis;
}

export class ProcessLog {
  readonly #path: string;
  readonly #bytesMax: number;
  #base = 0;
  #previousBase = 0;
  #marks: Mark[] = [];
  #isLoaded = false;
  #working: Promise<void> = Promise.resolve();

  constructor(containerDirectory: string, bytesMax: number = LOG_BYTES_MAX) {
    this.#path = join(containerDirectory, 'log');
    this.#bytesMax = bytesMax;
  }

  get path(): string {
    return this.#path;
  }

  /** Notes how far the log is, and rotates it when it is too large. */
  observe(nowMs: Millis): Promise<void> {
    const work = this.#working.then(() => this.#observe(nowMs));
    this.#working = work.catch(() => undefined);
    return work;
  }

  async #observe(nowMs: Millis): Promise<void> {
    await this.#load();
    const size = await sizeOf(this.#path);
    const end = this.#base + size;
    if (end > (this.#marks.at(-1)?.offset ?? this.#base)) {
      this.#marks.push({ offset: end, atMs: nowMs });
      if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, i) => i % 2 === 1);
      await appendFile(this.#indexPath, `M ${end} ${Math.round(nowMs)}\n`);
    }
    if (size > this.#bytesMax) await this.#rotate(size);
  }

  get #indexPath(): string {
    return `${this.#path}.idx`;
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const text = await readFile(this.#indexPath, 'utf8').catch(() => ''); // no index: nothing was noted yet
    for (const line of text.split('\n')) {
      const [kind, first, second] = line.split(' ');
      if (second === undefined) continue;
      if (kind === 'B') [this.#base, this.#previousBase] = [Number(first), Number(second)];
      if (kind === 'M') this.#marks.push({ offset: Number(first), atMs: Number(second) });
    }
  }

  async #rotate(seen: number): Promise<void> {
    const copied = await this.#copy(seen).catch(async (error: unknown) => {
      if (!isNoSpace(error)) throw error;
      // On a full disk room for what comes is worth more than what has been.
      for (const path of [`${this.#path}.1.tmp`, `${this.#path}.1`]) await rm(path, { force: true });
      return seen;
    });
    await truncate(this.#path, 0);
    this.#previousBase = this.#base;
    this.#base += copied;
    this.#marks = this.#marks.filter(({ offset }) => offset > this.#previousBase);
    const lines = this.#marks.map(({ offset, atMs }) => `M ${offset} ${Math.round(atMs)}\n`);
    await writeFile(this.#indexPath, `B ${this.#base} ${this.#previousBase}\n${lines.join('')}`, { mode: 0o600 });
  }

  async #copy(seen: number): Promise<number> {
    const source = await open(this.#path, 'r');
    const target = await open(`${this.#path}.1.tmp`, 'w', 0o600);
    let copied = 0;
    try {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, buffer.length, copied);
        // What is written faster than it is copied is not chased for ever.
        if (bytesRead === 0 || copied > seen + this.#bytesMax) break;
        await target.write(buffer, 0, bytesRead);
        copied += bytesRead;
      }
    } finally {
      await source.close();
      await target.close();
    }
    await rename(`${this.#path}.1.tmp`, `${this.#path}.1`);
    return copied;
  }

  /** The lines of the log. `isEnded` tells when nobody writes any more; a follower stops there. */
  async *read(options: LogOptions, clock: Clock, isEnded: () => boolean): AsyncGenerator<Uint8Array> {
    await this.observe(clock.wall());
    let position = await this.#start(options);
    let left = options.limitBytes ?? Infinity;
    let partial: Buffer = Buffer.alloc(0);
    while (left > 0 && options.signal?.aborted !== true) {
      // Asked before reading: what was written until then is read below.
      const ended = isEnded();
      const chunk = await this.#readAt(position);
      if (chunk.bytes.length === 0) {
        if (options.follow && !ended) {
          await sleep(clock, FOLLOW_POLL_MS, options.signal).catch(() => undefined); // an abort ends the loop above
          continue;
        }
        if (partial.length > 0) yield this.#decorate(partial, position, options, clock.wall()).subarray(0, left);
        return;
      }
      position = chunk.next;
      const bytes = partial.length === 0 ? chunk.bytes : Buffer.concat([partial, chunk.bytes]);
      const cut = bytes.length > LINE_BYTES_MAX ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
      partial = Buffer.from(bytes.subarray(cut));
      if (cut === 0) continue;
      if (options.follow) await this.observe(clock.wall());
      const text = this.#decorate(bytes.subarray(0, cut), position - partial.length, options, clock.wall());
      const out = text.subarray(0, left);
      left -= out.length;
      yield out;
    }
  }

  /** How far it is now. */
  async end(clock: Clock): Promise<number> {
    await this.observe(clock.wall());
    return this.#base + (await sizeOf(this.#path));
  }

  /** What is written from there on, byte for byte as it comes. */
  async *follow(from: number, { clock, isEnded, signal }: FollowOptions): AsyncGenerator<Uint8Array> {
    let position = from;
    while (!signal.aborted) {
      const ended = isEnded();
      const chunk = await this.#readAt(position);
      position = chunk.next;
      if (chunk.bytes.length > 0) yield chunk.bytes;
      else if (ended) return;
      else await sleep(clock, ATTACHED_POLL_MS, signal).catch(() => undefined); // an abort ends the loop
    }
  }

  /** Puts the time before each line of `bytes`, which end at the logical offset `end`. */
  #decorate(bytes: Buffer, end: number, { timestamps }: LogOptions, nowMs: Millis): Buffer {
    if (!timestamps) return bytes;
    const lines: Buffer[] = [];
    const first = end - bytes.length;
    for (let from = 0; from < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, from);
      const to = newline < 0 ? bytes.length : newline + 1;
      const atMs = this.#timeOf(first + to) ?? nowMs;
      lines.push(Buffer.from(`${new Date(atMs).toISOString()} `), bytes.subarray(from, to));
      from = to;
    }
    return Buffer.concat(lines);
  }

  #timeOf(end: number): Millis | undefined {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#marks[middle]!.offset < end) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low]?.atMs;
  }

  /** Where to begin: the later of what `sinceMs` and `tailLines` say. */
  async #start({ sinceMs, tailLines }: LogOptions): Promise<number> {
    const oldest = this.#base > 0 ? this.#previousBase : 0;
    let start = oldest;
    if (sinceMs !== undefined) {
      const older = this.#marks.filter(({ atMs }) => atMs < sinceMs).at(-1);
      if (older !== undefined) start = Math.max(start, older.offset);
    }
    if (tailLines !== undefined) start = Math.max(start, await this.#tailStart(tailLines, start));
    return start;
  }

  async #tailStart(lines: number, oldest: number): Promise<number> {
    const end = this.#base + (await sizeOf(this.#path));
    if (lines <= 0) return end;
    // One more newline than lines, unless the log ends within a line.
    let wanted = lines + 1;
    let last = true;
    for (let to = end; to > oldest; ) {
      const from = Math.max(oldest, to < this.#base || to === this.#base ? to - READ_BYTES : Math.max(this.#base, to - READ_BYTES));
      const { bytes } = await this.#readAt(from, to - from);
      if (last && bytes.length > 0 && bytes[bytes.length - 1] !== NEWLINE) wanted--;
      last = false;
      for (let i = bytes.length - 1; i >= 0; i--) {
        if (bytes[i] === NEWLINE && --wanted === 0) return from + i + 1;
      }
      to = from;
    }
    return oldest;
  }

  /** Reads at a logical offset, out of the older file or the current one. */
  async #readAt(position: number, length: number = READ_BYTES): Promise<{ bytes: Buffer; next: number }> {
    const isOld = position < this.#base;
    const [path, fileOffset] = isOld
      ? [`${this.#path}.1`, position - this.#previousBase]
      : [this.#path, position - this.#base];
    const buffer = Buffer.allocUnsafe(Math.min(length, READ_BYTES, isOld ? this.#base - position : Infinity));
    // A log that was rotated twice meanwhile is gone: go on with the oldest there is.
    if (fileOffset < 0) return this.#readAt(this.#previousBase, length);
    const file = await open(path, 'r').catch(() => undefined); // no file: nothing was written
    if (file === undefined) return isOld ? this.#readAt(this.#base, length) : { bytes: Buffer.alloc(0), next: position };
    try {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, fileOffset);
      if (bytesRead === 0 && isOld) return { bytes: Buffer.alloc(0), next: this.#base };
      return { bytes: buffer.subarray(0, bytesRead), next: position + bytesRead };
    } finally {
      await file.close();
    }
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0, // not written yet
  );
}
