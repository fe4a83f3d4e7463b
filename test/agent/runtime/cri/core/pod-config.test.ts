import { describe, expect, test } from 'vitest';
import { cgroupParentOf, requestsOf } from '../../../../../src/agent/runtime/cri/core/cgroup-parents.ts';
import { containerConfig, isSystemdByConfig, linuxResources, sandboxConfig } from '../../../../../src/agent/runtime/cri/core/pod-config.ts';
import { containerKeyOf, recordOf } from '../../../../../src/agent/runtime/cri/core/records.ts';
import { criSignalOf } from '../../../../../src/agent/runtime/cri/core/stop-signal.ts';
import type { ContainerConfig, SandboxConfig } from '../../../../../src/agent/runtime/runtime.ts';
import { ContainerConfig as CriContainer, ContainerState, ContainerStatus, NamespaceMode, PodSandboxConfig, ProfileType } from '../../../../../src/proto/cri.ts';

const pod: SandboxConfig = { uid: 'u-1', namespace: 'ns', name: 'web', hostname: 'web', hostNetwork: false, annotations: { a: 'b' } };
const place = { owner: 'abc', attempt: 2, logDirectory: '/logs', cgroupParent: '/podium/abc/podu-1' };
const container: ContainerConfig = { name: 'main', attempt: 3, backoffSteps: 2, init: true, image: 'busybox', imageId: 'sha256:1', command: ['sh'], args: ['-c'], workingDir: '/srv', env: { A: 'b' }, mounts: [] };
const ofContainer = (extra: Partial<ContainerConfig> = {}, { target, ...ofPod }: Partial<SandboxConfig> & { readonly target?: string } = {}) =>
  CriContainer.create(containerConfig({ ...container, ...extra }, { owner: 'abc', pod: { ...pod, ...ofPod }, hostsFile: '/files/hosts', sandboxAttempt: 0, seccompDirectory: '/node/seccomp', target }));

describe('sandboxConfig()', () => {
  test('has what the pod is found again by', () => {
    const { metadata, labels, annotations, linux, hostname } = PodSandboxConfig.create(sandboxConfig({ ...pod, sysctls: { 'net.core.somaxconn': '9' } }, place));
    expect(metadata).toEqual({ uid: 'u-1', namespace: 'ns', name: 'web', attempt: 2 });
    expect(Object.fromEntries(labels)).toEqual({ 'io.kubernetes.pod.name': 'web', 'io.kubernetes.pod.namespace': 'ns', 'io.kubernetes.pod.uid': 'u-1', 'podium.dev/owner': 'abc' });
    expect([Object.fromEntries(annotations), hostname]).toEqual([{ a: 'b' }, 'web']);
    expect(linux?.sysctls.get('net.core.somaxconn')).toBe('9');
  });

  test('says whether one of its containers is privileged', () => {
    const context = (extra: Partial<SandboxConfig>) => PodSandboxConfig.create(sandboxConfig({ ...pod, ...extra }, place)).linux?.securityContext;
    expect([context({})?.privileged, context({ privileged: true })?.privileged]).toEqual([false, true]);
  });

  test('of a pod on the network of its node has the name and the network of the node', () => {
    const { hostname, linux } = PodSandboxConfig.create(sandboxConfig({ ...pod, hostNetwork: true }, place));
    expect([hostname, linux?.securityContext?.namespaceOptions?.network]).toEqual(['', NamespaceMode.NODE]);
  });
});

describe('containerConfig()', () => {
  test('and back: the key of a record', () => {
    const { metadata, labels, annotations, image } = ofContainer();
    expect(containerKeyOf({ metadata, labels, annotations })).toEqual({ id: 'u-1/main/3', sandboxId: 'u-1', name: 'main', attempt: 3, backoffSteps: 2, init: true });
    expect(image?.image).toBe('sha256:1');
  });

  test('mounts the hosts of the pod, unless it brings its own; no path leads out', () => {
    const mount = (containerPath: string) => ({ containerPath, hostPath: '/v', readOnly: true });
    expect(ofContainer({ mounts: [mount('/data/../../out/')] }).mounts.map(({ containerPath }) => containerPath)).toEqual(['/out', '/etc/hosts']);
    expect(ofContainer({ mounts: [mount('/etc/hosts')] }).mounts.map(({ hostPath }) => hostPath)).toEqual(['/v']);
  });

  test('a privileged container has no profile and sees all of /proc; a group alone has a user', () => {
    const context = (security: NonNullable<ContainerConfig['security']>) => ofContainer({ security }).linux?.securityContext;
    const privileged = context({ privileged: true });
    expect([privileged?.privileged, privileged?.maskedPaths, privileged?.seccomp?.profileType]).toEqual([true, [], ProfileType.UNCONFINED]);
    expect(context({})?.maskedPaths).toContain('/proc/kcore');
    expect(context({})?.seccomp?.profileType).toBe(ProfileType.UNCONFINED);
    expect(context({ unmaskedProc: true })?.readonlyPaths).toEqual([]);
    expect([context({ group: 5 })?.runAsUser?.value, context({ group: 5 })?.runAsGroup?.value]).toEqual([0n, 5n]);
    expect(context({ user: 1000 })?.runAsUser?.value).toBe(1000n);
  });
});

describe('containerConfig(), profiles and namespaces', () => {
  const context = (security: NonNullable<ContainerConfig['security']>) => ofContainer({ security }).linux?.securityContext;
  const spaces = (...of: Parameters<typeof ofContainer>) => ofContainer(...of).linux?.securityContext?.namespaceOptions;

  test('profiles are passed on: those of the node by their place, which they do not leave', () => {
    const of = (seccomp: NonNullable<ContainerConfig['security']>['seccomp']) => context({ seccomp })?.seccomp;
    expect(of({ kind: 'runtime-default' })?.profileType).toBe(ProfileType.RUNTIME_DEFAULT);
    expect(of({ kind: 'localhost', path: 'own/a.json' })).toMatchObject({ profileType: ProfileType.LOCALHOST, localhostRef: '/node/seccomp/own/a.json' });
    expect(of({ kind: 'localhost', path: '../../etc/a.json' })?.localhostRef).toBe('/node/seccomp/etc/a.json');
    expect(context({})?.apparmor).toBeUndefined();
    expect(context({ appArmor: { kind: 'localhost', path: 'web' } })?.apparmor).toMatchObject({ profileType: ProfileType.LOCALHOST, localhostRef: 'web' });
  });

  test('namespaces are those of the container, of the pod, of the machine, or of another container', () => {
    expect(spaces()).toMatchObject({ network: NamespaceMode.POD, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD });
    expect(spaces({}, { hostNetwork: true, processes: 'of-the-machine', hostIpc: true })).toMatchObject({ network: NamespaceMode.NODE, pid: NamespaceMode.NODE, ipc: NamespaceMode.NODE });
    expect(spaces({}, { target: 'c1' })).toMatchObject({ pid: NamespaceMode.TARGET, targetId: 'c1' });
    // They see each other anyway.
    expect(spaces({}, { target: 'c1', processes: 'of-the-pod' })).toMatchObject({ pid: NamespaceMode.POD, targetId: '' });
  });

  test('signals are counted as CRI does', () => {
    const wanted: readonly (readonly [string, number])[] = [['SIGABRT', 1], ['SIGINT', 10], ['SIGTERM', 23], ['USR1', 29], ['SIGXFSZ', 34], ['SIGRTMIN', 35], ['SIGRTMIN+3', 38], ['SIGRTMAX-14', 51], ['SIGRTMAX', 65], ['SIGNONE', 0], ['SIGRTMIN+31', 0]];
    expect(wanted.map(([name]) => [name, criSignalOf(name)])).toEqual(wanted);
    expect(ofContainer({ stopSignal: 'SIGINT' }).stopSignal).toBe(10);
  });
});

test('linuxResources() is what the kubelet would ask for', () => {
  expect(linuxResources({ cpuRequestMilli: 100, cpuLimitMilli: 250, memoryLimitBytes: 1024 })).toMatchObject({ cpuShares: 102, cpuPeriod: 100_000, cpuQuota: 25_000, memoryLimitInBytes: 1024 });
  expect(linuxResources({ cpuRequestMilli: 1, cpuLimitMilli: 1 })).toMatchObject({ cpuShares: 2, cpuQuota: 1_000 });
  expect(linuxResources({})).toEqual({ cpuShares: 0, memoryLimitInBytes: 0, oomScoreAdj: 0 });
  expect(linuxResources({ oomScoreAdjust: -997 }).oomScoreAdj).toBe(-997);
});

test('cgroupParentOf() is a path by the class of the pod, or a slice where systemd has the cgroups', () => {
  const of = (qosClass: string | undefined, isSystemd = false) => cgroupParentOf({ uid: 'a-b', qosClass }, { owner: 'o', isSystemd });
  expect(['Guaranteed', 'Burstable', 'BestEffort', undefined].map((qos) => of(qos))).toEqual(['/podium/o/poda-b', '/podium/o/burstable/poda-b', '/podium/o/besteffort/poda-b', '/podium/o/burstable/poda-b']);
  expect([of('Guaranteed', true), of('BestEffort', true)]).toEqual(['podium-o-poda_b.slice', 'podium-o-besteffort-poda_b.slice']);
});

test('requestsOf() a class is what its pods ask for, and nothing for those that ask for nothing', () => {
  const pods = [{ qosClass: 'Burstable', resources: { cpuRequestMilli: 100 } }, { qosClass: 'Burstable', resources: { cpuRequestMilli: 250 } }, { qosClass: 'Guaranteed', resources: { cpuRequestMilli: 1_000 } }, { qosClass: 'BestEffort' }];
  expect([requestsOf('burstable', pods), requestsOf('besteffort', pods)]).toEqual([{ cpuRequestMilli: 350 }, { cpuRequestMilli: 0 }]);
});

test('isSystemdByConfig() reads the settings of the runtime that is the default', () => {
  const settings = (isSystemd: boolean) => JSON.stringify({ containerd: { defaultRuntimeName: 'runc', runtimes: { runc: { options: { SystemdCgroup: isSystemd } }, other: { options: { SystemdCgroup: !isSystemd } } } } });
  expect([settings(true), settings(false), '{}', 'no json', undefined].map(isSystemdByConfig)).toEqual([true, false, false, false, false]);
});

describe('recordOf()', () => {
  const key = { id: 'u/main/0', sandboxId: 'u', name: 'main', attempt: 0, backoffSteps: 0, init: false };
  const second = 1_000_000_000n;
  const of = (status: Partial<ContainerStatus>) => recordOf(key, ContainerStatus.create({ createdAt: second, ...status }), 42);

  test.each([
    ['created', { state: ContainerState.CONTAINER_CREATED }, { state: 'created', createdAtMs: 1_000 }],
    ['running', { state: ContainerState.CONTAINER_RUNNING, startedAt: 2n * second }, { state: 'running', startedAtMs: 2_000, pid: 42 }],
    ['ended well', { state: ContainerState.CONTAINER_EXITED, startedAt: 2n * second, finishedAt: 3n * second, reason: 'Completed' }, { state: 'exited', exitCode: 0, finishedAtMs: 3_000 }],
    ['out of memory', { state: ContainerState.CONTAINER_EXITED, finishedAt: 3n * second, exitCode: 137, reason: 'OOMKilled' }, { exitCode: 137, reason: 'OOMKilled' }],
    ['never began', { state: ContainerState.CONTAINER_EXITED, finishedAt: 3n * second, exitCode: 128, reason: 'StartError', message: 'no such file' }, { startedAtMs: 3_000, reason: 'StartError', message: 'no such file' }],
    ['nobody knows', { state: ContainerState.CONTAINER_UNKNOWN }, { state: 'exited', exitCode: 137, reason: 'ContainerStatusUnknown' }],
    ['lost', { state: ContainerState.CONTAINER_EXITED, finishedAt: 3n * second, exitCode: 255, reason: 'Unknown' }, { exitCode: 137, reason: 'ContainerStatusUnknown' }],
  ] as const)('%s', (_, status, expected) => {
    expect(of(status)).toMatchObject(expected);
  });

  test('gives no reason where the exit code tells all', () => {
    expect(of({ state: ContainerState.CONTAINER_EXITED, finishedAt: second, exitCode: 3, reason: 'Error' }).reason).toBeUndefined();
  });

  test('keeps microseconds of times that are more than a number holds', () => {
    expect(of({ createdAt: 1_795_000_000_123_456_789n }).createdAtMs).toBe(1_795_000_000_123.456);
  });
});
