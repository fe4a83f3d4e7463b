/** A disk that has room for so many bytes and no more: a member's promises hold at every size of it. */
import { expect, test } from 'vitest';
import { describeError } from '../../src/base/errors.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import { AlarmAction, AlarmType, KV, Maintenance } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import type { MemberConfig } from '../../src/store/member-config.ts';
import { FaultyBackends } from '../../src/store/mvcc/faulty-backend.ts';
import { FLUSH_DELAY_MS } from '../../src/store/mvcc/flusher.ts';
import { TestClock } from '../../src/testing/test-clock.ts';
import { startLoneMember, type LoneMember } from './maintenance/lone-member.ts';

const VALUE_BYTES = 150;
/** More than any budget here has room for. */
const PUTS_MAX = 300;
/** A member that ends, or is killed, at some call never answers it. */
const CALL_MS = 5_000;
const WRITES_A_BATCH = 4;
const NO_SPACE = { code: RpcCode.RESOURCE_EXHAUSTED, message: 'etcdserver: mvcc: database space exceeded' };

/** One machine, over restarts; its log and its state share a disk. */
class Machine {
  readonly clock = new TestClock();
  readonly disk: MemoryDisk;
  readonly backends: FaultyBackends;
  readonly acknowledged = new Map<string, string>();
  #running: LoneMember | undefined;
  fatal: unknown;
  #writes = 0;

  readonly #reserveBytes: number;

  constructor(seed: number, reserveBytes: number) {
    this.#reserveBytes = reserveBytes;
    this.disk = new MemoryDisk({ clock: this.clock, random: seededRandom(seed) });
    this.backends = new FaultyBackends({ clock: this.clock, random: seededRandom(seed) });
  }

  get running(): LoneMember {
    if (this.#running === undefined) throw new Error('it does not run');
    return this.#running;
  }

  /** Beside what is there. */
  limit(bytes: number): void {
    const othersBytes = () => this.backends.bytes;
    this.disk.faults = { othersBytes, capacityBytes: this.disk.usedBytes + this.backends.bytes + bytes };
    this.backends.faults = { room: () => this.disk.room() };
  }

  makeRoom(): void {
    this.disk.faults = {};
    this.backends.faults = {};
  }

  async start(): Promise<void> {
    this.fatal = undefined;
    const config: Partial<MemberConfig> = {
      reserveBytes: this.#reserveBytes,
      walSegmentBytes: 2048,
      snapshotEntries: 10,
      catchUpEntries: 5,
      requestTimeoutMs: CALL_MS,
      onFatal: (error) => (this.fatal = error),
    };
    const { clock, disk, backends } = this;
    this.#running = await startLoneMember(config, { clock, disk, backends: backends.incarnation() });
  }

  async untilReserved(): Promise<void> {
    const isThere = () => this.disk.names('member').includes('reserve') && this.disk.names('member/wal').includes('reserve');
    await this.clock.advanceUntil(isThere, 5_000, 'a reserve');
    await this.clock.advance(500);
  }

  /** SIGTERM, `kill -9`, or a power cut; one that ended by itself is gone anyway. */
  async end(how: number): Promise<void> {
    if (this.fatal === undefined && how % 3 === 0) await this.running.drive(this.running.member.stop());
    if (how % 3 === 2) {
      this.disk.powerCut();
      this.backends.powerCut();
    } else {
      this.disk.processCrash();
      this.backends.processCrash();
    }
  }

  async put(key: string, value: string): Promise<void> {
    const { channel, drive } = this.running;
    await drive(channel.unary(KV.methods.put, { key: Buffer.from(key), value: Buffer.from(value) }));
    this.acknowledged.set(key, value);
    await this.#letLand();
  }

  async remove(key: string): Promise<void> {
    const { channel, drive } = this.running;
    // What was not answered may have happened.
    const value = this.acknowledged.get(key)!;
    this.acknowledged.set(key, `${value}?`);
    await drive(channel.unary(KV.methods.deleteRange, { key: Buffer.from(key) }));
    this.acknowledged.delete(key);
    await this.#letLand();
  }

  async compact(): Promise<void> {
    const { channel, drive, member } = this.running;
    await drive(channel.unary(KV.methods.compact, { revision: member.machine.revision, physical: true }));
    await drive(channel.unary(Maintenance.methods.defragment, {}));
  }

  async alarms(): Promise<readonly bigint[]> {
    const { channel, drive } = this.running;
    const { alarms } = await drive(channel.unary(Maintenance.methods.alarm, { action: AlarmAction.GET }));
    return alarms.map(({ memberId }) => memberId);
  }

  async disarm(): Promise<void> {
    const { channel, drive, member } = this.running;
    const request = { action: AlarmAction.DEACTIVATE, memberId: member.id, alarm: AlarmType.NOSPACE };
    await drive(channel.unary(Maintenance.methods.alarm, request));
  }

  async expectAcknowledged(serializable = false): Promise<void> {
    const { channel, drive } = this.running;
    const all = { key: Buffer.from('\0'), rangeEnd: Buffer.from('\0'), serializable };
    const { kvs } = await drive(channel.unary(KV.methods.range, all));
    const found = new Map(kvs.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]));
    for (const [key, value] of this.acknowledged) {
      if (value.endsWith('?')) continue;
      expect(found.get(key), key).toBe(value);
    }
    const maybe = [...this.acknowledged.values()].filter((value) => value.endsWith('?')).length;
    // A put whose member ended under it may have happened: one at most.
    expect(found.size).toBeLessThanOrEqual(this.acknowledged.size + 1);
    expect(found.size).toBeGreaterThanOrEqual(this.acknowledged.size - maybe);
  }

  /** Time for a batch, now and then. */
  async #letLand(): Promise<void> {
    if (++this.#writes % WRITES_A_BATCH === 0) await this.clock.advance(2 * FLUSH_DELAY_MS);
  }
}

/** Writes until it is refused for want of room, or the member ends; answers which. */
async function fill(machine: Machine): Promise<'refused' | 'ended'> {
  for (let at = 0; at < PUTS_MAX; at++) {
    try {
      await machine.put(`key ${at}`, `${at}`.padEnd(VALUE_BYTES, '.'));
    } catch (error) {
      if (machine.fatal !== undefined) return 'ended';
      expect(error).toBeInstanceOf(RpcError);
      expect(error).toMatchObject(NO_SPACE);
      return 'refused';
    }
  }
  throw new Error(`${PUTS_MAX} puts fit in`);
}

/** What an operator does; answers whether the member lived through all of it. */
async function relieve(machine: Machine): Promise<boolean> {
  try {
    await machine.expectAcknowledged();
    await machine.expectAcknowledged(true);
    expect(await machine.alarms()).toEqual([machine.running.member.id]);
    await expect(machine.put('one more', 'x')).rejects.toMatchObject(NO_SPACE);
    const keys = [...machine.acknowledged.keys()];
    for (const key of keys.slice(0, keys.length / 2)) await machine.remove(key);
    await machine.compact();
    await machine.expectAcknowledged();
    return true;
  } catch (error) {
    if (machine.fatal === undefined) throw error;
    return false;
  }
}

/** One life on a disk of one size; answers how it went. */
async function live(bytes: number, reserveBytes: number): Promise<'ended' | 'ended while relieved' | 'relieved'> {
  const machine = new Machine(bytes, reserveBytes);
  await machine.start();
  await machine.untilReserved();
  machine.limit(bytes);
  const filled = await fill(machine);
  const isRelieved = filled === 'refused' && (await relieve(machine));
  if (machine.fatal !== undefined) {
    expect(describeError(machine.fatal)).toContain('nothing that was acknowledged is lost. Make room on the disk');
  } else {
    machine.makeRoom();
    await machine.disarm();
    await machine.put('after', 'the alarm');
    await machine.untilReserved();
    expect(await machine.alarms()).toEqual([]);
  }
  await machine.end(bytes);
  machine.makeRoom();
  await machine.start();
  await machine.expectAcknowledged();
  if ((await machine.alarms()).length > 0) await machine.disarm();
  await machine.put('again', `${bytes}`);
  await machine.end(0);
  return isRelieved ? 'relieved' : filled === 'ended' ? 'ended' : 'ended while relieved';
}

test('at every size of its disk a member refuses puts, serves all else, and loses nothing', async () => {
  for (let bytes = 0; bytes <= 6_000; bytes += 83) expect(await live(bytes, 12 * 1024), `${bytes} bytes`).toBe('relieved');
}, 60_000);

test('a member whose reserve is too small ends, says what to do, and goes on when there is room', async () => {
  const met = { ended: 0, 'ended while relieved': 0, relieved: 0 };
  for (let bytes = 0; bytes <= 6_000; bytes += 167) met[await live(bytes, 600)]++;
  expect(Math.min(...Object.values(met)), JSON.stringify(met)).toBeGreaterThan(0);
}, 60_000);

test('an alarm that is disarmed before there is room is raised again', async () => {
  const machine = new Machine(1, 12 * 1024);
  await machine.start();
  await machine.untilReserved();
  machine.limit(500);
  expect(await fill(machine)).toBe('refused');
  await machine.disarm();
  await machine.clock.advanceUntil(async () => (await machine.alarms()).length > 0, 10_000, 'the alarm');
  await expect(machine.put('more', 'x')).rejects.toMatchObject(NO_SPACE);
  await machine.expectAcknowledged();
});
