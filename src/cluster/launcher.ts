/**
 * From a configuration to a running cluster and back: claims the data directory, sees to certificates and free ports,
 * hands the parts to a supervisor, adopts what an earlier one left. `podium up`, `down` and `status` call it.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '../base/clock.ts';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { removeTreeSync } from '../base/remove-tree.ts';
import type { ClusterConfig } from './config.ts';
import { ensureCredentials, writeKubeconfig } from './credentials.ts';
import {
  clearFaults,
  clusterFile,
  type ClusterRecord,
  faultsFile,
  makeDataDir,
  type PartRecord,
  pkiDir,
  readCluster,
  readFaults,
  writeCluster,
  writeJson,
} from './data-dir.ts';
import { killPods } from './faults.ts';
import { type Health, HealthProbe, probeHealth, type ProbeTls, probeTls } from './health-probe.ts';
import { ADMIN, apiServersOf, type ClusterPlan, type PartConfig, planCluster } from './parts.ts';
import { ensurePki, tlsFiles } from '../base/pki.ts';
import { requireFreePorts } from './ports.ts';
import { identify, isAlive, isPaused, type ProcessId, signalGroup, signalProcess } from './processes.ts';
import { Supervisor, type SupervisorEvent } from './supervisor.ts';

export interface LaunchOptions {
  readonly config: ClusterConfig;
  readonly dataDir: string;
  readonly portBase: number;
  readonly insecure: boolean;
  readonly entry: string;
  readonly clock: Clock;
  readonly onEvent: (event: SupervisorEvent) => void;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface RunningCluster {
  readonly record: ClusterRecord;
  readonly plan: ClusterPlan;
  /** Looks at the faults again, at once. */
  reconsider(): void;
  stop(): Promise<void>;
}

export const PORT_BASE_MAX = 9_999;
/** From the first process to the last ready part; past it the cluster is taken down again. */
const START_DEADLINE_MS = 60_000;
const PROBE_DEADLINE_MS = 2_000;
/** How long a whole cluster may take to end when somebody else is its supervisor. */
const DOWN_DEADLINE_MS = 30_000;
const DOWN_POLL_MS = 20;

/** Brings the cluster up and answers once every part is ready. */
export async function launch(options: LaunchOptions): Promise<RunningCluster> {
  const { config, dataDir, portBase, insecure, clock } = options;
  makeDataDir(dataDir);
  const release = claim(dataDir);
  try {
    const previous = readCluster(dataDir);
    const survivors = previous?.parts.filter((part) => part.pid !== 0 && isAlive(part)) ?? [];
    if (previous !== undefined && survivors.length > 0) requireSame(previous, survivors, options);
    // Faults are of a running cluster: one that starts from nothing starts whole.
    if (survivors.length === 0) clearFaults(dataDir);
    const clusterId = previous?.id ?? readId(dataDir) ?? randomBytes(8).toString('hex');
    const plan = planCluster({ config, dataDir, clusterId, portBase, insecure, entry: options.entry, node: process.execPath });
    const survives = (name: string) => survivors.some((part) => part.name === name);
    await requireFreePorts([...plan.ports].flatMap(([name, ports]) => (survives(name) ? [] : ports)), portBase);
    // From here on the directory holds a cluster.
    writeJson(idFile(dataDir), { id: clusterId });
    await ensurePki(pkiDir(dataDir), plan.identities, new Date(clock.wall()));
    ensureCredentials(dataDir);
    for (const [name, part] of plan.configs) {
      writeJson(join(dataDir, 'parts', `${name}.json`), part);
      if (part.node !== undefined) mkdirSync(part.dataDir, { recursive: true, mode: 0o700 });
    }
    writeKubeconfig(dataDir, apiServersOf(config).map(({ restPort }) => restPort + portBase));
    const own = identify(process.pid) ?? { pid: process.pid, startTime: 0 };
    const recordOf = (parts: readonly PartRecord[]): ClusterRecord => {
      return { name: config.name, id: clusterId, portBase, insecure, supervisor: own, parts };
    };
    const tls = adminTls(dataDir, insecure);
    const probes = new Map<string, HealthProbe>();
    const supervisor = new Supervisor({
      dataDir,
      parts: plan.specs,
      clock,
      isReady: async ({ healthAddress }) => {
        if (healthAddress === undefined) return true;
        const probe = probes.get(healthAddress) ?? new HealthProbe(healthAddress, tls);
        probes.set(healthAddress, probe);
        if ((await probe.check(PROBE_DEADLINE_MS)) !== 'serving') return false;
        probe.close();
        return true;
      },
      onChange: (parts) => writeCluster(dataDir, recordOf(parts)),
      onEvent: options.onEvent,
    });
    supervisor.adopt(survivors);
    const stop = async () => {
      const nodes = config.nodes.map(({ name }) => name);
      // Agents first, so that none of them sees its pods die and starts them again.
      await supervisor.stop([(name) => nodes.includes(name)], async () => {
        await Promise.all(nodes.map((node) => killPods({ dataDir, clock }, node)));
      });
      release();
    };
    try {
      await supervisor.start(START_DEADLINE_MS, options.signal);
    } catch (error) {
      // Parts that were adopted are not ours to end: they served before we came.
      if (survivors.length === 0) await Promise.all(config.nodes.map(({ name }) => killPods({ dataDir, clock }, name)));
      throw error;
    }
    const reconsider = () => supervisor.reconsider();
    return { record: recordOf(supervisor.records()), plan, reconsider, stop };
  } catch (error) {
    release();
    throw error;
  }
}

function adminTls(dataDir: string, insecure: boolean): ProbeTls {
  return insecure ? undefined : probeTls(tlsFiles(pkiDir(dataDir), ADMIN.name));
}

function requireSame(previous: ClusterRecord, survivors: readonly PartRecord[], { portBase, insecure, dataDir }: LaunchOptions): void {
  if (previous.portBase === portBase && previous.insecure === insecure) return;
  const flags = [`--port-base ${previous.portBase}`, ...(previous.insecure ? ['--insecure-local'] : [])].join(' ');
  throw new UserError(
    `${survivors.length} parts of the cluster in ${dataDir} still run, started with ${flags}: ` +
      `give the same flags to adopt them, or end them with \`podium down\``,
  );
}

/** One supervisor a data directory. Answers how to let go of it. */
function claim(dataDir: string): () => void {
  const path = join(dataDir, 'supervisor.lock');
  const own = identify(process.pid) ?? { pid: process.pid, startTime: 0 };
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, JSON.stringify(own));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') {
        throw new UserError(`${dataDir} cannot be written to`, { cause: error });
      }
      const holder = readLock(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new UserError(
          `the cluster in ${dataDir} is already up (supervisor: pid ${holder.pid}): see \`podium status\`, ` +
            'end it with `podium down`, or start another with --data-dir and --port-base',
        );
      }
      rmSync(path, { force: true });
    }
  }
  throw new UserError(`another \`podium up\` is just starting in ${dataDir}`);
}

function readLock(path: string): ProcessId | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessId;
  } catch {
    return undefined;
  }
}

const idFile = (dataDir: string) => join(dataDir, 'cluster-id.json');

/** The cluster's id outlives everything but `down --purge`. Undefined where no cluster is yet. */
function readId(dataDir: string): string | undefined {
  const path = idFile(dataDir);
  if (!existsSync(path)) return undefined;
  const id = idOf(readFileSync(path, 'utf8'));
  if (id !== undefined) return id;
  throw new UserError(`${path} is damaged: it must hold {"id": "16 hex digits"}; put it back, or start anew after \`podium down --purge\``);
}

function idOf(text: string): string | undefined {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' && /^[0-9a-f]{16}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

export type PartState = 'Ready' | 'NotReady' | 'Down' | 'Killed' | 'Paused';

export interface PartStatus extends PartRecord {
  readonly state: PartState;
}

/** What runs the containers of a part that is a node, as its configuration says; undefined for other parts. */
export function readRuntime(dataDir: string, part: string): string | undefined {
  const path = join(dataDir, 'parts', `${part}.json`);
  if (!existsSync(path)) return undefined;
  return (JSON.parse(readFileSync(path, 'utf8')) as PartConfig).node?.runtime; // written by this module
}

/** What every part of the cluster is doing now. */
export function readStatus(dataDir: string, record: ClusterRecord): Promise<PartStatus[]> {
  const tls = adminTls(dataDir, record.insecure);
  const faults = readFaults(dataDir);
  return Promise.all(
    record.parts.map(async (part): Promise<PartStatus> => {
      if (part.pid === 0 || !isAlive(part)) {
        const isKilled = faults.some((fault) => fault.part === part.name && fault.kind === 'kill');
        return { ...part, state: isKilled ? 'Killed' : 'Down' };
      }
      if (isPaused(part)) return { ...part, state: 'Paused' };
      const health: Health =
        part.healthAddress === undefined ? 'serving' : await probeHealth(part.healthAddress, tls, PROBE_DEADLINE_MS);
      return { ...part, state: health === 'serving' ? 'Ready' : 'NotReady' };
    }),
  );
}

/** Ends a cluster that another process supervises, or that nobody does. Answers how many parts were running. */
export async function takeDown(dataDir: string, clock: Clock): Promise<number> {
  const record = readCluster(dataDir);
  if (record === undefined) return 0;
  const running = record.parts.filter((part) => part.pid !== 0 && isAlive(part));
  const deadlineMs = clock.monotonic() + DOWN_DEADLINE_MS;
  const lives = (one: ProcessId) => isAlive(one) && clock.monotonic() < deadlineMs;
  if (signalProcess(record.supervisor, 'SIGTERM')) {
    signalProcess(record.supervisor, 'SIGCONT');
    while (lives(record.supervisor)) await sleep(clock, DOWN_POLL_MS);
    signalProcess(record.supervisor, 'SIGKILL');
  }
  // Read again: the supervisor may have restarted a part before it heard us.
  const left = (readCluster(dataDir) ?? record).parts.filter((part) => part.pid !== 0 && isAlive(part));
  for (const part of left) {
    signalGroup(part, 'SIGTERM');
    signalGroup(part, 'SIGCONT');
  }
  while (left.some(lives)) await sleep(clock, DOWN_POLL_MS);
  for (const part of left) signalGroup(part, 'SIGKILL');
  const nodes = record.parts.filter(({ name }) => existsSync(join(dataDir, name)) && !isReserved(name));
  await Promise.all(nodes.map(({ name }) => killPods({ dataDir, clock }, name)));
  const stopped = readCluster(dataDir) ?? record;
  writeCluster(dataDir, { ...stopped, parts: stopped.parts.map((part) => ({ ...part, pid: 0, startTime: 0 })) });
  rmSync(join(dataDir, 'supervisor.lock'), { force: true });
  return running.length;
}

const isReserved = (name: string) => ['apiserver', 'scheduler', 'controllers'].includes(name);

/** Removes everything that a cluster wrote; a directory that holds no cluster is left alone. */
export function purge(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  const isCluster = existsSync(clusterFile(dataDir)) || existsSync(idFile(dataDir));
  if (!isCluster) throw new UserError(`${dataDir} holds no cluster: nothing is removed`);
  const parts = readCluster(dataDir)?.parts.map(({ name }) => join(dataDir, name)) ?? [];
  const own = ['pki', 'logs', 'network', 'parts', 'images', 'kubeconfig', 'supervisor.lock'].map((name) => join(dataDir, name));
  for (const path of [...parts, ...own, idFile(dataDir), faultsFile(dataDir)]) removeTreeSync(path);
  // Last, so that an interrupted purge can be repeated.
  rmSync(clusterFile(dataDir), { force: true });
  if (readdirSync(dataDir).length === 0) rmSync(dataDir, { recursive: true });
}
