/**
 * Watches how large the backend grows. A member past its quota raises NOSPACE for the whole cluster; from then on the
 * state machine refuses what takes space (core/alarms.ts) until somebody has made room and disarms the alarm. As in etcd
 * only what takes space raises it: a member that starts past its quota, or whose alarm was disarmed too early, does so
 * with the next put, and not while room is made by deletes and compactions.
 *
 * Measuring walks over a folder's files, so that it is done seldom: after a measurement, what is written is added up, and
 * only when the sum could matter is the folder measured again. The alarm is raised on a measurement, never on the sum,
 * which counts what a compaction has long given back.
 */
import { StoreError } from '../rpc/errors.ts';

/** etcd's default: 2 GiB. */
export const QUOTA_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024;
/** Between two measurements at least so much is written, or a sixteenth of what is left. */
const MEASURE_AFTER_BYTES_MIN = 256 * 1024;
const MEASURE_AFTER_SHARE = 16;

export interface QuotaOptions {
  /** Undefined or 0: the default; negative: no quota. */
  readonly quotaBytes: number | undefined;
  /** Of all that is applied, what still waits to be flushed included. */
  readonly measure: () => Promise<number>;
  /** Proposes the alarm; called once until it is settled. */
  readonly raise: () => Promise<void>;
}

export class Quota {
  /** 0: none. */
  readonly bytes: number;
  readonly #options: QuotaOptions;
  #measured = 0;
  /** Written since then. */
  #written = 0;
  #measuring: Promise<void> | undefined;
  #raising: Promise<void> | undefined;

  constructor(options: QuotaOptions) {
    this.#options = options;
    this.bytes = quotaOf(options.quotaBytes);
  }

  /** Measures what the disk holds; until that is known there is room. */
  start(): void {
    // Its failure is the disk's to tell: whatever writes next meets it.
    if (this.bytes > 0) this.#measure().catch(() => undefined);
  }

  /** Undefined: there is room for `cost` bytes. Else resolves when a measurement found some, or fails with `no-space`. */
  admit(cost: number): Promise<void> | undefined {
    if (this.bytes === 0 || cost === 0 || this.#measured + this.#written + cost < this.bytes) return undefined;
    return this.#admitMeasured(cost);
  }

  /** About so many bytes were applied, whoever proposed them; `takesSpace`: to the state, not the log alone. */
  wrote(bytes: number, takesSpace: boolean): void {
    if (this.bytes === 0 || !takesSpace) return;
    this.#written += bytes;
    const left = Math.max(0, this.bytes - this.#measured);
    if (this.#written < Math.max(MEASURE_AFTER_BYTES_MIN, left / MEASURE_AFTER_SHARE)) return;
    this.#checkSoon();
  }

  #checkSoon(): void {
    // Its failure is the disk's to tell. An alarm that is not taken is raised again.
    this.#check().catch(() => undefined);
  }

  async #check(): Promise<void> {
    await this.#measure();
    if (this.#measured >= this.bytes) await this.#raise();
  }

  async #admitMeasured(cost: number): Promise<void> {
    await this.#measure();
    if (this.#measured + cost < this.bytes) return;
    await this.#raise();
    throw new StoreError('no-space');
  }

  /** One at a time, for all who wait. */
  #measure(): Promise<void> {
    this.#measuring ??= this.#measureAnew().finally(() => (this.#measuring = undefined));
    return this.#measuring;
  }

  async #measureAnew(): Promise<void> {
    // What comes while it is measured may be in it, or not: it is counted.
    this.#written = 0;
    this.#measured = await this.#options.measure();
  }

  #raise(): Promise<void> {
    this.#raising ??= this.#options.raise().finally(() => (this.#raising = undefined));
    return this.#raising;
  }
}

function quotaOf(bytes: number | undefined): number {
  if (bytes === undefined || bytes === 0) return QUOTA_BYTES_DEFAULT;
  return Math.max(0, bytes);
}
