/** Which run of a container a log is asked of, or why there is none. Pure; the words are the kubelet's. */
import type { ContainerRecord } from '../runtime/runtime.ts';
import { hasBegun, knownStatus } from './pod-plan.ts';
import type { AgentPod } from './pod-spec.ts';

export interface LogWish {
  readonly pod: AgentPod;
  readonly container: string;
  readonly previous: boolean;
}

export type LogTarget = { readonly ok: true; readonly record: ContainerRecord } | { readonly ok: false; readonly message: string };

/** `records`: of the pod, by name and attempt. */
export function logTarget(records: readonly ContainerRecord[], { pod, container, previous }: LogWish): LogTarget {
  const runs = records.filter((record) => record.name === container && hasBegun(record));
  const last = runs.at(-1);
  const waiting = knownStatus(pod, container)?.state.waiting;
  // While it waits for its next run, the last one is the previous one.
  const before = last?.state === 'exited' && waiting !== undefined ? last : runs.at(-2);
  const record = previous ? before : last;
  if (record !== undefined) return { ok: true, record };
  const name = pod.metadata.name;
  if (previous) return { ok: false, message: `previous terminated container "${container}" in pod "${name}" not found` };
  const why = waiting === undefined ? ' - no logs yet' : `: ${WORDS[waiting.reason] ?? waiting.reason}`;
  return { ok: false, message: `container "${container}" in pod "${name}" is waiting to start${why}` };
}

const WORDS: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};
