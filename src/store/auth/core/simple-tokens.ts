/**
 * The simple tokens that a member knows. They come to be and are taken back by the log, on every member alike; when one
 * was last used each member knows for itself, as in etcd, so that they are no part of the replicated state: a restart and
 * an installed snapshot forget them, and clients authenticate again.
 */
import type { Millis } from '../../../base/clock.ts';

/** etcd's --auth-token-ttl. */
export const TOKEN_TTL_MS = 300_000;
/** Past it the oldest are forgotten: clients that authenticate for each request must not fill a member's memory. */
export const TOKENS_MAX = 100_000;

interface Held {
  readonly user: string;
  /** Undefined until this member is asked for the first time after the token came: applying the log knows no time. */
  deadlineMs: Millis | undefined;
}

export class SimpleTokens {
  readonly #tokens = new Map<string, Held>();
  #nextSweepMs: Millis = -Infinity;

  get size(): number {
    return this.#tokens.size;
  }

  assign(token: string, user: string): void {
    if (this.#tokens.size >= TOKENS_MAX) {
      const [oldest] = this.#tokens.keys();
      this.#tokens.delete(oldest!);
    }
    this.#tokens.set(token, { user, deadlineMs: undefined });
  }

  /** Whose it is, if its time is not over; which then begins anew. */
  use(token: string, now: Millis, ttlMs: Millis): string | undefined {
    this.#sweep(now, ttlMs);
    const held = this.#tokens.get(token);
    if (held === undefined) return undefined;
    if (held.deadlineMs !== undefined && held.deadlineMs <= now) {
      this.#tokens.delete(token);
      return undefined;
    }
    held.deadlineMs = now + ttlMs;
    return held.user;
  }

  forgetUser(user: string): void {
    for (const [token, held] of this.#tokens) if (held.user === user) this.#tokens.delete(token);
  }

  clear(): void {
    this.#tokens.clear();
  }

  #sweep(now: Millis, ttlMs: Millis): void {
    if (now < this.#nextSweepMs) return;
    this.#nextSweepMs = now + ttlMs / 10;
    for (const [token, held] of this.#tokens) {
      if (held.deadlineMs === undefined) held.deadlineMs = now + ttlMs;
      else if (held.deadlineMs <= now) this.#tokens.delete(token);
    }
  }
}
