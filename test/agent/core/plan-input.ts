/** Inputs for the plan of a pod, as short as a table wants them. */
import { planPod } from '../../../src/agent/core/pod-lifecycle.ts';
import type { PodInput, PodPlan } from '../../../src/agent/core/pod-plan.ts';
import type { AgentPod } from '../../../src/agent/core/pod-spec.ts';
import type { ContainerRecord, ContainerResources, Sandbox } from '../../../src/agent/runtime/runtime.ts';

export const NOW = Date.parse('2026-01-01T00:00:00Z');
export const sandbox: Sandbox = { id: 'u', namespace: 'ns', name: 'p', ip: '127.9.0.1', createdAtMs: NOW - 1_000, state: 'ready' };
export const stopped: Sandbox = { ...sandbox, state: 'stopped' };

export function podOf(spec: Partial<AgentPod['spec']> = {}, metadata: Partial<AgentPod['metadata']> = {}, status?: AgentPod['status']): AgentPod {
  const pod: AgentPod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'ns', uid: 'u', ...metadata },
    spec: { containers: [{ name: 'a', image: 'i' }], ...spec },
  };
  return status === undefined ? pod : { ...pod, status };
}

export function recordOf(name: string, facts: Partial<ContainerRecord> = {}): ContainerRecord {
  const attempt = facts.attempt ?? 0;
  return {
    id: `u/${name}/${attempt}`,
    sandboxId: 'u',
    name,
    attempt,
    backoffSteps: 0,
    init: false,
    state: 'running',
    createdAtMs: NOW - 1_000,
    startedAtMs: NOW - 1_000,
    ...facts,
  };
}

export const ended = (name: string, exitCode: number, facts: Partial<ContainerRecord> = {}) =>
  recordOf(name, { state: 'exited', exitCode, startedAtMs: NOW - 2_000, finishedAtMs: NOW, ...facts });

export const ROOMY = { others: () => ({ milliCpu: 0n, memoryBytes: 0n }), allocatable: { milliCpu: 4_000n, memoryBytes: 1n << 32n, pods: 10 }, canResize: true, failures: new Map<string, string>(), applied: new Map<string, ContainerResources>() };

export function plan(input: Partial<PodInput> & { pod: AgentPod }): PodPlan {
  const { nowMs = NOW } = input;
  const health = new Map((input.containers ?? []).filter(({ state }) => state === 'running').map(({ id }) => [id, { isStarted: true, isReady: true }]));
  return planPod({
    nodeIp: '127.0.0.1',
    runtimeName: 'process',
    sandbox,
    containers: [],
    health,
    starting: new Set(),
    messages: new Map(),
    waiting: new Map(),
    onContainerFailure: 'restart',
    resizing: ROOMY,
    endingForMs: 0,
    nowMs,
    ageMs: (_, atMs) => Math.max(0, nowMs - atMs),
    ...input,
  });
}

export const kinds = (result: PodPlan) => result.actions.map((action) => ('name' in action ? `${action.kind} ${action.name}` : action.kind));
export const conditions = (result: PodPlan) => Object.fromEntries((result.status.conditions ?? []).map(({ type, status }) => [type, status]));
export const states = (result: PodPlan) => {
  const all = [...(result.status.initContainerStatuses ?? []), ...(result.status.containerStatuses ?? [])];
  return Object.fromEntries(all.map(({ name, state }) => [name, state.waiting?.reason ?? state.terminated?.reason ?? 'Running']));
};
