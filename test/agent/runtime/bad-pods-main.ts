/**
 * A cluster asked for pods that cannot be, in namespaces of its own: on a node of the linux runtime and one of `process`, or
 * on one of a containerd of the test's own:
 *   node dist/test/agent/runtime/bad-pods-main.js (own|cri) DIRECTORY
 * Prints one line of JSON a step, as cluster-main.ts does.
 */
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeError } from '../../../src/base/errors.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { HOST_IMAGE } from '../../../src/image/core/reference.ts';
import { BAD_PODS, HOST_PORT, MISSING, ODD_PODS, THERE, type BadPod } from './bad-pods.ts';
import { must, until, type Step } from './cluster-main.ts';
import { ClusterReader, type ShownPod } from './cluster-reader.ts';
import { BUSYBOX_IMAGE } from './cri/archive.ts';
import { Containerd, ENDPOINT } from './cri/containerd.ts';

export const BAD_POD_STEPS = [
  'podium up starts its nodes',
  'what cannot be is told, each in the state and with the reason, message and events of Kubernetes',
  'odd names, variables and lines run as they are',
  'what was missing comes, and they run',
  'where there is no room for volumes or for the agent’s own files it is told, and goes on when there is',
] as const;

type RuntimeName = 'linux' | 'process' | 'cri';

/** Which of them a cluster has. */
const CLUSTERS: Readonly<Record<string, readonly RuntimeName[]>> = { own: ['linux', 'process'], cri: ['cri'] };
const NODES: Readonly<Record<RuntimeName, string>> = { linux: 'node-1', process: 'node-2', cri: 'node-3' };
const COMMAND_TIMEOUT_MS = 60_000;

function configOf(runtimes: readonly RuntimeName[]): string {
  const nodes = runtimes.map((runtime, i) => `  - { name: ${NODES[runtime]}, port: ${10_250 + i}, runtime: ${runtime}${runtime === 'cri' ? `, runtimeEndpoint: '${ENDPOINT}'` : ''} }`);
  return `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes:
${nodes.join('\n')}
network: { egress: none }
timings: { nodeGraceSeconds: 60 }
`;
}

const isRoot = process.getuid?.() === 0;

const execute = promisify(execFile);

class BadCluster {
  readonly dataDir: string;
  readonly api: ClusterReader;
  readonly runtimes: readonly RuntimeName[];
  readonly #directory: string;
  #applied = 0;

  constructor(directory: string, runtimes: readonly RuntimeName[]) {
    this.#directory = directory;
    this.runtimes = runtimes;
    this.dataDir = join(directory, 'c');
    this.api = new ClusterReader(this.dataDir);
  }

  async podium(...args: readonly string[]): Promise<string> {
    const { stdout } = await execute(process.execPath, ['dist/src/main.js', '--data-dir', this.dataDir, ...args], { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 64 << 20 });
    return stdout;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const path = join(this.#directory, `objects-${++this.#applied}.json`);
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await this.podium('apply', '-f', path);
  }

  /** Says what was last seen, if it never comes so. */
  async see(what: string, probe: (pods: ReadonlyMap<string, ShownPod>, events: ReadonlyMap<string, readonly string[]>) => string | undefined): Promise<void> {
    let last: string | undefined = '';
    await until(what, async () => (last = probe(await this.api.pods(), await this.api.events())) === undefined).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${last}`);
    });
  }
}

/** Bound by its own word, past the scheduler, which would not let it go there. */
function pod(name: string, runtime: RuntimeName, spec: object): object {
  const made = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `${name}-${runtime}` }, spec: { ...spec, nodeName: NODES[runtime] } };
  if (runtime !== 'cri') return made;
  return JSON.parse(JSON.stringify(made).replaceAll(HOST_IMAGE, BUSYBOX_IMAGE)) as object; // what it was
}

interface Asked<T> {
  readonly name: string;
  readonly runtime: RuntimeName;
  readonly wanted: T;
}

function everywhere<T extends { readonly isIsolated?: boolean }>({ runtimes }: BadCluster, table: Readonly<Record<string, T>>): readonly Asked<T>[] {
  return Object.entries(table).flatMap(([name, wanted]) => {
    return runtimes.filter((runtime) => runtime !== 'process' || wanted.isIsolated !== true).map((runtime) => ({ name, runtime, wanted }));
  });
}

/** undefined: it is so. */
function differs({ waiting, ended, failed, says, events }: BadPod, runtime: RuntimeName, found: ShownPod | undefined, said: readonly string[] = []): string | undefined {
  const { phase, reason, message, containerStatuses: [status] = [] } = found?.status ?? {};
  const lastEnd = status?.lastState?.terminated ?? status?.state.terminated;
  const endReason = runtime === 'cri' ? (ended?.reasonByCri ?? ended?.reason) : ended?.reason;
  const isAsWanted = [
    waiting === undefined || status?.state.waiting?.reason === waiting,
    failed === undefined || (phase === 'Failed' && reason === failed),
    ended === undefined || (lastEnd !== undefined && endReason?.test(lastEnd.reason) === true && (ended.exitCode < 0 || lastEnd.exitCode === ended.exitCode)),
    says === undefined || [status?.state.waiting?.message, lastEnd?.message, message].some((text) => text !== undefined && says.test(text)),
    events.every((event) => said.some((one) => event.test(one))),
  ];
  return isAsWanted.every(Boolean) ? undefined : JSON.stringify([isAsWanted, phase, reason, message, status?.state, status?.lastState, said]);
}

async function bad(cluster: BadCluster): Promise<void> {
  const holder = (runtime: RuntimeName) => pod('holder', runtime, { ...BAD_PODS['port-taken']!.spec });
  await cluster.apply(THERE, ...cluster.runtimes.map(holder));
  await cluster.see(`somebody holds port ${HOST_PORT}`, (pods) => cluster.runtimes.find((runtime) => pods.get(`holder-${runtime}`)?.status.phase !== 'Running'));
  const all = everywhere(cluster, BAD_PODS).filter(({ wanted }) => isRoot || wanted.needsLimits !== true);
  await cluster.apply(...all.map(({ name, runtime, wanted }) => pod(name, runtime, wanted.spec)));
  const failures: string[] = [];
  for (const { name, runtime, wanted } of all) {
    const full = `${name}-${runtime}`;
    await cluster.see(full, (pods, events) => differs(wanted, runtime, pods.get(full), events.get(full))).catch((error: unknown) => failures.push(describeError(error)));
  }
  must(failures.length === 0, failures.join('\n'));
}

async function odd(cluster: BadCluster): Promise<void> {
  const all = everywhere(cluster, ODD_PODS);
  await cluster.apply(...all.map(({ name, runtime, wanted }) => pod(name, runtime, wanted.spec)));
  const print = async ({ name, runtime, wanted }: (typeof all)[number]): Promise<void> => {
    let last = '';
    await until(`${name} on ${runtime} prints what it shall`, async () => wanted.prints((last = await cluster.podium('logs', `${name}-${runtime}`).catch(describeError)))).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${last.length} ${last.slice(0, 300)}`);
    });
  };
  await Promise.all(all.map(print));
  await cluster.see('last words are cut at 4096 bytes', (pods) =>
    cluster.runtimes.map((runtime) => pods.get(`many-words-${runtime}`)?.status.containerStatuses?.[0]).find((status) => (status?.lastState?.terminated ?? status?.state.terminated)?.message !== 'x'.repeat(4_096))?.name,
  );
}

async function mended(cluster: BadCluster): Promise<void> {
  await cluster.apply(...MISSING);
  const waiting = everywhere(cluster, BAD_PODS).filter(({ wanted }) => wanted.isMended === true);
  await cluster.see('they run', (pods) => waiting.map(({ name, runtime }) => `${name}-${runtime}`).find((name) => pods.get(name)?.status.phase !== 'Running'));
}

/** A disk that is full before anybody writes, in place of a directory of the node's. */
function fill(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'full', directory], { encoding: 'utf8' });
  must(status === 0, stderr);
  const path = join(directory, 'filler');
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096));
  } catch {
    // now there is no room
  }
  closeSync(file);
  return path;
}

async function fullDisk(cluster: BadCluster): Promise<void> {
  await cluster.podium('delete', 'pod', '--all', '--grace-period', '0');
  await cluster.see('they are gone', (pods) => [...pods.keys()][0]);
  await Promise.all(cluster.runtimes.map((runtime) => withoutRoom(cluster, runtime)));
}

const NO_ROOM = {
  volumes: /^FailedMount: MountVolume\.SetUp failed for volume "v" : .*no space left on device/,
  pods: /^FailedCreatePodSandBox: Failed to create pod sandbox: .*no space left on device/,
};

async function withoutRoom(cluster: BadCluster, runtime: RuntimeName): Promise<void> {
  const volumes = { volumes: [{ name: 'v', configMap: { name: 'there' } }], automountServiceAccountToken: false };
  const spec = { ...volumes, terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'podium.dev/host', command: ['sleep', '1000'] }] };
  for (const [what, event] of Object.entries(NO_ROOM)) {
    const directory = join(cluster.dataDir, NODES[runtime], what);
    const full = `${what}-${runtime}`;
    const filler = fill(directory);
    try {
      await cluster.apply(pod(what, runtime, spec));
      await cluster.see(`${full}: no room`, (pods, events) => differs({ spec, waiting: 'ContainerCreating', events: [event] }, runtime, pods.get(full), events.get(full)));
      rmSync(filler);
      await cluster.see(`${full} runs`, (pods) => (pods.get(full)?.status.phase === 'Running' ? undefined : JSON.stringify(pods.get(full)?.status)));
      await cluster.podium('delete', 'pod', full, '--grace-period', '0');
      await cluster.see(`${full} is gone`, (pods) => pods.get(full)?.metadata.name);
    } finally {
      spawnSync('umount', ['-l', directory]);
    }
  }
}

async function run(name: string, directory: string): Promise<void> {
  const runtimes = CLUSTERS[name] ?? [];
  const containerd = runtimes.includes('cri') ? await Containerd.start(join(directory, 'containerd'), 'crun') : undefined;
  const cluster = new BadCluster(directory, runtimes);
  const step = async (index: number, work: () => Promise<void>): Promise<void> => {
    const start = systemClock.monotonic();
    const failure = await work().then(() => undefined, (error: unknown) => describeError(error));
    const ms = Math.round(systemClock.monotonic() - start);
    say(index, { ms, ...(failure === undefined ? {} : { failure }) });
  };
  writeFileSync(join(directory, 'config.yaml'), configOf(runtimes));
  await step(0, async () => void (await cluster.podium('up', '--detach', '--config', join(directory, 'config.yaml'))));
  await step(1, () => bad(cluster));
  await step(2, () => odd(cluster));
  await step(3, () => mended(cluster));
  if (isRoot) await step(4, () => fullDisk(cluster));
  else say(4, { ms: 0, skipped: 'an ordinary user mounts no disks' });
  await cluster.podium('down', '--purge');
  await containerd?.kill();
}

function say(index: number, outcome: Omit<Step, 'step'>): void {
  process.stdout.write(`${JSON.stringify({ step: BAD_POD_STEPS[index]!, ...outcome } satisfies Step)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2] ?? '', process.argv[3] ?? '');
