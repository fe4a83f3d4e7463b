import { expect, test } from 'vitest';
import { ContainerProbes } from '../../../src/agent/core/probes.ts';
import type { AgentContainer } from '../../../src/agent/core/pod-spec.ts';

const container = (probes: Partial<AgentContainer>): AgentContainer => ({ name: 'a', image: 'i', ...probes });
const kinds = (probes: ContainerProbes, nowMs: number) => probes.due(nowMs).map(({ kind }) => kind);

test('a container without probes is started and ready', () => {
  const probes = new ContainerProbes(container({}), 0);
  expect([probes.isStarted, probes.isReady, probes.nextDeadline()]).toEqual([true, true, undefined]);
});

test('readiness waits for its delay, its thresholds, and asks eagerly until the first success', () => {
  const spec = { initialDelaySeconds: 1, periodSeconds: 10, successThreshold: 2, failureThreshold: 2 };
  const probes = new ContainerProbes(container({ readinessProbe: spec }), 0);
  expect(kinds(probes, 999)).toEqual([]);
  expect(kinds(probes, 1000)).toEqual(['readiness']);
  expect(kinds(probes, 1000)).toEqual([]);
  probes.record('readiness', false, 1010);
  const eager = probes.nextDeadline()! - 1010;
  expect(eager).toBeLessThan(1000);
  kinds(probes, 1100);
  probes.record('readiness', true, 1100);
  expect(probes.isReady).toBe(false);
  kinds(probes, 2000);
  expect(probes.record('readiness', true, 2000)).toMatchObject({ isChanged: true });
  expect(probes.isReady).toBe(true);
  expect(probes.nextDeadline()).toBe(12_000);
  kinds(probes, 12_000);
  probes.record('readiness', false, 12_000);
  expect(probes.isReady).toBe(true);
  kinds(probes, 22_000);
  expect(probes.record('readiness', false, 22_000)).toMatchObject({ isChanged: true });
  expect(probes.isReady).toBe(false);
});

test('a container that is not ready is told of: not while it may just be starting, then once a period', () => {
  const probes = new ContainerProbes(container({ readinessProbe: { periodSeconds: 10 } }), 0);
  const told: number[] = [];
  for (let nowMs = 0; nowMs <= 35_000; nowMs = probes.nextDeadline()!) {
    expect(kinds(probes, nowMs)).toEqual(['readiness']);
    if (probes.record('readiness', false, nowMs).isTold) told.push(nowMs);
  }
  expect(told.length).toBe(3);
  expect(told[0]).toBeGreaterThanOrEqual(2_000);
  expect(told[0]).toBeLessThan(4_000);
  kinds(probes, 50_000);
  expect(probes.record('readiness', true, 50_000)).toEqual({ isChanged: true, isTold: false });
  expect(probes.record('readiness', false, 50_001).isTold).toBe(true);
});

test('a delay counts from the start of the container, also behind a startup probe', () => {
  const spec = { periodSeconds: 1 };
  const probes = new ContainerProbes(container({ startupProbe: spec, livenessProbe: { ...spec, initialDelaySeconds: 5 }, readinessProbe: spec }), 0);
  kinds(probes, 0);
  probes.record('startup', true, 1_000);
  expect(kinds(probes, 1_000)).toEqual(['readiness']);
  probes.record('readiness', true, 1_000);
  expect(kinds(probes, 5_000)).toEqual(['liveness', 'readiness']);
});

test('the startup probe comes before the others, which begin when it has succeeded', () => {
  const spec = { periodSeconds: 1 };
  const probes = new ContainerProbes(container({ startupProbe: { ...spec, failureThreshold: 5 }, livenessProbe: spec, readinessProbe: spec }), 0);
  expect(kinds(probes, 0)).toEqual(['startup']);
  probes.record('startup', false, 10);
  expect(kinds(probes, 500)).toEqual([]);
  expect(kinds(probes, 1_010)).toEqual(['startup']);
  probes.record('startup', true, 1_020);
  expect([probes.isStarted, probes.isReady]).toEqual([true, false]);
  expect(kinds(probes, 1_020)).toEqual(['liveness', 'readiness']);
});

test.each(['startup', 'liveness'] as const)('%s gives a container up after its threshold in a row', (kind) => {
  const spec = { periodSeconds: 1, failureThreshold: 3 };
  const probes = new ContainerProbes(container(kind === 'startup' ? { startupProbe: spec } : { livenessProbe: spec }), 0);
  for (const isSuccess of kind === 'liveness' ? [false, false, true, false, false] : [false, false]) {
    probes.record(kind, isSuccess, 0);
    expect(probes.unhealthy).toBeUndefined();
  }
  expect(probes.record(kind, false, 0)).toMatchObject({ isChanged: true });
  expect(probes.unhealthy).toBe(kind);
  expect([kinds(probes, 1e9), probes.nextDeadline()]).toEqual([[], undefined]);
});

test('an adopted container stays what it was until a probe says otherwise', () => {
  const spec = { periodSeconds: 1 };
  const probes = new ContainerProbes(container({ startupProbe: spec, readinessProbe: spec }), 0, { started: true, ready: true });
  expect([probes.isStarted, probes.isReady]).toEqual([true, true]);
  expect(kinds(probes, 1_000)).toEqual(['readiness']);
});
