/**
 * One life of a part: what a process is to the operating system. Its clock is the cluster's until it dies; while it is
 * paused its timers are held back, and all that fell due fires when it goes on.
 */
import type { Clock, Millis, Timer } from '../base/clock.ts';

export class TestProcess {
  /** Of the part, not of this life of it. */
  readonly name: string;
  readonly clock: Clock;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.clock = {
      monotonic: () => clock.monotonic(),
      wall: () => clock.wall(),
      setTimer: (delayMs, run) => this.#setTimer(clock, delayMs, run),
    };
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const run of this.#held.splice(0)) run();
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }

  #setTimer(clock: Clock, delayMs: Millis, run: () => void): Timer {
    let isCancelled = false;
    const fire = () => {
      if (isCancelled || this.#state === 'dead') return;
      if (this.#state === 'paused') this.#held.push(fire);
      else run();
    };
    const timer = clock.setTimer(delayMs, fire);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}

/** What was asked for in the name of a process never settles once the process is dead. */
export function whileAlive<T>(process: TestProcess, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(
      (value) => process.isDead || resolve(value),
      (error: unknown) => process.isDead || reject(error),
    );
  });
}

export function never<T>(): Promise<T> {
  return new Promise(() => {});
}
