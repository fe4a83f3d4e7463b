/**
 * The faults of etcd's robustness suite that a member of ours can have, each with the proof that it struck. Every one
 * leaves a cluster in which all members serve. (What has no counterpart: src/store/faults/core/points.ts.)
 */
import { sleep } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { Cluster, Maintenance } from '../../src/proto/etcd.ts';
import { type FaultyCluster, type FaultyMember, until, CATCH_UP_ENTRIES, SNAPSHOT_ENTRIES } from './cluster.ts';
import type { Weather } from './peer-relay.ts';

export interface FaultContext {
  readonly cluster: FaultyCluster;
  readonly random: Random;
}

export interface Fault {
  readonly name: string;
  /** It needs others than the member that it strikes. */
  readonly needsPeers: boolean;
  /** Answers what was seen of it; throws if it did not strike. */
  readonly strike: (context: FaultContext) => Promise<string>;
}

/** etcd's second. */
const SLEEP_MS = 1_000;
const HOLE_MS = 1_500;
const BAD_NETWORK_MS = 2_500;

type Victim = 'anybody' | 'leader' | 'follower';

/** What makes a member come to a point where traffic alone does not. */
type Provocation = (context: FaultContext, member: FaultyMember) => Promise<void>;

const PANICS: ReadonlyArray<readonly [point: string, victim: Victim, provoke?: Provocation]> = [
  ['raftBeforeSave', 'anybody'],
  ['raftAfterSave', 'anybody'],
  ['raftBeforeLeaderSend', 'leader'],
  ['raftBeforeFollowerSend', 'follower'],
  ['beforeApply', 'anybody'],
  ['afterApply', 'anybody'],
  ['commitBeforePreCommitHook', 'anybody'],
  ['commitAfterPreCommitHook', 'anybody'],
  ['beforeCommit', 'anybody'],
  ['afterCommit', 'anybody'],
  ['compactBeforeCommitScheduledCompact', 'anybody'],
  ['compactAfterCommitScheduledCompact', 'anybody'],
  ['compactBeforeCommitBatch', 'anybody'],
  ['compactAfterCommitBatch', 'anybody'],
  ['compactBeforeSetFinishedCompact', 'anybody'],
  ['compactAfterSetFinishedCompact', 'anybody'],
  ['defragBeforeCopy', 'anybody', defragment],
  ['defragAfterCopy', 'anybody', defragment],
  ['raftAfterWALRelease', 'anybody'],
  ['raftBeforeSaveSnap', 'follower', needSnapshot],
  ['raftAfterSaveSnap', 'follower', needSnapshot],
  ['applyBeforeOpenSnapshot', 'follower', needSnapshot],
  ['raftBeforeApplySnap', 'follower', needSnapshot],
  ['raftAfterApplySnap', 'follower', needSnapshot],
];

const SLEEPS: ReadonlyArray<readonly [point: string, provoke?: Provocation]> = [
  ['raftBeforeSave'],
  ['raftAfterSave'],
  ['beforeApplyOneConfChange', changeMembers],
  ['beforeSendWatchResponse'],
  ['beforeSyncWatchers'],
  ['beforeProgressIfSync'],
];

/** A panic comes in the turn in which a point is reached: what was said too early has not left by then. Here it has. */
const KILLS_IN_A_SLEEP: readonly string[] = ['raftBeforeSave', 'beforeCommit'];

const NEED_PEERS = new Set(['raftBeforeLeaderSend', 'raftBeforeFollowerSend', 'beforeApplyOneConfChange']);

export const FAULTS: readonly Fault[] = [
  { name: 'kill', needsPeers: false, strike: kill },
  ...PANICS.map(([point, victim, provoke]): Fault => {
    const needsPeers = provoke === needSnapshot || NEED_PEERS.has(point);
    return { name: `panic ${point}`, needsPeers, strike: (context) => panic(context, { point, victim, provoke }) };
  }),
  ...SLEEPS.map(([point, provoke]): Fault => {
    return { name: `sleep ${point}`, needsPeers: NEED_PEERS.has(point), strike: (context) => sleepAt(context, { point, provoke }) };
  }),
  ...KILLS_IN_A_SLEEP.map((point): Fault => ({ name: `kill in a sleep at ${point}`, needsPeers: false, strike: (context) => killIn(context, point) })),
  { name: 'black hole, to and from the leader', needsPeers: true, strike: (context) => hole(context, 'leader', 'both') },
  { name: 'black hole, to the leader', needsPeers: true, strike: (context) => hole(context, 'leader', 'to') },
  { name: 'black hole, from the leader', needsPeers: true, strike: (context) => hole(context, 'leader', 'from') },
  { name: 'black hole, to and from a follower', needsPeers: true, strike: (context) => hole(context, 'follower', 'both') },
  { name: 'black hole until a snapshot', needsPeers: true, strike: holeUntilSnapshot },
  { name: 'delay of 75±50 ms', needsPeers: true, strike: (context) => badNetwork(context, { kind: 'delay', meanMs: 75, spreadMs: 50 }) },
  { name: 'drop of 50 %', needsPeers: true, strike: (context) => badNetwork(context, { kind: 'drop', chance: 0.5 }) },
  { name: 'member replaced', needsPeers: true, strike: replace },
];

async function pick({ cluster, random }: FaultContext, victim: Victim): Promise<FaultyMember> {
  if (cluster.members.length === 1 || victim === 'anybody') return random.pick(cluster.members);
  const leader = await cluster.leader();
  return victim === 'leader' ? leader : random.pick(cluster.members.filter((member) => member !== leader));
}

async function kill(context: FaultContext): Promise<string> {
  const member = await pick(context, 'anybody');
  await member.process.kill();
  member.process.start();
  return `${member.name} was killed`;
}

async function panic(
  context: FaultContext,
  { point, victim, provoke }: { readonly point: string; readonly victim: Victim; readonly provoke: Provocation | undefined },
): Promise<string> {
  const member = await pick(context, victim);
  const { process } = member;
  await member.arm(point, 'panic');
  await provoke?.(context, member);
  await until(`${member.name} ends at ${point}`, () => !process.isRunning);
  if (!process.output.slice(-2000).includes(`fault: panic at ${point}`)) throw new Error(`${member.name} did not end at ${point}:\n${process.output}`);
  process.start();
  return `${member.name} ended at it`;
}

async function sleepAt(context: FaultContext, { point, provoke }: { readonly point: string; readonly provoke: Provocation | undefined }): Promise<string> {
  const member = await pick(context, 'anybody');
  const before = await member.met(point);
  await member.arm(point, `1*sleep(${SLEEP_MS})`);
  const provoked = provoke?.(context, member);
  await until(`${member.name} sleeps at ${point}`, async () => (await member.met(point)) > before);
  await provoked;
  await sleep(systemClock, SLEEP_MS);
  return `${member.name} slept ${SLEEP_MS} ms`;
}

async function killIn(context: FaultContext, point: string): Promise<string> {
  const member = await pick(context, 'leader');
  const before = await member.met(point);
  await member.arm(point, `1*sleep(${SLEEP_MS})`);
  await until(`${member.name} sleeps at ${point}`, async () => (await member.met(point)) > before);
  await sleep(systemClock, SLEEP_MS / 4);
  await member.process.kill();
  member.process.start();
  return `${member.name} was killed in it`;
}

/** The call ends with the process, or is answered. */
async function defragment(_: FaultContext, member: FaultyMember): Promise<void> {
  await member.channel.unary(Maintenance.methods.defragment, {}, { timeoutMs: 10_000 }).catch(() => undefined);
}

/** Cut off until the others have forgotten what it lacks. The connections end with it, or all would come late. */
async function needSnapshot({ cluster }: FaultContext, member: FaultyMember): Promise<void> {
  const { raftIndex } = await member.status();
  const pairs = cluster.network.around(member.at, 'both');
  cluster.network.set(pairs, { kind: 'hole' });
  const others = cluster.members.filter((other) => other !== member);
  // What is kept for slow followers, what gathers until the next snapshot, and as much again for what waits for the disk.
  const beyond = raftIndex + CATCH_UP_ENTRIES + 2 * SNAPSHOT_ENTRIES + SNAPSHOT_ENTRIES;
  await until(`${member.name} needs a snapshot`, async () => {
    const answers = await Promise.all(others.map((other) => other.status().catch(() => undefined)));
    return answers.every((answer) => answer !== undefined && answer.raftAppliedIndex >= beyond);
  });
  cluster.network.cut(pairs);
  cluster.network.set(pairs, undefined);
}

async function holeUntilSnapshot(context: FaultContext): Promise<string> {
  const member = await pick(context, 'follower');
  const installed = () => member.process.output.split('raft: snapshot installed').length;
  const before = installed();
  await needSnapshot(context, member);
  await until(`${member.name} installs a snapshot`, () => installed() > before);
  return `${member.name} installed a snapshot`;
}

async function hole(context: FaultContext, victim: Victim, direction: 'to' | 'from' | 'both'): Promise<string> {
  const { cluster } = context;
  const member = await pick(context, victim);
  const pairs = cluster.network.around(member.at, direction);
  const before = cluster.network.counts.held;
  const own = (await member.status()).header?.memberId;
  cluster.network.set(pairs, { kind: 'hole' });
  if (victim === 'leader') {
    await until(`others than ${member.name} agree on a leader`, async () => {
      const answers = await Promise.all(cluster.members.filter((other) => other !== member).map((other) => other.status().catch(() => undefined)));
      return answers.some((answer) => answer !== undefined && answer.leader !== 0n && answer.leader !== own);
    });
  } else {
    await sleep(systemClock, HOLE_MS);
  }
  cluster.network.set(pairs, undefined);
  const held = cluster.network.counts.held - before;
  if (held === 0) throw new Error(`nothing was held back on the way ${direction} ${member.name}`);
  return `${member.name}, ${held} pieces held back${victim === 'leader' ? ', another leads' : ''}`;
}

async function badNetwork({ cluster }: FaultContext, weather: Weather): Promise<string> {
  const pairs = cluster.members.flatMap(({ at }) => cluster.network.around(at, 'to'));
  const before = { ...cluster.network.counts };
  cluster.network.set(pairs, weather);
  await sleep(systemClock, BAD_NETWORK_MS);
  cluster.network.set(pairs, undefined);
  const { delayed, lost, cut } = cluster.network.counts;
  const did = { delayed: delayed - before.delayed, lost: lost - before.lost, cut: cut - before.cut };
  if (did.delayed + did.lost === 0) throw new Error('nothing was delayed or lost');
  return JSON.stringify(did);
}

async function replace(context: FaultContext): Promise<string> {
  const { cluster } = context;
  const member = await pick(context, 'anybody');
  const { relayUrl } = member;
  const idOf = (members: Awaited<ReturnType<FaultyCluster['memberList']>>) => members.find(({ peerUrls }) => peerUrls.includes(relayUrl))?.id;
  const id = idOf(await cluster.memberList())!;
  await member.process.kill();
  await cluster.changeMembers({
    avoiding: member,
    isDone: (members) => idOf(members) === undefined,
    ask: (channel) => channel.unary(Cluster.methods.memberRemove, { id }, { timeoutMs: 3_000 }),
  });
  await cluster.changeMembers({
    avoiding: member,
    isDone: (members) => idOf(members) !== undefined,
    ask: (channel) => channel.unary(Cluster.methods.memberAdd, { peerUrls: [relayUrl] }, { timeoutMs: 3_000 }),
  });
  const added = idOf(await cluster.memberList());
  if (added === undefined || added === id) throw new Error(`${member.name} was not replaced`);
  cluster.startAnew(member);
  return `${member.name}: ${id.toString(16)} went, ${added.toString(16)} came`;
}

/** A learner that nobody starts comes and goes. */
async function changeMembers({ cluster }: FaultContext, member: FaultyMember): Promise<void> {
  const url = 'http://127.0.0.1:1';
  const idOf = (members: Awaited<ReturnType<FaultyCluster['memberList']>>) => members.find(({ peerUrls }) => peerUrls.includes(url))?.id;
  await cluster.changeMembers({
    avoiding: member,
    isDone: (members) => idOf(members) !== undefined,
    ask: (channel) => channel.unary(Cluster.methods.memberAdd, { peerUrls: [url], isLearner: true }, { timeoutMs: 3_000 }),
  });
  const id = idOf(await cluster.memberList())!;
  await cluster.changeMembers({
    avoiding: member,
    isDone: (members) => idOf(members) === undefined,
    ask: (channel) => channel.unary(Cluster.methods.memberRemove, { id }, { timeoutMs: 3_000 }),
  });
}
