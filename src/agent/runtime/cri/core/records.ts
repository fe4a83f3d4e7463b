/** What the runtime tells of sandboxes and containers, in the agent's words. Pure. */
import { ContainerState, PodSandboxState, type Container, type ContainerStatus, type PodSandbox } from '../../../../proto/cri.ts';
import { containerIdOf, type ContainerRecord, type SandboxId } from '../../runtime.ts';
import { ANNOTATION, LABEL } from './pod-config.ts';

/** What ended while nobody watched: as Kubernetes has it. */
const UNKNOWN_EXIT_CODE = 137;
/** What containerd calls an end of which the exit code tells everything. */
const PLAIN_REASONS = new Set(['', 'Completed', 'Error']);

export interface SandboxEntry {
  /** The runtime's own name for it. */
  readonly criId: string;
  readonly uid: SandboxId;
  readonly attempt: number;
  readonly isReady: boolean;
  readonly namespace: string;
  readonly name: string;
  readonly createdAtMs: number;
}

export type ContainerKey = Pick<ContainerRecord, 'id' | 'sandboxId' | 'name' | 'attempt' | 'backoffSteps' | 'init' | 'imageShown' | 'sandboxAttempt'>;

/** Undefined: it is not of a pod. */
export function sandboxEntryOf({ id, metadata, state, createdAt, labels }: PodSandbox): SandboxEntry | undefined {
  const uid = metadata?.uid ?? labels.get(LABEL.podUid);
  if (metadata === undefined || uid === undefined || uid === '') return undefined;
  const { namespace, name, attempt } = metadata;
  return { criId: id, uid, attempt, isReady: state === PodSandboxState.SANDBOX_READY, namespace, name, createdAtMs: milliseconds(createdAt) };
}

export function containerKeyOf({ metadata, labels, annotations }: Pick<Container, 'metadata' | 'labels' | 'annotations'>): ContainerKey | undefined {
  const sandboxId = labels.get(LABEL.podUid);
  if (metadata === undefined || sandboxId === undefined) return undefined;
  const { name, attempt } = metadata;
  const backoffSteps = Number(annotations.get(ANNOTATION.backoffSteps) ?? 0);
  const [shownName, shownRef] = [annotations.get(ANNOTATION.imageName), annotations.get(ANNOTATION.imageRef)];
  const imageShown = shownName === undefined || shownRef === undefined ? undefined : { name: shownName, ref: shownRef };
  const sandboxAttempt = Number(annotations.get(ANNOTATION.sandboxAttempt) ?? 0);
  return { ...(sandboxAttempt > 0 ? { sandboxAttempt } : {}), ...(imageShown === undefined ? {} : { imageShown }), id: containerIdOf(sandboxId, name, attempt), sandboxId, name, attempt, backoffSteps: Number.isSafeInteger(backoffSteps) ? backoffSteps : 0, init: annotations.get(ANNOTATION.init) === 'true' };
}

export function recordOf(key: ContainerKey, status: ContainerStatus, pid: number | undefined): ContainerRecord {
  const { state, createdAt, startedAt, finishedAt, exitCode, reason, message, image, imageRef } = status;
  const imageShown = imageRef === '' ? undefined : { name: image?.image ?? imageRef, ref: imageRef };
  const made = { ...key, createdAtMs: milliseconds(createdAt), imageShown };
  const startedAtMs = startedAt > 0n ? milliseconds(startedAt) : undefined;
  if (state === ContainerState.CONTAINER_CREATED) return { ...made, state: 'created' };
  if (state === ContainerState.CONTAINER_RUNNING) return { ...made, state: 'running', startedAtMs, pid };
  const finishedAtMs = finishedAt > 0n ? milliseconds(finishedAt) : made.createdAtMs;
  const ended = { ...made, state: 'exited' as const, startedAtMs: startedAtMs ?? finishedAtMs, finishedAtMs };
  if (state === ContainerState.CONTAINER_UNKNOWN || reason === 'Unknown') {
    return { ...ended, exitCode: UNKNOWN_EXIT_CODE, reason: 'ContainerStatusUnknown', message: message === '' ? 'the runtime does not know how the container ended' : message };
  }
  return { ...ended, exitCode, ...(PLAIN_REASONS.has(reason) ? {} : { reason }), ...(message === '' ? {} : { message }) };
}

/** containerd's and CRI-O's `info` of a container: JSON, with its pid. */
export function pidOf(info: ReadonlyMap<string, string>): number | undefined {
  try {
    const { pid } = JSON.parse(info.get('info') ?? '{}') as { pid?: unknown };
    return typeof pid === 'number' && pid > 1 ? pid : undefined;
  } catch {
    return undefined; // not everybody writes JSON
  }
}

export function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000n) / 1_000;
}
