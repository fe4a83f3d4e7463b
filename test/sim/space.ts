/**
 * A quota that is used up, and who makes room again: somebody writes large values until they are refused; an operator
 * sees the alarm after a while, deletes them, compacts, and disarms it. It is raised again where there is still no room.
 */
import { sleep } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { AlarmAction, AlarmType, Maintenance } from '../../src/proto/etcd.ts';
import { RpcError, type Channel } from '../../src/proto/rpc.ts';
import type { Clients } from './client.ts';
import type { World } from './world.ts';

const TIMEOUT_MS = 2_500;
const LARGE = { key: 'large/', rangeEnd: 'large0' };
const LARGE_VALUE = 'x'.repeat(8 * 1024);
const LARGE_VALUES_MAX = 40;
const LOOK_EVERY_MS = { low: 300, high: 1200 };
/** Nobody looks for so long. */
const UNSEEN_MS = { low: 0, high: 2500 };
const PLACES = 5;

/** Of each member, where a run has one: some times what the clients' keys and their history take. */
export const QUOTA_BYTES = 128 * 1024;

/** Until a write is refused, which it is at the latest when the quota is full. */
export async function useUpSpace(clients: Clients, random: Random, isOver: () => boolean): Promise<void> {
  for (let count = 0; count < LARGE_VALUES_MAX && !isOver(); count++) {
    const request = { kind: 'put', key: `${LARGE.key}${count}`, value: LARGE_VALUE } as const;
    if ((await clients.request(request, random)) === undefined && random.chance(0.5)) return;
  }
}

export class SpaceKeeper {
  readonly #world: World;
  readonly #clients: Clients;
  readonly #random: Random;
  #isOver = false;
  #isBusy = false;

  constructor(world: World, clients: Clients) {
    this.#world = world;
    this.#clients = clients;
    this.#random = world.random.fork('space');
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#isOver = true;
  }

  get isContent(): boolean {
    return !this.#isBusy && !this.#isRaised;
  }

  get #isRaised(): boolean {
    return this.#world.running().some(({ member }) => member.machine.alarms.has(AlarmType.NOSPACE));
  }

  async #run(): Promise<void> {
    const { clock, counters } = this.#world;
    const random = this.#random;
    while (!this.#isOver) {
      await sleep(clock, random.between(LOOK_EVERY_MS.low, LOOK_EVERY_MS.high));
      if (!this.#isRaised) continue;
      this.#isBusy = true;
      counters.spaceAlarms++;
      await sleep(clock, random.between(UNSEEN_MS.low, UNSEEN_MS.high));
      if (await this.#makeRoom()) await this.#disarm();
      this.#isBusy = false;
    }
  }

  async #makeRoom(): Promise<boolean> {
    const { counters } = this.#world;
    const random = this.#random;
    const deleted = await this.#clients.request({ kind: 'delete', ...LARGE }, random);
    if (deleted === undefined) return false;
    if (this.#isRaised) counters.deletesWithoutSpace++;
    const untilMs = this.#world.clock.monotonic() + TIMEOUT_MS;
    while (this.#clients.seenRevision < deleted.revision && this.#world.clock.monotonic() < untilMs) {
      await sleep(this.#world.clock, 50);
    }
    return this.#clients.compactTo(Math.min(deleted.revision, this.#clients.seenRevision), random);
  }

  async #disarm(): Promise<void> {
    const channel = this.#world.channelToPlace(this.#random.below(PLACES), this.#random);
    const raised = await this.#ask(channel, { action: AlarmAction.GET, memberId: 0n, alarm: AlarmType.NOSPACE });
    for (const { memberId, alarm } of raised) {
      const disarmed = await this.#ask(channel, { action: AlarmAction.DEACTIVATE, memberId, alarm });
      this.#world.counters.spaceDisarms += disarmed.length;
    }
  }

  async #ask(channel: Channel, request: { readonly action: number; readonly memberId: bigint; readonly alarm: number }) {
    try {
      return (await channel.unary(Maintenance.methods.alarm, request, { timeoutMs: TIMEOUT_MS })).alarms;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#world.tracer.add(`space: ${error.message}`);
      return [];
    }
  }
}
