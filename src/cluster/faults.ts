/**
 * Faults on purpose: a part is killed, frozen, thawed or restarted. The fault is recorded before the signal goes, so
 * that the supervisor knows a wanted death from an accident whenever it looks.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, formatTime, sleep } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { endCriPods, type CriPods } from './cri-pods.ts';
import { type ClusterRecord, type PartRecord, readCluster, readFaults, requireCluster, writeFault } from './data-dir.ts';
import { restoreForwarding } from './forwarding.ts';
import { nearest } from '../base/nearest.ts';
import { findTool } from './isolation.ts';
import { unmountBelow } from './left-mounts.ts';
import { removeFromMachine, type MachineNetworkParts } from './machine-network.ts';
import { isAlive, isPaused, processesBelow, recordedPrograms, signalGroup, signalProcess } from './processes.ts';

/** How long a part that is restarted may take to end by itself. */
const RESTART_GRACE_MS = 5_000;
/** How long the supervisor may take to bring a part back. */
const RESTART_DEADLINE_MS = 15_000;
const POLL_MS = 20;
const REMOVE_TABLE_MS = 5_000;
/** Children may be born while their parents are found and killed; three rounds without rest end any sane tree. */
const KILL_ROUNDS_MAX = 10;

export interface FaultContext {
  readonly dataDir: string;
  readonly clock: Clock;
}

export async function killPart(context: FaultContext, name: string, withPods: boolean): Promise<string> {
  const { record, part } = find(context.dataDir, name);
  if (withPods && !isNode(part)) throw new UserError(`--with-pods is for nodes; ${name} is none`);
  writeFault(context.dataDir, name, { part: name, kind: 'kill', since: formatTime(context.clock.wall()) });
  const wasAlive = part.pid !== 0 && signalGroup(part, 'SIGKILL');
  const pods = withPods ? await killPods(context, name) : 0;
  const suffix = withPods ? ` and ${pods} process${pods === 1 ? '' : 'es'} of its pods` : '';
  const note = isAlive(record.supervisor) ? '' : ' (no supervisor runs: `podium up` would adopt what is left)';
  return wasAlive ? `${name} killed${suffix}${note}` : `${name} was down already; it stays down${suffix}${note}`;
}

/** Ends all processes of a node's pods, children born meanwhile included. Answers how many there were. */
export async function killPods({ dataDir, clock }: FaultContext, node: string): Promise<number> {
  const agent = readCluster(dataDir)?.parts.find(({ name }) => name === node)?.pid ?? 0;
  const killed = new Set<number>();
  for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
    const found = [...processesBelow(join(dataDir, node), [agent]), ...recordedPrograms(join(dataDir, node))];
    if (found.length === 0) break;
    for (const one of found) if (signalProcess(one, 'SIGKILL')) killed.add(one.pid);
    await sleep(clock, POLL_MS);
  }
  const { cgroups, parents, tables = [], mounts = [], cri, network } = leftoversOf(join(dataDir, node));
  if (cri !== undefined) {
    await endCriPods(cri);
    unmountBelow(join(dataDir, node));
  }
  for (const directory of cgroups) endWhoIsIn(directory);
  for (const table of tables) removeTable(table);
  if (tables.length > 0) restoreForwarding();
  if (network !== undefined) removeFromMachine(network);
  for (const mount of mounts) unmount(mount);
  for (const directory of cgroups) await removeEmptyTree(directory, clock);
  for (const directory of parents) removeIfEmpty(directory);
  return killed.size;
}

interface Leftovers {
  readonly cgroups: readonly string[];
  /** Of all nodes of the machine: they go with the last one. */
  readonly parents: readonly string[];
  /** Of nftables, in the machine's network. */
  readonly tables?: readonly string[];
  /** In the machine's own mount namespace. */
  readonly mounts?: readonly string[];
  /** Pods that a container runtime of the machine runs for the node. */
  readonly cri?: CriPods;
  /** Of those pods' services and names. */
  readonly network?: MachineNetworkParts;
}

/** Programs whose supervisors were killed are known by nothing else. */
function endWhoIsIn(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) endWhoIsIn(join(directory, entry.name));
    for (const line of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) if (Number(line) > 1) process.kill(Number(line), 'SIGKILL');
  } catch {
    // gone meanwhile
  }
}

/** It may be there or not. */
function removeTable(table: string): void {
  const nft = findTool('nft');
  if (nft !== undefined) spawnSync(nft, ['-f', '-'], { input: `add table ip ${table}\ndelete table ip ${table}\n`, timeout: REMOVE_TABLE_MS });
}

/** It may be there or not. Somebody's shell may still be in it. */
function unmount(path: string): void {
  const umount = findTool('umount');
  if (umount !== undefined) spawnSync(umount, ['-l', path], { stdio: 'ignore', timeout: REMOVE_TABLE_MS });
}

/** What of the node stays in the kernel when its processes have ended. */
function leftoversOf(nodeDirectory: string): Leftovers {
  const path = join(nodeDirectory, 'leftovers.json');
  if (!existsSync(path)) return { cgroups: [], parents: [] };
  return JSON.parse(readFileSync(path, 'utf8')) as Leftovers; // written by the node's agent
}

/** What ended just now may still be in it for a moment; whatever stays is no reason to fail. */
async function removeEmptyTree(directory: string, clock: Clock): Promise<void> {
  for (let attempt = 0; attempt < KILL_ROUNDS_MAX && existsSync(directory); attempt++) {
    if (attempt > 0) await sleep(clock, POLL_MS);
    removeEmptyBelow(directory);
  }
}

function removeEmptyBelow(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) removeEmptyBelow(join(directory, entry.name));
  } catch {
    // gone meanwhile
  }
  removeIfEmpty(directory);
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // gone meanwhile, or not empty
  }
}

export function pausePart({ dataDir, clock }: FaultContext, name: string): string {
  const { part } = find(dataDir, name);
  if (part.pid === 0 || !isAlive(part)) throw new UserError(`${name} is down: there is nothing to pause`);
  writeFault(dataDir, name, { part: name, kind: 'pause', since: formatTime(clock.wall()) });
  signalGroup(part, 'SIGSTOP');
  return `${name} paused`;
}

export function resumePart({ dataDir }: FaultContext, name: string): string {
  const { part } = find(dataDir, name);
  if (part.pid === 0 || !isAlive(part)) throw new UserError(`${name} is down: \`podium fault restart ${name}\` starts it`);
  const wasPaused = isPaused(part);
  signalGroup(part, 'SIGCONT');
  writeFault(dataDir, name, undefined);
  return wasPaused ? `${name} resumed` : `${name} was not paused`;
}

export async function restartPart(context: FaultContext, name: string): Promise<string> {
  const { dataDir, clock } = context;
  const { record, part } = find(dataDir, name);
  if (!isAlive(record.supervisor)) {
    throw new UserError(`no supervisor runs for ${dataDir}: \`podium up\` adopts the parts that are left and starts the others`);
  }
  writeFault(dataDir, name, { part: name, kind: 'restart', since: formatTime(clock.wall()) });
  if (part.pid !== 0 && isAlive(part)) {
    signalGroup(part, 'SIGTERM');
    signalGroup(part, 'SIGCONT');
    const killAtMs = clock.monotonic() + RESTART_GRACE_MS;
    while (isAlive(part) && clock.monotonic() < killAtMs) await sleep(clock, POLL_MS);
    signalGroup(part, 'SIGKILL');
  }
  signalProcess(record.supervisor, 'SIGUSR2');
  const deadlineMs = clock.monotonic() + RESTART_DEADLINE_MS;
  while (clock.monotonic() < deadlineMs) {
    const now = readCluster(dataDir)?.parts.find((one) => one.name === name);
    const isNew = now !== undefined && now.pid !== 0 && (now.pid !== part.pid || now.startTime !== part.startTime);
    if (isNew && isAlive(now)) return `${name} restarted (pid ${now.pid})`;
    await sleep(clock, POLL_MS);
  }
  throw new UserError(`${name} is not back after ${RESTART_DEADLINE_MS / 1000} s: see ${join(dataDir, 'logs', `${name}.log`)}`);
}

export function listFaults(dataDir: string): string[][] {
  requireCluster(dataDir);
  return readFaults(dataDir).map(({ part, kind, since }) => [part, kind === 'kill' ? 'killed' : `${kind}d`, since]);
}

function isNode(part: PartRecord): boolean {
  return !['apiserver', 'scheduler', 'controllers'].includes(part.name) && part.addresses.length === 1;
}

function find(dataDir: string, name: string): { readonly record: ClusterRecord; readonly part: PartRecord } {
  const record = requireCluster(dataDir);
  const part = record.parts.find((one) => one.name === name);
  if (part !== undefined) return { record, part };
  const names = record.parts.map((one) => one.name);
  const meant = nearest(name, names);
  throw new UserError(`no part ${JSON.stringify(name)}: ${meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`}`);
}
