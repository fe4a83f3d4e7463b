/**
 * Leases: which exist, what hangs on them, and, on the leader alone, when they end. Grants and revokes arrive through
 * the log and are the same everywhere; time does not: a follower never counts it, and a new leader gives every lease its
 * full time again, but for those whose leader had a checkpoint of them written to the log: they go on from there. `now`
 * is the leader's monotonic clock.
 *
 *        grant ──► exists ──(leader: deadline passed)──► named by expired() ──► revoke, through the log ──► gone
 *                    ▲  └── renew() moves the deadline (leader) ──┘
 *
 *   A checkpoint is what a long lease had left: dueCheckpoints() names it, the log carries it, checkpoint() keeps it. A
 *   keep-alive has it cleared through the log before it is answered, else a new leader would take back its promise.
 */
import { assert } from '../../../base/assert.ts';
import { DeadlineHeap } from './deadline-heap.ts';

export type LeaseId = bigint;

/** etcd's limit; a longer time is refused. */
export const LEASE_TTL_SECONDS_MAX = 9_000_000_000;
/** etcd's: what is left of a lease is written down so often, if it is longer. */
export const CHECKPOINT_INTERVAL_MS = 5 * 60_000;
/** A new leader's first: what it does not live to write down, the next one gives once more. */
export const FIRST_CHECKPOINT_MS = 30_000;

export type LeaseRefusal =
  | { readonly ok: false; readonly code: 'lease-exists' }
  | { readonly ok: false; readonly code: 'lease-not-found' }
  | { readonly ok: false; readonly code: 'lease-ttl-too-large' };

export interface LeaseState {
  readonly id: LeaseId;
  readonly grantedTtlSeconds: number;
  /** What was left at its last checkpoint; 0: there is none since it was granted or kept alive. */
  readonly checkpointSeconds: number;
  /** Latin1 strings of the keys' bytes, sorted. */
  readonly keys: readonly string[];
}

interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  checkpointSeconds: number;
  /** A checkpoint was named that the log has not brought yet; it may still. */
  isCheckpointing: boolean;
  /** When it ends by the leader's clock; undefined on a follower, for which nothing ends. */
  deadlineMs: number | undefined;
  /** It is in the heap once, with a deadline that may be out of date. */
  isQueued: boolean;
  isCheckpointQueued: boolean;
}

export interface LeaseCheckpointed {
  readonly id: LeaseId;
  readonly remainingSeconds: number;
}

export class Lessor {
  readonly #leases = new Map<LeaseId, Lease>();
  #leading = false;
  /** A renewal leaves its old place alone; the place is corrected when it is met. */
  readonly #deadlines = new DeadlineHeap<Lease>();
  readonly #checkpoints = new DeadlineHeap<Lease>();

  get size(): number {
    return this.#leases.size;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  /** `now` is undefined on a follower, and whenever the log is replayed. */
  grant(
    id: LeaseId,
    ttlSeconds: number,
    now: number | undefined,
  ): { readonly ok: true; readonly ttlSeconds: number } | LeaseRefusal {
    if (ttlSeconds > LEASE_TTL_SECONDS_MAX) return { ok: false, code: 'lease-ttl-too-large' };
    if (this.#leases.has(id)) return { ok: false, code: 'lease-exists' };
    const lease: Lease = {
      ...{ id, ttlSeconds, keys: new Set(), checkpointSeconds: 0, isCheckpointing: false },
      ...{ deadlineMs: undefined, isQueued: false, isCheckpointQueued: false },
    };
    this.#leases.set(id, lease);
    if (this.#leading && now !== undefined) this.#extend(lease, now + ttlSeconds * 1000, now + CHECKPOINT_INTERVAL_MS);
    return { ok: true, ttlSeconds };
  }

  /** Answers the keys that go with it, sorted: the order of their sub-revisions, which every replica must share. */
  revoke(id: LeaseId): { readonly ok: true; readonly keys: readonly string[] } | LeaseRefusal {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { ok: false, code: 'lease-not-found' };
    this.#leases.delete(id);
    lease.deadlineMs = undefined;
    return { ok: true, keys: [...lease.keys].sort() };
  }

  attach(id: LeaseId, key: string): void {
    const lease = this.#leases.get(id);
    assert(lease !== undefined, 'a key is attached to a lease that exists');
    lease.keys.add(key);
  }

  detach(id: LeaseId, key: string): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  /** By the log: what is left of a lease, 0 after a keep-alive. Answers its granted seconds; undefined: it has ended. */
  checkpoint({ id, remainingSeconds }: LeaseCheckpointed): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    lease.checkpointSeconds = remainingSeconds;
    lease.isCheckpointing = false;
    return lease.ttlSeconds;
  }

  /**
   * Becoming leader, all of whose log is applied: every lease gets its full time, or what its checkpoint left, plus
   * `extendMs` for clients that are finding the new leader.
   */
  promote(now: number, extendMs = 0): void {
    this.#leading = true;
    this.#deadlines.clear();
    this.#checkpoints.clear();
    for (const id of this.#sortedIds()) {
      const lease = this.#leases.get(id)!;
      lease.isQueued = false;
      lease.isCheckpointQueued = false;
      const seconds = lease.checkpointSeconds > 0 ? lease.checkpointSeconds : lease.ttlSeconds;
      this.#extend(lease, now + seconds * 1000 + extendMs, now + FIRST_CHECKPOINT_MS);
    }
  }

  demote(): void {
    this.#leading = false;
    this.#deadlines.clear();
    this.#checkpoints.clear();
    for (const lease of this.#leases.values()) {
      lease.deadlineMs = undefined;
      lease.isQueued = false;
      lease.isCheckpointQueued = false;
      // What was under way is in the log of the next leader, or lost.
      lease.isCheckpointing = false;
    }
  }

  get isLeading(): boolean {
    return this.#leading;
  }

  /** A keep-alive: on the leader only. Answers the time it now has, or undefined if there is no such lease. */
  renew(id: LeaseId, now: number): number | undefined {
    assert(this.#leading, 'only the leader counts time');
    const lease = this.#leases.get(id);
    // A lease that has run out is being revoked: a keep-alive that came too late must not promise it.
    if (lease === undefined || lease.deadlineMs === undefined || lease.deadlineMs <= now) return undefined;
    this.#extend(lease, now + lease.ttlSeconds * 1000, now + CHECKPOINT_INTERVAL_MS);
    return lease.ttlSeconds;
  }

  /** A keep-alive of it must be in the log before it is answered: a checkpoint says less, or is about to. */
  isCheckpointed(id: LeaseId): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && (lease.checkpointSeconds > 0 || lease.isCheckpointing);
  }

  /**
   * Leases whose remaining time is to be written down, at most so many. Each is named again an interval later, whatever
   * came of it, for as long as it has more than that; one that was just kept alive has nothing to say.
   */
  dueCheckpoints(now: number, max: number): LeaseCheckpointed[] {
    const due: LeaseCheckpointed[] = [];
    while (due.length < max) {
      const item = this.#checkpoints.popDue(now);
      if (item === undefined) break;
      const { lease } = item;
      lease.isCheckpointQueued = false;
      if (lease.deadlineMs === undefined || lease.deadlineMs - now <= 0) continue;
      if (isLong(lease.deadlineMs - now)) this.#queueCheckpoint(lease, now + CHECKPOINT_INTERVAL_MS);
      const remainingSeconds = Math.ceil((lease.deadlineMs - now) / 1000);
      if (remainingSeconds >= lease.ttlSeconds || remainingSeconds === lease.checkpointSeconds) continue;
      lease.isCheckpointing = true;
      due.push({ id: lease.id, remainingSeconds });
    }
    return due;
  }

  /** Leases whose time is over, earliest first. They are named again after `retryMs`, should their revoke get lost. */
  expired(now: number, { max, retryMs }: { readonly max: number; readonly retryMs: number }): LeaseId[] {
    const found: Lease[] = [];
    while (found.length < max) {
      const item = this.#deadlines.popDue(now);
      if (item === undefined) break;
      const { lease } = item;
      lease.isQueued = false;
      if (lease.deadlineMs === undefined) continue;
      if (lease.deadlineMs > now) this.#enqueue(lease, lease.deadlineMs);
      else found.push(lease);
    }
    for (const lease of found) this.#enqueue(lease, now + retryMs);
    return found.map(({ id }) => id);
  }

  /** When {@link expired} may next have something to say. */
  nextDeadline(): number | undefined {
    return this.#deadlines.top?.atMs;
  }

  /** Time left in whole seconds, as the leader counts it; the granted time on a follower. */
  remainingSeconds(id: LeaseId, now: number): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    if (lease.deadlineMs === undefined) return lease.ttlSeconds;
    return Math.max(0, Math.floor((lease.deadlineMs - now) / 1000));
  }

  state(id: LeaseId): LeaseState | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    const { ttlSeconds: grantedTtlSeconds, checkpointSeconds, keys } = lease;
    return { id, grantedTtlSeconds, checkpointSeconds, keys: [...keys].sort() };
  }

  /** By id. */
  list(): LeaseId[] {
    return this.#sortedIds();
  }

  #sortedIds(): LeaseId[] {
    return [...this.#leases.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  #extend(lease: Lease, deadlineMs: number, checkpointAtMs: number): void {
    lease.deadlineMs = deadlineMs;
    if (!lease.isQueued) this.#enqueue(lease, deadlineMs);
    if (!lease.isCheckpointQueued && isLong(lease.ttlSeconds * 1000)) this.#queueCheckpoint(lease, checkpointAtMs);
  }

  #enqueue(lease: Lease, atMs: number): void {
    lease.isQueued = true;
    this.#deadlines.push(lease, atMs);
  }

  #queueCheckpoint(lease: Lease, atMs: number): void {
    lease.isCheckpointQueued = true;
    this.#checkpoints.push(lease, atMs);
  }
}

/** A lease that ends before its next checkpoint needs none. */
function isLong(leftMs: number): boolean {
  return leftMs > CHECKPOINT_INTERVAL_MS;
}
