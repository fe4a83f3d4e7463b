/** A part of a cluster in a test, through all its lives, and the faults that can be brought upon any part. */
import { assert } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Network } from './network.ts';
import type { TestClock } from './test-clock.ts';
import { TestProcess } from './test-process.ts';

/** What all parts of one cluster share. */
export interface PartWorld {
  readonly clock: TestClock;
  readonly network: Network;
  readonly random: Random;
  readonly log: Log;
  /** Every part by name, the test itself included. */
  readonly names: () => readonly string[];
}

export interface Life {
  readonly process: TestProcess;
  readonly random: Random;
  readonly log: Log;
}

export abstract class Part {
  readonly name: string;
  protected readonly world: PartWorld;
  #life: Life | undefined;
  #lives = 0;
  #cuts: readonly string[] = [];

  constructor(name: string, world: PartWorld) {
    this.name = name;
    this.world = world;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** Resolves when the part serves. Time must move meanwhile: tests call `restart`. */
  async start(): Promise<void> {
    assert(this.#life === undefined, `${this.name} does not run twice`);
    const life = {
      process: new TestProcess(this.name, this.world.clock),
      random: this.world.random.fork(this.name).fork(`life ${++this.#lives}`),
      log: this.world.log.child({ part: this.name }),
    };
    this.#life = life;
    await this.begin(life);
  }

  /** As SIGKILL: nothing is flushed, nobody is told; connections close. */
  kill(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    life.process.kill();
    this.end();
    this.world.network.died(life.process);
  }

  /** Kills the part if it runs, and starts it from what its disk holds. Resolves when it serves again. */
  restart(): Promise<void> {
    this.kill();
    return this.world.clock.drive(this.start(), { what: `${this.name} to start` });
  }

  /** As SIGSTOP: its connections stay, and nothing moves. */
  pause(): void {
    this.#life?.process.pause();
  }

  resume(): void {
    this.#life?.process.resume();
    this.world.network.changed();
  }

  /** Cuts the part off from the named parts, or from all. Connections stay; messages wait until `heal`. */
  partition(from: readonly string[] = this.world.names()): void {
    this.heal();
    this.#cuts = from.filter((name) => name !== this.name);
    for (const name of this.#cuts) this.world.network.cut(this.name, name);
  }

  heal(): void {
    for (const name of this.#cuts) this.world.network.heal(this.name, name);
    this.#cuts = [];
  }

  /** Builds the part out of seams of this life. */
  protected abstract begin(life: Life): Promise<void>;
  /** What dies with the process besides its calls and timers. */
  protected abstract end(): void;
}
