/** `pods/resize`, judged by a kube-apiserver of 1.37, whose answers these are. */
import { describe, expect, test } from 'vitest';
import { pod, ref, refusal, startServer, type Fixture } from './fixture.ts';
import type { KubeObject } from '../../src/kube/types.ts';

const RESIZE = ref('pods', 'p', 'default', 'resize');
const BURSTABLE = { requests: { cpu: '200m', memory: '32Mi' }, limits: { cpu: '300m' } };
const container = (resources: object, more: object = {}) => ({ name: 'main', image: 'podium.dev/host', resources, ...more });

async function started(spec: object = { containers: [container(BURSTABLE)] }): Promise<Fixture & { patch(body: object): Promise<KubeObject> }> {
  const fixture = await startServer();
  await fixture.api.create(ref('pods'), pod('p', spec));
  return { ...fixture, patch: async (body) => (await fixture.api.patch(RESIZE, { type: 'strategic', body }, { fieldManager: 'me' })).object };
}

const sized = (resources: object) => ({ spec: { containers: [{ name: 'main', resources }] } });
const containersOf = (object: KubeObject) => (object['spec'] as { containers: Record<string, unknown>[] }).containers;

test('cpu and memory change, and are whose who resized', async () => {
  const { patch, api } = await started();
  const { metadata, ...object } = await patch(sized({ requests: { cpu: '250m', memory: '16Mi' }, limits: { memory: '1Gi' } }));
  expect(containersOf(object as KubeObject)[0]?.['resources']).toEqual({ requests: { cpu: '250m', memory: '16Mi' }, limits: { cpu: '300m', memory: '1Gi' } });
  expect(metadata.generation).toBe(2);
  const managers = metadata.managedFields?.map(({ manager, subresource, fieldsV1 }) => [manager, subresource, JSON.stringify(fieldsV1)]);
  const fields = '{"f:spec":{"f:containers":{"k:{\\"name\\":\\"main\\"}":{"f:resources":{"f:limits":{"f:memory":{}},"f:requests":{"f:cpu":{},"f:memory":{}}}}}}}';
  expect(managers).toContainEqual(['me', 'resize', fields]);
  expect((await api.get(RESIZE)).metadata.resourceVersion).toBe(metadata.resourceVersion);
});

test('nothing else of the pod changes, whatever was sent of it', async () => {
  const { api, patch } = await started();
  const before = await api.get(ref('pods', 'p'));
  await patch({ metadata: { labels: { a: 'b' } }, spec: { activeDeadlineSeconds: 5, containers: [{ name: 'main', image: 'other' }] }, status: { phase: 'Failed' } });
  expect(await api.get(ref('pods', 'p'))).toEqual(before);
});

test('an init container is resized as well, by a replacement and by a config', async () => {
  const spec = { initContainers: [{ name: 'first', image: 'x', resources: { requests: { cpu: '1' } } }], containers: [container(BURSTABLE)] };
  const { api } = await started(spec);
  const sent = structuredClone(await api.get(RESIZE));
  (sent['spec'] as typeof spec).initContainers[0]!.resources.requests.cpu = '2';
  expect((await api.update(RESIZE, sent)).object['spec']).toMatchObject({ initContainers: [{ resources: { requests: { cpu: '2' } } }] });
  const config = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, ...sized({ requests: { cpu: '100m' } }) };
  const applied = (await api.apply(RESIZE, config, { fieldManager: 'applier', force: true })).object;
  expect(containersOf(applied)[0]?.['resources']).toMatchObject({ requests: { cpu: '100m' } });
  expect(applied.metadata.managedFields).toContainEqual(expect.objectContaining({ manager: 'applier', operation: 'Apply', subresource: 'resize' }));
});

describe('what is no resize', () => {
  const spec = 'spec: Forbidden: only cpu and memory resources are mutable';
  const requests = 'spec.containers[0].resources.requests';
  test.each<readonly [string, object, string]>([
    ['limits that are removed', sized({ limits: { cpu: null } }), 'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed'],
    ['requests that are removed', sized({ requests: { memory: null } }), `${requests}: Forbidden: resource requests cannot be removed`],
    ['more asked than allowed', sized({ limits: { memory: '10Mi' } }), `${requests}: Invalid value: "32Mi": must be less than or equal to memory limit of 10Mi`],
    ['another resource', sized({ requests: { 'ephemeral-storage': '1Gi' } }), spec],
    ['a resource that is none', sized({ requests: { foo: '1' } }), `[${requests}[foo]: Invalid value: "foo": must be a standard resource type or fully qualified, ${requests}[foo]: Invalid value: "foo": must be a standard resource for containers, ${spec}]`],
    ['less than nothing', sized({ requests: { cpu: '-1' } }), `${requests}[cpu]: Invalid value: "-1": must be greater than or equal to 0`],
    ['another class', sized({ requests: { memory: '64Mi', cpu: '200m' }, limits: { cpu: '200m', memory: '64Mi' } }), 'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
    ['another container', { spec: { containers: [{ name: 'c', image: 'x' }] } }, 'spec.containers: Forbidden: containers may not be added or removed on resize'],
    ['another policy', { spec: { containers: [{ name: 'main', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }] } }, spec],
  ])('%s', async (_, body, problem) => {
    const { patch, api } = await started();
    const before = await api.get(ref('pods', 'p'));
    expect(await refusal(patch(body))).toBe(`422 Invalid: Pod "p" is invalid: ${problem}`);
    expect(await api.get(ref('pods', 'p'))).toEqual(before);
  });

  test('a class by nothing, by all, and a pod that is not there', async () => {
    const best = await started({ containers: [container({})] });
    expect(await refusal(best.patch(sized({ requests: { cpu: '50m' } })))).toContain('Invalid value: "BestEffort": Pod QOS Class');
    const amounts = { cpu: '100m', memory: '64Mi' };
    const whole = await started({ containers: [container({ requests: amounts, limits: amounts })] });
    expect(await refusal(whole.patch(sized({ requests: { cpu: '50m' } })))).toContain('Invalid value: "Guaranteed": Pod QOS Class');
    const more = { requests: { cpu: '200m' }, limits: { cpu: '200m' } };
    expect((await whole.patch(sized(more))).metadata.generation).toBe(2);
    expect(await refusal(whole.api.patch({ ...RESIZE, name: 'nope' }, { type: 'merge', body: {} }))).toBe('404 NotFound: pods "nope" not found');
    expect(await refusal(whole.api.patch(ref('pods', 'p'), { type: 'strategic', body: sized({ requests: { cpu: '50m' } }) }))).toContain('pod updates may not change fields other than');
  });
});

describe('how containers are resized', () => {
  const at = 'spec.containers[0].resizePolicy';
  const policy = (resourceName: string, restartPolicy: string) => ({ resourceName, restartPolicy });
  test.each<readonly [string, object[], string, string]>([
    ['of what ends once', [policy('memory', 'RestartContainer')], 'Never', `${at}: Invalid value: "RestartContainer": must be 'NotRequired' when pod \`restartPolicy\` is 'Never'`],
    ['another policy', [policy('memory', 'Foo')], 'Always', `${at}: Unsupported value: "Foo": supported values: "NotRequired", "RestartContainer"`],
    ['twice', [policy('memory', 'NotRequired'), policy('memory', 'NotRequired')], 'Always', `${at}[1]: Duplicate value: "memory"`],
    ['of another resource', [policy('foo', 'NotRequired')], 'Always', `${at}: Unsupported value: "foo": supported values: "cpu", "memory"`],
  ])('%s', async (_, resizePolicy, restartPolicy, problem) => {
    const { api } = await startServer();
    const body = pod('p', { restartPolicy, containers: [container({}, { resizePolicy })] });
    expect(await refusal(api.create(ref('pods'), body))).toBe(`422 Invalid: Pod "p" is invalid: ${problem}`);
  });
});
