/**
 * The write-ahead log of a member: what Raft must not forget. Segments are preallocated, so that an append changes no
 * metadata; appends that arrive while a sync is under way share the next one.
 *
 *   wal/0000000000000001.log  [header | batch | batch | …]      released when a later one holds all that is needed
 *   wal/0000000000000002.log  [header | batch | 0 0 0 …  ]      written to
 *   wal/prepared              [0 0 0 …]                         the next, made in the background
 *
 * Batch k+1 is written only when k is synced, so a crash may tear the last batch alone: `open` cuts it. A bad batch with
 * a good one behind it is damage, and the member must not start: what it promised is not there any more.
 */
import { assert } from '../../base/assert.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { readWhole, writeZeros, type Disk, type DiskFile } from '../../base/disk.ts';
import { isNoSpace } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { FaultHooks } from '../faults/fault-hooks.ts';
import type { Entry, HardState, LogIndex, SnapshotMeta } from '../raft/core/types.ts';
import {
  decodeFrame,
  encodeFrame,
  encodeRecord,
  findFrame,
  FrameWriter,
  type Frame,
  type NoFrame,
  type WalIdentity,
  type WalRecord,
} from './wal-record.ts';
import { withRoom, type MakeRoom } from './room.ts';
import { WalDamageError, WalError } from './wal-error.ts';
import { WalReplay, type RestoredWal } from './wal-replay.ts';

export interface WalOptions {
  readonly disk: Disk;
  /** Folder of the segments. */
  readonly dir: string;
  readonly identity: WalIdentity;
  readonly log: Log;
  readonly segmentBytes?: number;
  readonly firstSegmentBytes?: number;
  /** Called where the disk is full; without it, and where it makes none, a write that finds no room is the last one. */
  readonly makeRoom?: MakeRoom;
  /** Room is scarce: segments are small. */
  readonly isFull?: () => boolean;
  readonly faults?: FaultHooks | undefined;
}

export interface WalBatch {
  readonly entries: readonly Entry[];
  readonly hardState: HardState | undefined;
  readonly snapshot: SnapshotMeta | undefined;
  /** False: it may wait for the next batch that must be synced. */
  readonly mustSync: boolean;
}

/** Small, so that a fresh cluster is ready soon. */
const FIRST_SEGMENT_BYTES = 256 * 1024;
const SEGMENT_BYTES = 16 * 1024 * 1024;
/** Where room is scarce. */
const SMALL_SEGMENT_BYTES = 256 * 1024;
/** Around the batch that a segment is made for: its header. */
const SEGMENT_HEAD_BYTES = 1024;
/** For a frame around its records. */
const FRAME_ROOM_BYTES = 64;
/** One batch gathers at most so much; what waits beyond goes with the next. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
const PREPARED = 'prepared';
const FOREIGN = 'its checksum fits, but this version does not know what it holds';

interface Segment {
  readonly path: string;
  readonly number: number;
  /** Of the entries in it; what is not above a released index may go. */
  lastIndex: LogIndex;
}

interface Waiting {
  readonly batch: WalBatch;
  readonly done: Deferred<void>;
}

export class Wal {
  readonly #options: WalOptions;
  /** Oldest first; the last is written to. */
  readonly #segments: Segment[] = [];
  #file: DiskFile;
  #capacity: number;
  #offset: number;
  #sequence: number;
  #crc: number;
  #hardState: HardState;
  #snapshot: SnapshotMeta;
  /** A commit hint that waits for company. */
  #hint: HardState | undefined;
  /** One batch is written after the other. */
  readonly #frame = new FrameWriter();
  #waiting: Waiting[] = [];
  #isWriting = false;
  #failure: Error | undefined;
  /** The size of the next segment, 0 if it could not be made. */
  #preparing: Promise<number> | undefined;
  #syncs = 0;

  private constructor(options: WalOptions, state: Position) {
    this.#options = options;
    this.#segments = state.segments;
    this.#file = state.file;
    this.#capacity = state.capacity;
    this.#offset = state.offset;
    this.#sequence = state.sequence;
    this.#crc = state.crc;
    this.#hardState = state.hardState;
    this.#snapshot = state.snapshot;
  }

  /** A new log; durable when it resolves. */
  static async create(options: WalOptions & Pick<RestoredWal, 'hardState' | 'snapshot'>): Promise<Wal> {
    const { disk, dir, hardState, snapshot } = options;
    await disk.remove(dir);
    await disk.makeDir(dir);
    const start = { number: 1, sequence: 1, crc: 0, hardState, snapshot };
    const begun = await beginSegment(options, start, options.firstSegmentBytes ?? FIRST_SEGMENT_BYTES);
    await disk.syncDir(parentOf(dir));
    return new Wal(options, { ...begun, segments: [begun.segment], hardState, snapshot });
  }

  /** Undefined: there is no log. Throws `WalDamageError`, or `WalError` for another member's log. */
  static async open(options: WalOptions): Promise<{ readonly wal: Wal; readonly restored: RestoredWal } | undefined> {
    const { disk, dir } = options;
    const names = (await disk.list(dir)).filter((name) => /^[0-9a-f]{16}\.log$/.test(name));
    await disk.remove(`${dir}/${PREPARED}`);
    const reader = new SegmentReader(options);
    for (const [at, name] of names.entries()) await reader.read(name, at === names.length - 1);
    return reader.finish((state) => new Wal(options, state));
  }

  /** Whose log it is; undefined where there is none that begins readably. */
  static async identityOf(disk: Disk, dir: string): Promise<WalIdentity | undefined> {
    const names = (await disk.list(dir)).filter((name) => /^[0-9a-f]{16}\.log$/.test(name));
    for (const name of names) {
      const header = decodeFrame(await readWhole(disk, `${dir}/${name}`), 0);
      const record = typeof header === 'string' ? undefined : header.records[0];
      if (record?.type === 'header') return { clusterId: record.clusterId, memberId: record.memberId };
    }
    return undefined;
  }

  /** Throws `WalDamageError` where there is a log that does not begin readably: who asks others who it is might begin anew. */
  static async requireNone(disk: Disk, dir: string): Promise<void> {
    for (const name of (await disk.list(dir)).filter((one) => /^[0-9a-f]{16}\.log$/.test(one))) {
      const segment = `${dir}/${name}`;
      if (findFrame(await readWhole(disk, segment), 0) === undefined) continue;
      throw new WalDamageError({ segment, offset: 0, batch: 1, what: 'its header is not readable', memberId: undefined });
    }
  }

  get syncs(): number {
    return this.#syncs;
  }

  append(batch: WalBatch): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const done = deferred<void>();
    this.#waiting.push({ batch, done });
    const turnEnd = this.#turnEnd();
    if (!this.#isWriting) void this.#write(turnEnd);
    return done.promise;
  }

  /** A hard state that leaves with the next batch. Its caller has none on its way, which it would overtake. */
  hint(hardState: HardState): void {
    this.#hint = hardState;
  }

  /** Resolves once what was appended in this turn is on its way to the disk. */
  async begun(): Promise<void> {
    await this.#options.disk.turnWritten?.();
  }

  /** Removes segments that hold nothing above `index`, oldest first; never the one that is written to. */
  async release(index: LogIndex): Promise<void> {
    const { disk, dir } = this.#options;
    while (this.#segments.length > 1 && this.#segments[0]!.lastIndex <= index && index <= this.#snapshot.index) {
      await disk.remove(this.#segments.shift()!.path);
      // Each by itself: were a later removal durable before an earlier one, the log would have a hole.
      await disk.syncDir(dir);
    }
  }

  /** What waits is written; then the files are closed. */
  async close(): Promise<void> {
    while (this.#isWriting)
      await this.append({ entries: [], hardState: undefined, snapshot: undefined, mustSync: false });
    await this.#preparing?.catch(() => undefined);
    this.#failure ??= new WalError('closed', 'the write-ahead log is closed');
    await this.#file.close();
  }

  /** Undefined: nobody more is waited for. */
  #turnEnd(): Promise<void> | undefined {
    const { disk } = this.#options;
    return disk.turnEnd === undefined ? Promise.resolve() : disk.turnEnd();
  }

  async #write(turnEnd: Promise<void> | undefined): Promise<void> {
    this.#isWriting = true;
    let heard = turnEnd;
    while (this.#waiting.length > 0) {
      if (heard !== undefined) await heard;
      const group = this.#takeGroup();
      try {
        await this.#writeGroup(group.map(({ batch }) => batch));
      } catch (error) {
        // Whether the bytes are on the disk nobody knows; after this nothing may be promised.
        this.#failure = new WalError('failed', 'the write-ahead log could not be written', error);
        for (const { done } of [...group, ...this.#waiting.splice(0)]) done.reject(this.#failure);
        break;
      }
      for (const { done } of group) done.resolve();
      if (this.#waiting.length > 0) heard = this.#turnEnd();
    }
    this.#isWriting = false;
  }

  #takeGroup(): Waiting[] {
    if (this.#waiting.length === 1) return this.#waiting.splice(0);
    let bytes = 0;
    let count = 0;
    for (const { batch } of this.#waiting) {
      if (count > 0 && bytes > BATCH_BYTES_MAX) break;
      for (const entry of batch.entries) bytes += entry.data.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #writeGroup(batches: readonly WalBatch[]): Promise<void> {
    const frame = this.#frame;
    let lastIndex = 0;
    for (const { entries, hardState, snapshot } of batches) {
      if (snapshot !== undefined) frame.add({ type: 'snapshot', snapshot });
      for (const entry of entries) frame.addEntry(entry);
      lastIndex = Math.max(lastIndex, entries.at(-1)?.index ?? 0);
      if (hardState !== undefined) this.#hint = hardState;
    }
    if (!batches.some(({ mustSync }) => mustSync)) {
      assert(frame.recordsBytes === 0, 'only a commit hint may wait');
      return;
    }
    const hardState = this.#hint;
    if (hardState !== undefined) frame.add({ type: 'hard-state', hardState });
    this.#hint = undefined;
    const { faults } = this.#options;
    if (faults !== undefined) await faults.at('raftBeforeSave');
    const written = await withRoom(this.#options.makeRoom, () => this.#put(frame));
    // Not to be tried again: after a sync that failed nobody knows what the next one covers.
    await this.#file.datasync();
    if (faults !== undefined) await faults.at('raftAfterSave');
    this.#syncs++;
    frame.clear();
    this.#offset += written.bytes.length;
    this.#sequence++;
    this.#crc = written.crc;
    // Only now: a segment's header, and a release, may count on nothing that is not durable.
    this.#hardState = hardState ?? this.#hardState;
    for (const { snapshot } of batches) {
      if (snapshot !== undefined && snapshot.index >= this.#snapshot.index) this.#snapshot = snapshot;
    }
    const segment = this.#segments.at(-1)!;
    segment.lastIndex = Math.max(segment.lastIndex, lastIndex);
    if (this.#offset * 2 > this.#capacity) this.#prepareNext();
  }

  /** Finds a place for a batch and writes it; nothing counts on it before its sync, so that it may be done again. */
  async #put(frame: FrameWriter) {
    const need = frame.recordsBytes + FRAME_ROOM_BYTES;
    if (this.#offset + need > this.#capacity) await this.#roll(need);
    const sealed = frame.seal({ sequence: this.#sequence, previousCrc: this.#crc });
    await this.#file.writeAt(this.#offset, [sealed.bytes]);
    return sealed;
  }

  async #roll(need: number): Promise<void> {
    const { log } = this.#options;
    const least = need + SEGMENT_HEAD_BYTES;
    const prepared = (await this.#preparing) ?? 0;
    this.#preparing = undefined;
    const isPrepared = prepared >= least;
    const bytes = isPrepared ? prepared : Math.max(this.#segmentBytes(), least);
    const number = this.#segments.at(-1)!.number + 1;
    const start = {
      number,
      sequence: this.#sequence,
      crc: this.#crc,
      hardState: this.#hardState,
      snapshot: this.#snapshot,
    };
    const begun = await beginSegment(this.#options, start, bytes, isPrepared);
    await this.#file.close();
    this.#file = begun.file;
    this.#capacity = begun.capacity;
    this.#offset = begun.offset;
    this.#sequence = begun.sequence;
    this.#crc = begun.crc;
    this.#segments.push(begun.segment);
    log.debug({ path: begun.segment.path }, 'wal: segment begun');
  }

  #prepareNext(): void {
    const { disk, dir } = this.#options;
    const bytes = this.#segmentBytes();
    // Where it fails, the roll makes one itself, and hears of the trouble; half of one only takes room until then.
    this.#preparing ??= makeBlank(disk, `${dir}/${PREPARED}`, bytes).then(
      () => bytes,
      () => disk.remove(`${dir}/${PREPARED}`).then(
        () => 0,
        () => 0,
      ),
    );
  }

  #segmentBytes(): number {
    const { segmentBytes = SEGMENT_BYTES, isFull } = this.#options;
    return isFull?.() === true ? Math.min(segmentBytes, SMALL_SEGMENT_BYTES) : segmentBytes;
  }
}

/** Everything a log needs to go on writing. */
interface Position {
  readonly segments: Segment[];
  readonly file: DiskFile;
  readonly capacity: number;
  readonly offset: number;
  readonly sequence: number;
  readonly crc: number;
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
}

interface SegmentStart {
  readonly number: number;
  readonly sequence: number;
  readonly crc: number;
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
}

/** A segment with its header, durable: preallocated, then named, then headed. */
async function beginSegment(options: WalOptions, start: SegmentStart, bytes: number, isPrepared = false) {
  const { disk, dir, identity } = options;
  const prepared = `${dir}/${PREPARED}`;
  if (!isPrepared) {
    await disk.remove(prepared);
    await makeBlank(disk, prepared, bytes);
  }
  const path = `${dir}/${start.number.toString(16).padStart(16, '0')}.log`;
  await disk.rename(prepared, path);
  const { hardState, snapshot } = start;
  const records: WalRecord[] = [
    { type: 'header', ...identity },
    { type: 'hard-state', hardState },
    { type: 'snapshot', snapshot },
  ];
  const frame = encodeFrame({ sequence: start.sequence, previousCrc: start.crc, records: records.map(encodeRecord) });
  const file = await disk.open(path);
  try {
    await file.writeAt(0, frame.parts);
    await file.datasync();
    await disk.syncDir(dir);
  } catch (error) {
    // A member whose log cannot be synced ends at once (simulator, seed 1859); what finds no room may be tried again, and
    // gives back what it has first.
    const closed = file.close().catch(() => undefined);
    if (isNoSpace(error)) await closed;
    throw error;
  }
  const segment: Segment = { path, number: start.number, lastIndex: 0 };
  return { segment, file, capacity: bytes, offset: frame.bytes, sequence: start.sequence + 1, crc: frame.crc };
}

async function makeBlank(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, { create: true });
  try {
    await fillWithZeros(file, 0, bytes);
  } finally {
    await file.close();
  }
}

async function fillWithZeros(file: DiskFile, from: number, to: number): Promise<void> {
  await writeZeros(file, from, to);
  await file.datasync();
}

/** Reads all segments in order, and says where writing goes on. */
class SegmentReader {
  readonly #options: WalOptions;
  readonly #replay = new WalReplay();
  readonly #segments: Segment[] = [];
  #last: { readonly path: string; readonly capacity: number; offset: number; isTorn: boolean } | undefined;
  #sequence = 0;
  #crc = 0;

  constructor(options: WalOptions) {
    this.#options = options;
  }

  async read(name: string, isNewest: boolean): Promise<void> {
    const { disk, dir } = this.#options;
    const path = `${dir}/${name}`;
    const bytes = await readWhole(disk, path);
    const header = decodeFrame(bytes, 0);
    if (header === 'foreign') throw this.#damage(path, 0, FOREIGN);
    if (typeof header === 'string' || header.records[0]?.type !== 'header') {
      // Named, and the power went before its header was synced: nothing was ever written to it.
      if (isNewest && this.#isBlank(name, bytes)) return disk.remove(path);
      throw this.#damage(path, 0, 'its header is not readable');
    }
    this.#checkIdentity(header.records[0]);
    if (this.#last?.isTorn === true)
      throw this.#damage(this.#last.path, this.#last.offset, 'a bad batch is followed by a segment');
    if (this.#last !== undefined) this.#checkChain(path, 0, header);
    const segment: Segment = { path, number: segmentNumber(name), lastIndex: 0 };
    this.#segments.push(segment);
    this.#last = { path, capacity: bytes.length, offset: 0, isTorn: false };
    for (let frame: Frame | NoFrame = header; ; frame = decodeFrame(bytes, this.#last.offset)) {
      if (frame === 'end') return;
      // Not a tear, which would be cut: its sync may have been acknowledged.
      if (frame === 'foreign') throw this.#damage(path, this.#last.offset, FOREIGN);
      if (frame === 'bad') return this.#tear(bytes);
      if (this.#last.offset > 0) this.#checkChain(path, this.#last.offset, frame);
      this.#take(frame, segment);
      this.#last.offset = frame.end;
    }
  }

  /** Of a segment without a readable header: nothing can have been written behind it. */
  #isBlank(name: string, bytes: Uint8Array): boolean {
    if (this.#last !== undefined) return findFrame(bytes, 0, this.#sequence + 2) === undefined;
    // The oldest there is tells nobody which numbers to look for; a later one than the first had its header synced
    // before those in front of it went.
    return segmentNumber(name) === 1 && findFrame(bytes, 0) === undefined;
  }

  async finish(make: (state: Position) => Wal): Promise<{ wal: Wal; restored: RestoredWal } | undefined> {
    const last = this.#last;
    if (last === undefined) return undefined;
    const restored = this.#replay.finish();
    if (restored === undefined)
      throw this.#damage(last.path, last.offset, 'the entries do not begin where the snapshot ends');
    const { disk, dir, log } = this.#options;
    const file = await disk.open(last.path);
    if (last.isTorn) {
      log.warn({ path: last.path, offset: last.offset }, 'wal: the last batch was torn and is cut');
      await fillWithZeros(file, last.offset, last.capacity);
    }
    // Also what looks whole may be in the page cache only, written by a process that was killed before its sync.
    await file.datasync();
    await disk.syncDir(dir);
    const { hardState, snapshot } = restored;
    const { capacity, offset } = last;
    const position = { segments: this.#segments, file, capacity, offset, hardState, snapshot };
    return { wal: make({ ...position, sequence: this.#sequence + 1, crc: this.#crc }), restored };
  }

  #take(frame: Frame, segment: Segment): void {
    for (const [at, record] of frame.records.entries()) {
      if (!this.#replay.add(record)) {
        throw this.#damage(
          segment.path,
          this.#last!.offset,
          `record ${at} of batch ${frame.sequence} does not follow the one before`,
        );
      }
      if (record.type === 'entry') segment.lastIndex = Math.max(segment.lastIndex, record.entry.index);
    }
    this.#sequence = frame.sequence;
    this.#crc = frame.crc;
  }

  #tear(bytes: Uint8Array): void {
    const last = this.#last!;
    const next = findFrame(bytes, last.offset, this.#sequence + 2);
    if (next !== undefined) {
      throw this.#damage(last.path, last.offset, 'a bad batch is followed by a good one');
    }
    last.isTorn = true;
  }

  #checkChain(path: string, offset: number, frame: Frame): void {
    if (frame.sequence === this.#sequence + 1 && frame.previousCrc === this.#crc) return;
    throw this.#damage(path, offset, `batch ${frame.sequence} does not follow batch ${this.#sequence}`);
  }

  #damage(segment: string, offset: number, what: string): WalDamageError {
    const { memberId } = this.#options.identity;
    return new WalDamageError({ segment, offset, batch: this.#sequence + 1, what, memberId });
  }

  #checkIdentity(found: WalIdentity): void {
    const { identity, dir } = this.#options;
    if (found.clusterId === identity.clusterId && found.memberId === identity.memberId) return;
    const name = ({ clusterId, memberId }: WalIdentity) =>
      `member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`;
    throw new WalError(
      'wrong-identity',
      `${dir}: the log belongs to ${name(found)}, this is ${name(identity)}: start it with the data directory, --name and ` +
        '--initial-cluster that it had (a member that was added: --initial-cluster-state=existing), or give it an empty data directory.',
    );
  }
}

function segmentNumber(name: string): number {
  return parseInt(name, 16);
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
