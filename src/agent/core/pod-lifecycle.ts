/**
 * What to do about one pod on this node, and what to say of it: a function of the desired pod, of what the runtime
 * reports, of the probes, and of the time. It keeps no memory: attempts and back-off are in the runtime's records, so
 * that an agent that restarts goes on where the last one was.
 *
 *   Pending ──sandbox, init containers one by one──► Running ──► Succeeded | Failed
 *                                                       │ deletionTimestamp: drain, preStop, TERM, grace, KILL
 *                                                       ▼
 *                                                     ended: the object is deleted
 */
import type { Millis } from '../../base/clock.ts';
import { formatTime } from '../../base/clock.ts';
import { controllerOf, type Condition } from '../../client/objects.ts';
import type { ContainerRecord, Sandbox } from '../runtime/runtime.ts';
import {
  ON_FAILURE_ANNOTATION,
  describePod,
  graceSecondsOf,
  type AgentContainer,
  type AgentContainerStatus,
  type AgentPod,
  type AgentPodStatus,
  type ContainerStateStatus,
  type TerminatedState,
} from './pod-spec.ts';

export interface ContainerHealth {
  readonly isStarted: boolean;
  readonly isReady: boolean;
  /** Says which probe wants the container restarted. */
  readonly unhealthy?: string | undefined;
}

export interface PodInput {
  readonly pod: AgentPod;
  readonly nodeIp: string;
  /** `process`, …: goes before container ids. */
  readonly runtimeName: string;
  readonly sandbox: Sandbox | undefined;
  /** Of this pod, by name and attempt. */
  readonly containers: readonly ContainerRecord[];
  /** By container id, for those that run. */
  readonly health: ReadonlyMap<string, ContainerHealth>;
  /** Why a container cannot be made, by its name: it is tried again later. */
  readonly waiting: ReadonlyMap<string, { readonly reason: string; readonly message: string }>;
  /** The pod was not let in. */
  readonly refusal?: { readonly reason: string; readonly message: string } | undefined;
  readonly onContainerFailure: 'restart' | 'replace-pod';
  /** Wall clock. Durations of back-offs and deadlines are counted on it, since their starts outlive the agent. */
  readonly nowMs: Millis;
}

export type PodAction =
  | { readonly kind: 'run-sandbox' }
  | { readonly kind: 'start-container'; readonly name: string; readonly attempt: number; readonly backoffSteps: number }
  /** Ends it after its preStop hook. */
  | {
      readonly kind: 'stop-container';
      readonly id: string;
      readonly name: string;
      readonly graceMs: Millis;
      readonly why: string;
    }
  | { readonly kind: 'remove-container'; readonly id: string }
  | { readonly kind: 'stop-sandbox' }
  /** Nothing of the pod runs any more, and its deletion was asked for. */
  | { readonly kind: 'delete-pod' };

export interface PodPlan {
  readonly actions: readonly PodAction[];
  readonly status: AgentPodStatus;
  /** Wall clock: when to plan again though nothing has happened. */
  readonly wakeAtMs?: Millis | undefined;
}

export const BACKOFF_FIRST_MS = 10_000;
export const BACKOFF_MAX_MS = 300_000;
/** A container that ran for so long starts afresh. */
export const BACKOFF_RESET_MS = 600_000;
/** The current attempt and the one before, for `logs --previous`. */
const ATTEMPTS_KEPT = 2;

export function isEnded(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** How long after the end of a run the next attempt waits: at once the first time, then 10 s doubling to 5 min. */
export function restartDelayMs(last: ContainerRecord): Millis {
  const steps = stepsAfter(last);
  return steps === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (steps - 1));
}

function stepsAfter(last: ContainerRecord): number {
  const ranMs = (last.finishedAtMs ?? 0) - (last.startedAtMs ?? last.finishedAtMs ?? 0);
  return ranMs >= BACKOFF_RESET_MS ? 0 : last.backoffSteps;
}

/** What is to happen to one container. */
type Verdict =
  | { readonly kind: 'start'; readonly attempt: number; readonly backoffSteps: number }
  | { readonly kind: 'back-off'; readonly untilMs: Millis; readonly delayMs: Millis }
  | { readonly kind: 'running' }
  | { readonly kind: 'restart-unhealthy'; readonly why: string }
  | { readonly kind: 'done'; readonly isFailed: boolean };

class Planner {
  readonly input: PodInput;
  readonly actions: PodAction[] = [];
  readonly latest = new Map<string, ContainerRecord>();
  readonly verdicts = new Map<string, Verdict>();
  wakeAtMs: Millis | undefined;

  constructor(input: PodInput) {
    this.input = input;
    for (const record of input.containers) {
      const known = this.latest.get(record.name);
      if (known === undefined || record.attempt > known.attempt) this.latest.set(record.name, record);
    }
  }

  wake(atMs: Millis): void {
    if (this.wakeAtMs === undefined || atMs < this.wakeAtMs) this.wakeAtMs = atMs;
  }

  get running(): ContainerRecord[] {
    return this.input.containers.filter(({ state }) => state === 'running');
  }

  verdict(container: AgentContainer, isInit: boolean): Verdict {
    const last = this.latest.get(container.name);
    const { health, nowMs, pod } = this.input;
    if (last === undefined) return { kind: 'start', attempt: firstAttempt(pod, container.name), backoffSteps: 0 };
    if (last.state === 'created') return { kind: 'start', attempt: last.attempt, backoffSteps: last.backoffSteps };
    if (last.state === 'running') {
      const unhealthy = health.get(last.id)?.unhealthy;
      return unhealthy === undefined ? { kind: 'running' } : { kind: 'restart-unhealthy', why: unhealthy };
    }
    const isFailed = last.exitCode !== 0;
    const policy = restartPolicyOf(pod, container, isInit);
    if (policy === 'Never' || (policy === 'OnFailure' && !isFailed)) return { kind: 'done', isFailed };
    if (isFailed && !isInit && this.replacesPod) return { kind: 'done', isFailed };
    const delayMs = restartDelayMs(last);
    const untilMs = (last.finishedAtMs ?? nowMs) + delayMs;
    // A wall clock that jumped back must not stretch a back-off beyond itself.
    if (untilMs > nowMs && untilMs - nowMs <= delayMs) return { kind: 'back-off', untilMs, delayMs };
    return { kind: 'start', attempt: last.attempt + 1, backoffSteps: stepsAfter(last) + 1 };
  }

  /** Only a pod with an owner is replaced; without one nobody would make the next, so it restarts in place. */
  get replacesPod(): boolean {
    const { pod, onContainerFailure } = this.input;
    const mode = pod.metadata.annotations?.[ON_FAILURE_ANNOTATION] ?? onContainerFailure;
    return mode === 'replace-pod' && controllerOf(pod) !== undefined;
  }
}

export function planPod(input: PodInput): PodPlan {
  const planner = new Planner(input);
  const { pod, sandbox, refusal } = input;
  if (refusal !== undefined) return finish(planner, { phase: 'Failed', ...refusal });
  if (pod.metadata.deletionTimestamp !== undefined) return planDeletion(planner);
  if (isEnded(pod.status?.phase)) {
    return finish(planner, { phase: pod.status!.phase!, reason: pod.status?.reason, message: pod.status?.message });
  }
  const deadlineMs = activeDeadlineOf(input);
  if (deadlineMs !== undefined && input.nowMs >= deadlineMs) {
    const message = 'Pod was active on the node longer than the specified deadline';
    return finish(planner, { phase: 'Failed', reason: 'DeadlineExceeded', message });
  }
  if (deadlineMs !== undefined) planner.wake(deadlineMs);
  if (sandbox === undefined) {
    planner.actions.push({ kind: 'run-sandbox' });
    return result(planner, { phase: 'Pending' });
  }
  const plan = planContainers(planner);
  if (sandbox.state === 'ready' || isEnded(plan.status.phase)) return plan;
  // The sandbox is the pod's life: it does not come back, and nothing can start in it.
  const message = 'the sandbox of the pod has ended';
  return finish(new Planner(input), { phase: 'Failed', reason: 'SandboxStopped', message });
}

interface Ending {
  readonly phase: string;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

function planContainers(planner: Planner): PodPlan {
  const { pod } = planner.input;
  const failedInit = planInit(planner);
  if (failedInit !== 'failed') planEphemeral(planner);
  if (failedInit === 'failed') return finish(planner, { phase: 'Failed' });
  pruneAttempts(planner);
  if (failedInit === 'pending') return result(planner, { phase: 'Pending' });
  const ended: boolean[] = [];
  for (const container of pod.spec.containers) {
    const verdict = planner.verdict(container, false);
    planner.verdicts.set(container.name, verdict);
    carryOut(planner, container, verdict);
    if (verdict.kind === 'done') ended.push(verdict.isFailed);
  }
  if (planner.replacesPod && ended.includes(true)) {
    const message = 'a container failed, and the pod is to be replaced (podium.dev/on-container-failure)';
    return finish(planner, { phase: 'Failed', reason: 'ContainerFailed', message });
  }
  if (ended.length === pod.spec.containers.length) return finish(planner, { phase: ended.includes(true) ? 'Failed' : 'Succeeded' });
  const hasBegun = pod.spec.containers.every(({ name }) => {
    const record = planner.latest.get(name);
    return record !== undefined && record.state !== 'created';
  });
  return result(planner, { phase: hasBegun ? 'Running' : 'Pending' });
}

/** Init containers run one after the other; one with restartPolicy Always (a side car) goes on beside the others. */
function planInit(planner: Planner): 'done' | 'pending' | 'failed' {
  const { pod, health } = planner.input;
  for (const container of pod.spec.initContainers ?? []) {
    const isSideCar = container.restartPolicy === 'Always';
    const verdict = planner.verdict(container, true);
    planner.verdicts.set(container.name, verdict);
    if (verdict.kind === 'done') {
      if (!verdict.isFailed) continue;
      return 'failed';
    }
    carryOut(planner, container, verdict);
    const record = planner.latest.get(container.name);
    const isUp = record?.state === 'running' && (health.get(record.id)?.isStarted ?? false);
    const hasBeenUp = isSideCar && hasMainBegun(planner);
    if (isSideCar && (isUp || hasBeenUp)) continue;
    return 'pending';
  }
  return 'done';
}

/** Those for debugging are begun once, whatever comes of them, and count for nothing. */
function planEphemeral({ input, latest, actions }: Planner): void {
  const { pod } = input;
  for (const { name } of pod.spec.ephemeralContainers ?? []) {
    const last = latest.get(name);
    const hasRun = pod.status?.ephemeralContainerStatuses?.some((known) => known.name === name && known.containerID !== undefined) === true;
    if (last === undefined ? hasRun : last.state !== 'created') continue;
    actions.push({ kind: 'start-container', name, attempt: last?.attempt ?? 0, backoffSteps: 0 });
  }
}

function hasMainBegun({ input, latest }: Planner): boolean {
  return input.pod.spec.containers.some(({ name }) => latest.has(name));
}

function carryOut(planner: Planner, container: AgentContainer, verdict: Verdict): void {
  const { pod } = planner.input;
  if (verdict.kind === 'start') planner.actions.push({ ...verdict, kind: 'start-container', name: container.name });
  if (verdict.kind === 'back-off') planner.wake(verdict.untilMs);
  if (verdict.kind !== 'restart-unhealthy') return;
  const seconds = container.livenessProbe?.terminationGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  const why = `Container ${container.name} failed ${verdict.why} probe, will be restarted`;
  planner.actions.push(stopAction(planner.latest.get(container.name)!, 1000 * seconds, why));
}

function stopAction({ id, name }: ContainerRecord, graceMs: Millis, why: string): PodAction {
  return { kind: 'stop-container', id, name, graceMs, why };
}

function pruneAttempts(planner: Planner): void {
  for (const { id, name, attempt, state } of planner.input.containers) {
    const latest = planner.latest.get(name)!;
    if (state === 'exited' && attempt <= latest.attempt - ATTEMPTS_KEPT) planner.actions.push({ kind: 'remove-container', id });
  }
}

function activeDeadlineOf({ pod }: PodInput): Millis | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  const startTime = pod.status?.startTime;
  if (activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
  return Date.parse(startTime) + 1000 * activeDeadlineSeconds;
}

/** Ends the pod: its containers first, then the sandbox; only then is its phase final. */
function finish(planner: Planner, ending: Ending): PodPlan {
  const { pod, sandbox } = planner.input;
  const running = planner.running;
  const graceMs = 1000 * (pod.spec.terminationGracePeriodSeconds ?? 30);
  for (const record of running) planner.actions.push(stopAction(record, graceMs, `Stopping container ${record.name}`));
  if (running.length > 0) return result(planner, { ...ending, phase: pod.status?.phase ?? 'Running' });
  if (sandbox?.state === 'ready') planner.actions.push({ kind: 'stop-sandbox' });
  return result(planner, ending);
}

function planDeletion(planner: Planner): PodPlan {
  const { pod, sandbox, containers } = planner.input;
  const running = planner.running;
  const graceMs = 1000 * graceSecondsOf(pod);
  for (const record of running) planner.actions.push(stopAction(record, graceMs, `Stopping container ${record.name}`));
  const phase = pod.status?.phase ?? 'Pending';
  if (running.length > 0) return result(planner, { phase });
  if (sandbox?.state === 'ready') planner.actions.push({ kind: 'stop-sandbox' });
  planner.actions.push({ kind: 'delete-pod' });
  if (isEnded(phase)) return result(planner, { phase });
  const main = pod.spec.containers.map(({ name }) => planner.latest.get(name));
  const isClean = main.every((record) => record?.state === 'exited' && record.exitCode === 0);
  // A pod that never began leaves no verdict on its work.
  return result(planner, { phase: containers.length === 0 ? phase : isClean ? 'Succeeded' : 'Failed' });
}

// --- what is said of it

function result(planner: Planner, ending: Ending): PodPlan {
  const { input, actions, wakeAtMs } = planner;
  const { pod, sandbox, nodeIp, nowMs } = input;
  const { phase, reason, message } = ending;
  const statuses = pod.spec.containers.map((container) => containerStatus(planner, container, false));
  const initStatuses = (pod.spec.initContainers ?? []).map((container) => containerStatus(planner, container, true));
  const ephemeral = (pod.spec.ephemeralContainers ?? []).map((container) => ({ ...containerStatus(planner, container, false), ready: false }));
  const ip = sandbox?.ip ?? pod.status?.podIP;
  const status: AgentPodStatus = {
    phase,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    conditions: conditionsOf(planner, phase, statuses, initStatuses),
    hostIP: nodeIp,
    hostIPs: [{ ip: nodeIp }],
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    startTime: pod.status?.startTime ?? formatTime(nowMs),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod),
    ...(initStatuses.length === 0 ? {} : { initContainerStatuses: initStatuses }),
    containerStatuses: statuses,
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
  };
  return { actions, status, wakeAtMs };
}

function containerStatus(planner: Planner, container: AgentContainer, isInit: boolean): AgentContainerStatus {
  const { input } = planner;
  const { pod, containers, health, runtimeName } = input;
  const record = planner.latest.get(container.name);
  const own = containers.filter(({ name, state }) => name === container.name && state === 'exited');
  const previous = own.filter(({ attempt }) => record === undefined || attempt < record.attempt).at(-1);
  const state = stateOf(planner, container, record);
  const isSideCar = isInit && container.restartPolicy === 'Always';
  const running = record?.state === 'running' ? health.get(record.id) : undefined;
  const isReady = isInit && !isSideCar ? record?.state === 'exited' && record.exitCode === 0 : (running?.isReady ?? false);
  const backsOff = record?.state === 'exited' && state.waiting !== undefined;
  const last = backsOff ? record : previous;
  return {
    name: container.name,
    // Out of the endpoints before it is asked to end.
    ready: isReady && (isInit || pod.metadata.deletionTimestamp === undefined),
    started: running?.isStarted ?? false,
    restartCount: record === undefined ? knownRestarts(pod, container.name) : record.attempt,
    image: record?.imageShown?.name ?? container.image,
    imageID: record === undefined ? '' : (record.imageShown?.ref ?? container.image),
    ...(record === undefined || record.state === 'created' ? {} : { containerID: `${runtimeName}://${record.id}` }),
    state,
    lastState: last === undefined ? {} : { terminated: terminatedOf(last, runtimeName) },
  };
}

/** 0, unless the machine forgot what the API server remembers: then the count of restarts goes on. */
function firstAttempt({ status }: AgentPod, name: string): number {
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const known = all.find((one) => one.name === name);
  return known?.containerID === undefined ? 0 : known.restartCount + 1;
}

function knownRestarts({ status }: AgentPod, name: string): number {
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return all.find((known) => known.name === name)?.restartCount ?? 0;
}

function stateOf(planner: Planner, container: AgentContainer, record: ContainerRecord | undefined): ContainerStateStatus {
  const { pod, waiting, runtimeName, sandbox } = planner.input;
  const why = waiting.get(container.name);
  if (record?.state === 'running') return { running: { startedAt: formatTime(record.startedAtMs ?? record.createdAtMs) } };
  // By name: what else the worker keeps beside them is no field of a status, and the API server refuses it.
  const verdict = planner.verdicts.get(container.name);
  const isOver = record?.state === 'exited' && verdict?.kind !== 'start' && verdict?.kind !== 'back-off';
  if (why !== undefined && !isOver) return { waiting: { reason: why.reason, message: why.message } };
  if (record?.state === 'exited') {
    if (verdict?.kind !== 'back-off') return { terminated: terminatedOf(record, runtimeName) };
    const message = `back-off ${formatSeconds(verdict.delayMs)} restarting failed container=${container.name} pod=${describePod(pod)}`;
    return { waiting: { reason: 'CrashLoopBackOff', message } };
  }
  const waitsForInit = (pod.spec.initContainers ?? []).length > 0 && sandbox !== undefined && record === undefined;
  return { waiting: { reason: waitsForInit ? 'PodInitializing' : 'ContainerCreating' } };
}

/** `10s`, `2m40s`: as Go writes durations. */
function formatSeconds(delayMs: Millis): string {
  const seconds = Math.round(delayMs / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function terminatedOf(record: ContainerRecord, runtimeName: string): TerminatedState {
  const { exitCode = 137, startedAtMs, finishedAtMs, message, id } = record;
  return {
    exitCode,
    reason: record.reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === undefined ? {} : { message }),
    ...(startedAtMs === undefined ? {} : { startedAt: formatTime(startedAtMs) }),
    ...(finishedAtMs === undefined ? {} : { finishedAt: formatTime(finishedAtMs) }),
    containerID: `${runtimeName}://${id}`,
  };
}

function conditionsOf(
  { input }: Planner,
  phase: string,
  statuses: readonly AgentContainerStatus[],
  initStatuses: readonly AgentContainerStatus[],
): Condition[] {
  const { pod, nowMs } = input;
  const unready = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  const uninitialized = initStatuses.filter(({ ready, started }) => !ready && started !== true).map(({ name }) => name);
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const closed = gates.filter((type) => pod.status?.conditions?.find((known) => known.type === type)?.status !== 'True');
  const initialized = phase === 'Succeeded' || uninitialized.length === 0 || phase === 'Running';
  const containersReady = ready(phase, unready, 'containers with unready status');
  const computed: (Pick<Condition, 'type' | 'status' | 'reason' | 'message'> & { readonly type: string })[] = [
    initialized ? { type: 'Initialized', status: 'True' } : notReady('Initialized', 'ContainersNotInitialized', `containers with incomplete status: [${uninitialized.join(' ')}]`),
    containersReady === undefined ? { type: 'ContainersReady', status: 'True' } : notReady('ContainersReady', containersReady.reason, containersReady.message),
    containersReady === undefined && closed.length > 0
      ? notReady('Ready', 'ReadinessGatesNotReady', `readiness gates not ready: [${closed.join(' ')}]`)
      : containersReady === undefined
        ? { type: 'Ready', status: 'True' }
        : notReady('Ready', containersReady.reason, containersReady.message),
    { type: 'PodScheduled', status: 'True' },
  ];
  const own = computed.map((condition) => {
    const before = pod.status?.conditions?.find(({ type }) => type === condition.type);
    const isSame = before?.status === condition.status && before.lastTransitionTime !== undefined;
    return { ...condition, lastTransitionTime: isSame ? before.lastTransitionTime! : formatTime(nowMs) };
  });
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !own.some((condition) => condition.type === type));
  return [...own, ...others];
}

function ready(phase: string, unready: readonly string[], text: string): { reason: string; message?: string } | undefined {
  if (phase === 'Succeeded') return { reason: 'PodCompleted' };
  if (phase === 'Failed') return { reason: 'PodFailed' };
  if (unready.length === 0) return undefined;
  return { reason: 'ContainersNotReady', message: `${text}: [${unready.join(' ')}]` };
}

function notReady(type: string, reason: string, message?: string) {
  return message === undefined ? { type, status: 'False', reason } : { type, status: 'False', reason, message };
}

function restartPolicyOf(pod: AgentPod, container: AgentContainer, isInit: boolean): string {
  if (isInit && container.restartPolicy === 'Always') return 'Always';
  const policy = pod.spec.restartPolicy ?? 'Always';
  // An init container that has ended well is never run again.
  return isInit && policy === 'Always' ? 'OnFailure' : policy;
}

function qosClassOf({ spec }: AgentPod): string {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  const amounts = all.flatMap(({ resources }) => [resources?.requests, resources?.limits]);
  const isBestEffort = amounts.every((map) => map?.cpu === undefined && map?.memory === undefined);
  if (isBestEffort) return 'BestEffort';
  const isGuaranteed = all.every(({ resources }) =>
    (['cpu', 'memory'] as const).every((name) => {
      const limit = resources?.limits?.[name];
      return limit !== undefined && (resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}
