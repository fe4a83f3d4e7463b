/** What the plan of a pod is made from, what it is made of, and the notes that are taken while it is made. */
import type { Millis } from '../../base/clock.ts';
import { controllerOf } from '../../client/objects.ts';
import type { ContainerId, ContainerRecord, ContainerResources, Sandbox } from '../runtime/runtime.ts';
import type { Allocatable, Amounts } from './admission.ts';
import { ON_FAILURE_ANNOTATION, type AgentContainer, type AgentContainerStatus, type AgentPod, type AgentPodStatus } from './pod-spec.ts';
import type { ProbeKind } from './probes.ts';

export interface ContainerHealth {
  readonly isStarted: boolean;
  readonly isReady: boolean;
  /** Which probe wants the container restarted. */
  readonly unhealthy?: ProbeKind | undefined;
}

/** Why something does not go on, in Kubernetes' words. */
export interface Reason {
  readonly reason: string;
  readonly message: string;
}

export interface PodInput {
  readonly pod: AgentPod;
  readonly nodeIp: string;
  /** `process`, …: goes before container ids. */
  readonly runtimeName: string;
  readonly sandbox: Sandbox | undefined;
  /** Of this pod, by name and attempt. */
  readonly containers: readonly ContainerRecord[];
  /** For those that run. */
  readonly health: ReadonlyMap<ContainerId, ContainerHealth>;
  /** Whose postStart hook has not answered yet: they run, and do not count as such. */
  readonly starting: ReadonlySet<ContainerId>;
  /** What those that have ended left to say. */
  readonly messages: ReadonlyMap<ContainerId, string>;
  /** Why a container cannot be made, by its name: it is tried again later. */
  readonly waiting: ReadonlyMap<string, Reason>;
  /** The pod was not let in. */
  readonly refusal?: Reason | undefined;
  readonly onContainerFailure: 'restart' | 'replace-pod';
  /** What the node can give, and why limits of a running container were not changed. */
  readonly resizing: Resizing;
  /** As what it was decided that the pod ends, though its containers are still at it: what has ended it may be gone by then. */
  readonly ending?: Ending | undefined;
  /** For how long the pod has been ending. */
  readonly endingForMs: Millis;
  /** Wall clock, for what people read. It may jump, so nothing is counted on it. */
  readonly nowMs: Millis;
  /** How long ago that was which is written down as `atMs`, by a clock that does not jump. `what` names it. */
  readonly ageMs: (what: string, atMs: Millis) => Millis;
}

export interface Resizing {
  /** Given to the other pods of the node. */
  readonly others: () => Amounts;
  readonly allocatable: Allocatable;
  readonly canResize: boolean;
  readonly failures: ReadonlyMap<ContainerId, string>;
  /** What was given to running containers, for runtimes that do not tell. */
  readonly applied: ReadonlyMap<ContainerId, ContainerResources>;
}

export type PodAction =
  /** `isAnew`: the last one has ended. */
  | { readonly kind: 'run-sandbox'; readonly isAnew: boolean }
  | {
      readonly kind: 'start-container';
      readonly name: string;
      readonly attempt: number;
      readonly backoffSteps: number;
      /** Other than the pod's spec says, which the node cannot give. */
      readonly resources?: ContainerResources | undefined;
    }
  /** Ends it after its preStop hook. */
  | {
      readonly kind: 'stop-container';
      readonly id: ContainerId;
      readonly name: string;
      /** From now on. */
      readonly graceMs: Millis;
      readonly why: string;
    }
  /** `needsMore`: memory than it has; its pod must have it first. */
  | { readonly kind: 'resize-container'; readonly id: ContainerId; readonly resources: ContainerResources; readonly needsMore: boolean }
  | { readonly kind: 'remove-container'; readonly id: ContainerId }
  | { readonly kind: 'stop-sandbox' }
  /** Nothing of the pod runs any more, and its deletion was asked for. */
  | { readonly kind: 'delete-pod' };

export interface PodPlan {
  readonly actions: readonly PodAction[];
  readonly status: AgentPodStatus;
  /** The pod is being ended, for whatever reason. */
  readonly isEnding: boolean;
  /** As what, unless it is deleted. */
  readonly ending?: Ending | undefined;
  /** When to plan again though nothing has happened. */
  readonly wakeInMs?: Millis | undefined;
}

/** What is to happen to one container. */
export type Verdict =
  | { readonly kind: 'start'; readonly attempt: number; readonly backoffSteps: number }
  | { readonly kind: 'back-off'; readonly agoMs: Millis; readonly delayMs: Millis }
  | { readonly kind: 'running' }
  | { readonly kind: 'restart-unhealthy'; readonly probe: ProbeKind }
  /** It was made of another image than the pod names now. */
  | { readonly kind: 'restart-changed' }
  | { readonly kind: 'done'; readonly isFailed: boolean };

/** Whether more or less than it has is wanted of the node, and what became of it. */
export interface ResizeState {
  readonly pending?: Reason | undefined;
  readonly inProgress?: { readonly error?: string | undefined } | undefined;
}

export interface Ending extends Partial<Reason> {
  readonly phase: string;
}

export class Planner {
  readonly input: PodInput;
  readonly actions: PodAction[] = [];
  /** The last attempt of each container. */
  readonly latest = new Map<string, ContainerRecord>();
  readonly verdicts = new Map<string, Verdict>();
  resize: ResizeState = {};
  isEnding = false;
  ending: Ending | undefined;
  wakeInMs: Millis | undefined;

  constructor(input: PodInput) {
    this.input = input;
    for (const record of input.containers) {
      const known = this.latest.get(record.name);
      if (known === undefined || record.attempt > known.attempt) this.latest.set(record.name, record);
    }
  }

  wakeIn(delayMs: Millis): void {
    if (this.wakeInMs === undefined || delayMs < this.wakeInMs) this.wakeInMs = delayMs;
  }

  get running(): ContainerRecord[] {
    return this.input.containers.filter(({ state }) => state === 'running');
  }

  /** Made in the sandbox that is there now. */
  isCurrent(record: ContainerRecord): boolean {
    return (record.sandboxAttempt ?? 0) === (this.input.sandbox?.attempt ?? 0);
  }

  /** Some container that is no init container has been begun, in this sandbox or in an earlier one. */
  get hasMainBegun(): boolean {
    return this.input.pod.spec.containers.some(({ name }) => hasBegun(this.latest.get(name)));
  }

  /** Only a pod with an owner is replaced; without one nobody would make the next, so it restarts in place. */
  get replacesPod(): boolean {
    const { pod, onContainerFailure } = this.input;
    const mode = pod.metadata.annotations?.[ON_FAILURE_ANNOTATION] ?? onContainerFailure;
    return mode === 'replace-pod' && controllerOf(pod) !== undefined;
  }
}

export function hasBegun(record: ContainerRecord | undefined): boolean {
  return record !== undefined && record.state !== 'created';
}

/** What the API server remembers of a container. */
export function knownStatus({ status }: AgentPod, name: string): AgentContainerStatus | undefined {
  const lists = [status?.containerStatuses, status?.initContainerStatuses, status?.ephemeralContainerStatuses];
  return lists.flatMap((list) => list ?? []).find((one) => one.name === name);
}

export function restartPolicyOf(pod: AgentPod, container: AgentContainer, isInit: boolean): string {
  if (isInit && container.restartPolicy === 'Always') return 'Always';
  const policy = pod.spec.restartPolicy ?? 'Always';
  // An init container that has ended well is never run again.
  return isInit && policy === 'Always' ? 'OnFailure' : policy;
}
