/** How a pod is, in a word: for kubectl's tables and for our own command line. */
import type { ContainerStatus, Pod, PodSpec, PodStatus } from 'kubernetes-types/core/v1.js';

interface PodLike {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly [field: string]: unknown;
}

/** The word in the STATUS column: the most telling reason among the phase and the containers. */
export function podReason(object: PodLike): string {
  const { metadata, spec, status = {} } = object as Pod; // what a server sends as a pod is one
  let reason: string = status.reason || status.phase || '';
  const gated = status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (gated?.reason === 'SchedulingGated') reason = 'SchedulingGated';
  // Once initialized a pod stays so, though a side car of it is restarted.
  const isInitialized = status.conditions?.some(({ type, status: value }) => type === 'Initialized' && value === 'True') === true;
  const initial = isInitialized ? undefined : initReason(status, spec);
  if (initial !== undefined) reason = initial;
  else reason = mainReason(status, reason);
  if (metadata?.deletionTimestamp === undefined) return reason;
  if (status.reason === 'NodeLost') return 'Unknown';
  return status.phase === 'Succeeded' || status.phase === 'Failed' ? reason : 'Terminating';
}

function initReason(status: PodStatus, spec: PodSpec | undefined): string | undefined {
  const statuses = status.initContainerStatuses ?? [];
  for (const [index, { name, state, started }] of statuses.entries()) {
    if (state?.terminated?.exitCode === 0) continue;
    if (started === true && isSidecar(spec, name)) continue;
    if (state?.terminated !== undefined) return `Init:${endText(state.terminated)}`;
    const waiting = state?.waiting?.reason;
    if (waiting && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${index}/${spec?.initContainers?.length ?? 0}`;
  }
  return undefined;
}

/** The types that we have are of a time before there were such. */
type Restartable = NonNullable<PodSpec['initContainers']>[number] & { readonly restartPolicy?: string };

function isSidecar(spec: PodSpec | undefined, container: string): boolean {
  const all: readonly Restartable[] = spec?.initContainers ?? [];
  return all.some(({ name, restartPolicy }) => name === container && restartPolicy === 'Always');
}

function mainReason(status: PodStatus, fallback: string): string {
  let reason = fallback;
  let isRunning = false;
  for (const { state, ready } of [...(status.containerStatuses ?? [])].reverse()) {
    if (state?.waiting?.reason) reason = state.waiting.reason;
    else if (state?.terminated !== undefined) reason = endText(state.terminated);
    else if (ready && state?.running !== undefined) isRunning = true;
  }
  if (reason !== 'Completed' || !isRunning) return reason;
  const isReady = status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  return isReady ? 'Running' : 'NotReady';
}

function endText(terminated: NonNullable<NonNullable<ContainerStatus['state']>['terminated']>): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}
