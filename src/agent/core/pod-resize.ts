/**
 * Limits and requests that change while a pod runs (`pods/resize`): whether the node can give what is wanted, how each
 * container gets it, and what is said of it. Pure. What was given last is in the pod's status (`allocatedResources`),
 * what limits a container now in the runtime's record, so that an agent that restarts goes on.
 */
import { parseQuantity } from '../../kube/quantity.ts';
import type { Condition } from '../../client/objects.ts';
import type { ContainerRecord, ContainerResources } from '../runtime/runtime.ts';
import { requestsOf } from './admission.ts';
import { containerResources } from './container-demands.ts';
import { knownStatus, type Planner, type Reason, type ResizeState } from './pod-plan.ts';
import { isSidecar, type AgentContainer, type AgentContainerStatus, type AgentPod, type ResourceAmounts } from './pod-spec.ts';

const DEFERRED_RETRY_MS = 10_000;
const RESIZABLE = ['cpu', 'memory'] as const;

/** Those that may be resized: init containers that end run once, with what they were given. */
function resizable({ spec }: AgentPod): AgentContainer[] {
  return [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)];
}

export function planResize(planner: Planner): ResizeState {
  const { pod, resizing } = planner.input;
  const changed = resizable(pod).filter((container) => isChanged(planner, container));
  if (changed.length === 0) return {};
  const pending = whyNot(planner);
  // What others give back is not told of.
  if (pending?.reason === 'Deferred') planner.wakeIn(DEFERRED_RETRY_MS);
  if (pending !== undefined) return { pending };
  let isInProgress = false;
  const errors: string[] = [];
  for (const container of changed) {
    const record = planner.latest.get(container.name);
    if (record?.state !== 'running' || isApplied(planner, record, container)) continue;
    isInProgress = true;
    const error = resizing.failures.get(record.id);
    if (error !== undefined) errors.push(`${container.name}: ${error}`);
    apply(planner, container, record);
  }
  if (!isInProgress) return {};
  return { inProgress: { error: errors.length === 0 ? undefined : errors.join('; ') } };
}

function apply(planner: Planner, container: AgentContainer, record: ContainerRecord): void {
  const { id, name } = record;
  if (!mustRestart(planner, container, record)) {
    const resources = containerResources(container);
    const { memoryLimitBytes = Infinity } = limitsOf(planner, record, container);
    planner.actions.push({ kind: 'resize-container', id, resources, needsMore: (resources.memoryLimitBytes ?? Infinity) > memoryLimitBytes });
    return;
  }
  const graceMs = 1000 * (planner.input.pod.spec.terminationGracePeriodSeconds ?? 30);
  planner.actions.push({ kind: 'stop-container', id, name, graceMs, why: `Container ${name} resize requires restart` });
}

/** Another amount than it has was asked for. */
function isChanged(planner: Planner, container: AgentContainer): boolean {
  const record = planner.latest.get(container.name);
  if (record?.state === 'running' && !isApplied(planner, record, container)) return true;
  const { allocatedResources } = knownStatus(planner.input.pod, container.name) ?? {};
  return allocatedResources !== undefined && RESIZABLE.some((name) => amount(allocatedResources[name]) !== amount(requestsFor(container)[name]));
}

function isApplied(planner: Planner, record: ContainerRecord, container: AgentContainer): boolean {
  const now = limitsOf(planner, record, container);
  const wanted = containerResources(container);
  return (['cpuRequestMilli', 'cpuLimitMilli', 'memoryLimitBytes'] as const).every((name) => now[name] === wanted[name]);
}

/** What limits it now. A runtime that does not tell has done what it was told, and what was said of it in the status. */
function limitsOf({ input }: Planner, { id, resources }: ContainerRecord, container: AgentContainer): ContainerResources {
  const said = knownStatus(input.pod, container.name)?.resources;
  return resources ?? input.resizing.applied.get(id) ?? containerResources(said === undefined ? container : { ...container, resources: said });
}

function mustRestart(planner: Planner, container: AgentContainer, record: ContainerRecord): boolean {
  const { resizePolicy = [] } = container;
  const now = limitsOf(planner, record, container);
  const wanted = containerResources(container);
  const isCpu = now.cpuRequestMilli !== wanted.cpuRequestMilli || now.cpuLimitMilli !== wanted.cpuLimitMilli;
  const isMemory = now.memoryLimitBytes !== wanted.memoryLimitBytes;
  const restarts = (name: string) => resizePolicy.some(({ resourceName, restartPolicy }) => resourceName === name && restartPolicy === 'RestartContainer');
  return (isCpu && restarts('cpu')) || (isMemory && restarts('memory'));
}

function whyNot({ input }: Planner): Reason | undefined {
  const { pod, resizing, runtimeName } = input;
  const { allocatable, others, canResize } = resizing;
  if (!canResize) return { reason: 'Infeasible', message: `In-place resize of containers is not supported by the ${runtimeName} runtime` };
  const wanted = requestsOf(pod);
  const used = others();
  for (const [resource, name] of [['cpu', 'milliCpu'], ['memory', 'memoryBytes']] as const) {
    if (wanted[name] === 0n) continue;
    if (wanted[name] > allocatable[name]) {
      return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${resource}, requested: ${wanted[name]}, capacity: ${allocatable[name]}` };
    }
    if (used[name] + wanted[name] > allocatable[name]) {
      return { reason: 'Deferred', message: `Node didn't have enough resource: ${resource}, requested: ${wanted[name]}, used: ${used[name]}, capacity: ${allocatable[name]}` };
    }
  }
  return undefined;
}

/** A container that restarts while the node cannot give more goes on with what it had. */
export function resourcesToStartWith(planner: Planner, container: AgentContainer): ContainerResources | undefined {
  const record = planner.latest.get(container.name);
  return planner.resize.pending === undefined || record === undefined ? undefined : limitsOf(planner, record, container);
}

/** What the container was given, and what limits it. */
export function statusResources(planner: Planner, container: AgentContainer): Pick<AgentContainerStatus, 'allocatedResources' | 'resources'> {
  const { pod } = planner.input;
  const { pending, inProgress } = planner.resize;
  const known = knownStatus(pod, container.name);
  const limits = container.resources?.limits;
  const wanted: ResourceAmounts = { ...(limits === undefined ? {} : { limits }), requests: requestsFor(container) };
  const isNone = Object.keys(limits ?? {}).length + Object.keys(requestsFor(container)).length === 0;
  const resources = pending !== undefined || inProgress !== undefined ? (known?.resources ?? wanted) : wanted;
  const allocated = pending !== undefined ? (known?.allocatedResources ?? requestsFor(container)) : requestsFor(container);
  if (isNone) return { resources: {} };
  return { ...(Object.keys(allocated).length === 0 ? {} : { allocatedResources: allocated }), resources };
}

export function resizeConditions({ resize }: Planner): Pick<Condition, 'type' | 'status' | 'reason' | 'message'>[] {
  const { pending, inProgress } = resize;
  const error = inProgress?.error;
  return [
    ...(pending === undefined ? [] : [{ type: 'PodResizePending', status: 'True', ...pending }]),
    ...(inProgress === undefined ? [] : [{ type: 'PodResizeInProgress', status: 'True', ...(error === undefined ? {} : { reason: 'Error', message: error }) }]),
  ] as const;
}

/** What is wanted of the node, for events. */
export function describeResize(pod: AgentPod, error?: string): string {
  const containers = resizable(pod).map(({ name, resources }) => ({ name, resources: { limits: resources?.limits, requests: resources?.requests } }));
  return JSON.stringify({ containers, generation: pod.metadata.generation, error });
}

/** A limit without a request is the request. */
function requestsFor({ resources }: AgentContainer): Readonly<Record<string, string>> {
  return { ...resources?.limits, ...resources?.requests };
}

function amount(text: string | undefined): bigint {
  return parseQuantity(text ?? '0') ?? 0n;
}
