import { describe, expect, test } from 'vitest';
import type { AgentPodSpec, ConfigMap, Secret, Volume } from '../../../src/agent/core/pod-spec.ts';
import { memoryVolumes, planVolumes, sizeLimits, tokenWishes, volumeSources, type VolumeInput } from '../../../src/agent/core/volume-files.ts';
import { planMounts } from '../../../src/agent/core/volume-mounts.ts';
import { refreshesAt } from '../../../src/agent/core/token-life.ts';

const settings: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { A: '1', B: '2' }, binaryData: { C: 'AP8=' } };
const keys: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, data: { K: Buffer.from('hush').toString('base64') } };
const main = { name: 'main', image: 'i' };

const podOf = (spec: Partial<AgentPodSpec>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { app: 'web' } },
  spec: { nodeName: 'n', containers: [main], ...spec },
});
const inputOf = (spec: Partial<AgentPodSpec>): VolumeInput => ({
  pod: podOf(spec),
  podIp: '127.9.0.1',
  hostIp: '127.0.0.1',
  allocatable: { cpu: '4', memory: '8Gi' },
  sources: { configMap: (name) => (name === 'settings' ? settings : undefined), secret: (name) => (name === 'keys' ? keys : undefined) },
  ignoresImages: false,
  token: (key) => (key.startsWith('600 ') ? { ok: false, message: 'serviceaccounts "robot" not found' } : { ok: true, value: `token ${key}` }),
});
/** `path mode content` of each file, or why there are none. */
const shown = (volume: object, spec: Partial<AgentPodSpec> = {}): readonly string[] => {
  const { volumes, failures } = planVolumes(inputOf({ ...spec, volumes: [{ name: 'v', ...volume }] }));
  const [first] = volumes;
  if (first === undefined) return failures;
  if (first.kind !== 'files') return [`${first.kind} ${JSON.stringify(first)}`];
  return first.files.map(({ path, mode, content, user }) => `${path} ${mode.toString(8)} ${Buffer.from(content).toString('latin1')}${user === undefined ? '' : ` of ${user}`}`);
};
const failed = (why: string) => [`MountVolume.SetUp failed for volume "v" : ${why}`];

describe('planVolumes()', () => {
  test.each<[string, object, readonly string[]]>([
    ['a ConfigMap with all its keys', { configMap: { name: 'settings' } }, ['A 644 1', 'B 644 2', 'C 644 \0ÿ']],
    ['no items are all keys', { configMap: { name: 'settings', items: [] } }, ['A 644 1', 'B 644 2', 'C 644 \0ÿ']],
    ['chosen keys, with paths and modes', { configMap: { name: 'settings', defaultMode: 0o440, items: [{ key: 'B', path: 'x/b' }, { key: 'A', path: 'a', mode: 0o400 }] } }, ['x/b 440 2', 'a 400 1']],
    ['a Secret', { secret: { secretName: 'keys', defaultMode: 0o400 } }, ['K 400 hush']],
    ['no such ConfigMap', { configMap: { name: 'none' } }, failed('configmap "none" not found')],
    ['no such ConfigMap, and none is needed', { configMap: { name: 'none', optional: true } }, []],
    ['no such Secret', { secret: { secretName: 'none' } }, failed('secret "none" not found')],
    ['no such key', { configMap: { name: 'settings', items: [{ key: 'Z', path: 'z' }] } }, failed('configmap references non-existent config key: Z')],
    ['no such key of a Secret', { secret: { secretName: 'keys', items: [{ key: 'Z', path: 'z' }] } }, failed('references non-existent secret key: Z')],
    ['no such key, and none is needed', { configMap: { name: 'settings', optional: true, items: [{ key: 'Z', path: 'z' }, { key: 'A', path: 'a' }] } }, ['a 644 1']],
    ['a path that leads out', { configMap: { name: 'settings', items: [{ key: 'A', path: 'x/../../a' }] } }, failed('the path x/../../a leads out of the volume')],
    ['labels', { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } }, ['labels 644 app="web"']],
    ['a kind that is not there', { nfs: {} }, failed('volumes of type nfs are not supported by this node')],
    ['huge pages', { emptyDir: { medium: 'HugePages-2Mi' } }, failed('an emptyDir of medium HugePages-2Mi is not supported by this node')],
    ['nothing said', {}, ['empty {"name":"v","kind":"empty"}']],
    ['a path of the machine', { hostPath: { path: '/x' } }, ['host {"name":"v","kind":"host","path":"/x","type":""}']],
    ['trust bundles', { projected: { sources: [{ clusterTrustBundle: {} }] } }, failed('a projected clusterTrustBundle is not supported by this node')],
    ['nothing projected', { projected: { sources: [] } }, []],
    ['several that are missing', { projected: { sources: [{ configMap: { name: 'none' } }, { secret: { name: 'none' } }] } }, failed('[configmap "none" not found, secret "none" not found]')],
    ['a refused token', { projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 600 } }] } }, failed('failed to fetch token: serviceaccounts "robot" not found')],
    ['all sorts, projected, the later of one path',
      { projected: { defaultMode: 0o440, sources: [{ configMap: { name: 'settings' } }, { secret: { name: 'keys', items: [{ key: 'K', path: 'A', mode: 0o400 }] } }, { serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
      ['A 400 hush', 'B 440 2', 'C 440 \0ÿ', 'token 440 token 3600 vault']],
  ])('%s', (_, volume, files) => {
    expect(shown(volume)).toEqual(files);
  });

  test('a token belongs to the user of all containers, or to the group', () => {
    const volume = { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } };
    expect(shown(volume, { securityContext: { runAsUser: 7 } })).toEqual(['t 600 token 3600  of 7']);
    expect(shown(volume, { securityContext: { fsGroup: 7 } })).toEqual(['t 600 token 3600 ']);
    expect(shown(volume, { containers: [{ ...main, securityContext: { runAsUser: 7 } }, main] })).toEqual(['t 644 token 3600 ']);
  });

  test('one volume that fails does not keep the others from being planned', () => {
    const { volumes, failures } = planVolumes(inputOf({ volumes: [{ name: 'a', configMap: { name: 'none' } }, { name: 'b', emptyDir: {} }, { name: 'c', secret: { secretName: 'none' } }] }));
    expect(volumes.map(({ name }) => name)).toEqual(['b']);
    expect(failures).toHaveLength(2);
  });
});

test('what volumes name: objects, and tokens that are asked for once', () => {
  const token = (path: string, audience?: string) => ({ serviceAccountToken: { path, ...(audience === undefined ? {} : { audience }) } });
  const volumes: Volume[] = [
    { name: 'a', projected: { sources: [{ configMap: { name: 'c1' } }, { secret: { name: 's1' } }, token('x'), token('y', 'vault')] } },
    { name: 'b', configMap: { name: 'c2' } },
    { name: 'c', secret: { secretName: 's2' } },
    { name: 'd', projected: { sources: [token('z')] } },
  ];
  expect(volumeSources(podOf({ volumes }))).toEqual({ configMaps: ['c1', 'c2'], secrets: ['s1', 's2'] });
  expect(tokenWishes(podOf({ volumes })).map(({ audience, expirationSeconds }) => [audience, expirationSeconds])).toEqual([[undefined, 3600], ['vault', 3600]]);
});

test('sizes of emptyDirs: what is limited, and what memory may hold at most', () => {
  const volumes: Volume[] = [
    { name: 'free', emptyDir: {} },
    { name: 'small', emptyDir: { sizeLimit: '1Mi' } },
    { name: 'memory', emptyDir: { medium: 'Memory' } },
    { name: 'both', emptyDir: { medium: 'Memory', sizeLimit: '64Ki' } },
  ];
  expect(sizeLimits(podOf({ volumes }))).toEqual([{ name: 'small', bytes: 2 ** 20, text: '1Mi' }, { name: 'both', bytes: 2 ** 16, text: '64Ki' }]);
  const ofMemory = (spec: Partial<AgentPodSpec>) => memoryVolumes(podOf({ volumes, ...spec }), '1Gi').map(({ name, bytes }) => [name, bytes]);
  expect(ofMemory({})).toEqual([['memory', 2 ** 30], ['both', 2 ** 16]]);
  const limited = { ...main, resources: { limits: { memory: '32Ki' } } };
  expect(ofMemory({ containers: [limited, { ...limited, name: 'other' }] })).toEqual([['memory', 2 ** 16], ['both', 2 ** 16]]);
  expect(ofMemory({ containers: [{ ...limited, resources: { limits: { memory: '8Ki' } } }] })).toEqual([['memory', 2 ** 13], ['both', 2 ** 13]]);
  // One container without a limit may use all of the node's memory.
  expect(ofMemory({ containers: [limited, main] })).toEqual([['memory', 2 ** 30], ['both', 2 ** 16]]);
});

describe('planMounts()', () => {
  const env = { POD: 'web-1', EMPTY: '' };
  const mountsOf = (mount: object) => {
    const planned = planMounts({ ...main, volumeMounts: [{ name: 'v', mountPath: '/m', ...mount }] }, env);
    return planned.ok ? planned.value[0]!.subPath : planned.message;
  };
  const refused = (why: string) => `failed to prepare subPath for volumeMount "v" of container "main": ${why}`;

  test.each<[object, string]>([
    [{}, ''],
    [{ subPath: 'a/b' }, 'a/b'],
    [{ subPath: '$(POD)' }, '$(POD)'],
    [{ subPathExpr: 'logs/$(POD)' }, 'logs/web-1'],
    [{ subPathExpr: '$$(POD)' }, '$(POD)'],
    [{ subPathExpr: '$(NONE)' }, refused('missing value for "NONE"')],
    [{ subPathExpr: '$(EMPTY)' }, refused('"" is not a path inside the volume')],
    [{ subPath: '../x' }, refused('"../x" is not a path inside the volume')],
    [{ subPathExpr: '/$(POD)' }, refused('"/web-1" is not a path inside the volume')],
  ])('%j', (mount, outcome) => {
    expect(mountsOf(mount)).toBe(outcome);
  });

  test('outer ones first, with what they are to be', () => {
    const volumeMounts = [{ name: 'b', mountPath: '/data/in', readOnly: true }, { name: 'a', mountPath: '/data', mountPropagation: 'HostToContainer' }, { name: 'c', mountPath: '/none', mountPropagation: 'None' }];
    expect(planMounts({ ...main, volumeMounts }, env)).toEqual({
      ok: true,
      value: [
        { volume: 'a', containerPath: '/data', subPath: '', readOnly: false, propagation: 'HostToContainer' },
        { volume: 'c', containerPath: '/none', subPath: '', readOnly: false, propagation: undefined },
        { volume: 'b', containerPath: '/data/in', subPath: '', readOnly: true, propagation: undefined },
      ],
    });
  });
});

test.each([[3_607, 2_885.6], [600, 480], [7 * 86_400, 86_400], [86_400 * 1.25, 86_400]])('refreshesAt() of a token of %d s is after %d s', (lifeSeconds, seconds) => {
  expect(refreshesAt({ issuedAtMs: 5_000, expiresAtMs: 5_000 + 1_000 * lifeSeconds })).toBeCloseTo(5_000 + 1_000 * seconds, 3);
});
