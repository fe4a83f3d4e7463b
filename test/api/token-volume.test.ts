import type { Container, PodSpec } from 'kubernetes-types/core/v1.js';
import { expect, test } from 'vitest';
import { addTokenVolume, type TokenVolumeInput } from '../../src/api/kinds/token-volume.ts';

const PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const container = (name: string, extra: Partial<Container> = {}): Container => ({ name, ...extra });

/** Which containers have the volume, and which volumes there are. */
function added(spec: Partial<PodSpec>, input: Partial<TokenVolumeInput> = {}) {
  const whole: PodSpec = { containers: [container('main')], ...spec };
  const suffixes = ['aaaaa', 'bbbbb'];
  addTokenVolume(whole, { annotations: undefined, account: undefined, suffix: () => suffixes.shift() ?? 'ccccc', ...input });
  const all = [...whole.containers, ...(whole.initContainers ?? [])];
  const mounted = all.flatMap(({ name, volumeMounts = [] }) => volumeMounts.filter((mount) => mount.mountPath === PATH).map((mount) => `${name} ${mount.name} ${mount.readOnly === true ? 'ro' : 'rw'}`));
  return { mounted, volumes: (whole.volumes ?? []).map(({ name }) => name), spec: whole };
}

test('every container of a new pod has the token, unless pod or account says otherwise', () => {
  const { mounted, volumes, spec } = added({ initContainers: [container('first')] });
  expect([mounted, volumes]).toEqual([['main kube-api-access-aaaaa ro', 'first kube-api-access-aaaaa ro'], ['kube-api-access-aaaaa']]);
  expect(spec.volumes![0]!.projected).toEqual({
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
    ],
    defaultMode: 420,
  });
  expect(added({ automountServiceAccountToken: false }).volumes).toEqual([]);
  expect(added({}, { account: { automountServiceAccountToken: false } }).volumes).toEqual([]);
  expect(added({ automountServiceAccountToken: true }, { account: { automountServiceAccountToken: false } }).volumes).toHaveLength(1);
});

test('what a pod has of its own stays: mounts, names, secrets; and a mirror of a file has no token', () => {
  const own = container('own', { volumeMounts: [{ name: 'mine', mountPath: PATH }] });
  const mine = { name: 'mine', emptyDir: {} };
  expect(added({ containers: [own], volumes: [mine] })).toMatchObject({ mounted: ['own mine rw'], volumes: ['mine'] });
  expect(added({ containers: [own, container('other')], volumes: [mine] }).mounted).toEqual(['own mine rw', 'other kube-api-access-aaaaa ro']);
  expect(added({ volumes: [{ name: 'kube-api-access-aaaaa', emptyDir: {} }] }).mounted).toEqual(['main kube-api-access-bbbbb ro']);
  expect(added({}, { annotations: { 'kubernetes.io/config.mirror': 'x' } }).volumes).toEqual([]);
  const imagePullSecrets = [{ name: 'registry' }];
  expect(added({}, { account: { imagePullSecrets } }).spec.imagePullSecrets).toEqual(imagePullSecrets);
  expect(added({ imagePullSecrets: [{ name: 'own' }] }, { account: { imagePullSecrets } }).spec.imagePullSecrets).toEqual([{ name: 'own' }]);
});
