/**
 * How much a session takes from the other end before it hangs up with ENHANCE_YOUR_CALM (RFC 9113 §10.5): frames that
 * cost work and bring nothing, answers to them that nobody reads, streams that are opened to be reset, pings without end.
 * Counted against what is really done on the connection, so that the busy client of a busy server is never near it.
 */
import { ConnectionError, ErrorCode } from './protocol.ts';

/** Frames in a row that bring nothing: PING, SETTINGS, PRIORITY, empty DATA, WINDOW_UPDATE, unknown ones. */
const IDLE_FRAMES_MAX = 2_000;
/** Of a quiet connection that is asked whether it lives, for days. */
const IDLE_FRAMES_FORGOTTEN_PER_SECOND = 20;
/** Acknowledgements and resets that wait for a reader; some hundreds of frames of data do, too. */
const OWED_BYTES_MAX = 1024 * 1024;
/** Streams reset by who opened them, over those that came to their end. A client that gives up all its calls does so at once. */
const RESETS_MAX = 20_000;
const RESETS_FORGOTTEN_PER_SECOND = 1_000;
/** Each may change the window of every stream there is. */
const SETTINGS_MAX = 200;
const SETTINGS_FORGOTTEN_PER_SECOND = 5;
/** As grpc-go: one too early may be the network's fault. */
const PING_STRIKES_MAX = 2;

export class Patience {
  readonly #pingIntervalMinMs: number;
  readonly #idleFrames = new Allowance(IDLE_FRAMES_MAX, IDLE_FRAMES_FORGOTTEN_PER_SECOND);
  readonly #resets = new Allowance(RESETS_MAX, RESETS_FORGOTTEN_PER_SECOND);
  readonly #settings = new Allowance(SETTINGS_MAX, SETTINGS_FORGOTTEN_PER_SECOND);
  #nowMs = 0;
  #pingedAtMs = -Infinity;
  #strikes = 0;

  constructor({ pingIntervalMinMs }: { readonly pingIntervalMinMs: number }) {
    this.#pingIntervalMinMs = pingIntervalMinMs;
  }

  now(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** `frames`: what cost as much as so many of them. */
  spend(frames = 1): void {
    if (!this.#idleFrames.take(frames, this.#nowMs)) throw calm('too many frames that say nothing');
  }

  /** Something was said, by either end. */
  restore(): void {
    this.#idleFrames.used = 0;
    this.#strikes = 0;
  }

  /** So much waits to be written after an answer that costs the other end nothing to ask for. */
  owe(bytes: number): void {
    if (bytes > OWED_BYTES_MAX) throw calm('too many answers that nobody reads');
  }

  pinged(): void {
    this.spend();
    const sinceMs = this.#nowMs - this.#pingedAtMs;
    this.#pingedAtMs = this.#nowMs;
    if (sinceMs < this.#pingIntervalMinMs && ++this.#strikes > PING_STRIKES_MAX) throw calm('too_many_pings');
  }

  /** Whoever asks for it costs work, whatever else is said meanwhile. */
  settled(): void {
    this.spend();
    if (!this.#settings.take(1, this.#nowMs)) throw calm('too many settings');
  }

  /** By the other end, or by us for what it did wrong: either way it has cost a request. */
  wasReset(): void {
    if (!this.#resets.take(1, this.#nowMs)) throw calm('too many streams that are reset');
  }

  wasDone(): void {
    if (this.#resets.used > 0) this.#resets.used--;
  }
}

/** So much, and what was used of it is forgotten with time. */
class Allowance {
  readonly #max: number;
  readonly #forgottenPerMs: number;
  #atMs = 0;
  used = 0;

  constructor(max: number, forgottenPerSecond: number) {
    this.#max = max;
    this.#forgottenPerMs = forgottenPerSecond / 1_000;
  }

  take(count: number, nowMs: number): boolean {
    this.used = Math.max(0, this.used - (nowMs - this.#atMs) * this.#forgottenPerMs) + count;
    this.#atMs = nowMs;
    return this.used <= this.#max;
  }
}

function calm(why: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, why);
}
