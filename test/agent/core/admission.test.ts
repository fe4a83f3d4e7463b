import { expect, test } from 'vitest';
import { admit } from '../../../src/agent/core/admission.ts';
import type { AgentPod, AgentPodSpec } from '../../../src/agent/core/pod-spec.ts';
import { podOf } from './plan-input.ts';

const room = { milliCpu: 2_000n, memoryBytes: 1_000_000n, pods: 2 };
const withPorts = (ports: NonNullable<AgentPodSpec['containers'][number]['ports']>, spec: Partial<AgentPodSpec> = {}) => podOf({ containers: [{ name: 'a', image: 'i', ports }], ...spec });
const asking = (cpu: string) => podOf({ containers: [{ name: 'a', image: 'i', resources: { requests: { cpu } } }] });

test.each<[string, AgentPod, AgentPod[], string | undefined]>([
  ['the first one', asking('2'), [], undefined],
  ['what is left', asking('1500m'), [asking('500m')], undefined],
  ['more than is left', asking('1501m'), [asking('500m')], 'OutOfcpu'],
  ['one too many', podOf(), [podOf(), podOf()], 'OutOfpods'],
  ['a port that is free', withPorts([{ containerPort: 80, hostPort: 8080 }]), [withPorts([{ containerPort: 80, hostPort: 8081 }])], undefined],
  ['a port that is taken', withPorts([{ containerPort: 80, hostPort: 8080 }]), [withPorts([{ containerPort: 81, hostPort: 8080 }])], 'NodePorts'],
  ['the port of another protocol', withPorts([{ containerPort: 80, hostPort: 53, protocol: 'UDP' }]), [withPorts([{ containerPort: 81, hostPort: 53 }])], undefined],
  ['the port of another address', withPorts([{ containerPort: 80, hostPort: 53, hostIP: '127.0.0.1' }]), [withPorts([{ containerPort: 81, hostPort: 53, hostIP: '127.0.0.2' }])], undefined],
  ['the port of every address', withPorts([{ containerPort: 80, hostPort: 53, hostIP: '127.0.0.1' }]), [withPorts([{ containerPort: 81, hostPort: 53, hostIP: '0.0.0.0' }])], 'NodePorts'],
  ['the port of the host s network', withPorts([{ containerPort: 80 }], { hostNetwork: true }), [withPorts([{ containerPort: 80 }], { hostNetwork: true })], 'NodePorts'],
  ['a port of the pod alone', withPorts([{ containerPort: 80 }]), [withPorts([{ containerPort: 80 }])], undefined],
])('admit() of %s', (_, pod, others, reason) => {
  expect(admit(pod, others, room)?.reason).toBe(reason);
});

test('admit() of pods that name an AppArmor profile, where nobody enforces one', () => {
  const message = (spec: Partial<AgentPodSpec>, annotations = {}, why: string | undefined = 'AppArmor is not enabled on the host') => {
    const pod = podOf({ containers: [{ name: 'a', image: 'i' }], ...spec });
    return admit({ ...pod, metadata: { ...pod.metadata, annotations } }, [], room, why)?.message;
  };
  const refused = 'Cannot enforce AppArmor: AppArmor is not enabled on the host';
  const ofContainer = (type: string) => ({ containers: [{ name: 'a', image: 'i', securityContext: { appArmorProfile: { type } } }] });
  expect([message(ofContainer('Localhost')), message(ofContainer('RuntimeDefault'))]).toEqual([refused, refused]);
  expect(message({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } })).toBe(refused);
  expect(message({}, { 'container.apparmor.security.beta.kubernetes.io/a': 'localhost/x' })).toBe(refused);
  expect([message(ofContainer('Unconfined')), message({}, { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' }), message({})]).toEqual([undefined, undefined, undefined]);
  expect(admit(podOf(ofContainer('Localhost')), [], room)).toBeUndefined();
});
