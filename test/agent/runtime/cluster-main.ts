/**
 * A cluster of two nodes on the linux runtime from `podium up` to `podium down --purge`, in namespaces of its own:
 *   node dist/test/agent/runtime/cluster-main.js DIRECTORY
 * Prints one line of JSON a step, and at the end what the cluster has left on its machine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../src/base/errors.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { readCluster } from '../../../src/cluster/data-dir.ts';
import { findTool } from '../../../src/cluster/isolation.ts';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { untilWithin } from '../../until.ts';
import { census, missing } from './census.ts';
import { answersInside, apiServer, breakWayOut, checkHeld, detailOf, hold, hostNetworkAndPorts, namesAndServices, startPods, volumes, wayOut } from './cluster-network.ts';

export interface Step {
  readonly step: string;
  /** What went wrong. */
  readonly failure?: string;
  /** Why it was not tried. */
  readonly skipped?: string;
  readonly ms?: number;
}

export const STEPS = [
  'podium up starts two nodes, and auto is linux',
  'a deployment is rolled out, and its pods have addresses of their nodes',
  'all of its pods answer on the NodePort of the machine',
  'pods find services and each other by name, on either node',
  'pods find the API server as the Service kubernetes',
  'pods have volumes in memory, and ask the API server as their service account',
  'pods of a node’s network, and ports of a node',
  'pods get out of the machine, under its address, and again when that was taken away',
  'an agent that is killed comes back to the same pods; connections outlive it, and names are found all the time',
  'a container that is killed is restarted in its pod',
  'a pod whose sandbox is killed goes on in another one, with another address',
  'a pod with a side car ends when its work is done, and leaves its last words',
  'a node’s network that is lost is made again, with its services, names and way out',
  'without nft a node proxies its services in userspace, and says so',
  'podium down --purge leaves nothing behind',
  'nor does it of nodes whose agents were killed while they were at work, with nobody to start them again',
] as const;

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes:
  - { name: node-1, port: 10250, runtime: auto }
  - { name: node-2, port: 10251, runtime: auto }
# An agent that is late on a busy machine is not a lost one.
timings: { nodeGraceSeconds: 60 }
`;
/** The work waits for what the side car, which is started before it, makes. */
const JOB = `
apiVersion: v1
kind: Pod
metadata: { name: job }
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  volumes: [{ name: shared, emptyDir: {} }]
  initContainers:
    - name: side
      image: podium.dev/host
      restartPolicy: Always
      volumeMounts: [{ name: shared, mountPath: /shared }]
      command: [sh, -c, 'trap "echo down; exit 0" TERM; echo up; touch /shared/up; while :; do sleep 0.05; done']
      startupProbe: { exec: { command: [test, -e, /shared/up] }, periodSeconds: 1 }
  containers:
    - name: main
      image: podium.dev/host
      volumeMounts: [{ name: shared, mountPath: /shared }]
      command: [sh, -c, 'test -e /shared/up || exit 9; printf "disk on fire" >/dev/termination-log; exit 3']
`;
const DEADLINE_MS = 60_000;
export const until = untilWithin(DEADLINE_MS);
const NODE_PORT = 30_080;
/** Of cluster-network.ts. */
const NETWORK_PODS = 4;

class Cluster {
  readonly dataDir: string;

  constructor(directory: string) {
    this.dataDir = join(directory, 'c');
  }

  podium(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/src/main.js', '--data-dir', this.dataDir, ...args], { encoding: 'utf8', timeout: DEADLINE_MS });
    if (status !== 0) throw new Error(`podium ${args.join(' ').slice(0, 80)}: ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Names, addresses, uids and restarts of the pods. */
  pods(selector = 'app=hello'): readonly { readonly name: string; readonly ip: string; readonly uid: string; readonly restarts: number; readonly ready: boolean }[] {
    const { items } = JSON.parse(this.podium('get', 'pods', '--selector', selector, '-o', 'json')) as {
      items: { metadata: { name: string; uid: string }; status: { podIP?: string; containerStatuses?: { restartCount: number; ready: boolean }[] } }[];
    };
    return items.map(({ metadata, status }) => {
      const container = status.containerStatuses?.[0];
      return { name: metadata.name, uid: metadata.uid, ip: status.podIP ?? '', restarts: container?.restartCount ?? 0, ready: container?.ready ?? false };
    });
  }

  /** Which pods answer a dozen requests; one that fails is an error. */
  async answers(): Promise<readonly string[]> {
    const names = new Set<string>();
    for (let i = 0; i < 12; i++) names.add((await fetchLine()).split(' ')[0] ?? '');
    return [...names].sort();
  }

  /** What the runtime keeps of a pod, on whichever node it is. */
  sandbox(uid: string): { readonly pause: { readonly pid: number } } {
    for (const node of ['node-1', 'node-2']) {
      const pods = join(this.dataDir, node, 'pods');
      if (readdirSync(pods).includes(uid)) return JSON.parse(readFileSync(join(pods, uid, 'sandbox.json'), 'utf8')) as { pause: { pid: number } };
    }
    throw new Error(`no node has a sandbox ${uid}`);
  }

  holderPid(node: string): number {
    return (JSON.parse(readFileSync(join(this.dataDir, node, 'node.json'), 'utf8')) as { holder: { pid: number } }).holder.pid;
  }

  containerPid(uid: string): number {
    for (const node of ['node-1', 'node-2']) {
      const directory = join(this.dataDir, node, 'pods', uid, 'containers', 'server', '0');
      for (const name of ['pid', 'runtime.pid']) {
        try {
          return Number(readFileSync(join(directory, name), 'utf8').trim().split(' ')[0]);
        } catch {
          // the other node's, or the other way to start it
        }
      }
    }
    throw new Error(`no node has a container of ${uid}`);
  }
}

function fetchLine(): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: NODE_PORT, agent: false, timeout: 5_000 }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => resolve(body.trim()));
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', reject);
    call.end();
  });
}

/** What throws is not so yet. */
async function trying(probe: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await probe();
  } catch {
    return false;
  }
}

function runOrFail(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: DEADLINE_MS });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status} ${stderr}`);
}

async function killAgent(cluster: Cluster, node: string): Promise<void> {
  const pidOf = () => readCluster(cluster.dataDir)?.parts.find(({ name }) => name === node)?.pid ?? 0;
  const agent = pidOf();
  sendSignal(agent, 'SIGKILL');
  await until('the agent is back', () => ![0, agent].includes(pidOf()) && cluster.podium('get', 'node', node).includes('Ready'));
}

export function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function takeDown(cluster: Cluster, look: () => readonly string[]): Promise<void> {
  cluster.podium('down', '--purge');
  let left: readonly string[] = [];
  await until('nothing is left', () => (left = look()).length === 0).catch((error: unknown) => {
    throw new Error(`${describeError(error)}: ${left.join('\n')}`);
  });
}

async function run(directory: string): Promise<void> {
  const cluster = new Cluster(directory);
  const nodes = ['node-1', 'node-2'].map((name) => join(cluster.dataDir, name));
  const before = census(nodes);
  /** Work that answers something says why it was not tried. */
  const step = async (index: number, work: () => string | void | Promise<string | void>): Promise<void> => {
    const start = systemClock.monotonic();
    const outcome = await Promise.resolve()
      .then(work)
      .then((why) => (typeof why === 'string' ? { skipped: why } : {}), (error: unknown) => ({ failure: describeError(error) }));
    const ms = Math.round(systemClock.monotonic() - start);
    process.stdout.write(`${JSON.stringify({ step: STEPS[index]!, ms, ...outcome } satisfies Step)}\n`);
  };
  writeFileSync(join(directory, 'config.yaml'), CONFIG);
  await step(0, () => {
    cluster.podium('up', '--detach', '--config', join(directory, 'config.yaml'));
    const status = cluster.podium('status');
    must(status.split('\n').filter((line) => line.includes('runtime=linux')).length === 2, status);
    const node = cluster.podium('get', 'node', 'node-1', '-o', 'json');
    must(/"containerRuntimeVersion": "linux:\/\/\d/.test(node) && node.includes('ContainersIsolated'), node);
  });
  await step(1, () => {
    cluster.podium('apply', '-f', 'cluster-config/examples/hello.yaml');
    cluster.podium('rollout', 'status', 'deployment/hello', '--timeout', '50s');
    for (const { ip } of cluster.pods()) must(/^10\.244\.[01]\.\d+$/.test(ip), `an address of a node: ${ip}`);
  });
  await step(2, async () => {
    const names = cluster.pods().map(({ name }) => name).sort();
    await until('all pods answer', async () => (await cluster.answers()).join() === names.join());
  });
  await step(3, async () => {
    startPods(cluster, directory);
    await until('the pods are ready', () => cluster.pods('of=network').filter(({ ready }) => ready).length === NETWORK_PODS);
    namesAndServices(cluster);
  });
  await step(4, () => apiServer(cluster));
  await step(5, () => volumes(cluster));
  await step(6, () => hostNetworkAndPorts(cluster));
  await step(7, async () => {
    wayOut(cluster);
    breakWayOut(cluster);
    let last = '';
    await until(() => `another way out: ${last}; ${detailOf(cluster, 'node-1')}; ${detailOf(cluster, 'node-2')}`, () => {
      try {
        wayOut(cluster);
        return true;
      } catch (error) {
        last = describeError(error);
        return false;
      }
    });
  });
  await step(8, async () => {
    hold(cluster);
    const pods = JSON.stringify(cluster.pods());
    await killAgent(cluster, 'node-1');
    await until('all pods answer', async () => (await cluster.answers().catch(() => [])).length === 3);
    must(JSON.stringify(cluster.pods()) === pods, `the same pods as before: ${JSON.stringify(cluster.pods())}`);
    checkHeld(cluster);
  });
  await step(9, async () => {
    const [{ uid } = { uid: '' }] = cluster.pods();
    sendSignal(cluster.containerPid(uid), 'SIGKILL');
    await until('it is restarted', () => cluster.pods().some((pod) => pod.uid === uid && pod.restarts === 1 && pod.ready));
  });
  await step(10, async () => {
    // Who was restarted just now would be waited with.
    const { uid, ip } = cluster.pods().find(({ restarts }) => restarts === 0) ?? { uid: '', ip: '' };
    sendSignal(cluster.sandbox(uid).pause.pid, 'SIGKILL');
    await until('it is there again', () => cluster.pods().some((pod) => pod.uid === uid && pod.ip !== ip && pod.ready));
    await until('all pods answer', async () => (await cluster.answers().catch(() => [])).length === 3);
  });
  await step(11, async () => {
    writeFileSync(join(directory, 'job.yaml'), JOB);
    cluster.podium('apply', '-f', join(directory, 'job.yaml'));
    const statusOf = () => (JSON.parse(cluster.podium('get', 'pod', 'job', '-o', 'json')) as { status: { phase: string; containerStatuses?: { state: { terminated?: { message?: string } } }[] } }).status;
    await until('it has ended', () => statusOf().phase === 'Failed');
    const said = cluster.podium('logs', 'job', '-c', 'side');
    must(said === 'up\ndown\n', `the side car was up before the work, and was told to end behind it: ${said}`);
    const message = statusOf().containerStatuses?.[0]?.state.terminated?.message;
    must(message === 'disk on fire', `last words: ${message}`);
    cluster.podium('delete', 'pod', 'job');
  });
  await step(12, async () => {
    const addressOf = (name: string) => cluster.pods('of=network').find((pod) => pod.name === name)?.ip;
    const lost = ['b', 'port'].map(addressOf);
    sendSignal(cluster.holderPid('node-2'), 'SIGKILL');
    // Its pods have ended with it, and go on in the new one.
    await until('they have other addresses', () => ['b', 'port'].every((name, index) => addressOf(name) !== lost[index]));
    await until('the pods are ready', () => cluster.pods('of=network').filter(({ ready }) => ready).length === NETWORK_PODS);
    await until('pods get out', () => trying(() => wayOut(cluster) === undefined));
    namesAndServices(cluster);
  });
  await step(13, async () => {
    if (process.getuid?.() !== 0) return 'who is not root cannot hide a program';
    runOrFail('nsenter', `--net=/proc/${cluster.holderPid('node-1')}/ns/net`, 'nft', 'delete', 'table', 'ip', 'podium');
    const nft = findTool('nft') ?? '';
    runOrFail('mount', '--bind', '/bin/false', nft);
    try {
      await killAgent(cluster, 'node-1');
      await until('it says so', () => detailOf(cluster, 'node-1').includes('services by proxies in userspace'));
      await until('both pods answer', () => trying(() => answersInside(cluster).join() === 'a,b'));
    } finally {
      runOrFail('umount', nft);
    }
    return undefined;
  });
  await step(14, () => takeDown(cluster, () => missing(census(nodes), before)));
  await step(15, async () => {
    cluster.podium('up', '--detach', '--config', join(directory, 'config.yaml'));
    cluster.podium('apply', '-f', 'cluster-config/examples/hello.yaml');
    const hasBegun = (node: string) => trying(() => readdirSync(join(cluster.dataDir, node, 'pods')).length > 0);
    await until('pods are being made', async () => (await hasBegun('node-1')) || hasBegun('node-2'));
    const { supervisor, parts } = readCluster(cluster.dataDir)!;
    for (const { pid } of [supervisor, ...parts.filter(({ name }) => name.startsWith('node-'))]) sendSignal(pid, 'SIGKILL');
    await takeDown(cluster, () => missing(census(nodes), before));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2] ?? '');
