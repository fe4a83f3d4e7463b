/** What is said of a pod: its status as Kubernetes' clients read it, from what is known and what was planned. Pure. */
import { formatTime, type Millis } from '../../base/clock.ts';
import type { Condition } from '../../client/objects.ts';
import type { ContainerRecord } from '../runtime/runtime.ts';
import { knownStatus, type Ending, type Planner, type PodPlan } from './pod-plan.ts';
import { resizeConditions, statusResources } from './pod-resize.ts';
import {
  describePod,
  isSidecar,
  type AgentContainer,
  type AgentContainerStatus,
  type AgentPod,
  type AgentPodStatus,
  type ContainerStateStatus,
  type TerminatedState,
} from './pod-spec.ts';
import { withinBudget } from './termination-message.ts';

/** So long a program that could not be started says why, before it is one that is waited with like any other. */
export const START_ERROR_SHOWN_MS: Millis = 3_000;
/** The API server remembers that it ran; the runtime does not know it. */
const FORGOTTEN = { exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located when the pod was terminated' };

type ContainerKind = 'main' | 'init' | 'ephemeral';

export function result(planner: Planner, ending: Ending): PodPlan {
  const { input, actions, isEnding, wakeInMs } = planner;
  const { pod, sandbox, nodeIp, nowMs } = input;
  const { phase, reason, message } = ending;
  const statusesOf = (list: readonly AgentContainer[] | undefined, kind: ContainerKind) => (list ?? []).map((container) => containerStatus(planner, container, kind));
  const statuses = statusesOf(pod.spec.containers, 'main');
  const initStatuses = statusesOf(pod.spec.initContainers, 'init');
  const ephemeral = statusesOf(pod.spec.ephemeralContainers, 'ephemeral');
  const ip = sandbox?.ip ?? pod.status?.podIP;
  const { generation } = pod.metadata;
  const status: AgentPodStatus = {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
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
  return { actions, status: withinBudget(status), isEnding, ending: planner.ending, wakeInMs };
}

function containerStatus(planner: Planner, container: AgentContainer, kind: ContainerKind): AgentContainerStatus {
  const { pod, health, runtimeName, starting } = planner.input;
  const { name, image, lifecycle } = container;
  const record = planner.latest.get(name);
  const known = knownStatus(pod, name);
  const state = stateOf(planner, container, record);
  const running = record?.state === 'running' && !starting.has(record.id) ? health.get(record.id) : undefined;
  const hasDone = record?.state === 'exited' && record.exitCode === 0;
  const isReady = kind === 'init' && !isSidecar(container) ? hasDone : kind !== 'ephemeral' && (running?.isReady ?? false);
  const isOfNow = record !== undefined && record.state !== 'created';
  return {
    name,
    ready: isReady,
    started: running?.isStarted ?? false,
    restartCount: record === undefined ? (known?.restartCount ?? 0) : record.attempt,
    image: record?.imageShown?.name ?? image,
    imageID: record === undefined ? '' : (record.imageShown?.ref ?? image),
    ...(isOfNow ? { containerID: `${runtimeName}://${record.id}` } : record === undefined && known?.containerID !== undefined ? { containerID: known.containerID } : {}),
    state,
    lastState: lastStateOf(planner, container, state),
    ...(lifecycle?.stopSignal === undefined ? {} : { stopSignal: lifecycle.stopSignal }),
    ...(kind === 'ephemeral' ? {} : statusResources(planner, container)),
  };
}

function stateOf(planner: Planner, container: AgentContainer, record: ContainerRecord | undefined): ContainerStateStatus {
  const { pod, waiting, sandbox, starting } = planner.input;
  const { name } = container;
  const isUp = record?.state === 'running' && !starting.has(record.id);
  if (isUp) return { running: { startedAt: formatTime(record.startedAtMs ?? record.createdAtMs) } };
  const verdict = planner.verdicts.get(name);
  const why = waiting.get(name);
  // By name: what else the worker keeps beside them is no field of a status, and the API server refuses it.
  const isOver = verdict?.kind === 'done' || (record?.state === 'exited' && verdict?.kind !== 'start' && verdict?.kind !== 'back-off');
  if (why !== undefined && !isOver) return { waiting: { reason: why.reason, message: why.message } };
  if (record?.state === 'exited' && verdict?.kind === 'back-off') {
    const { agoMs, delayMs } = verdict;
    const { reason, message = '' } = record;
    if (reason === 'StartError' && agoMs < START_ERROR_SHOWN_MS) return { waiting: { reason: 'RunContainerError', message } };
    return { waiting: { reason: 'CrashLoopBackOff', message: `back-off ${formatSeconds(delayMs)} restarting failed container=${name} pod=${describePod(pod)}` } };
  }
  if (record?.state === 'exited') return { terminated: terminatedOf(planner, record) };
  if (record === undefined && verdict?.kind === 'done') return { terminated: knownStatus(pod, name)?.state.terminated ?? FORGOTTEN };
  const waitsForInit = (pod.spec.initContainers ?? []).length > 0 && sandbox !== undefined && record === undefined;
  return { waiting: { reason: waitsForInit ? 'PodInitializing' : 'ContainerCreating' } };
}

/** How the attempt before the one that `state` tells of has ended. */
function lastStateOf(planner: Planner, { name }: AgentContainer, state: ContainerStateStatus): ContainerStateStatus {
  const { pod, containers } = planner.input;
  const record = planner.latest.get(name);
  if (record?.state === 'exited' && state.waiting !== undefined) return { terminated: terminatedOf(planner, record) };
  const ended = containers.filter((one) => one.name === name && one.state === 'exited');
  const previous = ended.filter(({ attempt }) => record === undefined || attempt < record.attempt).at(-1);
  if (previous !== undefined) return { terminated: terminatedOf(planner, previous) };
  const known = knownStatus(pod, name);
  if (known === undefined || state.terminated !== undefined) return known?.lastState ?? {};
  const isOther = record === undefined || known.restartCount !== record.attempt;
  if (isOther && known.state.running !== undefined) return { terminated: { ...FORGOTTEN, ...(known.containerID === undefined ? {} : { containerID: known.containerID }) } };
  if (isOther && known.state.terminated !== undefined) return { terminated: known.state.terminated };
  return known.lastState;
}

/** `10s`, `2m40s`: as Go writes durations. */
function formatSeconds(delayMs: Millis): string {
  const seconds = Math.round(delayMs / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function terminatedOf({ input }: Planner, record: ContainerRecord): TerminatedState {
  const { exitCode = 137, startedAtMs, finishedAtMs, id } = record;
  const message = [record.message, input.messages.get(id)].filter((text) => text !== undefined && text !== '').join(': ');
  return {
    exitCode,
    reason: record.reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === '' ? {} : { message }),
    ...(startedAtMs === undefined ? {} : { startedAt: formatTime(startedAtMs) }),
    ...(finishedAtMs === undefined ? {} : { finishedAt: formatTime(finishedAtMs) }),
    containerID: `${input.runtimeName}://${id}`,
  };
}

// --- conditions

type Said = Pick<Condition, 'type' | 'status'> & { readonly reason?: string; readonly message?: string };
/** What this agent says and takes back; other conditions are others'. */
const OWN: readonly string[] = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled', 'PodResizePending', 'PodResizeInProgress'];

function conditionsOf(planner: Planner, phase: string, statuses: readonly AgentContainerStatus[], initStatuses: readonly AgentContainerStatus[]): Condition[] {
  const { pod, nowMs, sandbox } = planner.input;
  const { generation } = pod.metadata;
  const containersReady = containersReadyOf(phase, [...initStatuses.filter(({ name }) => isSidecarOf(pod, name)), ...statuses]);
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const closed = gates.filter((type) => pod.status?.conditions?.find((known) => known.type === type)?.status !== 'True');
  const gatesClosed = { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: `readiness gates not ready: [${closed.join(' ')}]` };
  const said: Said[] = [
    { type: 'PodReadyToStartContainers', status: sandbox?.state === 'ready' ? 'True' : 'False' },
    initializedOf(planner, phase, initStatuses),
    containersReady.status === 'True' && closed.length > 0 ? gatesClosed : { ...containersReady, type: 'Ready' },
    containersReady,
    { type: 'PodScheduled', status: 'True' },
    ...resizeConditions(planner),
  ];
  const own = said.map((condition) => {
    const before = pod.status?.conditions?.find(({ type }) => type === condition.type);
    const isSame = before?.status === condition.status && before.lastTransitionTime !== undefined;
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    return { ...condition, ...observed, lastTransitionTime: isSame ? before.lastTransitionTime! : formatTime(nowMs) };
  });
  return [...own, ...(pod.status?.conditions ?? []).filter(({ type }) => !OWN.includes(type))];
}

function isSidecarOf({ spec }: AgentPod, name: string): boolean {
  return spec.initContainers?.some((container) => container.name === name && isSidecar(container)) === true;
}

function initializedOf(planner: Planner, phase: string, statuses: readonly AgentContainerStatus[]): Said {
  const { pod } = planner.input;
  if (phase === 'Succeeded') return { type: 'Initialized', status: 'True', reason: 'PodCompleted' };
  const isDone = ({ name, ready, started }: AgentContainerStatus) => (isSidecarOf(pod, name) ? started === true : ready);
  const incomplete = statuses.filter((status) => !isDone(status)).map(({ name }) => name);
  // Once the others have begun it stays so, whatever is restarted.
  if (incomplete.length === 0 || planner.hasMainBegun) return { type: 'Initialized', status: 'True' };
  const message = `containers with incomplete status: [${incomplete.join(' ')}]`;
  return { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized', message };
}

function containersReadyOf(phase: string, statuses: readonly AgentContainerStatus[]): Said {
  const type = 'ContainersReady';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const unready = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
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
