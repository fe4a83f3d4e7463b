/**
 * What to do about one pod on this node, and what to say of it: a function of the desired pod, of what the runtime
 * reports, of the probes, and of the time. It keeps no memory: attempts and back-off are in the runtime's records, so
 * that an agent that restarts goes on where the last one was.
 *
 *   Pending ──sandbox, init containers one by one──► Running ──► Succeeded | Failed
 *               ▲                                       │ deletionTimestamp: drain, preStop, TERM, grace, KILL
 *               └── another sandbox, if one has died    ▼
 *                                                     ended: the object is deleted
 */
import type { Millis } from '../../base/clock.ts';
import type { ContainerRecord } from '../runtime/runtime.ts';
import { hasBegun, knownStatus, Planner, type Ending, type PodInput, type PodPlan, type Verdict } from './pod-plan.ts';
import { planResize, resourcesToStartWith } from './pod-resize.ts';
import { graceSecondsOf, isSidecar, sidecarsOf, type AgentContainer } from './pod-spec.ts';
import { result, START_ERROR_SHOWN_MS } from './pod-status.ts';
import { judge } from './restart.ts';

/** The current attempt and the one before, for `logs --previous`. */
const ATTEMPTS_KEPT = 2;
/** Whatever else took the time, a container has at least this long to end, as the kubelet grants it. */
export const GRACE_MIN_MS: Millis = 2_000;

export function isEnded(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

export function planPod(input: PodInput): PodPlan {
  const planner = new Planner(input);
  const { pod, sandbox, refusal } = input;
  if (refusal !== undefined) return finish(planner, { phase: 'Failed', ...refusal });
  if (pod.metadata.deletionTimestamp !== undefined) return planDeletion(planner);
  if (isEnded(pod.status?.phase)) {
    const { phase = '', reason, message } = pod.status ?? {};
    return finish(planner, { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) });
  }
  if (input.ending !== undefined) return finish(planner, input.ending);
  const leftMs = activeDeadlineIn(input);
  if (leftMs !== undefined && leftMs <= 0) {
    const message = 'Pod was active on the node longer than the specified deadline';
    return finish(planner, { phase: 'Failed', reason: 'DeadlineExceeded', message });
  }
  if (leftMs !== undefined) planner.wakeIn(leftMs);
  if (sandbox?.state === 'ready') return planContainers(planner);
  return planWithoutSandbox(planner);
}

/** None yet, or it has died: all that was in it has ended with it. */
function planWithoutSandbox(planner: Planner): PodPlan {
  const { pod, sandbox, containers } = planner.input;
  const isAnew = sandbox !== undefined;
  // The runtime is ending them.
  if (planner.running.length > 0) return result(planner, { phase: pod.status?.phase ?? 'Running' });
  const main = pod.spec.containers.map((container) => {
    const verdict = judge(planner, container, false);
    planner.verdicts.set(container.name, verdict);
    return verdict;
  });
  if (isAnew && containers.some(hasBegun)) {
    if (planner.replacesPod) {
      const message = 'the sandbox of the pod has ended, and the pod is to be replaced (podium.dev/on-container-failure)';
      return finish(planner, { phase: 'Failed', reason: 'SandboxStopped', message });
    }
    if (pod.spec.restartPolicy === 'Never') return finish(planner, { phase: hasSucceeded(main) ? 'Succeeded' : 'Failed' });
  }
  const isDone = main.every(({ kind }) => kind === 'done');
  if (isDone && main.length > 0) return finish(planner, { phase: hasSucceeded(main) ? 'Succeeded' : 'Failed' });
  planner.actions.push({ kind: 'run-sandbox', isAnew });
  return result(planner, { phase: planner.hasMainBegun || pod.status?.phase === 'Running' ? 'Running' : 'Pending' });
}

function hasSucceeded(verdicts: readonly Verdict[]): boolean {
  return verdicts.every((verdict) => verdict.kind === 'done' && !verdict.isFailed);
}

function planContainers(planner: Planner): PodPlan {
  const { pod } = planner.input;
  const init = planInit(planner);
  if (init === 'failed') return finish(planner, { phase: 'Failed' });
  planEphemeral(planner);
  pruneAttempts(planner);
  planner.resize = planResize(planner);
  if (init === 'pending') return result(planner, { phase: planner.hasMainBegun ? 'Running' : 'Pending' });
  const ended: boolean[] = [];
  let isHeldUp = false;
  for (const container of pod.spec.containers) {
    const verdict = judge(planner, container, false);
    planner.verdicts.set(container.name, verdict);
    if (!isHeldUp || verdict.kind !== 'start') carryOut(planner, container, verdict);
    if (verdict.kind === 'done') ended.push(verdict.isFailed);
    isHeldUp ||= holdsUpOthers(planner, container, verdict);
  }
  if (planner.replacesPod && ended.includes(true)) {
    const message = 'a container failed, and the pod is to be replaced (podium.dev/on-container-failure)';
    return finish(planner, { phase: 'Failed', reason: 'ContainerFailed', message });
  }
  if (ended.length === pod.spec.containers.length) return finish(planner, { phase: ended.includes(true) ? 'Failed' : 'Succeeded' });
  const haveAllBegun = pod.spec.containers.every(({ name }) => {
    const record = planner.latest.get(name);
    // Its first start is not over before its hook has answered.
    return hasBegun(record) && !(record!.attempt === 0 && planner.input.starting.has(record!.id));
  });
  return result(planner, { phase: haveAllBegun ? 'Running' : 'Pending' });
}

/** Containers start one after the other: the next one when the postStart hook of the one before has answered. */
function holdsUpOthers({ latest, input }: Planner, container: AgentContainer, verdict: Verdict): boolean {
  if (container.lifecycle?.postStart === undefined) return false;
  const record = latest.get(container.name);
  return verdict.kind === 'start' || (record !== undefined && input.starting.has(record.id));
}

/** Init containers run one after the other; one with restartPolicy Always (a side car) goes on beside the others. */
function planInit(planner: Planner): 'done' | 'pending' | 'failed' {
  const { pod, health, starting } = planner.input;
  for (const container of pod.spec.initContainers ?? []) {
    const verdict = judge(planner, container, true);
    planner.verdicts.set(container.name, verdict);
    if (verdict.kind === 'done') {
      if (!verdict.isFailed) continue;
      return 'failed';
    }
    carryOut(planner, container, verdict);
    const record = planner.latest.get(container.name);
    const isUp = record?.state === 'running' && !starting.has(record.id) && (health.get(record.id)?.isStarted ?? false);
    if (isSidecar(container) && (isUp || hasLaterBegun(planner, container))) continue;
    return 'pending';
  }
  return 'done';
}

/** Nobody waits once more for a side car that has let the next ones start, and is restarted. */
function hasLaterBegun(planner: Planner, container: AgentContainer): boolean {
  const { initContainers = [], containers } = planner.input.pod.spec;
  const later = [...initContainers.slice(initContainers.indexOf(container) + 1), ...containers];
  return later.some(({ name }) => {
    const record = planner.latest.get(name);
    return record !== undefined && hasBegun(record) && planner.isCurrent(record);
  });
}

/** Those for debugging are begun once, whatever comes of them, and count for nothing. */
function planEphemeral({ input, latest, actions }: Planner): void {
  const { pod } = input;
  for (const { name } of pod.spec.ephemeralContainers ?? []) {
    const last = latest.get(name);
    const hasRun = knownStatus(pod, name)?.containerID !== undefined;
    if (last === undefined ? hasRun : last.state !== 'created') continue;
    actions.push({ kind: 'start-container', name, attempt: last?.attempt ?? 0, backoffSteps: 0 });
  }
}

function carryOut(planner: Planner, container: AgentContainer, verdict: Verdict): void {
  const { name } = container;
  switch (verdict.kind) {
    case 'start': {
      const resources = resourcesToStartWith(planner, container);
      planner.actions.push({ ...verdict, kind: 'start-container', name, ...(resources === undefined ? {} : { resources }) });
      return;
    }
    case 'back-off':
      planner.wakeIn(verdict.delayMs - verdict.agoMs);
      if (verdict.agoMs < START_ERROR_SHOWN_MS) planner.wakeIn(START_ERROR_SHOWN_MS - verdict.agoMs);
      return;
    case 'restart-unhealthy': {
      const probe = verdict.probe === 'startup' ? container.startupProbe : container.livenessProbe;
      const seconds = probe?.terminationGracePeriodSeconds ?? planner.input.pod.spec.terminationGracePeriodSeconds ?? 30;
      const why = `Container ${name} failed ${verdict.probe} probe, will be restarted`;
      stop(planner, planner.latest.get(name)!, 1000 * seconds, why);
      return;
    }
    case 'restart-changed': {
      const seconds = planner.input.pod.spec.terminationGracePeriodSeconds ?? 30;
      stop(planner, planner.latest.get(name)!, 1000 * seconds, `Container ${name} definition changed, will be restarted`);
      return;
    }
    case 'running':
    case 'done':
      return;
  }
}

function stop({ actions }: Planner, { id, name }: ContainerRecord, graceMs: Millis, why: string): void {
  actions.push({ kind: 'stop-container', id, name, graceMs, why });
}

function pruneAttempts(planner: Planner): void {
  for (const { id, name, attempt, state } of planner.input.containers) {
    const latest = planner.latest.get(name)!;
    if (state === 'exited' && attempt <= latest.attempt - ATTEMPTS_KEPT) planner.actions.push({ kind: 'remove-container', id });
  }
}

function activeDeadlineIn({ pod, ageMs }: PodInput): Millis | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  const startTime = pod.status?.startTime;
  if (activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
  return 1000 * activeDeadlineSeconds - ageMs('start of the pod', Date.parse(startTime));
}

/** Ends the pod: its containers first, then the sandbox; only then is its phase final. */
function finish(planner: Planner, ending: Ending): PodPlan {
  const { pod, sandbox } = planner.input;
  planner.isEnding = true;
  planner.ending = ending;
  planner.actions.splice(0); // nothing is begun any more
  stopInOrder(planner, 1000 * (pod.spec.terminationGracePeriodSeconds ?? 30));
  if (planner.running.length > 0) return result(planner, { ...ending, phase: pod.status?.phase ?? 'Running' });
  if (sandbox?.state === 'ready') planner.actions.push({ kind: 'stop-sandbox' });
  return result(planner, ending);
}

/** Side cars serve the others to their end: they end after them, in the reverse order of their start, within the pod's grace. */
function stopInOrder(planner: Planner, graceMs: Millis): void {
  const { pod, endingForMs } = planner.input;
  const leftMs = Math.max(0, graceMs - endingForMs);
  const ownMs = graceMs <= 0 ? 0 : Math.max(leftMs, GRACE_MIN_MS);
  const sidecars = new Set(sidecarsOf(pod).map(({ name }) => name));
  const running = planner.running;
  const end = (record: ContainerRecord) => stop(planner, record, ownMs, `Stopping container ${record.name}`);
  const others = running.filter(({ name }) => !sidecars.has(name));
  others.forEach(end);
  if (leftMs <= 0) return running.filter(({ name }) => sidecars.has(name)).forEach(end);
  const last = [...sidecars].reverse().find((name) => running.some((record) => record.name === name));
  if (last === undefined) return;
  planner.wakeIn(leftMs);
  if (others.length === 0) end(running.find(({ name }) => name === last)!);
}

function planDeletion(planner: Planner): PodPlan {
  const { pod, sandbox, containers } = planner.input;
  planner.isEnding = true;
  stopInOrder(planner, 1000 * graceSecondsOf(pod));
  const phase = pod.status?.phase ?? 'Pending';
  if (planner.running.length > 0) return result(planner, { phase });
  if (sandbox?.state === 'ready') planner.actions.push({ kind: 'stop-sandbox' });
  planner.actions.push({ kind: 'delete-pod' });
  if (isEnded(phase)) return result(planner, { phase });
  const main = pod.spec.containers.map(({ name }) => planner.latest.get(name));
  const isClean = main.every((record) => record?.state === 'exited' && record.exitCode === 0);
  // A pod that never began leaves no verdict on its work.
  return result(planner, { phase: containers.length === 0 ? phase : isClean ? 'Succeeded' : 'Failed' });
}
