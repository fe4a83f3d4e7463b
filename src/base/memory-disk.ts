/**
 * A `Disk` in memory that keeps apart what a power cut may undo. For tests, for a cluster inside one process, and for the
 * simulator.
 *
 * Each file has the bytes that are durable and a list of later changes; each directory its durable names and a list of
 * later changes. A power cut keeps or loses each of those changes by the Random, whatever the order they were made in,
 * and may tear a write at any byte. A process crash loses nothing but what was still on its way to the disk.
 *
 * Code under test sees an incarnation of the disk. A crash ends all incarnations: what was called on one never settles
 * any more and has no effect, just as the process that called it is gone. The next incarnation finds what was left.
 */
import { assert } from './assert.ts';
import type { Clock, Millis } from './clock.ts';
import type { Disk, DiskFile } from './disk.ts';
import { afterLatency } from './latency.ts';
import type { Random } from './random.ts';

export interface MemoryDiskFaults {
  /** How long one operation takes; 0 is "at once", without a timer. */
  readonly latencyMs?: { readonly min: Millis; readonly max: Millis };
  /** How long a sync takes, where it differs. */
  readonly syncLatencyMs?: { readonly min: Millis; readonly max: Millis };
  /** Probability that a write or a truncation fails with EIO, having done part of its work. */
  readonly writeFailure?: number;
  /** Probability that a sync fails with EIO, having made nothing durable. */
  readonly syncFailure?: number;
  /** No file may grow: ENOSPC. */
  readonly isFull?: boolean;
  /** Bytes that there is room for: of all files here, and of what others keep on the same disk. */
  readonly capacityBytes?: number;
  readonly othersBytes?: () => number;
  /** Where a write lands instead, unnoticed; undefined: where it should. */
  readonly misdirect?: (path: string, offset: number, length: number) => number | undefined;
}

export interface MemoryDiskOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults?: MemoryDiskFaults;
}

/** What was met so far, so that a test can tell that it tested something. */
export interface MemoryDiskCounters {
  powerCuts: number;
  processCrashes: number;
  syncs: number;
  writes: number;
  /** Writes of which a crash kept a part. */
  tornTails: number;
  /** Changes of bytes that a crash undid. */
  unsyncedLosses: number;
  /** Creations, renames and removals that a power cut undid. */
  nameLosses: number;
  /** Writes and syncs that failed. */
  failures: number;
  /** What was refused because the disk was full. */
  refusals: number;
  misdirectedWrites: number;
}

/** Until a turn of the loop is over, as the simulated device's latency is said. */
const TURN_MS = { min: 0, max: 1 };

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array; isDone: boolean }
  | { readonly kind: 'truncate'; readonly size: number; isDone: boolean };

type NameChange =
  | { readonly kind: 'link'; readonly name: string; readonly node: Node }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly node: Node }
  | { readonly kind: 'unlink'; readonly name: string };

interface FileNode {
  readonly kind: 'file';
  durable: Content;
  current: Content;
  changes: Change[];
}

interface DirNode {
  readonly kind: 'dir';
  readonly durable: Map<string, Node>;
  readonly current: Map<string, Node>;
  changes: NameChange[];
}

type Node = FileNode | DirNode;

/** Growing bytes; what was never written reads as zero. */
class Content {
  #bytes: Uint8Array = new Uint8Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  copy(): Content {
    const copy = new Content();
    copy.#bytes = this.#bytes.slice(0, this.#size);
    copy.#size = this.#size;
    return copy;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#size), Math.min(offset + length, this.#size));
  }

  apply(change: Change): void {
    if (change.kind === 'truncate') return this.#resize(change.size);
    this.#resize(Math.max(this.#size, change.offset + change.bytes.length));
    this.#bytes.set(change.bytes, change.offset);
  }

  flip(offset: number, mask: number): void {
    assert(offset < this.#size, 'the flipped byte is in the file');
    this.#bytes[offset]! ^= mask;
  }

  #resize(size: number): void {
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    this.#size = size;
  }
}

class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: string;
  constructor(code: string, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

export class MemoryDisk {
  readonly counters: MemoryDiskCounters = {
    powerCuts: 0,
    processCrashes: 0,
    syncs: 0,
    writes: 0,
    tornTails: 0,
    unsyncedLosses: 0,
    nameLosses: 0,
    failures: 0,
    refusals: 0,
    misdirectedWrites: 0,
  };
  faults: MemoryDiskFaults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #root: DirNode = newDir();
  #incarnations: View[] = [];

  constructor({ clock, random, faults = {} }: MemoryDiskOptions) {
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
  }

  /** A view that lives until the next crash. */
  incarnation(): Disk {
    const view = new View(this);
    this.#incarnations.push(view);
    return view;
  }

  /** The process dies, the machine goes on: what was on its way to the disk may arrive, in part, or not. */
  processCrash(): void {
    this.counters.processCrashes++;
    this.#endIncarnations();
    for (const file of filesBelow(this.#root)) this.#lose(file, (change) => !change.isDone);
  }

  /** The machine dies: whatever was not synced may be lost. */
  powerCut(): void {
    this.counters.powerCuts++;
    this.#endIncarnations();
    // Names first: a file whose name is lost may come back only through a directory that is kept.
    this.#loseNames(this.#root);
    for (const file of filesBelow(this.#root)) {
      this.#lose(file, () => true);
      file.durable = file.current.copy();
      file.changes = [];
    }
  }

  /** A copy of a file as a reader sees it now. */
  contents(path: string): Uint8Array {
    const file = this.file(path);
    return file.current.read(0, file.current.size);
  }

  /** Of a directory, in order; none where there is no directory. */
  names(path: string): string[] {
    const node = this.find(path);
    return node?.kind === 'dir' ? [...node.current.keys()].sort() : [];
  }

  /** Damages a file behind everyone's back, durably. */
  flipBits(path: string, offset: number, mask: number): void {
    const file = this.file(path);
    file.current.flip(offset, mask);
    if (offset < file.durable.size) file.durable.flip(offset, mask);
  }

  /** Of all files that have a name. */
  get usedBytes(): number {
    let used = 0;
    for (const file of filesBelow(this.#root)) used += file.current.size;
    return used;
  }

  /** Bytes by which files may grow. */
  room(): number {
    const { capacityBytes, othersBytes } = this.faults;
    if (capacityBytes === undefined) return Infinity;
    return capacityBytes - this.usedBytes - (othersBytes?.() ?? 0);
  }

  // What follows is the views' side.

  /** Runs `run` after the latency; never settles if the view's process is gone by then. */
  perform<T>(view: View, run: () => T, latencyMs = this.faults.latencyMs): Promise<T> {
    return afterLatency({ clock: this.#clock, random: this.#random, latencyMs, isDead: () => view.isDead }, run);
  }

  /** A change is seen by readers as soon as it is begun; a crash before its end may undo it. */
  change(view: View, file: FileNode, change: Change): Promise<void> {
    if (view.isDead) return new Promise(() => {});
    const { isFull = false, writeFailure = 0 } = this.faults;
    const growsTo = change.kind === 'write' ? change.offset + change.bytes.length : change.size;
    const growth = Math.max(0, growsTo - file.current.size);
    const room = isFull ? 0 : this.room();
    if (growth > room) {
      // As a file system does: what there is room for is written, and the next call says why there is no more.
      if (change.kind === 'write' && room > 0) this.#begin(file, torn(change, change.bytes.length - growth + room, true));
      return this.perform(view, () => this.#refuse());
    }
    if (writeFailure > 0 && this.#random.chance(writeFailure)) {
      this.counters.failures++;
      if (change.kind === 'write') this.#begin(file, torn(change, this.#random.below(change.bytes.length + 1), true));
      return this.perform(view, () => fail('EIO', 'the write failed'));
    }
    this.#begin(file, change);
    this.counters.writes++;
    return this.perform(view, () => {
      change.isDone = true;
    });
  }

  /** Makes durable what was done before this call; what was only begun is not promised. */
  sync(view: View, file: FileNode): Promise<void> {
    const covered = new Set(file.changes.filter((change) => change.isDone));
    return this.perform(view, () => {
      const { syncFailure = 0 } = this.faults;
      if (syncFailure > 0 && this.#random.chance(syncFailure)) {
        this.counters.failures++;
        fail('EIO', 'the sync failed');
      }
      this.counters.syncs++;
      // Begun changes between covered ones keep their place: bytes written later win, as in `current`.
      const waiting: Change[] = [];
      for (const change of file.changes) {
        if (covered.has(change)) file.durable.apply(change);
        else waiting.push(change);
      }
      file.changes = waiting;
    }, this.faults.syncLatencyMs ?? this.faults.latencyMs);
  }

  syncDir(view: View, path: string): Promise<void> {
    return this.perform(view, () => {
      const dir = this.dir(path);
      this.counters.syncs++;
      for (const change of dir.changes.splice(0)) applyName(dir.durable, change);
    });
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (node?.kind !== 'dir') return undefined;
      node = node.current.get(name);
    }
    return node;
  }

  file(path: string): FileNode {
    const node = this.find(path);
    if (node === undefined) return fail('ENOENT', `no such file: ${path}`);
    return node.kind === 'file' ? node : fail('EISDIR', `a directory: ${path}`);
  }

  dir(path: string): DirNode {
    const node = this.find(path);
    if (node === undefined) return fail('ENOENT', `no such directory: ${path}`);
    return node.kind === 'dir' ? node : fail('ENOTDIR', `not a directory: ${path}`);
  }

  openFile(path: string, create: boolean): FileNode {
    if (!create || this.find(path) !== undefined) return this.file(path);
    if (this.faults.isFull === true || this.room() <= 0) this.#refuse();
    const file: FileNode = { kind: 'file', durable: new Content(), current: new Content(), changes: [] };
    const { parent, name } = splitPath(path);
    changeName(this.dir(parent), { kind: 'link', name, node: file });
    return file;
  }

  makeDir(path: string): void {
    let dir = this.#root;
    for (const name of namesOf(path)) {
      let next = dir.current.get(name);
      if (next === undefined) {
        next = newDir();
        changeName(dir, { kind: 'link', name, node: next });
      }
      if (next.kind !== 'dir') return fail('ENOTDIR', `not a directory: ${path}`);
      dir = next;
    }
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === undefined) return fail('ENOENT', `no such file: ${from}`);
    const source = splitPath(from);
    const target = splitPath(to);
    const sourceDir = this.dir(source.parent);
    const targetDir = this.dir(target.parent);
    if (sourceDir === targetDir) {
      changeName(sourceDir, { kind: 'rename', from: source.name, to: target.name, node });
    } else {
      changeName(targetDir, { kind: 'link', name: target.name, node });
      changeName(sourceDir, { kind: 'unlink', name: source.name });
    }
  }

  /** A directory goes name by name, so that a power cut may leave part of it. */
  remove(path: string): void {
    const node = this.find(path);
    if (node === undefined) return;
    if (node.kind === 'dir') for (const name of [...node.current.keys()].sort()) this.remove(`${path}/${name}`);
    const { parent, name } = splitPath(path);
    changeName(this.dir(parent), { kind: 'unlink', name });
  }

  #refuse(): never {
    this.counters.refusals++;
    return fail('ENOSPC', 'the disk is full');
  }

  #begin(file: FileNode, change: Change): void {
    file.changes.push(change);
    file.current.apply(change);
  }

  #endIncarnations(): void {
    for (const view of this.#incarnations) view.isDead = true;
    this.#incarnations = [];
  }

  /** Draws for each change at risk whether it is kept, and rebuilds what a reader sees. */
  #lose(file: FileNode, isAtRisk: (change: Change) => boolean): void {
    if (file.changes.length === 0) return;
    const kept: Change[] = [];
    for (const change of file.changes) {
      const fate = isAtRisk(change) ? this.#random.below(3) : 0;
      if (fate === 0) {
        change.isDone = true;
        kept.push(change);
      } else if (fate === 1 || change.kind === 'truncate') {
        this.counters.unsyncedLosses++;
      } else {
        this.counters.tornTails++;
        kept.push(torn(change, this.#random.below(change.bytes.length + 1), this.#random.chance(0.5)));
      }
    }
    file.changes = kept;
    file.current = file.durable.copy();
    for (const change of kept) file.current.apply(change);
  }

  #loseNames(dir: DirNode): void {
    for (const change of dir.changes.splice(0)) {
      if (this.#random.chance(0.5)) applyName(dir.durable, change);
      else this.counters.nameLosses++;
    }
    dir.current.clear();
    for (const [name, node] of dir.durable) {
      dir.current.set(name, node);
      if (node.kind === 'dir') this.#loseNames(node);
    }
  }
}

class View implements Disk {
  isDead = false;
  readonly #disk: MemoryDisk;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  open(path: string, { create = false }: { readonly create?: boolean } = {}): Promise<DiskFile> {
    return this.#disk.perform(this, () => new OpenFile(this.#disk, this, path, this.#disk.openFile(path, create)));
  }

  exists(path: string): Promise<boolean> {
    return this.#disk.perform(this, () => this.#disk.find(path) !== undefined);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.perform(this, () => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#disk.perform(this, () => this.#disk.remove(path));
  }

  makeDir(path: string): Promise<void> {
    return this.#disk.perform(this, () => this.#disk.makeDir(path));
  }

  list(path: string): Promise<string[]> {
    return this.#disk.perform(this, () => this.#disk.names(path));
  }

  syncDir(path: string): Promise<void> {
    return this.#disk.syncDir(this, path);
  }

  /** Before or after the write, as the process is: not the disk decides. */
  turnWritten(): Promise<void> {
    return this.#disk.perform(this, () => {}, this.#disk.faults.latencyMs && TURN_MS);
  }
}

class OpenFile implements DiskFile {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #view: View;
  readonly #file: FileNode;

  constructor(disk: MemoryDisk, view: View, path: string, file: FileNode) {
    this.#disk = disk;
    this.#view = view;
    this.path = path;
    this.#file = file;
  }

  size(): Promise<number> {
    return this.#disk.perform(this.#view, () => this.#file.current.size);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#disk.perform(this.#view, () => this.#file.current.read(offset, length));
  }

  writeAt(offset: number, parts: readonly Uint8Array[]): Promise<void> {
    // A copy: the caller may reuse its buffers.
    const bytes = Uint8Array.from(Buffer.concat(parts));
    const misdirected = this.#disk.faults.misdirect?.(this.path, offset, bytes.length);
    if (misdirected !== undefined) this.#disk.counters.misdirectedWrites++;
    return this.#disk.change(this.#view, this.#file, { kind: 'write', offset: misdirected ?? offset, bytes, isDone: false });
  }

  datasync(): Promise<void> {
    return this.#disk.sync(this.#view, this.#file);
  }

  truncate(size: number): Promise<void> {
    return this.#disk.change(this.#view, this.#file, { kind: 'truncate', size, isDone: false });
  }

  close(): Promise<void> {
    return this.#disk.perform(this.#view, () => {});
  }
}

/** The first `length` bytes of a write, or the bytes behind them: pages reach the disk in any order. */
function torn(change: Change & { kind: 'write' }, length: number, keepsHead: boolean): Change {
  return keepsHead
    ? { kind: 'write', offset: change.offset, bytes: change.bytes.subarray(0, length), isDone: true }
    : { kind: 'write', offset: change.offset + length, bytes: change.bytes.subarray(length), isDone: true };
}

function newDir(): DirNode {
  return { kind: 'dir', durable: new Map(), current: new Map(), changes: [] };
}

function changeName(dir: DirNode, change: NameChange): void {
  applyName(dir.current, change);
  dir.changes.push(change);
}

function applyName(names: Map<string, Node>, change: NameChange): void {
  switch (change.kind) {
    case 'link':
      names.set(change.name, change.node);
      return;
    case 'rename':
      if (names.get(change.from) === change.node) names.delete(change.from);
      names.set(change.to, change.node);
      return;
    case 'unlink':
      names.delete(change.name);
  }
}

/** In the order of their names, so that a crash draws the same fates in every run of a seed. */
function* filesBelow(dir: DirNode): Generator<FileNode> {
  for (const [, node] of [...dir.current].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (node.kind === 'file') yield node;
    else yield* filesBelow(node);
  }
}

function namesOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  assert(!names.includes('..'), 'a path of the disk stays below its root');
  return names;
}

function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const names = namesOf(path);
  const name = names.pop();
  assert(name !== undefined, 'the root is neither made nor removed');
  return { parent: names.join('/'), name };
}

function fail(code: string, what: string): never {
  throw new DiskError(code, what);
}
