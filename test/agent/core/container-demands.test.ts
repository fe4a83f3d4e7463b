import { expect, test } from 'vitest';
import { containerResources, containerSecurity, sandboxDemands } from '../../../src/agent/core/container-demands.ts';
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

test('sandboxDemands() has the settings and names of the pod', () => {
  const spec = { hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }], securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '9' }] } };
  expect(sandboxDemands(pod(spec))).toEqual({ hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }], sysctls: { 'net.core.somaxconn': '9' } });
});
