/** What can be wrong with a write-ahead log, for its member to act on by `code`. */
export type WalErrorCode =
  /** The log is another member's or another cluster's. */
  | 'wrong-identity'
  | 'damaged'
  /** A write or a sync failed: what is durable is unknown, and the member stops. */
  | 'failed'
  | 'closed';

export class WalError extends Error {
  override readonly name: string = 'WalError';
  readonly code: WalErrorCode;

  constructor(code: WalErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

export interface WalDamage {
  readonly segment: string;
  /** Of the bad batch, in bytes. */
  readonly offset: number;
  /** Its sequence number, counted over all segments. */
  readonly batch: number;
  readonly what: string;
}

const REMEDY =
  'This member must not run on a log it cannot trust. Remove it from the cluster, delete its data directory, and add it ' +
  'again as a new member; the others still have every acknowledged write.';

export class WalDamageError extends WalError {
  override readonly name = 'WalDamageError';
  readonly damage: WalDamage;

  constructor(damage: WalDamage) {
    const { segment, offset, batch, what } = damage;
    super('damaged', `write-ahead log ${segment} is damaged at byte ${offset} (batch ${batch}): ${what}. ${REMEDY}`);
    this.damage = damage;
  }
}
