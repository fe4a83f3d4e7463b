/** One seed: a cluster under faults, then healed; what it did is checked, what it met is counted. */
import { describeError } from '../../src/base/errors.ts';
import { checkByRevision } from '../../src/verify/core/revision-check.ts';
import { checkWatchPromises } from '../../src/verify/core/watch-promises.ts';
import type { Millis } from '../../src/base/clock.ts';
import { Checkers } from './checkers.ts';
import { Clients } from './client.ts';
import type { Counters } from './counters.ts';
import { Faults } from './faults.ts';
import { Operator } from './operator.ts';
import { SpaceKeeper } from './space.ts';
import { World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  readonly members: number;
  readonly violations: readonly string[];
  /** Of everything that happened; equal for equal seeds. */
  readonly traceHash: string;
  /** The last lines of the trace. */
  readonly trace: readonly string[];
  readonly counters: Counters;
}

export interface RunOptions {
  readonly print?: (line: string) => void;
}

const FAULTS_FROM_MS = 1_500;
const FAULTS_UNTIL_MS = 28_000;
const CLIENTS_UNTIL_MS = 30_000;
/** After the last fault: a write must be acknowledged, and all members must be alike, each within so long. */
const PROGRESS_MS = 15_000;
/** Within it lost members are replaced and removed ones gone: some changes, each when all have been connected for 5 s. */
const WHOLE_MS = 60_000;
/** What a seed is worth; few are left with less by their faults, and go on until they have it. */
export const OPERATIONS_MIN = 200;
const VIOLATIONS_MAX = 20;

export async function runSeed(seed: number, { print }: RunOptions = {}): Promise<SeedResult> {
  const members = seed % 3 === 0 ? 5 : 3;
  const world = new World({ seed, members, ...(print === undefined ? {} : { print }) });
  try {
    await new Run(world).run();
  } catch (error) {
    world.fail(`the run failed: ${error instanceof Error ? (error.stack ?? error.message) : describeError(error)}`);
  }
  world.countLosses();
  world.counters.simulatedMs = world.clock.monotonic();
  return {
    seed,
    members,
    violations: world.violations.slice(0, VIOLATIONS_MAX),
    trace: world.tracer.last(),
    traceHash: world.tracer.digest(),
    counters: world.counters,
  };
}

class Run {
  readonly #world: World;
  readonly #checkers: Checkers;
  readonly #clients: Clients;
  readonly #operator: Operator;
  readonly #space: SpaceKeeper;
  readonly #faults: Faults;

  constructor(world: World) {
    this.#world = world;
    this.#checkers = new Checkers(world);
    this.#clients = new Clients(world);
    this.#operator = new Operator(world);
    this.#space = new SpaceKeeper(world, this.#clients);
    this.#faults = new Faults({ world, clients: this.#clients, operator: this.#operator });
  }

  async run(): Promise<void> {
    for (const machine of this.#world.machines) this.#world.start(machine);
    this.#clients.start();
    this.#operator.start();
    this.#space.start();
    await this.#until(FAULTS_FROM_MS);
    this.#faults.start();
    await this.#until(FAULTS_UNTIL_MS);
    this.#faults.stop();
    this.#faults.heal();
    this.#operator.finish();
    await this.#until(CLIENTS_UNTIL_MS);
    await this.#waitFor(`${OPERATIONS_MIN} operations`, () => this.#world.counters.clientOperations >= OPERATIONS_MIN);
    await this.#waitFor('every fault to end', () => this.#faults.isIdle);
    this.#faults.heal();
    this.#clients.stop();
    await this.#waitFor('clients to end their calls', () => this.#clients.isIdle);
    await this.#waitFor('room to be made', () => this.#space.isContent, WHOLE_MS);
    await this.#progress();
    await this.#waitFor('the members to be whole', () => this.#operator.isContent, WHOLE_MS);
    this.#operator.stop();
    this.#space.stop();
    await this.#converge();
    this.#checkHistory();
  }

  /** A healed cluster takes writes. */
  async #progress(): Promise<void> {
    let isWritten = false;
    const probe = async () => {
      while (!isWritten) isWritten = await this.#clients.probe();
    };
    void probe();
    await this.#waitFor('a write to be acknowledged', () => isWritten);
  }

  async #converge(): Promise<void> {
    const machines = this.#world.sound();
    await this.#waitFor('leases to run out', () =>
      this.#world.running().every(({ member }) => member.machine.leases.list().length === 0),
    );
    await this.#waitFor('all members to have applied the same', () => {
      const running = this.#world.running();
      const indices = new Set(running.map(({ member }) => member.machine.applied.index));
      return running.length === machines.length && indices.size === 1;
    });
    this.#checkers.checkStates();
    this.#checkers.checkMembers();
    const revision = this.#world.running()[0]!.member.machine.revision;
    await this.#waitFor('the reference to see all', () => this.#clients.seenRevision >= revision);
    this.#clients.stopWatching();
    let toRead = machines.length;
    for (const machine of machines) void this.#clients.readHistory(machine, revision).finally(() => toRead--);
    await this.#waitFor('every member to tell its history', () => toRead === 0);
  }

  #checkHistory(): void {
    const { operations, events, watches } = this.#clients;
    for (const violation of checkByRevision(operations, events)) {
      this.#world.fail(`history: ${JSON.stringify(violation)}`);
    }
    for (const watch of watches) {
      for (const violation of checkWatchPromises(watch, events)) this.#world.fail(`watch: ${JSON.stringify(violation)}`);
    }
  }

  async #until(untilMs: Millis): Promise<void> {
    while (this.#world.violations.length === 0 && (await this.#world.step(untilMs))) this.#checkers.check();
    if (this.#world.violations.length > 0) throw new Error('stopped at the first violation');
  }

  async #waitFor(what: string, isDone: () => boolean, withinMs = PROGRESS_MS): Promise<void> {
    const untilMs = this.#world.clock.monotonic() + withinMs;
    while (!isDone()) {
      if (this.#world.violations.length > 0) throw new Error('stopped at the first violation');
      if (!(await this.#world.step(untilMs))) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
      this.#checkers.check();
    }
  }
}
