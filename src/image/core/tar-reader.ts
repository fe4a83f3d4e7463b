/**
 * Reads a tar that comes in pieces of any size. A machine: bytes in, calls of the handler out; it holds a header or an extension
 * and never a file.
 *
 *     ┌──────────► header ──entry──► data ──► padding ──┐
 *     │              │ pax, long name                    │
 *     │              └─► extension ─────────────────────┤
 *     └──────────────────────────────────────────────────┘      two blocks of zeros: over, what follows is passed over
 *
 * Understood: ustar, pax (path, linkpath, size, uid, gid, mtime; others, xattrs among them, are passed over), GNU's long names,
 * numbers in base 256. Refused: sparse files, names with a NUL, extensions past their limits.
 */
import { assert } from '../../base/assert.ts';
import { parsePax, type PaxRecords } from './pax.ts';
import { BLOCK_BYTES, printable, readHeader, TarError, type RawHeader, type TarEntry } from './tar-header.ts';

export interface TarHandler {
  /** Its data, `size` bytes in all, follows; then `end`, of entries without data, too. */
  entry(entry: TarEntry): void;
  /** A view of what was pushed: whoever keeps it copies it. */
  data(bytes: Buffer): void;
  end(): void;
}

/** Linux' PATH_MAX is 4096; room for what archives put before it. */
const PATH_BYTES_MAX = 8 * 1024;
/** A list of extended attributes is longer than a name. */
const EXTENSION_BYTES_MAX = 1024 * 1024;
/** Of these the size field means nothing, whatever it says. */
const WITHOUT_DATA: ReadonlySet<string> = new Set(['1', '2', '3', '4', '5', '6']);

type State = 'header' | 'data' | 'extension' | 'padding' | 'over';

export class TarReader {
  readonly #handler: TarHandler;
  #state: State = 'header';
  /** What has come of a header, or of an extension. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Still to come of data, extension or padding. */
  #left = 0;
  #padding = 0;
  /** Of the extension that is being read: `x`, `L`, `K`, or what is passed over. */
  #extension = '';
  #pax: PaxRecords = {};
  #longPath: string | undefined;
  #longLink: string | undefined;
  #lastWasZero = false;
  #path = '';

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  push(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.length > 0 && this.#state !== 'over') rest = rest.subarray(this.#step(rest));
  }

  /** After the last byte: the archive must not stop within an entry. One without its two blocks of zeros is common. */
  finish(): void {
    if (this.#state === 'over' || (this.#state === 'header' && this.#heldBytes === 0 && this.#extension === '')) return;
    throw new TarError(
      this.#path === '' ? 'the archive is cut off' : `${printable(this.#path)}: the archive is cut off here`,
    );
  }

  /** Answers how many bytes it took, at least one. */
  #step(bytes: Buffer): number {
    switch (this.#state) {
      case 'header':
        return this.#hold(bytes, BLOCK_BYTES, (block) => this.#header(block));
      case 'extension':
        return this.#hold(bytes, this.#left, (content) => this.#extended(content));
      case 'data':
        return this.#data(bytes);
      case 'padding':
        return this.#skip(bytes);
      case 'over':
        return bytes.length;
    }
  }

  #hold(bytes: Buffer, wanted: number, whole: (held: Buffer) => void): number {
    const taken = Math.min(bytes.length, wanted - this.#heldBytes);
    if (this.#heldBytes + taken === wanted) {
      const held =
        this.#heldBytes === 0 ? bytes.subarray(0, taken) : Buffer.concat([...this.#held, bytes.subarray(0, taken)]);
      this.#held = [];
      this.#heldBytes = 0;
      whole(held);
    } else {
      // The caller may write over its buffer.
      this.#held.push(Buffer.from(bytes.subarray(0, taken)));
      this.#heldBytes += taken;
    }
    return taken;
  }

  #header(block: Buffer): void {
    const header = readHeader(block);
    if (header === undefined) {
      if (this.#lastWasZero) this.#state = 'over';
      this.#lastWasZero = true;
      return;
    }
    this.#lastWasZero = false;
    if (/^[xgLK]$/.test(header.flag)) this.#beginExtension(header);
    else this.#beginEntry(header);
  }

  #beginExtension({ flag, size }: RawHeader): void {
    const max = flag === 'L' || flag === 'K' ? PATH_BYTES_MAX : EXTENSION_BYTES_MAX;
    if (size > max) throw new TarError(`an extended header has ${size} bytes, more than ${max}`);
    if (size === 0) throw new TarError('an extended header is empty');
    this.#extension = flag;
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#state = 'extension';
  }

  #extended(content: Buffer): void {
    if (this.#extension === 'x') this.#pax = { ...this.#pax, ...parsePax(content) };
    else if (this.#extension === 'L') this.#longPath = untilNul(content);
    else if (this.#extension === 'K') this.#longLink = untilNul(content);
    // `g` speaks of all that follows; what is there in practice is a comment.
    this.#afterContent();
  }

  #beginEntry(header: RawHeader): void {
    const entry = this.#entryOf(header);
    this.#pax = {};
    this.#longPath = this.#longLink = undefined;
    this.#extension = '';
    this.#path = entry.path;
    this.#left = entry.size;
    this.#padding = paddingOf(entry.size);
    this.#state = 'data';
    this.#handler.entry(entry);
    if (entry.size === 0) this.#endEntry();
  }

  #entryOf({ flag, ...header }: RawHeader): TarEntry {
    const pax = this.#pax;
    const longPath = pax.path ?? this.#longPath;
    const path = longPath === undefined ? header.path : longPath.replace(/\/+$/, '') || '/';
    const linkTarget = pax.linkpath ?? this.#longLink ?? header.linkTarget;
    if (path === '' || path.includes('\0') || linkTarget.includes('\0'))
      throw new TarError(`an entry's name is empty or holds a NUL: ${printable(path)}`);
    if (path.length > PATH_BYTES_MAX || linkTarget.length > PATH_BYTES_MAX)
      throw new TarError(`${printable(path)}: a name is longer than ${PATH_BYTES_MAX} bytes`);
    const type = header.type === 'file' && longPath?.endsWith('/') === true ? 'directory' : header.type;
    const size = WITHOUT_DATA.has(flag) ? 0 : (pax.size ?? header.size);
    const { uid, gid, mtime } = { ...header, ...pax };
    if (!isUserId(uid) || !isUserId(gid)) throw new TarError(`${printable(path)}: its owner ${uid}:${gid} is none`);
    return { path, linkTarget, type, size, mode: header.mode, uid, gid, mtime };
  }

  #data(bytes: Buffer): number {
    const taken = Math.min(bytes.length, this.#left);
    assert(taken > 0, 'an entry without data has ended at its header');
    this.#handler.data(bytes.subarray(0, taken));
    this.#left -= taken;
    if (this.#left === 0) this.#endEntry();
    return taken;
  }

  #endEntry(): void {
    this.#handler.end();
    this.#path = '';
    this.#afterContent();
  }

  #afterContent(): void {
    this.#left = this.#padding;
    this.#state = this.#left === 0 ? 'header' : 'padding';
  }

  #skip(bytes: Buffer): number {
    const taken = Math.min(bytes.length, this.#left);
    this.#left -= taken;
    if (this.#left === 0) this.#state = 'header';
    return taken;
  }
}

/** The last one means "unchanged" to the kernel. */
function isUserId(id: number): boolean {
  return id >= 0 && id < 2 ** 32 - 1;
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

function untilNul(content: Buffer): string {
  const end = content.indexOf(0);
  return content.toString('latin1', 0, end < 0 ? content.length : end);
}
