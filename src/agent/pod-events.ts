/** What is told of one pod as Events: which part of it an event is about, and what is told but once. */
import type { EventFacts, EventRecorder } from '../client/event-recorder.ts';
import { controllerOf } from '../client/objects.ts';
import { describeResize } from './core/pod-resize.ts';
import { ON_FAILURE_ANNOTATION, describePod, type AgentPod, type AgentPodStatus } from './core/pod-spec.ts';

export interface PodEventsOptions {
  readonly recorder: EventRecorder;
  /** Of a pod of a file itself, not of its mirror: whoever describes a mirror looks for the events of what it stands for. */
  readonly pod: () => AgentPod;
}

export type Say = (type: EventFacts['type'], reason: string, message: string, container?: string) => void;

export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #said = new Set<string>();

  constructor(options: PodEventsOptions) {
    this.#options = options;
  }

  readonly say: Say = (type, reason, message, container) => {
    // Once a pod where it does not change with time; the recorder counts the others.
    if (reason === 'ImageIgnored') return this.once(message, () => this.#record(type, reason, message, container));
    this.#record(type, reason, message, container);
  };

  once(key: string, say: () => void): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    say();
  }

  /** What a status tells by itself, each thing when it is first seen. */
  tell(status: AgentPodStatus, onContainerFailure: 'restart' | 'replace-pod'): void {
    const { say } = this;
    const pod = this.#options.pod();
    const { reason, message = '' } = status;
    if (reason === 'DeadlineExceeded') this.once(reason, () => say('Normal', reason, message));
    const pending = status.conditions?.find(({ type }) => type === 'PodResizePending');
    if (pending?.reason !== undefined) {
      const { reason: why, message: error } = pending;
      this.once(`${why} ${error ?? ''}`, () => say('Warning', `Resize${why}`, `Pod resize ${why}: ${describeResize(pod, error)}`));
    }
    for (const { state, restartCount, name } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
      if (state.waiting?.reason !== 'CrashLoopBackOff') continue;
      this.once(`${name}/${restartCount}`, () => {
        say('Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${describePod(pod)}`, name);
        const mode = pod.metadata.annotations?.[ON_FAILURE_ANNOTATION] ?? onContainerFailure;
        if (mode !== 'replace-pod' || controllerOf(pod) !== undefined) return;
        say('Warning', 'NoOwner', 'the pod shall be replaced when a container fails, but has no owner that would make another: it restarts in place');
      });
    }
  }

  #record(type: EventFacts['type'], reason: string, message: string, container: string | undefined): void {
    const pod = this.#options.pod();
    this.#options.recorder.record(pod, { type, reason, message, fieldPath: container === undefined ? undefined : fieldPathOf(pod, container) });
  }
}

function fieldPathOf({ spec }: AgentPod, container: string): string {
  const has = (list: AgentPod['spec']['containers'] | undefined) => list?.some(({ name }) => name === container) === true;
  const field = has(spec.initContainers) ? 'initContainers' : has(spec.ephemeralContainers) ? 'ephemeralContainers' : 'containers';
  return `spec.${field}{${container}}`;
}
