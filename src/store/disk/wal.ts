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
import { readWhole, type Disk, type DiskFile } from '../../base/disk.ts';
import type { Log } from '../../base/log.ts';
import type { FaultHooks } from '../faults/fault-hooks.ts';
import type { Entry, HardState, LogIndex, SnapshotMeta } from '../raft/core/types.ts';
import {
  decodeFrame,
  encodeFrame,
  encodeRecord,
  findFrame,
  type Frame,
  type NoFrame,
  type WalIdentity,
  type WalRecord,
} from './wal-record.ts';
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
const ZEROS = new Uint8Array(1024 * 1024);
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
  #waiting: Waiting[] = [];
  #isWriting = false;
  #failure: Error | undefined;
  #preparing: Promise<boolean> | undefined;
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

  get syncs(): number {
    return this.#syncs;
  }

  append(batch: WalBatch): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const done = deferred<void>();
    this.#waiting.push({ batch, done });
    if (!this.#isWriting) void this.#write();
    return done.promise;
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

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
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
    }
    this.#isWriting = false;
  }

  #takeGroup(): Waiting[] {
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
    const records: WalRecord[] = [];
    let lastIndex = 0;
    for (const { entries, hardState, snapshot } of batches) {
      if (snapshot !== undefined) records.push({ type: 'snapshot', snapshot });
      for (const entry of entries) records.push({ type: 'entry', entry });
      lastIndex = Math.max(lastIndex, entries.at(-1)?.index ?? 0);
      if (hardState !== undefined) this.#hint = hardState;
    }
    if (!batches.some(({ mustSync }) => mustSync)) {
      assert(records.length === 0, 'only a commit hint may wait');
      return;
    }
    const hardState = this.#hint;
    if (hardState !== undefined) records.push({ type: 'hard-state', hardState });
    this.#hint = undefined;
    const encoded = records.map(encodeRecord);
    const need = encoded.reduce((sum, record) => sum + record.length, 64);
    if (this.#offset + need > this.#capacity) await this.#roll(need);
    const frame = encodeFrame({ sequence: this.#sequence, previousCrc: this.#crc, records: encoded });
    const { faults } = this.#options;
    if (faults !== undefined) await faults.at('raftBeforeSave');
    await this.#file.writeAt(this.#offset, frame.parts);
    await this.#file.datasync();
    if (faults !== undefined) await faults.at('raftAfterSave');
    this.#syncs++;
    this.#offset += frame.bytes;
    this.#sequence++;
    this.#crc = frame.crc;
    // Only now: a segment's header, and a release, may count on nothing that is not durable.
    this.#hardState = hardState ?? this.#hardState;
    for (const { snapshot } of batches) {
      if (snapshot !== undefined && snapshot.index >= this.#snapshot.index) this.#snapshot = snapshot;
    }
    const segment = this.#segments.at(-1)!;
    segment.lastIndex = Math.max(segment.lastIndex, lastIndex);
    if (this.#offset * 2 > this.#capacity) this.#prepareNext();
  }

  async #roll(need: number): Promise<void> {
    const { log } = this.#options;
    const bytes = Math.max(this.#segmentBytes(), need + 4096);
    const isPrepared = bytes === this.#segmentBytes() && (await this.#preparing) === true;
    this.#preparing = undefined;
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
    this.#preparing ??= (async () => {
      const file = await this.#options.disk.open(`${this.#options.dir}/${PREPARED}`, { create: true });
      await fillWithZeros(file, 0, this.#segmentBytes());
      await file.close();
      return true;
    })().catch(() => false); // The roll makes one itself then, and hears of the trouble.
  }

  #segmentBytes(): number {
    return this.#options.segmentBytes ?? SEGMENT_BYTES;
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
    const blank = await disk.open(prepared, { create: true });
    await fillWithZeros(blank, 0, bytes);
    await blank.close();
  }
  const path = `${dir}/${start.number.toString(16).padStart(16, '0')}.log`;
  await disk.rename(prepared, path);
  const file = await disk.open(path);
  const { hardState, snapshot } = start;
  const records: WalRecord[] = [
    { type: 'header', ...identity },
    { type: 'hard-state', hardState },
    { type: 'snapshot', snapshot },
  ];
  const frame = encodeFrame({ sequence: start.sequence, previousCrc: start.crc, records: records.map(encodeRecord) });
  await file.writeAt(0, frame.parts);
  await file.datasync();
  await disk.syncDir(dir);
  const segment: Segment = { path, number: start.number, lastIndex: 0 };
  return { segment, file, capacity: bytes, offset: frame.bytes, sequence: start.sequence + 1, crc: frame.crc };
}

async function fillWithZeros(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += ZEROS.length)
    await file.writeAt(at, [ZEROS.subarray(0, Math.min(ZEROS.length, to - at))]);
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
      if (isNewest && findFrame(bytes, 0, this.#sequence + 2) === undefined) return disk.remove(path);
      throw this.#damage(path, 0, 'its header is not readable');
    }
    this.#checkIdentity(header.records[0]);
    if (this.#last?.isTorn === true)
      throw this.#damage(this.#last.path, this.#last.offset, 'a bad batch is followed by a segment');
    if (this.#last !== undefined) this.#checkChain(path, 0, header);
    const segment: Segment = { path, number: parseInt(name, 16), lastIndex: 0 };
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
    return new WalDamageError({ segment, offset, batch: this.#sequence + 1, what });
  }

  #checkIdentity(found: WalIdentity): void {
    const { identity, dir } = this.#options;
    if (found.clusterId === identity.clusterId && found.memberId === identity.memberId) return;
    const name = ({ clusterId, memberId }: WalIdentity) =>
      `member ${memberId.toString(16)} of cluster ${clusterId.toString(16)}`;
    throw new WalError(
      'wrong-identity',
      `${dir}: the log belongs to ${name(found)}, this is ${name(identity)}: start it with the data directory, --name and ` +
        '--initial-cluster that it had, or give it an empty data directory.',
    );
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
