/**
 * Draws faults one after the other and lets each end again; several may overlap. Each seed has a mix of its own: some of
 * the kinds, each as often as it drew (swarm testing: what all kinds at once keep from happening, some mix lets happen).
 * Each kind has a Random of its own. What makes good what cannot end by itself is the operator's (operator.ts, space.ts).
 */
import { sleep, type Millis } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { Clients } from './client.ts';
import { flipLogBit, flipStateBits, misdirected, segmentsOf } from './damage.ts';
import { DISK_LATENCY_MS, type Machine } from './machine.ts';
import { CALM, type LinkFaults } from './network.ts';
import type { Operator } from './operator.ts';
import { QUOTA_BYTES, useUpSpace } from './space.ts';
import type { World } from './world.ts';

type Fault = (random: Random) => Promise<void>;
type Kind = readonly [name: string, weight: number, inject: Fault];

/** Else the fault strikes without one. */
const WRITE_WITHIN_MS = 1000;
const PAUSE_BETWEEN_MS = { low: 200, high: 2500 };
const KIND_CHANCE = 0.5;
const KINDS_MIN = 3;
const WEIGHTS = [1, 3, 10, 20];
const RATES = [0.8, 0.95, 1.05, 1.2];
/** Of a lease's time, when clocks run at such rates. */
const LEASE_TOLERANCE = 0.7;
/** A misdirected write goes unnoticed until the machine restarts. */
const UNNOTICED_MS = 150;
/** A disk with so much room is as good as full. */
const ROOM_BYTES = 8 * 1024;
/** A follower is not kept away for longer, though the log has not gone on without it. */
const LAG_MS = 6_000;
const LOOK_EVERY_MS = 100;

export class Faults {
  readonly #world: World;
  readonly #clients: Clients;
  readonly #operator: Operator;
  readonly #kinds: readonly Kind[];
  readonly #randoms = new Map<string, Random>();
  #isOver = false;
  #running = 0;

  constructor({ world, clients, operator }: { readonly world: World; readonly clients: Clients; readonly operator: Operator }) {
    this.#world = world;
    this.#clients = clients;
    this.#operator = operator;
    const kinds: Kind[] = [
      ['crash', 14, (random) => this.#crash(random)],
      ['power-cut', 12, (random) => this.#powerCut(random)],
      ['power-cut-all', 3, (random) => this.#powerCutAll(random)],
      ['stop', 4, (random) => this.#stop(random)],
      ['pause', 8, (random) => this.#pause(random)],
      ['isolate-leader', 16, (random) => this.#isolateLeader(random)],
      ['partition', 10, (random) => this.#partition(random)],
      ['one-way', 10, (random) => this.#oneWay(random)],
      ['bad-links', 14, (random) => this.#badLinks(random)],
      ['close', 6, (random) => this.#close(random)],
      ['slow-disk', 8, (random) => this.#slowDisk(random)],
      ['failing-disk', 4, (random) => this.#failingDisk(random)],
      ['slow-sync', 6, (random) => this.#slowSync(random)],
      ['failing-sync', 4, (random) => this.#failingSync(random)],
      ['full-disk', 4, (random) => this.#fullDisk(random)],
      ['bit-flip', 4, (random) => this.#bitFlip(random)],
      ['misdirected-write', 4, (random) => this.#misdirectedWrite(random)],
      ['wall-jump', 4, (random) => this.#wallJump(random)],
      ['clock-rate', 4, (random) => this.#clockRate(random)],
      ['transfer', 4, (random) => this.#transfer(random)],
      ['freeze', 5, (random) => this.#freeze(random)],
      ['lag', 6, (random) => this.#lag(random)],
      ['compaction-storm', 5, (random) => this.#compactionStorm(random)],
      ['quota', 5, (random) => useUpSpace(this.#clients, random, () => this.#isOver)],
      ['replace-member', 8, (random) => this.#replaceMember(random)],
      ['resize', 6, async (random) => this.#operator.resize(random)],
      ['destroy', 4, (random) => this.#destroy(random)],
    ];
    this.#kinds = mixOf(kinds, world.random.fork('fault mix'));
    const has = (kind: string) => this.#kinds.some(([name]) => name === kind);
    if (has('clock-rate')) world.leaseTolerance = LEASE_TOLERANCE;
    if (has('quota')) world.quotaBytes = QUOTA_BYTES;
    world.tracer.add(`faults ${this.#kinds.map(([name, weight]) => `${name}=${weight}`).join(' ')}`);
    for (const [name] of this.#kinds) this.#randoms.set(name, world.random.fork(`faults/${name}`));
  }

  start(): void {
    void this.#inject(this.#world.random.fork('faults'));
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Every machine up, every link and disk well. */
  heal(): void {
    const { network, machines } = this.#world;
    network.heal();
    for (const machine of machines) {
      machine.disk.faults = { latencyMs: DISK_LATENCY_MS };
      machine.backends.faults = { latencyMs: DISK_LATENCY_MS };
      machine.onWrite = undefined;
      this.#world.resume(machine);
      this.#world.start(machine);
    }
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  async #inject(random: Random): Promise<void> {
    const total = this.#kinds.reduce((sum, [, weight]) => sum + weight, 0);
    while (!this.#isOver) {
      await this.#for(random.between(PAUSE_BETWEEN_MS.low, PAUSE_BETWEEN_MS.high));
      if (this.#isOver) return;
      let drawn = random.below(total);
      const [name, , inject] = this.#kinds.find(([, weight]) => (drawn -= weight) < 0)!;
      this.#world.counters.faults++;
      this.#world.tracer.add(`fault ${name}`);
      this.#running++;
      void inject(this.#randoms.get(name)!).finally(() => this.#running--);
    }
  }

  async #crash(random: Random): Promise<void> {
    const machine = this.#pick(random);
    await this.#inTheMiddle(machine, random);
    this.#world.crash(machine);
    await this.#for(random.between(0, random.chance(0.3) ? 6000 : 1500));
    this.#world.start(machine);
  }

  async #powerCut(random: Random): Promise<void> {
    const machine = this.#pick(random);
    await this.#inTheMiddle(machine, random);
    this.#world.powerCut(machine);
    await this.#for(random.between(100, random.chance(0.3) ? 6000 : 1500));
    this.#world.start(machine);
  }

  /** Mostly: a write of the machine is on its way to the disk when this resolves. */
  async #inTheMiddle(machine: Machine, random: Random): Promise<void> {
    if (random.chance(0.3)) return;
    const { clock } = this.#world;
    await new Promise<void>((resolve) => {
      clock.setTimer(WRITE_WITHIN_MS, resolve);
      machine.onWrite = () => clock.setTimer(random.float() * DISK_LATENCY_MS.max, resolve);
    });
    machine.onWrite = undefined;
  }

  async #powerCutAll(random: Random): Promise<void> {
    await this.#inTheMiddle(this.#world.leader() ?? this.#pick(random), random);
    for (const machine of this.#world.machines) this.#world.powerCut(machine);
    for (const machine of random.shuffle(this.#world.machines)) {
      await this.#for(random.between(0, 800));
      this.#world.start(machine);
    }
  }

  async #stop(random: Random): Promise<void> {
    // Its supervisor starts it again when it has ended.
    this.#world.stop(this.#pick(random));
  }

  async #pause(random: Random): Promise<void> {
    const machine = this.#pick(random);
    this.#world.counters.pauses++;
    this.#world.pause(machine);
    await this.#for(random.between(50, 3500));
    this.#world.resume(machine);
  }

  async #isolateLeader(random: Random): Promise<void> {
    await this.#separate([this.#world.leader() ?? this.#pick(random)], random.between(500, 5000));
  }

  async #partition(random: Random): Promise<void> {
    const { machines } = this.#world;
    const side = random.shuffle(machines).slice(0, random.between(1, Math.floor(machines.length / 2)));
    await this.#separate(side, random.between(300, 5000));
  }

  async #separate(side: readonly Machine[], forMs: Millis): Promise<void> {
    const others = this.#world.machines.filter((machine) => !side.includes(machine));
    await this.#cut(
      side.flatMap((one) => others.flatMap((other) => [[one, other] as const, [other, one] as const])),
      () => this.#for(forMs),
    );
  }

  async #oneWay(random: Random): Promise<void> {
    const { machines } = this.#world;
    this.#world.counters.oneWayCuts++;
    const pairs = machines.flatMap((from) => machines.filter((to) => to !== from).map((to) => [from, to] as const));
    const forMs = random.between(300, 4000);
    await this.#cut(random.shuffle(pairs).slice(0, random.between(1, machines.length)), () => this.#for(forMs));
  }

  async #cut(pairs: ReadonlyArray<readonly [Machine, Machine]>, whole: () => Promise<void>): Promise<void> {
    const { network, tracer } = this.#world;
    for (const [from, to] of pairs) {
      tracer.add(`cut ${from.id}>${to.id}`);
      network.cut(from.id, to.id);
    }
    await whole();
    for (const [from, to] of pairs) network.mend(from.id, to.id);
  }

  async #badLinks(random: Random): Promise<void> {
    const { network } = this.#world;
    const links = [...network.links].filter(() => random.chance(0.6));
    const faults: LinkFaults = {
      drop: random.pick([0, 0.05, 0.3]),
      double: random.pick([0, 0.1, 0.5]),
      delayMs: { min: 0.2, max: random.pick([10, 80, 400, 1500]) },
    };
    for (const { from, to } of links) network.setFaults(from, to, faults);
    await this.#for(random.between(500, 6000));
    for (const { from, to } of links) network.setFaults(from, to, CALM);
  }

  async #close(random: Random): Promise<void> {
    const leader = this.#world.leader() ?? this.#pick(random);
    for (const { from, to } of this.#world.network.links) {
      if (to === leader.id && random.chance(0.7)) this.#world.network.closeFalsely(from, to, random.chance(0.4));
    }
  }

  async #slowDisk(random: Random): Promise<void> {
    const machine = this.#pick(random);
    const latencyMs = { min: 0, max: random.pick([5, 30, 200, 600]) };
    machine.disk.faults = { ...machine.disk.faults, latencyMs };
    machine.backends.faults = { ...machine.backends.faults, latencyMs };
    await this.#for(random.between(1000, 8000));
    machine.disk.faults = { ...machine.disk.faults, latencyMs: DISK_LATENCY_MS };
    machine.backends.faults = { ...machine.backends.faults, latencyMs: DISK_LATENCY_MS };
  }

  /** The next write, sync or batch fails; the process ends by itself, and finds a disk that works when it restarts. */
  async #failingDisk(random: Random): Promise<void> {
    const machine = this.#pick(random);
    const which = random.below(3);
    if (which === 0) machine.disk.faults = { ...machine.disk.faults, writeFailure: 1 };
    if (which === 1) machine.disk.faults = { ...machine.disk.faults, syncFailure: 1 };
    if (which === 2) machine.backends.faults = { ...machine.backends.faults, batchFailure: 1 };
    await this.#for(1500);
    machine.disk.faults = { ...machine.disk.faults, writeFailure: 0, syncFailure: 0 };
    machine.backends.faults = { ...machine.backends.faults, batchFailure: 0 };
  }

  /** Writes are quick, what makes them durable is not. */
  async #slowSync(random: Random): Promise<void> {
    const machine = this.#pick(random);
    this.#world.counters.slowSyncs++;
    machine.disk.faults = { ...machine.disk.faults, syncLatencyMs: { min: 20, max: random.pick([100, 500, 1500]) } };
    await this.#for(random.between(1000, 6000));
    const { syncLatencyMs: _, ...faults } = machine.disk.faults;
    machine.disk.faults = faults;
  }

  async #failingSync(random: Random): Promise<void> {
    const machine = random.chance(0.5) ? (this.#world.leader() ?? this.#pick(random)) : this.#pick(random);
    machine.disk.faults = { ...machine.disk.faults, syncFailure: 1 };
    await this.#for(1500);
    machine.disk.faults = { ...machine.disk.faults, syncFailure: 0 };
  }

  /**
   * There is a little room left, to which its reserve comes: its process raises an alarm. Or nothing can grow whatever is
   * given up: it ends, and again each time that it is started, until there is room.
   */
  async #fullDisk(random: Random): Promise<void> {
    const { disk, backends } = this.#pick(random);
    if (random.chance(0.3)) {
      disk.faults = { ...disk.faults, isFull: true };
      backends.faults = { ...backends.faults, isFull: true };
    } else {
      const capacityBytes = disk.usedBytes + backends.bytes + random.below(ROOM_BYTES);
      disk.faults = { ...disk.faults, capacityBytes, othersBytes: () => backends.bytes };
      backends.faults = { ...backends.faults, room: () => disk.room() };
    }
    await this.#for(random.between(500, 5000));
    const { isFull: _, capacityBytes: __, othersBytes: ___, ...diskFaults } = disk.faults;
    disk.faults = diskFaults;
    const { isFull: ____, room: _____, ...backendFaults } = backends.faults;
    backends.faults = backendFaults;
  }

  /** At rest: found when the machine restarts. */
  async #bitFlip(random: Random): Promise<void> {
    const machine = this.#toDamage(random);
    if (machine === undefined) return;
    this.#world.powerCut(machine);
    machine.damage = random.chance(0.2) ? flipStateBits(machine.backends) : flipLogBit(machine.disk, random);
    machine.isAtRisk = false;
    if (machine.damage !== undefined) this.#world.counters.bitFlips++;
    await this.#for(random.between(100, 1500));
    this.#world.start(machine);
  }

  /** One batch of the log lands elsewhere in its file. The process goes on for a while, and then its machine restarts. */
  async #misdirectedWrite(random: Random): Promise<void> {
    const machine = this.#toDamage(random);
    if (machine === undefined) return;
    const { disk, process } = machine;
    const written: string[] = [];
    disk.faults = {
      ...disk.faults,
      misdirect: (path, offset, length) => {
        if (process?.isDead !== false || !path.endsWith('.log')) return undefined;
        written.push(path);
        if (written.length > 1) return undefined;
        const size = disk.contents(path).length;
        const lands = random.below(Math.max(1, size - length));
        return lands === offset ? lands + 1 : lands;
      },
    };
    await this.#for(random.between(UNNOTICED_MS, 2 * UNNOTICED_MS));
    this.#world.powerCut(machine);
    const { misdirect: _, ...faults } = disk.faults;
    disk.faults = faults;
    machine.isAtRisk = false;
    if (written.length > 0) {
      // Three: the second was written when the first was "synced", and the third when the second was.
      const isThere = segmentsOf(disk).includes(written[0]!);
      machine.damage = misdirected(written[0]!, isThere && written.length >= 3);
    }
    this.#world.start(machine);
  }

  /** Who is up, and need not be: at most one at a time, more would be more than a majority can make good. */
  #toDamage(random: Random): Machine | undefined {
    const machine = this.#pick(random);
    if (machine.process?.member === undefined || !this.#operator.mayLose(machine)) return undefined;
    machine.isAtRisk = true;
    return machine;
  }

  async #destroy(random: Random): Promise<void> {
    const machine = this.#pick(random);
    if (this.#operator.mayLose(machine)) this.#world.destroy(machine);
  }

  async #replaceMember(random: Random): Promise<void> {
    const leader = random.chance(0.35) ? this.#world.leader() : undefined;
    this.#operator.unwant(leader ?? this.#pick(random));
  }

  /** Longer than the others wait for it. */
  async #freeze(random: Random): Promise<void> {
    const machine = random.chance(0.6) ? (this.#world.leader() ?? this.#pick(random)) : this.#pick(random);
    this.#world.counters.freezes++;
    this.#world.pause(machine);
    await this.#for(random.between(3000, 9000));
    this.#world.resume(machine);
  }

  /** A follower is away until only a snapshot can bring it up; with that on its way something more may happen. */
  async #lag(random: Random): Promise<void> {
    const machine = this.#pick(random);
    const behind = machine.process?.member?.status().lastIndex;
    if (behind === undefined || machine === this.#world.leader()) return;
    const others = this.#world.machines.filter((other) => other !== machine);
    const pairs = others.flatMap((other) => [[machine, other] as const, [other, machine] as const]);
    const untilMs = this.#world.clock.monotonic() + LAG_MS;
    const isDue = () => {
      const firstIndex = this.#world.leader()?.process?.member?.status().firstIndex ?? 0;
      return this.#isOver || firstIndex > behind + 1 || this.#world.clock.monotonic() > untilMs;
    };
    await this.#cut(pairs, async () => {
      while (!isDue()) await this.#for(LOOK_EVERY_MS);
    });
    this.#world.counters.lags++;
    if (random.chance(0.5)) return;
    await this.#for(random.between(0, 400));
    const struck = random.chance(0.5) ? machine : (this.#world.leader() ?? machine);
    await this.#inTheMiddle(struck, random);
    if (random.chance(0.5)) this.#world.crash(struck);
    else this.#world.powerCut(struck);
    await this.#for(random.between(0, 1000));
    this.#world.start(struck);
  }

  async #compactionStorm(random: Random): Promise<void> {
    this.#world.counters.compactionStorms++;
    await this.#clients.compactInStorm(this.#world.clock.monotonic() + random.between(1000, 5000), random);
  }

  async #wallJump(random: Random): Promise<void> {
    this.#world.counters.wallJumps++;
    this.#pick(random).clock.jumpWall(random.pick([-86_400_000, -3_600_000, -5_000, 5_000, 3_600_000, 86_400_000]));
  }

  async #clockRate(random: Random): Promise<void> {
    const { clock } = this.#pick(random);
    this.#world.counters.rateChanges++;
    clock.rate = random.pick(RATES);
    await this.#for(random.between(1000, 8000));
    clock.rate = 1;
  }

  async #transfer(random: Random): Promise<void> {
    const leader = this.#world.leader();
    leader?.process?.member?.transferLeader(this.#pick(random).id);
  }

  #pick(random: Random): Machine {
    return random.pick(this.#world.machines);
  }

  #for(ms: Millis): Promise<void> {
    return sleep(this.#world.clock, ms);
  }
}

/** Half of the kinds, each with a weight that has little to do with the usual one. */
function mixOf(kinds: readonly Kind[], random: Random): Kind[] {
  const shuffled = random.shuffle(kinds);
  const count = Math.max(KINDS_MIN, shuffled.filter(() => random.chance(KIND_CHANCE)).length);
  return shuffled.slice(0, count).map(([name, weight, inject]) => [name, weight * random.pick(WEIGHTS), inject]);
}
