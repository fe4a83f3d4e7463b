/**
 * The files of a local cluster's data directory that its supervisor and the command line share:
 *   cluster.json   who runs: the supervisor and every part by pid and start time (written by rename)
 *   faults.json    what a person broke on purpose; written before the signal, so that the supervisor never
 *                  mistakes a wanted death for an accident
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode, UserError } from '../base/errors.ts';
import type { ProcessId } from './processes.ts';

export interface PartRecord extends ProcessId {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Whom to ask for health; absent if the part serves nothing. */
  readonly healthAddress?: string;
  readonly restarts: number;
}

/** `apiserver`, and where there are several `apiserver-2`, …: their second address is that of their REST face. */
export const isApiServer = ({ name }: { readonly name: string }) => /^apiserver(-\d+)?$/.test(name);

/** Store members are the other parts with a second address, for their peers. */
export const isStoreMember = (part: PartRecord) => part.addresses.length === 2 && !isApiServer(part);

export interface ClusterRecord {
  readonly name: string;
  readonly id: string;
  readonly portBase: number;
  readonly insecure: boolean;
  readonly supervisor: ProcessId;
  /** A part that is down has pid 0. */
  readonly parts: readonly PartRecord[];
}

export type FaultKind = 'kill' | 'pause' | 'restart';

export interface Fault {
  readonly part: string;
  readonly kind: FaultKind;
  /** When, RFC 3339. */
  readonly since: string;
}

export const clusterFile = (dataDir: string) => join(dataDir, 'cluster.json');
export const faultsFile = (dataDir: string) => join(dataDir, 'faults.json');
/** What the nodes of this machine tell each other of their networks. */
export const networkDir = (dataDir: string) => join(dataDir, 'network');
export const pkiDir = (dataDir: string) => join(dataDir, 'pki');
export const adminTokenFile = (dataDir: string) => join(pkiDir(dataDir), 'admin.token');
/** The same token, as --token-auth-file reads it. */
export const tokensFile = (dataDir: string) => join(pkiDir(dataDir), 'tokens.csv');
export const serviceAccountKeyFile = (dataDir: string) => join(pkiDir(dataDir), 'service-accounts.key');
export const logFile = (dataDir: string, part: string) => join(dataDir, 'logs', `${part}.log`);

export function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = systemErrorCode(error) ?? '';
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in its place' : code;
    throw new UserError(`the data directory ${dataDir} cannot be made (${why}): name another with --data-dir`, { cause: error });
  }
}

export function readCluster(dataDir: string): ClusterRecord | undefined {
  return readJson<ClusterRecord>(clusterFile(dataDir));
}

/** The record of a cluster that a command is about to act on. */
export function requireCluster(dataDir: string): ClusterRecord {
  const record = readCluster(dataDir);
  if (record === undefined) {
    throw new UserError(`no cluster in ${dataDir}: start one with \`podium up\`, or name its directory with --data-dir`);
  }
  return record;
}

export function writeCluster(dataDir: string, record: ClusterRecord): void {
  writeJson(clusterFile(dataDir), record);
}

export function readFaults(dataDir: string): Fault[] {
  return readJson<Fault[]>(faultsFile(dataDir)) ?? [];
}

/** Replaces the fault of one part; undefined takes it away. */
export function writeFault(dataDir: string, part: string, fault: Fault | undefined): void {
  const others = readFaults(dataDir).filter((one) => one.part !== part);
  writeJson(faultsFile(dataDir), fault === undefined ? others : [...others, fault]);
}

export function clearFaults(dataDir: string): void {
  if (existsSync(faultsFile(dataDir))) writeJson(faultsFile(dataDir), []);
}

function readJson<T>(path: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    // Written by this module alone, whole or not at all.
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new UserError(`${path} is not readable: remove it once no part of the cluster runs`, { cause });
  }
}

export function writeJson(path: string, value: unknown): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
