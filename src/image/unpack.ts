/**
 * Puts the entries of a layer's tar into a directory, and never outside of it. Paths are walked part by part: a symbolic link on
 * the way counts as it does in the container, where the directory is `/`. A link that leads above it, and a `..` that does,
 * are an error that names the entry.
 *
 * Nobody else writes to the directory meanwhile (it is in the store's tmp/), so what was looked at stays as it was seen. Calls
 * of the file system are synchronous: they take microseconds, a way over the thread pool takes more; the reader hands in
 * pieces small enough for the loop to turn between them.
 *
 * A file that is there is replaced, never written into: it may be a hard link into another image's directory (snapshots.ts).
 */
import * as fs from 'node:fs';
import { assert } from '../base/assert.ts';
import { systemErrorCode } from '../base/errors.ts';
import { layerStep, partsBelowRoot } from './core/layer-entry.ts';
import { printable, TarError, type TarEntry } from './core/tar-header.ts';
import type { TarHandler } from './core/tar-reader.ts';

export interface UnpackOptions {
  /** False: all files stay whose process this is, and directories stay open to it, so that it can remove them. */
  readonly keepsOwners: boolean;
  /** What was left out. */
  readonly onWarning: (message: string) => void;
}

interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** As the kernel. */
const LINKS_MAX = 40;
const IMPLIED_MODE = 0o755;

export class LayerUnpacker implements TarHandler {
  /** latin1 of the path's bytes, as all paths in here. */
  readonly #root: string;
  readonly #options: UnpackOptions;
  /** Directories that are known to be such; '' is the root. */
  #directories = new Set<string>(['']);
  /** What this layer put, and the directories above it: whiteouts take only what was before. */
  #own = new Set<string>();
  /** Their times are set at the end: what is put into them changes them. */
  readonly #times = new Map<string, number>();
  #hasSaidOwners = false;
  #file: { readonly descriptor: number; readonly entry: TarEntry } | undefined;
  #bytes = 0;

  constructor(root: string, options: UnpackOptions) {
    this.#root = Buffer.from(root).toString('latin1');
    this.#options = options;
  }

  /** Of files' contents. */
  get bytes(): number {
    return this.#bytes;
  }

  beginLayer(): void {
    this.#own = new Set();
  }

  entry(entry: TarEntry): void {
    const read = layerStep(entry);
    if (!read.ok) throw new TarError(read.why);
    const step = read.value;
    switch (step.kind) {
      case 'put':
        return this.#put(step.parts, entry);
      case 'whiteout':
        return this.#whiteout(step.parent, step.name, entry);
      case 'opaque':
        return this.#opaque(step.parts, entry);
      case 'skip':
        if (step.warning !== '') this.#options.onWarning(step.warning);
    }
  }

  data(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#file === undefined) return; // of what was left out
    for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#file.descriptor, bytes, at, bytes.length - at);
  }

  end(): void {
    if (this.#file === undefined) return;
    const { descriptor, entry } = this.#file;
    const { uid, gid, mode, mtime } = entry;
    // The owner first: to change it takes setuid away.
    if (this.#options.keepsOwners) fs.fchownSync(descriptor, uid, gid);
    fs.fchmodSync(descriptor, mode);
    fs.futimesSync(descriptor, settable(mtime), settable(mtime));
    this.close();
  }

  /** Also after an error, which may come within a file. */
  close(): void {
    if (this.#file !== undefined) fs.closeSync(this.#file.descriptor);
    this.#file = undefined;
  }

  /** After the last layer. */
  finish(): void {
    for (const [path, mtime] of this.#times) {
      if (this.#lstat(path)?.isDirectory() === true) fs.utimesSync(this.#at(path), settable(mtime), settable(mtime));
    }
  }

  #put(parts: readonly string[], entry: TarEntry): void {
    this.#sayOwners(entry);
    const parent = this.#walk(parts.slice(0, -1), entry, 'make');
    const path = below(parent, parts.at(-1) ?? '');
    const target = entry.type === 'hard-link' ? this.#linked(entry) : '';
    if (entry.type === 'hard-link' && target === path) return;
    this.#clear(path, entry);
    this.#claim(path);
    if (entry.type === 'directory') this.#directory(path, entry);
    else if (entry.type === 'symlink') this.#symlink(path, entry);
    else if (entry.type === 'hard-link') fs.linkSync(this.#at(target), this.#at(path));
    else {
      const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW;
      this.#file = { descriptor: fs.openSync(this.#at(path), flags, 0o600), entry };
    }
  }

  /** Root's files are the user's, who is root in the user namespace of a container; those of others are not told apart any more. */
  #sayOwners({ uid, gid, path }: TarEntry): void {
    if (this.#options.keepsOwners || this.#hasSaidOwners || (uid === 0 && gid === 0)) return;
    this.#hasSaidOwners = true;
    this.#options.onWarning(
      `owners of files, such as ${uid}:${gid} of ${printable(path)}, are not kept: this user may not give files to others`,
    );
  }

  /** Takes away what is in the place of an entry; a directory stays one. */
  #clear(path: string, { type }: TarEntry): void {
    if (path === '') return;
    const there = this.#lstat(path);
    if (there === undefined || (there.isDirectory() && type === 'directory')) return;
    this.#remove(path, there.isDirectory());
  }

  #directory(path: string, attributes: Attributes): void {
    if (!this.#directories.has(path) && this.#lstat(path) === undefined) fs.mkdirSync(this.#at(path), 0o700);
    this.#directories.add(path);
    this.#times.set(path, attributes.mtime);
    if (this.#options.keepsOwners) fs.chownSync(this.#at(path), attributes.uid, attributes.gid);
    // Who is not root must be able to put something into it, and to remove it some day.
    fs.chmodSync(this.#at(path), this.#options.keepsOwners ? attributes.mode : attributes.mode | 0o700);
  }

  #symlink(path: string, { linkTarget, uid, gid, mtime, path: name }: TarEntry): void {
    if (linkTarget === '') throw new TarError(`${printable(name)} is a link to nothing`);
    fs.symlinkSync(Buffer.from(linkTarget, 'latin1'), this.#at(path));
    if (this.#options.keepsOwners) fs.lchownSync(this.#at(path), uid, gid);
    fs.lutimesSync(this.#at(path), settable(mtime), settable(mtime));
  }

  /** The target of a hard link: something that is there, and no directory. A symbolic link is linked to itself. */
  #linked(entry: TarEntry): string {
    const what = `${printable(entry.path)} is a hard link to ${printable(entry.linkTarget)}`;
    const parts = partsBelowRoot(entry.linkTarget);
    if (parts === undefined) throw new TarError(`${what}, which climbs out of the root`);
    const parent = this.#walk(parts.slice(0, -1), entry, 'find');
    const path = below(parent ?? '', parts.at(-1) ?? '');
    const there = parent === undefined ? undefined : this.#lstat(path);
    if (there === undefined) throw new TarError(`${what}, which is not there`);
    if (there.isDirectory()) throw new TarError(`${what}, which is a directory`);
    return path;
  }

  #whiteout(parent: readonly string[], name: string, entry: TarEntry): void {
    const folder = this.#walk(parent, entry, 'find');
    if (folder === undefined) return;
    this.#removeOlder(below(folder, name));
  }

  #opaque(parts: readonly string[], entry: TarEntry): void {
    const folder = this.#walk(parts, entry, 'make');
    // The marker lies in it: a whiteout of the same layer takes it no more, whichever comes first.
    this.#claim(folder);
    for (const name of this.#list(folder)) this.#removeOlder(below(folder, name));
  }

  /** What this layer itself has put stays. */
  #removeOlder(path: string): void {
    const there = this.#lstat(path);
    if (there === undefined) return;
    if (!this.#own.has(path)) this.#remove(path, there.isDirectory());
    else if (there.isDirectory()) for (const name of this.#list(path)) this.#removeOlder(below(path, name));
  }

  #remove(path: string, isDirectory: boolean): void {
    assert(path !== '', 'the root stays');
    if (!isDirectory) return fs.unlinkSync(this.#at(path));
    // A directory that was known may be below it.
    this.#directories = new Set(['']);
    this.#times.delete(path);
    for (const entry of fs.readdirSync(this.#at(path), { withFileTypes: true, encoding: 'buffer' })) {
      this.#remove(below(path, entry.name.toString('latin1')), entry.isDirectory());
    }
    fs.rmdirSync(this.#at(path));
  }

  #claim(path: string): void {
    for (let one = path; !this.#own.has(one); one = one.slice(0, Math.max(0, one.lastIndexOf('/')))) {
      this.#own.add(one);
      if (one === '') return;
    }
  }

  #walk(parts: readonly string[], entry: TarEntry, missing: 'make'): string;
  #walk(parts: readonly string[], entry: TarEntry, missing: 'make' | 'find'): string | undefined;
  /** Where a directory really is, all links followed within the root. Undefined, with 'find': it is not there. */
  #walk(parts: readonly string[], entry: TarEntry, missing: 'make' | 'find'): string | undefined {
    const ahead = [...parts].reverse();
    let links = 0;
    let at = '';
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (at === '') throw new TarError(`${printable(entry.path)} climbs out of the root over a link`);
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const next = below(at, part);
      if (this.#directories.has(next)) {
        at = next;
        continue;
      }
      const there = this.#lstat(next);
      if (there === undefined && missing === 'find') return undefined;
      if (there?.isSymbolicLink() === true) {
        if (++links > LINKS_MAX)
          throw new TarError(`${printable(entry.path)} lies behind more than ${LINKS_MAX} links`);
        const target = fs.readlinkSync(this.#at(next), { encoding: 'latin1' });
        if (target.startsWith('/')) at = '';
        ahead.push(...target.split('/').reverse());
        continue;
      }
      if (there === undefined) this.#implied(next);
      else if (!there.isDirectory()) {
        if (missing === 'find') return undefined;
        throw new TarError(`${printable(entry.path)} lies below ${printable(next)}, which is no directory`);
      }
      this.#directories.add(next);
      at = next;
    }
    return at;
  }

  /** A directory that the layer puts something into without naming it: root's. */
  #implied(path: string): void {
    this.#directory(path, { mode: IMPLIED_MODE, uid: 0, gid: 0, mtime: 0 });
    this.#claim(path);
  }

  #at(path: string): Buffer {
    return Buffer.from(path === '' ? this.#root : `${this.#root}/${path}`, 'latin1');
  }

  #lstat(path: string): fs.Stats | undefined {
    try {
      return fs.lstatSync(this.#at(path), { throwIfNoEntry: false });
    } catch (error) {
      if (systemErrorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  #list(path: string): string[] {
    return fs
      .readdirSync(this.#at(path), { encoding: 'buffer' })
      .map((name) => name.toString('latin1'))
      .sort();
  }
}

function below(parent: string, name: string): string {
  if (name === '') return parent;
  return parent === '' ? name : `${parent}/${name}`;
}

/** Within what file systems hold: 34 bits of seconds. */
function settable(mtime: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 34 - 1, mtime));
}

/**
 * Whether this process may give files to any user: root, with the right to, in a user namespace that knows them all. Root of a
 * namespace with one user (`unshare --map-root-user`) may not.
 */
export function maySetOwners(status: string, uidMap: string): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const mapped = uidMap.split('\n').reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2] ?? 0), 0);
  return (BigInt(`0x${capabilities}`) & 1n) === 1n && mapped >= 65_536;
}
