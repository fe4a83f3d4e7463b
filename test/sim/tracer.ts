/** Everything that happens in a run, one line each: hashed, so that two runs can be compared, and the last lines kept. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/base/clock.ts';

const LINES_KEPT = 400;
const LINES_AT_ONCE = 1000;

export class Tracer {
  readonly #clock: Clock;
  readonly #hash = createHash('sha256');
  readonly #print: ((line: string) => void) | undefined;
  #waiting: string[] = [];
  #kept: string[] = [];

  constructor(clock: Clock, print?: (line: string) => void) {
    this.#clock = clock;
    this.#print = print;
  }

  add(event: string): void {
    const line = `${this.#clock.monotonic().toFixed(3)} ${event}`;
    this.#print?.(line);
    if (this.#waiting.push(line) >= LINES_AT_ONCE) this.#flush();
  }

  last(): readonly string[] {
    return [...this.#kept, ...this.#waiting].slice(-LINES_KEPT);
  }

  /** To be asked once, at the end. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    if (this.#waiting.length > 0) this.#hash.update(this.#waiting.join('\n') + '\n');
    this.#kept = this.#waiting.slice(-LINES_KEPT);
    this.#waiting = [];
  }
}
