/** A machine of the simulated world: its clock, its disks, and the process that runs on it, if one does. */
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { InitialMember } from '../../src/store/flags.ts';
import type { Member } from '../../src/store/member.ts';
import { FaultyBackends } from '../../src/store/mvcc/faulty-backend.ts';
import type { MemberId } from '../../src/store/raft/core/types.ts';
import type { Damage } from './damage.ts';
import { MachineClock, type ProcessClock } from './machine-clock.ts';
import type { Server } from './server-channel.ts';

const CLOCK_DRIFT = 0.02;
/** Of a disk that is well: every write is on its way for a while, so that a crash finds some there. */
export const DISK_LATENCY_MS = { min: 0.05, max: 1.5 };

export interface Process extends Server {
  readonly number: number;
  readonly clock: ProcessClock;
  /** What its machine's disks had refused when it began: one that was refused more may end by itself. */
  readonly failuresBefore: number;
  /** A sync of its log has failed: it may promise nothing any more, and must end. */
  hasFailedSync: boolean;
  /** It asks the others which cluster it is to join, and may end if nobody tells. */
  isAsking: boolean;
  /** Undefined while it reads its disk. */
  member: Member | undefined;
}

/** How it is known and reached. */
export interface Address {
  readonly id: MemberId;
  readonly name: string;
  readonly peerUrl: string;
}

export interface Machine extends Address {
  readonly clock: MachineClock;
  readonly disk: MemoryDisk;
  readonly backends: FaultyBackends;
  /** Of one that was added to a cluster that runs: --initial-cluster, as its operator has written it. */
  joins: readonly InitialMember[] | undefined;
  process: Process | undefined;
  starts: number;
  /** A process of it has taken part. */
  hasBeenUp: boolean;
  /** Called, once, when its process next writes to a file: faults strike in the middle of things. */
  onWrite: (() => void) | undefined;
  /** What it holds is about to be damaged: it must not be counted on. */
  isAtRisk: boolean;
  /** Of its disk: its next process must not take part. */
  damage: Damage | undefined;
  /** Damaged and found so, or destroyed: it waits to be replaced. */
  isLost: boolean;
  /** Its removal from the cluster was asked for. */
  isToGo: boolean;
  /** No part of the world any more. */
  isRetired: boolean;
}

export interface MachineOptions extends Address {
  readonly base: Clock;
  readonly random: Random;
  readonly joins: readonly InitialMember[] | undefined;
}

export function newMachine({ base, random, ...options }: MachineOptions): Machine {
  const rate = 1 + (random.float() * 2 - 1) * CLOCK_DRIFT;
  const clock = new MachineClock({ base, rate, wallOffsetMs: random.between(-5000, 5000) });
  const faults = { latencyMs: DISK_LATENCY_MS };
  return {
    ...options,
    clock,
    disk: new MemoryDisk({ clock: clock.view(), random: random.fork('disk'), faults }),
    backends: new FaultyBackends({ clock: clock.view(), random: random.fork('backends'), ...faults }),
    process: undefined,
    starts: 0,
    hasBeenUp: false,
    onWrite: undefined,
    isAtRisk: false,
    damage: undefined,
    isLost: false,
    isToGo: false,
    isRetired: false,
  };
}

/** How often its disks have refused something. */
export function failuresOf({ disk, backends }: Machine): number {
  return [disk, backends].reduce((sum, { counters }) => sum + counters.failures + counters.refusals, 0);
}

export function isSound({ isLost, isAtRisk, damage }: Machine): boolean {
  return !isLost && !isAtRisk && damage === undefined;
}

/** By its name: what a member is listed with tells which machine it is on. */
export function addressOf(name: string): { readonly name: string; readonly peerUrl: string } {
  return { name, peerUrl: `${SCHEME}${name}${PORT}` };
}

export function nameAt(peerUrls: readonly string[]): string {
  return (peerUrls[0] ?? '').slice(SCHEME.length, -PORT.length);
}

const SCHEME = 'http://';
const PORT = ':2380';
