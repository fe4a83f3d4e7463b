/** Whether a container of a pod shall be started, restarted, left alone or waited with, by its last attempt. Pure. */
import type { Millis } from '../../base/clock.ts';
import type { ContainerRecord } from '../runtime/runtime.ts';
import { knownStatus, restartPolicyOf, type Planner, type Verdict } from './pod-plan.ts';
import { isSidecar, type AgentContainer } from './pod-spec.ts';

export const BACKOFF_FIRST_MS = 10_000;
export const BACKOFF_MAX_MS = 300_000;
/** A container that ran for so long starts afresh. */
export const BACKOFF_RESET_MS = 600_000;

/** How long after the end of a run the next attempt waits: at once the first time, then 10 s doubling to 5 min. */
export function restartDelayMs(last: ContainerRecord, ranMs: Millis): Millis {
  const steps = stepsAfter(last, ranMs);
  return steps === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (steps - 1));
}

function stepsAfter(last: ContainerRecord, ranMs: Millis): number {
  return ranMs >= BACKOFF_RESET_MS ? 0 : last.backoffSteps;
}

export function judge(planner: Planner, container: AgentContainer, isInit: boolean): Verdict {
  const last = planner.latest.get(container.name);
  const { health } = planner.input;
  if (last === undefined) return judgeUnseen(planner, container, isInit);
  // The program of the old sandbox is gone, and so is what an init container has prepared in it.
  const isLost = !planner.isCurrent(last) && (isInit || last.state === 'created') && last.state !== 'running';
  if (isLost) return { kind: 'start', attempt: last.attempt + 1, backoffSteps: last.backoffSteps };
  if (last.state === 'created') return { kind: 'start', attempt: last.attempt, backoffSteps: last.backoffSteps };
  const isChanged = (!isInit || isSidecar(container)) && last.image !== undefined && last.image !== container.image;
  if (isChanged && last.state === 'running') return { kind: 'restart-changed' };
  // What went wrong with another image says nothing of this one.
  if (isChanged) return { kind: 'start', attempt: last.attempt + 1, backoffSteps: 0 };
  if (last.state === 'exited') return judgeEnded(planner, last, restartPolicyOf(planner.input.pod, container, isInit), isInit);
  const probe = health.get(last.id)?.unhealthy;
  return probe === undefined ? { kind: 'running' } : { kind: 'restart-unhealthy', probe };
}

/** The runtime knows nothing of it: it is new, or the machine has forgotten what the API server remembers. */
function judgeUnseen({ input }: Planner, container: AgentContainer, isInit: boolean): Verdict {
  const known = knownStatus(input.pod, container.name);
  if (known?.containerID === undefined) return { kind: 'start', attempt: 0, backoffSteps: 0 };
  const policy = restartPolicyOf(input.pod, container, isInit);
  const exitCode = known.state.terminated?.exitCode;
  // What is to run once has had its chance; but what an init container has prepared is forgotten, too.
  if (!isInit && policy === 'Never') return { kind: 'done', isFailed: exitCode !== 0 };
  if (!isInit && policy === 'OnFailure' && exitCode === 0) return { kind: 'done', isFailed: false };
  if (isInit && policy === 'Never' && exitCode !== undefined && exitCode !== 0) return { kind: 'done', isFailed: true };
  return { kind: 'start', attempt: known.restartCount + 1, backoffSteps: 0 };
}

function judgeEnded(planner: Planner, last: ContainerRecord, policy: string, isInit: boolean): Verdict {
  const { ageMs, nowMs } = planner.input;
  const isFailed = last.exitCode !== 0;
  if (policy === 'Never' || (policy === 'OnFailure' && !isFailed)) return { kind: 'done', isFailed };
  if (isFailed && !isInit && planner.replacesPod) return { kind: 'done', isFailed };
  const endMs = last.finishedAtMs ?? nowMs;
  const agoMs = ageMs(`end of ${last.id}`, endMs);
  const ranMs = last.startedAtMs === undefined ? 0 : ageMs(`start of ${last.id}`, last.startedAtMs) - agoMs;
  const delayMs = restartDelayMs(last, ranMs);
  if (agoMs < delayMs) return { kind: 'back-off', agoMs, delayMs };
  return { kind: 'start', attempt: last.attempt + 1, backoffSteps: stepsAfter(last, ranMs) + 1 };
}
