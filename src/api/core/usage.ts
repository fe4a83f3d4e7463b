/** `NodeMetrics` and `PodMetrics` from what a node's agent has measured. The texts of amounts are metrics-server's. */
import { formatTime, type Millis } from '../../base/clock.ts';
import { formatBytes, formatQuantity } from '../../kube/quantity.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import type { KubeObject, ObjectMeta } from '../../kube/types.ts';
import type { PodStats, Usage } from '../../proto/node.ts';
import type { Kind } from '../kinds/kind.ts';
import { nodeMetrics, podMetrics } from '../kinds/metrics.ts';

export function nodeMetricsOf(node: KubeObject, usage: Usage, wallMs: Millis): KubeObject {
  return { ...headOf(nodeMetrics, node, wallMs), ...spanOf([usage]), usage: amountsOf(usage) };
}

/** undefined: nothing of it has been measured. */
export function podMetricsOf(pod: KubeObject, stats: PodStats | undefined, wallMs: Millis): KubeObject | undefined {
  // A pod of the same name may have been there before.
  if (stats === undefined || stats.uid !== pod.metadata.uid) return undefined;
  const measured = stats.containers.flatMap(({ name, usage }) => (usage === undefined ? [] : [{ name, usage }]));
  if (measured.length === 0) return undefined;
  const containers = measured.map(({ name, usage }) => ({ name, usage: amountsOf(usage) }));
  return { ...headOf(podMetrics, pod, wallMs), ...spanOf(measured.map(({ usage }) => usage)), containers };
}

function headOf({ info }: Kind, { metadata }: KubeObject, wallMs: Millis): Pick<KubeObject, 'kind' | 'apiVersion' | 'metadata'> {
  const { name, namespace, labels } = metadata;
  const own: ObjectMeta = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    creationTimestamp: formatTime(wallMs),
    ...(labels === undefined ? {} : { labels }),
  };
  return { kind: info.kind, apiVersion: apiVersionOf(info), metadata: own };
}

/** Of the one that was measured first. */
function spanOf(usages: readonly Usage[]): { readonly timestamp: string; readonly window: string } {
  const first = usages.reduce((one, other) => (other.atMs < one.atMs ? other : one));
  return { timestamp: formatTime(first.atMs), window: formatDuration(first.windowMs) };
}

function amountsOf({ cpuNanoCores, memoryBytes }: Usage): { readonly cpu: string; readonly memory: string } {
  return { cpu: formatQuantity(BigInt(cpuNanoCores)), memory: formatBytes(BigInt(memoryBytes)) };
}

/** As Go prints a duration: `15.04s`, `1m0s`. */
export function formatDuration(ms: Millis): string {
  if (ms < 1_000) return ms === 0 ? '0s' : `${ms}ms`;
  const [hours, minutes, seconds] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, (ms % 60_000) / 1_000];
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}
