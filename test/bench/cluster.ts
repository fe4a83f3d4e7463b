/** The whole local cluster: how soon it is ready, what it takes while nothing happens, and how soon a pod runs. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { withSession } from '../../src/cli/session.ts';
import { inNamespace, resources, type ApiClient } from '../../src/client/api-client.ts';
import { readCluster } from '../../src/cluster/data-dir.ts';
import type { ApiObject } from '../../src/client/objects.ts';
import { withoutEgress } from '../e2e/cluster.ts';
import { ROOT } from '../processes.ts';
import { cpuMsOf, pssOf } from './memory.ts';
import { max, median, table } from './report.ts';

const IDLE_SECONDS = Number(process.env['PODIUM_BENCH_IDLE_SECONDS'] ?? 60);
const UPS = Number(process.env['PODIUM_BENCH_UPS'] ?? 3);
const PODS = 20;
const UP_TIMEOUT_MS = 60_000;
const POD_TIMEOUT_MS = 30_000;

export async function benchCluster(): Promise<string> {
  const ups: number[] = [];
  for (let round = 1; round < UPS; round++) {
    const cluster = await LocalCluster.up();
    ups.push(cluster.upMs);
    await cluster.down();
  }
  const cluster = await LocalCluster.up();
  ups.push(cluster.upMs);
  try {
    const idle = await cluster.idle();
    const podMs = await cluster.startPods();
    return table([
      ['cluster of cluster-config/local.yaml', 'podium', 'aim'],
      [`podium up, first line to last part ready, median of ${UPS}, ms`, median(ups).toFixed(0), '2000'],
      [`memory of all processes, idle for ${IDLE_SECONDS} s, MiB (PSS)`, idle.mebibytes.toFixed(0), '600'],
      ...idle.parts.map(({ name, mebibytes, percent }) => [`  ${name}`, mebibytes.toFixed(0), `${percent.toFixed(1)} %`]),
      [`processor, ${IDLE_SECONDS} s idle, % of a core`, idle.percent.toFixed(1), '3'],
      [`pod bound → Running, median of ${PODS}, ms`, median(podMs).toFixed(0), '300'],
      [`pod bound → Running, worst of ${PODS}, ms`, max(podMs).toFixed(0), ''],
    ]);
  } finally {
    await cluster.down();
  }
}

interface BenchPod extends ApiObject {
  readonly spec: { readonly nodeName?: string; readonly terminationGracePeriodSeconds: number; readonly containers: readonly unknown[] };
  readonly status?: { readonly phase?: string };
}

interface PartUse {
  readonly name: string;
  readonly mebibytes: number;
  /** Of a core. */
  readonly percent: number;
}

class LocalCluster {
  readonly upMs: number;
  readonly #dataDir: string;
  readonly #stop: () => Promise<void>;

  private constructor(dataDir: string, upMs: number, stop: () => Promise<void>) {
    this.#dataDir = dataDir;
    this.upMs = upMs;
    this.#stop = stop;
  }

  /** In the foreground, as a person starts it. */
  static async up(): Promise<LocalCluster> {
    const dataDir = mkdtempSync(join(tmpdir(), 'podium-bench-'));
    const portBase = String(2500 + (process.pid % 500));
    const startedAt = systemClock.monotonic();
    const config = join(dataDir, 'config.yaml');
    writeFileSync(config, withoutEgress());
    const args = [join(ROOT, 'dist', 'src', 'main.js'), 'up', '--data-dir', dataDir, '--port-base', portBase, '--config', config];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const stop = async () => {
      child.kill('SIGINT');
      await gone;
      rmSync(dataDir, { recursive: true, force: true });
    };
    let output = '';
    const ready = new Promise<void>((resolve, reject) => {
      const hear = (part: Buffer) => {
        output += part.toString();
        if (/ is ready: \d+ parts/.test(output)) resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', () => reject(new Error(`podium up ended:\n${output}`)));
      setTimeout(() => reject(new Error(`podium up was not ready in time:\n${output}`)), UP_TIMEOUT_MS).unref();
    });
    try {
      await ready;
    } catch (error) {
      await stop();
      throw error;
    }
    const upMs = systemClock.monotonic() - startedAt;
    process.stderr.write(`  podium up: ${upMs.toFixed(0)} ms\n`);
    return new LocalCluster(dataDir, upMs, stop);
  }

  down(): Promise<void> {
    return this.#stop();
  }

  async idle(): Promise<{ readonly mebibytes: number; readonly percent: number; readonly parts: readonly PartUse[] }> {
    const { parts, supervisor } = readCluster(this.#dataDir)!;
    const processes = [...parts, { name: 'supervisor', pid: supervisor.pid }];
    // What starting cost is over by then.
    await sleep(systemClock, (IDLE_SECONDS * 1000) / 4);
    const before = processes.map(({ pid }) => cpuMsOf(pid));
    const startedAt = systemClock.monotonic();
    await sleep(systemClock, IDLE_SECONDS * 1000);
    const ms = systemClock.monotonic() - startedAt;
    const uses = processes.map(({ name, pid }, at) => ({
      name,
      mebibytes: pssOf(pid),
      percent: (100 * (cpuMsOf(pid) - before[at]!)) / ms,
    }));
    return {
      mebibytes: uses.reduce((sum, use) => sum + use.mebibytes, 0),
      percent: uses.reduce((sum, use) => sum + use.percent, 0),
      parts: uses,
    };
  }

  /** Milliseconds from the event that says a pod is bound to the one that says it runs, one pod after the other. */
  async startPods(): Promise<number[]> {
    const times: number[] = [];
    await withSession({ dataDir: this.#dataDir, signal: AbortSignal.timeout(PODS * POD_TIMEOUT_MS) }, async ({ api }) => {
      for (let number = 0; number < PODS; number++) times.push(await startPod(api, `bench-${number}`));
      return 0;
    });
    return times;
  }
}

async function startPod(api: ApiClient, name: string): Promise<number> {
  const pods = inNamespace(resources.pods, 'default');
  const { resourceVersion } = await api.list<BenchPod>(pods);
  await api.create<BenchPod>(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'podium.dev/host', command: ['sleep', '1000'] }],
    },
  });
  let boundAt: number | undefined;
  const signal = AbortSignal.timeout(POD_TIMEOUT_MS);
  for await (const event of api.watch<BenchPod>(pods, { resourceVersion, fieldSelector: `metadata.name=${name}`, signal })) {
    if (event.type === 'BOOKMARK') continue;
    if (event.object.spec.nodeName !== undefined) boundAt ??= systemClock.monotonic();
    if (event.object.status?.phase !== 'Running') continue;
    const ms = systemClock.monotonic() - (boundAt ?? systemClock.monotonic());
    process.stderr.write(`  ${name}: bound → Running ${ms.toFixed(0)} ms\n`);
    await api.delete<BenchPod>(pods, name, { gracePeriodSeconds: 0 });
    return ms;
  }
  throw new Error(`${name} did not run`);
}
