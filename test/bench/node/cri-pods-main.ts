/**
 * One pod after the other on a node that containerd runs pods for, in namespaces of its own; prints milliseconds as JSON:
 *   node dist/test/bench/node/cri-pods-main.js crun|runc ROUNDS DIRECTORY
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/system-clock.ts';
import { inNamespace, resources } from '../../../src/client/api-client.ts';
import { ChannelApiClient } from '../../../src/client/channel-api-client.ts';
import type { ApiObject } from '../../../src/client/objects.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { BUSYBOX_IMAGE } from '../../agent/runtime/cri/archive.ts';
import { Containerd, ENDPOINT, type OciRuntime } from '../../agent/runtime/cri/containerd.ts';

export interface CriPodTimes {
  /** From the creation of a pod that is bound, as its creator counts, to the news that it runs. */
  readonly runningMs: readonly number[];
}

interface PodObject extends ApiObject {
  readonly spec?: object;
  readonly status?: { readonly phase?: string };
}

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes: [{ name: node-1, port: 10250, runtime: cri, runtimeEndpoint: '${ENDPOINT}' }]
timings: { nodeGraceSeconds: 60 }
`;

async function main([runtime = 'crun', rounds = '10', directory = '']: readonly string[]): Promise<void> {
  const containerd = await Containerd.start(join(directory, 'containerd'), runtime as OciRuntime); // from the bench's own list
  const dataDir = join(directory, 'c');
  writeFileSync(join(directory, 'config.yaml'), CONFIG);
  const podium = (...args: readonly string[]) => spawnSync(process.execPath, ['dist/src/main.js', ...args, '--data-dir', dataDir], { encoding: 'utf8', timeout: 60_000 });
  podium('up', '--detach', '--config', join(directory, 'config.yaml'));
  const pem = (name: string) => readFileSync(join(dataDir, 'pki', name));
  const channel = connectLean({ addresses: ['127.0.0.1:6444'], tls: { ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') } });
  const api = new ChannelApiClient({ channel, fieldManager: 'bench' });
  const ref = inNamespace(resources.pods, 'default');
  const runningMs: number[] = [];
  try {
    for (let round = -1; round < Number(rounds); round++) {
      const name = `pod-${round + 1}`;
      const container = { name: 'main', image: BUSYBOX_IMAGE, command: ['sleep', '1000'] };
      const spec = { nodeName: 'node-1', terminationGracePeriodSeconds: 0, containers: [container] };
      const abort = new AbortController();
      const events = api.watch<PodObject>(ref, { fieldSelector: `metadata.name=${name}`, signal: abort.signal });
      const startMs = systemClock.monotonic();
      await api.create<PodObject>(ref, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec });
      for await (const event of events) if (event.type !== 'BOOKMARK' && event.object.status?.phase === 'Running') break;
      // The first finds nothing prepared: the bridge, what Node.js compiles.
      if (round >= 0) runningMs.push(systemClock.monotonic() - startMs);
      abort.abort();
    }
  } finally {
    channel.close();
    podium('down', '--purge');
    await containerd.kill();
  }
  process.stdout.write(`${JSON.stringify({ runningMs } satisfies CriPodTimes)}\n`);
}

await main(process.argv.slice(2));
