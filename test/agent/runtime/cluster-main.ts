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
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { census, missing } from './census.ts';

export interface Step {
  readonly step: string;
  /** What went wrong. */
  readonly failure?: string;
  readonly ms?: number;
}

export const STEPS = [
  'podium up starts two nodes, and auto is linux',
  'a deployment is rolled out, and its pods have addresses of their nodes',
  'all of its pods answer on the NodePort of the machine',
  'an agent that is killed comes back to the same pods',
  'a container that is killed is restarted in its pod',
  'a pod whose sandbox is killed goes on in another one, with another address',
  'podium down --purge leaves nothing behind',
] as const;

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes:
  - { name: node-1, port: 10250, runtime: auto }
  - { name: node-2, port: 10251, runtime: auto }
# An agent that is late on a busy machine is not a lost one.
timings: { nodeGraceSeconds: 60 }
`;
const DEADLINE_MS = 60_000;
const NODE_PORT = 30_080;

class Cluster {
  readonly dataDir: string;

  constructor(directory: string) {
    this.dataDir = join(directory, 'c');
  }

  podium(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/src/main.js', ...args, '--data-dir', this.dataDir], { encoding: 'utf8', timeout: DEADLINE_MS });
    if (status !== 0) throw new Error(`podium ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Names, addresses, uids and restarts of the pods. */
  pods(): readonly { readonly name: string; readonly ip: string; readonly uid: string; readonly restarts: number; readonly ready: boolean }[] {
    const { items } = JSON.parse(this.podium('get', 'pods', '-o', 'json')) as {
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

async function until(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  for (const start = systemClock.monotonic(); systemClock.monotonic() - start < DEADLINE_MS; await new Promise<void>((go) => systemClock.setTimer(50, go))) {
    if (await probe()) return;
  }
  throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function run(directory: string): Promise<void> {
  const cluster = new Cluster(directory);
  const nodes = ['node-1', 'node-2'].map((name) => join(cluster.dataDir, name));
  const before = census(nodes);
  const step = async (index: number, work: () => void | Promise<void>): Promise<void> => {
    const start = systemClock.monotonic();
    const failure = await Promise.resolve()
      .then(work)
      .then(() => undefined, (error: unknown) => describeError(error));
    const ms = Math.round(systemClock.monotonic() - start);
    process.stdout.write(`${JSON.stringify({ step: STEPS[index]!, ms, ...(failure === undefined ? {} : { failure }) } satisfies Step)}\n`);
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
    const pods = JSON.stringify(cluster.pods());
    const agent = readCluster(cluster.dataDir)?.parts.find(({ name }) => name === 'node-1')?.pid ?? 0;
    sendSignal(agent, 'SIGKILL');
    await until('the agent is back', () => cluster.podium('get', 'node', 'node-1').includes('Ready') && readCluster(cluster.dataDir)?.parts.some(({ name, pid }) => name === 'node-1' && pid !== agent && pid !== 0) === true);
    await until('all pods answer', async () => (await cluster.answers().catch(() => [])).length === 3);
    must(JSON.stringify(cluster.pods()) === pods, `the same pods as before: ${JSON.stringify(cluster.pods())}`);
  });
  await step(4, async () => {
    const [{ uid } = { uid: '' }] = cluster.pods();
    sendSignal(cluster.containerPid(uid), 'SIGKILL');
    await until('it is restarted', () => cluster.pods().some((pod) => pod.uid === uid && pod.restarts === 1 && pod.ready));
  });
  await step(5, async () => {
    // Who was restarted just now would be waited with.
    const { uid, ip } = cluster.pods().find(({ restarts }) => restarts === 0) ?? { uid: '', ip: '' };
    sendSignal(cluster.sandbox(uid).pause.pid, 'SIGKILL');
    await until('it is there again', () => cluster.pods().some((pod) => pod.uid === uid && pod.ip !== ip && pod.ready));
    await until('all pods answer', async () => (await cluster.answers().catch(() => [])).length === 3);
  });
  await step(6, async () => {
    cluster.podium('down', '--purge');
    let left: readonly string[] = [];
    await until('nothing is left', () => (left = missing(census(nodes), before)).length === 0).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${left.join('\n')}`);
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2] ?? '');
