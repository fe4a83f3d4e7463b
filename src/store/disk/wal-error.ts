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
  /** Undefined where only the log would have said it. */
  readonly memberId: bigint | undefined;
}

function remedy(member: bigint | undefined): string {
  return (
    'This member must not run on a log it cannot trust. Replace it: "etcdctl member remove ' +
    `${member?.toString(16) ?? '<its id>'}", "etcdctl member add <name> --learner --peer-urls=<url>", then start it with an empty data ` +
    'directory and --initial-cluster-state=existing, and promote it; the others still have every acknowledged write. Of a ' +
    'cluster of one, restore a snapshot (podium store snapshot restore).'
  );
}

export class WalDamageError extends WalError {
  override readonly name = 'WalDamageError';
  readonly damage: WalDamage;

  constructor(damage: WalDamage) {
    const { segment, offset, batch, what, memberId } = damage;
    super('damaged', `write-ahead log ${segment} is damaged at byte ${offset} (batch ${batch}): ${what}. ${remedy(memberId)}`);
    this.damage = damage;
  }
}
