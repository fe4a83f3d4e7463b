import { expect, test } from 'vitest';
import { admit } from '../../../src/agent/core/admission.ts';
import { containerResources, containerSecurity, oomScoreOf, podResources, sandboxDemands } from '../../../src/agent/core/container-demands.ts';
import type { AgentContainer, AgentPod, AgentPodSpec } from '../../../src/agent/core/pod-spec.ts';

const container = (extra: Partial<AgentContainer> = {}): AgentContainer => ({ name: 'main', image: 'x', ...extra });
const pod = (extra: Partial<AgentPodSpec> = {}): AgentPod => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' }, spec: { containers: [container()], ...extra } });

test('containerResources() takes a limit for the request that is not written', () => {
  expect(containerResources(container({ resources: { requests: { cpu: '100m' }, limits: { cpu: '1500m', memory: '64Mi' } } }))).toEqual({
    cpuRequestMilli: 100, cpuLimitMilli: 1_500, memoryLimitBytes: 64 * 1024 * 1024,
  });
  expect(containerResources(container({ resources: { limits: { cpu: '1' } } }))).toMatchObject({ cpuRequestMilli: 1_000, cpuLimitMilli: 1_000 });
  expect(containerResources(container())).toEqual({ cpuRequestMilli: undefined, cpuLimitMilli: undefined, memoryLimitBytes: undefined });
});

test("containerSecurity() puts the container's before the pod's", () => {
  const ofPod = { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [9, 3] };
  expect(containerSecurity(pod({ securityContext: ofPod }), container({ securityContext: { runAsUser: 5, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true } }))).toMatchObject({
    ok: true, value: { user: 5, group: 2, supplementalGroups: [3, 9], noNewPrivileges: true, readOnlyRoot: true, privileged: false },
  });
});

test('containerSecurity() refuses root where the pod forbids it', () => {
  const forbidden = pod({ securityContext: { runAsNonRoot: true } });
  expect(containerSecurity(forbidden, container())).toMatchObject({ ok: false, message: expect.stringContaining('image will run as root') as string });
  expect(containerSecurity(forbidden, container({ securityContext: { runAsUser: 0 } }))).toMatchObject({ ok: false, message: expect.stringContaining('non-root policy') as string });
  expect(containerSecurity(forbidden, container({ securityContext: { runAsUser: 7 } }), '0').ok).toBe(true);
  expect(containerSecurity(forbidden, container(), '7:0').ok).toBe(true);
  expect(containerSecurity(forbidden, container(), 'app:0')).toMatchObject({ ok: false, message: 'container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root (pod: "p_default()", container: main)' });
  expect(containerSecurity(forbidden, container(), '00').ok).toBe(false);
  expect(containerSecurity(forbidden, container({ securityContext: { runAsNonRoot: false } })).ok).toBe(true);
});

test('sandboxDemands() says that a container is privileged, an init container too', () => {
  const plain = { name: 'a', image: 'i' };
  const privileged = { ...plain, name: 'b', securityContext: { privileged: true } };
  const of = (spec: object) => sandboxDemands(pod({ containers: [plain], ...spec })).privileged;
  expect([of({}), of({ containers: [plain, privileged] }), of({ initContainers: [privileged] })]).toEqual([undefined, true, true]);
});

test('sandboxDemands() has the settings and names of the pod', () => {
  const spec = { hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }], securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '9' }] } };
  expect(sandboxDemands(pod(spec))).toMatchObject({ hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }], sysctls: { 'net.core.somaxconn': '9' } });
});

const limited = (cpu: string, memory: string, extra: Partial<AgentContainer> = {}) => container({ resources: { limits: { cpu, memory } }, ...extra });

test('podResources() is the most that runs at a time', () => {
  const sidecar = limited('100m', '10Mi', { restartPolicy: 'Always' });
  const spec = { initContainers: [limited('2', '20Mi'), sidecar, limited('500m', '100Mi')], containers: [limited('300m', '30Mi'), limited('400m', '40Mi')], overhead: { memory: '1Mi' } };
  expect(podResources(pod(spec))).toMatchObject({ cpuLimitMilli: 2_000, memoryLimitBytes: 111 * 1024 * 1024 });
});

test('podResources() limits nothing that one of its containers may use without a limit', () => {
  const spec = { containers: [limited('300m', '30Mi'), container({ resources: { limits: { memory: '1Mi' }, requests: { cpu: '50m' } } })] };
  expect(podResources(pod(spec))).toEqual({ cpuRequestMilli: 350, cpuLimitMilli: undefined, memoryLimitBytes: 31 * 1024 * 1024 });
});

test('oomScoreOf() spares who asked for more of the machine', () => {
  expect([oomScoreOf('Guaranteed', 5, 10), oomScoreOf('BestEffort', 0, 10), oomScoreOf('Burstable', 5, 10), oomScoreOf('Burstable', 0, 10), oomScoreOf('Burstable', 10, 10)]).toEqual([-997, 1_000, 500, 999, 3]);
});

test('containerSecurity() has the profile of the container, or of its pod, and none where it is privileged', () => {
  const ofPod = pod({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } });
  const own = { type: 'Localhost', localhostProfile: 'p.json' };
  const seccomp = (given: AgentContainer) => {
    const found = containerSecurity(ofPod, given);
    return found.ok ? found.value.seccomp : undefined;
  };
  expect(seccomp(container())).toEqual({ kind: 'runtime-default' });
  expect(seccomp(container({ securityContext: { seccompProfile: own } }))).toEqual({ kind: 'localhost', path: 'p.json' });
  expect(seccomp(container({ securityContext: { seccompProfile: { type: 'Unconfined' } } }))).toBeUndefined();
  expect(seccomp(container({ securityContext: { privileged: true } }))).toBeUndefined();
});

test("admit() refuses settings of the kernel that are not the pod's own", () => {
  const room = { milliCpu: 1n, memoryBytes: 1n, pods: 5 };
  const asks = (name: string, extra: Partial<AgentPodSpec> = {}) => admit(pod({ securityContext: { sysctls: [{ name, value: '1' }] }, ...extra }), [], room);
  expect(asks('net/ipv4/tcp_syncookies')).toBeUndefined();
  expect(asks('kernel.msgmax')).toEqual({ reason: 'SysctlForbidden', message: 'forbidden sysctl: "kernel.msgmax" not allowlisted' });
  expect(asks('net.ipv4.tcp_syncookies', { hostNetwork: true })?.message).toContain('host net enabled');
  expect(asks('kernel.shm_rmid_forced', { hostIPC: true })?.message).toContain('host ipc enabled');
});
