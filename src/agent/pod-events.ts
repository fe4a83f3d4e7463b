/** What is told of one pod as Events: which part of it an event is about, and what is told but once. */
import type { EventFacts, EventRecorder } from '../client/event-recorder.ts';
import type { AgentPod } from './core/pod-spec.ts';

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
