/** Pods from bound to running: one after the other, and many at once. */
import { runNamespaced, whyNotNamespaced } from '../../agent/runtime/namespaced.ts';
import { whyNoContainerd } from '../../agent/runtime/cri/containerd.ts';
import { withSpread } from '../report.ts';
import type { Row } from './node.ts';
import type { PodKind, PodTimes } from './pods-main.ts';

const PODS_PER_ROUND = 4;
const MIB = 1024 * 1024;
const KINDS: readonly { readonly kind: PodKind; readonly name: string; readonly aimMs: string; readonly manyAimMs: string }[] = [
  { kind: 'linux', name: 'linux', aimMs: '120', manyAimMs: '4,000' },
  { kind: 'process', name: 'process', aimMs: '120', manyAimMs: '' },
  { kind: 'crun', name: 'containerd and crun', aimMs: '350', manyAimMs: '' },
  { kind: 'runc', name: 'containerd and runc', aimMs: '350', manyAimMs: '' },
];

function whyNot(kind: PodKind): string | undefined {
  const why = whyNotNamespaced({ asUser: false });
  if (why !== undefined || kind === 'linux' || kind === 'process') return why;
  return process.getuid?.() === 0 ? whyNoContainerd(kind) : 'containerd is measured as root';
}

export async function benchPods(rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { kind, name, aimMs, manyAimMs } of KINDS) {
    const title = `one pod, bound to running, ms: ${name}`;
    const why = whyNot(kind);
    if (why !== undefined) {
      rows.push([title, why, aimMs]);
      continue;
    }
    const { lines, said } = await runNamespaced<PodTimes>({ asUser: false, program: 'test/bench/node/pods-main.js', args: [kind, String(rounds * PODS_PER_ROUND)] });
    const [times] = lines;
    if (times === undefined) throw new Error(`${name}: ${said}`);
    const { runningMs, manyMs, agentBytes } = times;
    rows.push([title, withSpread(runningMs), aimMs], ['  50 at once, all running, ms', manyMs.toFixed(0), manyAimMs]);
    rows.push(['  the agent then, both its processes, PSS, MiB', agentBytes === null ? 'not found' : (agentBytes / MIB).toFixed(0), '90']);
  }
  return rows;
}
