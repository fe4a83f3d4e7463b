/** One pod from bound to running, with containerd. */
import { runNamespaced, whyNotNamespaced } from '../../agent/runtime/namespaced.ts';
import { whyNoContainerd, type OciRuntime } from '../../agent/runtime/cri/containerd.ts';
import { withSpread } from '../report.ts';
import type { CriPodTimes } from './cri-pods-main.ts';
import type { Row } from './node.ts';

const PODS_PER_ROUND = 4;
const RUNTIMES: readonly OciRuntime[] = ['crun', 'runc'];

export async function benchCriPods(rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const runtime of RUNTIMES) {
    const name = `one pod, bound to running, ms: containerd and ${runtime}`;
    const why = process.getuid?.() === 0 ? (whyNotNamespaced({ asUser: false }) ?? whyNoContainerd(runtime)) : 'containerd is measured as root';
    if (why !== undefined) {
      rows.push([name, why, '350']);
      continue;
    }
    const args = [runtime, String(rounds * PODS_PER_ROUND)];
    const { lines, said } = await runNamespaced<CriPodTimes>({ asUser: false, program: 'test/bench/node/cri-pods-main.js', args });
    if (lines[0] === undefined) throw new Error(`containerd and ${runtime}: ${said}`);
    rows.push([name, withSpread(lines[0].runningMs), '350']);
  }
  return rows;
}
