import { expect, test } from 'vitest';
import { expand, resolveInvocation, type EnvironmentInput } from '../../../src/agent/core/environment.ts';
import type { AgentContainer, ConfigMap, Secret } from '../../../src/agent/core/pod-spec.ts';
import { nextAddress, parseCidr } from '../../../src/agent/core/address-pool.ts';

const settings: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { A: '1', B: '2' } };
const keys: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, data: { K: Buffer.from('hush').toString('base64') } };

function inputOf(container: Partial<AgentContainer>): EnvironmentInput {
  const full = { name: 'main', image: 'i', command: ['run'], ...container };
  return {
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { app: 'web', tier: 'x"y' } },
      spec: { nodeName: 'n', containers: [full] },
    },
    container: full,
    podIp: '127.9.0.1',
    hostIp: '127.0.0.1',
    allocatable: { cpu: '4', memory: '8Gi' },
    sources: {
      configMap: (name) => (name === 'settings' ? settings : undefined),
      secret: (name) => (name === 'keys' ? keys : undefined),
    },
    ignoresImages: true,
  };
}

const envOf = (container: Partial<AgentContainer>) => {
  const result = resolveInvocation(inputOf(container));
  return result.ok ? result.value.env : result.message;
};

test('expand() replaces what is known, keeps what is not, and unescapes', () => {
  const env = { A: '1', B: '$(A)' };
  expect(expand('$(A) $(B) $(C) $$(A) $$$(A) $A $( $', env)).toBe('1 $(A) $(C) $(A) $1 $A $( $');
});

test('resolveInvocation() takes envFrom first, and later entries over earlier ones', () => {
  const env = envOf({
    envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'X_', secretRef: { name: 'keys' } }],
    env: [{ name: 'B', value: 'b$(A)' }, { name: 'C', value: '$(B)$(D)' }, { name: 'D', value: 'd' }],
  });
  expect(env).toEqual({ A: '1', B: 'b1', X_K: 'hush', C: 'b1$(D)', D: 'd' });
});

test('resolveInvocation() asks for a command only where no image has one', () => {
  const input = inputOf({ command: [], args: ['now'] });
  expect(resolveInvocation(input)).toMatchObject({ ok: true, value: { command: [], args: ['now'] } });
  expect(resolveInvocation(inputOf({ command: [], args: [] }))).toMatchObject({ ok: false, message: expect.stringContaining('command is required') });
  expect(resolveInvocation({ ...input, ignoresImages: false })).toMatchObject({ ok: true, value: { command: [], args: ['now'] } });
});

test('resolveInvocation() reads fields and resources', () => {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const resource = (name: string, of: string, divisor?: string) => ({
    name,
    valueFrom: { resourceFieldRef: divisor === undefined ? { resource: of } : { resource: of, divisor } },
  });
  const env = envOf({
    resources: { requests: { cpu: '250m', memory: '64Mi' } },
    env: [
      field('IP', 'status.podIP'),
      field('LABEL', "metadata.labels['tier']"),
      field('NODE', 'spec.nodeName'),
      resource('CPU', 'requests.cpu'),
      resource('MILLI', 'requests.cpu', '1m'),
      resource('MEM', 'requests.memory', '1Mi'),
      resource('LIMIT', 'limits.memory', '1Gi'),
    ],
  });
  expect(env).toEqual({ IP: '127.9.0.1', LABEL: 'x"y', NODE: 'n', CPU: '1', MILLI: '250', MEM: '64', LIMIT: '8' });
});

test('resolveInvocation() says what is missing, unless it is optional', () => {
  const key = (name: string, k: string, optional?: boolean) => ({ name: 'V', valueFrom: { configMapKeyRef: { name, key: k, ...(optional === undefined ? {} : { optional }) } } });
  expect(envOf({ env: [key('none', 'A')] })).toBe('configmap "none" not found');
  expect(envOf({ env: [key('settings', 'Z')] })).toBe("couldn't find key Z in ConfigMap ns/settings");
  expect(envOf({ env: [key('none', 'A', true)] })).toEqual({});
  expect(envOf({ envFrom: [{ secretRef: { name: 'none' } }] })).toBe('secret "none" not found');
  expect(envOf({ env: [{ name: 'V', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] })).toBe('field path not supported: spec.nope');
  expect(envOf({ command: [] })).toContain('command is required');
});

test('resolveInvocation() tells of Services what the container itself does not say', () => {
  const input = { ...inputOf({ env: [{ name: 'A_SERVICE_PORT', value: '1' }, { name: 'AT', value: '$(A_SERVICE_HOST)' }] }), serviceVariables: { A_SERVICE_HOST: '10.96.0.7', A_SERVICE_PORT: '80' } };
  expect(resolveInvocation(input)).toMatchObject({ value: { env: { A_SERVICE_HOST: '10.96.0.7', A_SERVICE_PORT: '1', AT: '10.96.0.7' } } });
});

test('nextAddress() goes round, past what is taken, and knows when there is none', () => {
  const range = parseCidr('127.9.0.0/30')!;
  expect(range).toEqual({ first: ((127 * 256 + 9) * 256 + 0) * 256 + 1, size: 2 });
  expect(nextAddress(range, 0, new Set())).toEqual({ address: '127.9.0.1', position: 1 });
  expect(nextAddress(range, 1, new Set())).toEqual({ address: '127.9.0.2', position: 0 });
  expect(nextAddress(range, 1, new Set(['127.9.0.2']))).toEqual({ address: '127.9.0.1', position: 1 });
  expect(nextAddress(range, 0, new Set(['127.9.0.1', '127.9.0.2']))).toBeUndefined();
  expect([parseCidr('127.9.0.0'), parseCidr('127.9.0.256/24'), parseCidr('x')]).toEqual([undefined, undefined, undefined]);
});
