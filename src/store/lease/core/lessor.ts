/**
 * Leases: which exist, what hangs on them, and, on the leader alone, when they end. Grants and revokes arrive through
 * the log and are the same everywhere; time does not: a follower never counts it, and a new leader gives every lease its
 * full time again, because nobody knows how much of it the old one had counted. `now` is the leader's monotonic clock.
 *
 *        grant ──► exists ──(leader: deadline passed)──► named by expired() ──► revoke, through the log ──► gone
 *                    ▲  └── renew() moves the deadline (leader) ──┘
 */
import { assert } from '../../../base/assert.ts';

export type LeaseId = bigint;

/** etcd's limit; a longer time is refused. */
export const LEASE_TTL_SECONDS_MAX = 9_000_000_000;

export type LeaseRefusal =
  | { readonly ok: false; readonly code: 'lease-exists' }
  | { readonly ok: false; readonly code: 'lease-not-found' }
  | { readonly ok: false; readonly code: 'lease-ttl-too-large' };

export interface LeaseState {
  readonly id: LeaseId;
  readonly grantedTtlSeconds: number;
  /** Latin1 strings of the keys' bytes, sorted. */
  readonly keys: readonly string[];
}

interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  /** When it ends by the leader's clock; undefined on a follower, for which nothing ends. */
  deadlineMs: number | undefined;
  /** It is in the heap once, with a deadline that may be out of date. */
  isQueued: boolean;
}

export class Lessor {
  readonly #leases = new Map<LeaseId, Lease>();
  #leading = false;
  /** A binary heap of queued deadlines. A renewal leaves its old place alone; the place is corrected when it is met. */
  readonly #heap: { atMs: number; lease: Lease }[] = [];

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
    const lease: Lease = { id, ttlSeconds, keys: new Set(), deadlineMs: undefined, isQueued: false };
    this.#leases.set(id, lease);
    if (this.#leading && now !== undefined) this.#extend(lease, now);
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

  /** Becoming leader: every lease gets its full time, plus `extendMs` for clients that are finding the new leader. */
  promote(now: number, extendMs = 0): void {
    this.#leading = true;
    this.#heap.length = 0;
    for (const id of this.#sortedIds()) {
      const lease = this.#leases.get(id)!;
      lease.isQueued = false;
      this.#extend(lease, now, extendMs);
    }
  }

  demote(): void {
    this.#leading = false;
    this.#heap.length = 0;
    for (const lease of this.#leases.values()) {
      lease.deadlineMs = undefined;
      lease.isQueued = false;
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
    this.#extend(lease, now);
    return lease.ttlSeconds;
  }

  /** Leases whose time is over, earliest first. They are named again after `retryMs`, should their revoke get lost. */
  expired(now: number, { max, retryMs }: { readonly max: number; readonly retryMs: number }): LeaseId[] {
    const found: Lease[] = [];
    while (found.length < max) {
      const top = this.#heap[0];
      if (top === undefined || top.atMs > now) break;
      this.#pop();
      const { lease } = top;
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
    return this.#heap[0]?.atMs;
  }

  /** Time left in whole seconds, as the leader counts it; the granted time on a follower. */
  remainingSeconds(id: LeaseId, now: number): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    if (lease.deadlineMs === undefined) return lease.ttlSeconds;
    return Math.max(0, Math.ceil((lease.deadlineMs - now) / 1000));
  }

  state(id: LeaseId): LeaseState | undefined {
    const lease = this.#leases.get(id);
    return lease && { id, grantedTtlSeconds: lease.ttlSeconds, keys: [...lease.keys].sort() };
  }

  /** By id. */
  list(): LeaseId[] {
    return this.#sortedIds();
  }

  #sortedIds(): LeaseId[] {
    return [...this.#leases.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  #extend(lease: Lease, now: number, extraMs = 0): void {
    lease.deadlineMs = now + lease.ttlSeconds * 1000 + extraMs;
    if (!lease.isQueued) this.#enqueue(lease, lease.deadlineMs);
  }

  #enqueue(lease: Lease, atMs: number): void {
    lease.isQueued = true;
    const heap = this.#heap;
    const item = { atMs, lease };
    let child = heap.push(item) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(item, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = last;
  }
}

type Queued = { readonly atMs: number; readonly lease: { readonly id: LeaseId } };

function isBefore(a: Queued, b: Queued): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.lease.id < b.lease.id);
}
