/** podium.node.v1, which the agent serves for the API server and for debugging: logs, connections, usage, and what runs. */
import type { Clock } from '../base/clock.ts';
import { Node as NodeService, type LogsRequest, type PodState } from '../proto/node.ts';
import { RpcCode, RpcError, bind, type BoundService, type CallContext } from '../proto/rpc.ts';
import { logTarget } from './core/log-target.ts';
import { containersOf, type AgentPod } from './core/pod-spec.ts';
import { localUid } from './core/static-pods.ts';
import type { NodeStats } from './node-stats.ts';
import type { PodStreams } from './pod-streams.ts';
import type { PodWorkers } from './pod-workers.ts';
import { RuntimeError, type ContainerRecord, type Runtime } from './runtime/runtime.ts';

export interface NodeServiceOptions {
  readonly node: string;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly stats: NodeStats;
  readonly streams: PodStreams;
  /** undefined: it is not on this node. */
  readonly podOf: (namespace: string, name: string) => AgentPod | undefined;
  readonly workers: PodWorkers;
  /** The agent stops. */
  readonly signal: AbortSignal;
}

export function nodeService(options: NodeServiceOptions): BoundService {
  const { stats, streams } = options;
  return bind(NodeService, {
    logs: (request, context) => logs(options, request, context),
    listPods: async () => ({ pods: await podStates(options) }),
    stats: () => stats.answer(),
    exec: (inputs, context) => streams.exec(inputs, context),
    attach: (inputs, context) => streams.attach(inputs, context),
    portForward: (inputs, context) => streams.portForward(inputs, context),
  });
}

async function* logs(options: NodeServiceOptions, request: LogsRequest, { signal }: CallContext): AsyncGenerator<{ data: Uint8Array }> {
  const { runtime, clock } = options;
  const record = await findContainer(options, request);
  const sinceMs = request.sinceTime !== '' ? Date.parse(request.sinceTime) : undefined;
  if (sinceMs !== undefined && Number.isNaN(sinceMs)) {
    throw new RpcError(RpcCode.INVALID_ARGUMENT, `sinceTime ${request.sinceTime} is not an RFC 3339 time`);
  }
  const { follow, timestamps, tailLines, limitBytes, sinceSeconds } = request;
  const since = sinceMs ?? (sinceSeconds === undefined ? undefined : clock.wall() - 1000 * sinceSeconds);
  const ending = AbortSignal.any([signal, options.signal]);
  try {
    for await (const data of runtime.logs(record.id, { follow, timestamps, tailLines, limitBytes, sinceMs: since, signal: ending })) yield { data };
  } catch (error) {
    if (error instanceof RuntimeError) throw new RpcError(RpcCode.NOT_FOUND, error.message, { cause: error });
    throw error;
  }
}

async function findContainer({ node, podOf, runtime, workers }: NodeServiceOptions, { namespace, pod: name, uid, container, previous }: LogsRequest): Promise<ContainerRecord> {
  const pod = podOf(namespace, name);
  if (pod === undefined || (uid !== '' && pod.metadata.uid !== uid)) {
    throw new RpcError(RpcCode.NOT_FOUND, `pod ${namespace}/${name} is not on node ${node}`);
  }
  const all = containersOf(pod);
  const byDefault = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? all[0]?.name ?? '';
  const wanted = container === '' ? byDefault : container;
  if (!all.some((one) => one.name === wanted)) {
    throw new RpcError(RpcCode.INVALID_ARGUMENT, `container ${wanted} is not valid for pod ${name}`);
  }
  const records = await runtime.listContainers(localUid(pod));
  // A worker knows sooner than the API server how its pod is.
  const target = logTarget(records, { pod: { ...pod, status: workers.get(localUid(pod))?.pod.status ?? pod.status ?? {} }, container: wanted, previous });
  if (target.ok) return target.record;
  throw new RpcError(RpcCode.INVALID_ARGUMENT, target.message);
}

async function podStates({ runtime, workers }: NodeServiceOptions): Promise<PodState[]> {
  const sandboxes = new Map((await runtime.listPodSandboxes()).map((one) => [one.id, one]));
  const states: PodState[] = [];
  for (const uid of workers.uids) {
    // It may have gone while others were looked at.
    const pod = workers.get(uid)?.pod;
    if (pod === undefined) continue;
    const records = await runtime.listContainers(uid);
    states.push({
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name,
      uid,
      phase: pod.status?.phase ?? 'Pending',
      ip: sandboxes.get(uid)?.ip ?? '',
      containers: records.map(({ name, state, pid = 0, attempt, exitCode, reason = '' }) => ({
        name,
        state: state === 'exited' ? 'terminated' : state === 'created' ? 'waiting' : 'running',
        pid,
        restarts: attempt,
        exitCode,
        reason,
      })),
    });
  }
  return states;
}
