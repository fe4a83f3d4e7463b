/**
 * What follows from a node's silence, or from its own word that it is not ready: conditions become Unknown, taints keep
 * new pods away, its pods are told not ready (so that Services let go of them), and after a while they are evicted. A
 * pod whose node is gone for long is removed without the node's word, which will not come.
 *
 * Nobody is evicted while no node at all is heard: then it is we who are cut off.
 */
import { formatTime, type Millis } from '../../base/clock.ts';
import { isTolerated, tolerates } from '../../client/core/taints.ts';
import { conditionOf, type Condition, type Node, type Pod, type PodStatus, type Taint } from '../../client/objects.ts';
import { equalJson } from '../../kube/types.ts';
import type { ControllerConfig } from '../context.ts';
import { isDeleting, isFinished, isReady, plan, soonest, timeOf, type Plan } from '../plan.ts';

export type NodeAction =
  | { readonly kind: 'set-conditions'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'set-taints'; readonly taints: readonly Taint[] }
  | { readonly kind: 'set-pod-status'; readonly pod: Pod; readonly status: PodStatus }
  | { readonly kind: 'evict-pod'; readonly pod: Pod }
  | { readonly kind: 'remove-pod'; readonly pod: Pod };

export interface NodeInput {
  readonly node: Node;
  readonly pods: readonly Pod[];
  /** Since the node last gave a sign, by the controller's own monotonic clock. */
  readonly silentForMs: Millis;
  /** For how long the node has not been ready, by the same clock; 0 if it is. */
  readonly notReadyForMs: Millis;
  /** Some node is heard. */
  readonly isAnyNodeHeard: boolean;
  readonly config: ControllerConfig;
}

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
const OURS: readonly string[] = [NOT_READY, UNREACHABLE, UNSCHEDULABLE];
const WATCHED_CONDITIONS: readonly string[] = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function planNode(input: NodeInput, nowMs: Millis): Plan<NodeAction> {
  const { node, pods, config } = input;
  const actions: NodeAction[] = [];
  const conditions = conditionsOf(input, nowMs);
  if (!equalJson(conditions, node.status?.conditions ?? [])) actions.push({ kind: 'set-conditions', conditions });
  const ready = conditionOf(conditions, 'Ready')?.status ?? 'Unknown';
  const taints = taintsOf(node, ready, nowMs);
  if (!equalJson(taints, node.spec?.taints ?? [])) actions.push({ kind: 'set-taints', taints });
  if (ready !== 'True') {
    for (const pod of pods) {
      if (isReady(pod)) actions.push({ kind: 'set-pod-status', pod, status: notReady(pod, nowMs) });
    }
  }
  const noExecute = taints.filter(({ effect }) => effect === 'NoExecute');
  const delays: (Millis | undefined)[] = [];
  for (const pod of pods) {
    if (isDeleting(pod)) {
      const isLost = ready !== 'True' && input.silentForMs > config.nodeMonitorGraceMs;
      const leftMs = timeOf(pod.metadata.deletionTimestamp) + config.podForceDeleteMs - nowMs;
      if (!isLost || !input.isAnyNodeHeard) continue;
      if (leftMs <= 0) actions.push({ kind: 'remove-pod', pod });
      else delays.push(leftMs);
    } else if (!isFinished(pod) && noExecute.length > 0) {
      const leftMs = evictionDelay(pod, noExecute, config) - input.notReadyForMs;
      if (leftMs === Infinity) continue;
      if (leftMs > 0) delays.push(leftMs);
      else if (input.isAnyNodeHeard) actions.push({ kind: 'evict-pod', pod });
    }
  }
  return plan(actions, soonest(delays));
}

function conditionsOf({ node, silentForMs, config }: NodeInput, nowMs: Millis): readonly Condition[] {
  const known = node.status?.conditions ?? [];
  if (silentForMs <= config.nodeMonitorGraceMs) return known;
  const now = formatTime(nowMs);
  const unknown = (type: string): Condition => ({
    ...conditionOf(known, type),
    type,
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastTransitionTime: now,
  });
  const updated = known.map((condition) =>
    WATCHED_CONDITIONS.includes(condition.type) && condition.status !== 'Unknown' ? unknown(condition.type) : condition,
  );
  return conditionOf(known, 'Ready') === undefined ? [...updated, unknown('Ready')] : updated;
}

/** The node's taints, ours set anew by what is true now; one that stays keeps the time at which it came. */
function taintsOf(node: Node, ready: string, nowMs: Millis): readonly Taint[] {
  const known = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  const key = ready === 'True' ? undefined : ready === 'Unknown' ? UNREACHABLE : NOT_READY;
  if (key !== undefined) wanted.push({ key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' });
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  const ours = wanted.map(
    (taint) =>
      known.find((each) => each.key === taint.key && each.effect === taint.effect) ??
      (taint.effect === 'NoExecute' ? { ...taint, timeAdded: formatTime(nowMs) } : taint),
  );
  return [...known.filter((taint) => !OURS.includes(taint.key)), ...ours];
}

function notReady(pod: Pod, nowMs: Millis): PodStatus {
  const conditions = (pod.status?.conditions ?? []).map((condition) =>
    condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime: formatTime(nowMs) } : condition,
  );
  return { ...pod.status, conditions };
}

/** How long a pod stays on a node with these taints; Infinity: for good. */
function evictionDelay(pod: Pod, taints: readonly Taint[], config: ControllerConfig): Millis {
  let delayMs = Infinity;
  for (const taint of taints) {
    const tolerations = pod.spec.tolerations ?? [];
    if (!isTolerated(taint, tolerations)) {
      const isOurs = taint.key === NOT_READY || taint.key === UNREACHABLE;
      delayMs = Math.min(delayMs, isOurs ? config.podEvictionMs : 0);
      continue;
    }
    const limits = tolerations
      .filter((toleration) => tolerates(toleration, taint) && toleration.tolerationSeconds !== undefined)
      .map(({ tolerationSeconds = 0 }) => Math.max(0, tolerationSeconds) * 1000);
    delayMs = Math.min(delayMs, ...limits);
  }
  return delayMs;
}
