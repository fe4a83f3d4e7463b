/**
 * Pods on a node of a cluster of its own, in namespaces of its own: one after the other, then many at once; prints
 * milliseconds and bytes as JSON:
 *   node dist/test/bench/node/pods-main.js linux|process|crun|runc ROUNDS DIRECTORY
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/system-clock.ts';
import { inNamespace, resources } from '../../../src/client/api-client.ts';
import { ChannelApiClient } from '../../../src/client/channel-api-client.ts';
import type { ApiObject } from '../../../src/client/objects.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { BUSYBOX_IMAGE } from '../../agent/runtime/cri/archive.ts';
import { Containerd, ENDPOINT, type OciRuntime } from '../../agent/runtime/cri/containerd.ts';

/** A runtime of our own, or what containerd starts containers with. */
export type PodKind = 'linux' | 'process' | OciRuntime;

export interface PodTimes {
  /** From the creation of a pod that is bound, as its creator counts, to the news that it runs. */
  readonly runningMs: readonly number[];
  /** The same of the last of `MANY_PODS` that are created at once. */
  readonly manyMs: number;
  /** Then: the agent's own memory, all its processes. Null: it was not found. */
  readonly agentBytes: number | null;
}

export const MANY_PODS = 50;

interface PodObject extends ApiObject {
  readonly spec?: object;
  readonly status?: { readonly phase?: string };
}

function configOf(kind: PodKind): string {
  const runtime = kind === 'linux' || kind === 'process' ? `runtime: ${kind}` : `runtime: cri, runtimeEndpoint: '${ENDPOINT}'`;
  return `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes: [{ name: node-1, port: 10250, pods: 110, ${runtime} }]
network: { egress: none }
timings: { nodeGraceSeconds: 60 }
`;
}

/** The agent of node-1 and what it is made of, without what watches over containers, which is there for them. */
function agentBytes(): number | null {
  let bytes: number | null = null;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const isAgent = words.includes('node') && words.some((word) => word.includes('node-1'));
      if (!isAgent && !words.some((word) => word.endsWith('/inner-main.js'))) continue;
      const [, kib = '0'] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
      bytes = (bytes ?? 0) + Number(kib) * 1024;
    } catch {
      // It has gone.
    }
  }
  return bytes;
}

class PodBench {
  readonly #api: ChannelApiClient;
  readonly #ref = inNamespace(resources.pods, 'default');
  readonly #image: string;

  constructor(api: ChannelApiClient, image: string) {
    this.#api = api;
    this.#image = image;
  }

  /** Milliseconds. */
  async start(names: readonly string[]): Promise<number> {
    const abort = new AbortController();
    const waiting = new Set(names);
    const events = this.#api.watch<PodObject>(this.#ref, { signal: abort.signal });
    const startMs = systemClock.monotonic();
    await Promise.all(names.map((name) => this.#create(name)));
    for await (const event of events) {
      if (event.type !== 'BOOKMARK' && event.object.status?.phase === 'Running') waiting.delete(event.object.metadata.name ?? '');
      if (waiting.size === 0) break;
    }
    abort.abort();
    return systemClock.monotonic() - startMs;
  }

  async #create(name: string): Promise<void> {
    const container = { name: 'main', image: this.#image, command: ['sleep', '1000'] };
    const spec = { nodeName: 'node-1', terminationGracePeriodSeconds: 0, containers: [container] };
    await this.#api.create<PodObject>(this.#ref, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec });
  }
}

async function main([kind = 'linux', rounds = '10', directory = '']: readonly string[]): Promise<void> {
  const isOwn = kind === 'linux' || kind === 'process';
  const containerd = isOwn ? undefined : await Containerd.start(join(directory, 'containerd'), kind as OciRuntime); // from the bench's own list
  const dataDir = join(directory, 'c');
  writeFileSync(join(directory, 'config.yaml'), configOf(kind as PodKind)); // as above
  const podium = (...args: readonly string[]) => spawnSync(process.execPath, ['dist/src/main.js', ...args, '--data-dir', dataDir], { encoding: 'utf8', timeout: 60_000 });
  const up = podium('up', '--detach', '--config', join(directory, 'config.yaml'));
  if (up.status !== 0) throw new Error(`${up.stdout}${up.stderr}`);
  const pem = (name: string) => readFileSync(join(dataDir, 'pki', name));
  const channel = connectLean({ addresses: ['127.0.0.1:6444'], tls: { ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') } });
  const bench = new PodBench(new ChannelApiClient({ channel, fieldManager: 'bench' }), isOwn ? 'podium.dev/host' : BUSYBOX_IMAGE);
  const runningMs: number[] = [];
  let times: PodTimes;
  try {
    // The first finds nothing prepared: the bridge, what Node.js compiles.
    await bench.start(['first']);
    for (let round = 0; round < Number(rounds); round++) runningMs.push(await bench.start([`pod-${round}`]));
    const manyMs = await bench.start(Array.from({ length: MANY_PODS }, (_, index) => `many-${index}`));
    times = { runningMs, manyMs, agentBytes: agentBytes() };
  } finally {
    channel.close();
    podium('down', '--purge');
    await containerd?.kill();
  }
  process.stdout.write(`${JSON.stringify(times)}\n`);
}

await main(process.argv.slice(2));
