/** How pods come to their images, and a node tells of them: on a driven clock, with a registry that is played. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { inNamespace, resources, type ResourceRef } from '../../src/client/api-client.ts';
import type { ApiObject, KubeEvent } from '../../src/client/objects.ts';
import { NodeAgent } from '../../src/agent/agent.ts';
import type { AgentContainer, AgentPod, AgentPodSpec } from '../../src/agent/core/pod-spec.ts';
import type { AgentNode } from '../../src/agent/node-status.ts';
import { SimulatedRuntime } from '../../src/agent/runtime/simulated.ts';
import { FakeApi } from '../client/fake-api.ts';
import { agentOptions } from './agent-options.ts';
import { playedImage, PlayedImages } from './played-images.ts';

const pods = inNamespace(resources.pods, 'default');
const APP = 'registry.lan/app:1';

let clock: DrivenClock;
let api: FakeApi;
let images: PlayedImages;
let runtime: SimulatedRuntime;
let agent: NodeAgent;
let runMs: number | undefined;

beforeEach(async () => {
  clock = new DrivenClock();
  api = new FakeApi(() => new Date(clock.wall()).toISOString());
  images = new PlayedImages(clock);
  images.registry.set(APP, playedImage(APP));
  runMs = undefined;
  const perform = () => ({ startDelayMs: 10, ...(runMs === undefined ? {} : { runMs, exitCode: 0 }) });
  runtime = new SimulatedRuntime({ clock, podCidr: '10.1.0.0/16', perform, images });
  agent = new NodeAgent(agentOptions({ api, clock, runtime, podCidr: '10.1.0.0/16' }));
  const started = agent.start();
  await clock.advance(1);
  await started;
});
afterEach(async () => {
  const stopped = agent.stop();
  await clock.advance(1);
  await stopped;
});

const container = (image: string, extra: Partial<AgentContainer> = {}): AgentContainer => ({ name: 'main', image, command: ['x'], ...extra });
const create = (name: string, containers: readonly AgentContainer[], spec: Partial<AgentPodSpec> = {}) =>
  api.create<AgentPod>(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { nodeName: 'node-1', containers, ...spec } });
const pod = (name = 'p') => api.find<AgentPod>(pods, name);
const state = (name = 'p', at = 0) => pod(name)?.status?.containerStatuses?.[at]?.state;
/** In the order in which they were first told. */
const toldEvents = () => api.all<KubeEvent>(resources.events).sort((a, b) => Number(a.metadata.uid?.match(/\d+/)?.[0]) - Number(b.metadata.uid?.match(/\d+/)?.[0]));
const events = () => toldEvents().map(({ reason, message }) => `${reason}: ${message}`);
const becomes = (what: string, holds: () => boolean, deadlineMs = 60_000) => clock.advanceUntil(holds, deadlineMs, what);
const waits = (reason: string, name = 'p') => becomes(reason, () => state(name)?.waiting?.reason === reason, 400_000);
const runs = (name = 'p') => becomes(`${name} runs`, () => pod(name)?.status?.phase === 'Running', 400_000);
const imageEvents = () => events().filter((event) => /pull|image|Image/.test(event));
const put = (ref: ResourceRef, name: string, more: object) => api.put(ref, { apiVersion: 'v1', kind: 'x', metadata: { name, namespace: 'default' }, ...more } as ApiObject);
const dockerConfig = (username: string) => ({
  type: 'kubernetes.io/dockerconfigjson',
  data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { 'registry.lan': { username, password: 'x' } } })).toString('base64') },
});

describe('a container', () => {
  test('has its image pulled, and says which it is', async () => {
    images.pullMs = 1_234.5;
    await create('p', [container(APP)]);
    await becomes('the pull', () => images.pulls.length > 0);
    expect(pod()?.status?.containerStatuses?.[0]).toMatchObject({ image: APP, imageID: '', state: { waiting: { reason: 'ContainerCreating' } } });
    await runs();
    expect(imageEvents()).toEqual([
      `Pulling: Pulling image "${APP}"`,
      `Pulled: Successfully pulled image "${APP}" in 1.234s (1.234s including waiting). Image size: 1000 bytes.`,
    ]);
    const digest = playedImage(APP).repoDigests[0];
    expect(pod()?.status?.containerStatuses?.[0]).toMatchObject({ image: APP, imageID: digest });
  });

  test('takes the image that is there, unless it shall always be asked for', async () => {
    images.present.set('docker.io/library/busybox:1', playedImage('docker.io/library/busybox:1'));
    images.present.set('docker.io/library/busybox:latest', playedImage('docker.io/library/busybox:latest'));
    images.registry.set('docker.io/library/busybox:latest', playedImage('docker.io/library/busybox:latest'));
    await create('p', [container('busybox:1')]);
    await runs();
    expect(imageEvents()).toEqual(['Pulled: Container image "busybox:1" already present on machine']);
    expect(pod()?.status?.containerStatuses?.[0]?.image).toBe('docker.io/library/busybox:1');
    expect(images.pulls).toEqual([]);
    await create('latest', [container('busybox')]);
    await runs('latest');
    expect(images.pulls.map(({ image }) => image)).toEqual(['busybox']);
  });

  test('asks anew each time that it is begun', async () => {
    runMs = 1_000;
    await create('p', [container(APP, { imagePullPolicy: 'Always' })]);
    await becomes('three pulls', () => images.pulls.length === 3);
    expect(pod()?.status?.containerStatuses?.[0]?.lastState.terminated?.exitCode).toBe(0);
  });

  test('shows why its image does not come, and then that it is backed off: 10 s, doubling to 5 min', async () => {
    images.registry.clear();
    await create('p', [container(APP)]);
    await waits('ErrImagePull');
    expect(state()?.waiting?.message).toBe(`failed to pull image "${APP}": ${APP}: not found`);
    await waits('ImagePullBackOff');
    expect(state()?.waiting?.message).toBe(`Back-off pulling image "${APP}": ErrImagePull: failed to pull image "${APP}": ${APP}: not found`);
    expect(imageEvents()).toEqual([
      `Pulling: Pulling image "${APP}"`,
      `Failed: Failed to pull image "${APP}": failed to pull image "${APP}": ${APP}: not found`,
      'Failed: Error: ErrImagePull',
      `BackOff: Back-off pulling image "${APP}"`,
      'Failed: Error: ImagePullBackOff',
    ]);
    await becomes('eight pulls', () => images.pulls.length === 8, 2_000_000);
    const delays = images.pulls.slice(1).map(({ atMs }, at) => Math.round((atMs - images.pulls[at]!.atMs - images.pullMs) / 1_000));
    expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300]);
    images.registry.set(APP, playedImage(APP));
    await runs();
    expect(state()?.waiting).toBeUndefined();
  });

  test('that has another image now does not wait for the old one', async () => {
    await create('p', [container('registry.lan/typo:1')]);
    await waits('ImagePullBackOff');
    const { spec, ...rest } = pod()!;
    await api.update(pods, { ...rest, spec: { ...spec, containers: [container(APP)] } } as AgentPod);
    const startMs = clock.monotonic();
    await runs();
    expect(clock.monotonic() - startMs).toBeLessThan(2_000);
  });

  test('whose image shall never be pulled waits until it is there', async () => {
    await create('p', [container(APP, { imagePullPolicy: 'Never' })]);
    await waits('ErrImageNeverPull');
    expect(state()?.waiting?.message).toBe(`Container image "${APP}" is not present with pull policy of Never`);
    expect(events()).toEqual(expect.arrayContaining([`ErrImageNeverPull: Container image "${APP}" is not present with pull policy of Never`, 'Failed: Error: ErrImageNeverPull']));
    expect(images.pulls).toEqual([]);
    images.present.set(APP, playedImage(APP));
    await runs();
  });

  test('whose image is no name, or cannot be read, says so', async () => {
    await create('p', [container('registry.lan/Capitals:1', { imagePullPolicy: 'Always' })]);
    await waits('InvalidImageName');
    expect(events().filter((event) => !event.startsWith('Failed'))).toEqual([expect.stringMatching(/^InspectFailed: .*Capitals/) as string]);
    images.failure = { reason: 'ImageInspectError', message: 'layer 1 is damaged' };
    await create('q', [container(APP)]);
    await waits('ImageInspectError', 'q');
    expect(state('q')?.waiting?.message).toBe(`Failed to inspect image "${APP}": layer 1 is damaged`);
    images.failure = { reason: 'RegistryUnavailable', message: 'connection refused' };
    await create('r', [container(APP)]);
    await waits('RegistryUnavailable', 'r');
    await waits('ImagePullBackOff', 'r');
    images.failure = undefined;
    for (const name of ['q', 'r']) await runs(name);
  });

  test('of the machine itself needs no pull, and nothing is said of it', async () => {
    images.present.set('podium.dev/host:latest', { ...playedImage('podium.dev/host:latest'), repoDigests: [], id: 'podium.dev/host' });
    await create('p', [container('podium.dev/host', { imagePullPolicy: 'Always' })]);
    await runs();
    expect([images.pulls, imageEvents()]).toEqual([[], []]);
    expect(pod()?.status?.containerStatuses?.[0]?.imageID).toBe('podium.dev/host');
  });

  test('must not be root where the pod forbids it, also by its image', async () => {
    const securityContext = { runAsNonRoot: true };
    for (const [name, user] of [['root', ''], ['zero', '0:5'], ['named', 'app'], ['number', '7']] as const) {
      images.present.set(`registry.lan/${name}:1`, playedImage(`registry.lan/${name}:1`, { user }));
      await create(name, [container(`registry.lan/${name}:1`)], { securityContext });
    }
    await runs('number');
    const message = (name: string) => state(name)?.waiting?.message?.replace(/ \(pod.*/, '');
    await becomes('the others wait', () => ['root', 'zero', 'named'].every((name) => state(name)?.waiting?.reason === 'CreateContainerConfigError'));
    expect([message('root'), message('zero'), message('named')]).toEqual([
      'container has runAsNonRoot and image will run as root',
      'container has runAsNonRoot and image will run as root',
      'container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root',
    ]);
    expect(state('root')?.waiting?.message).toContain(`(pod: "root_default(${pod('root')?.metadata.uid})", container: main)`);
  });
});

describe('a pull', () => {
  test('does not hold up the other containers, nor the end of its pod', async () => {
    images.pullMs = 3_600_000;
    images.present.set('registry.lan/there:1', playedImage('registry.lan/there:1'));
    await create('p', [container(APP), container('registry.lan/there:1', { name: 'other' })]);
    await becomes('the other one runs', () => state('p', 1)?.running !== undefined);
    const startMs = clock.monotonic();
    await api.delete(pods, 'p', { gracePeriodSeconds: 1 });
    await becomes('its end', () => pod() === undefined);
    expect(clock.monotonic() - startMs).toBeLessThan(2_000);
    expect(images.aborted).toEqual([APP]);
    expect(await runtime.listPodSandboxes()).toEqual([]);
  });

  test("is given up when its pod goes, and its turn is the next one's", async () => {
    images.pullMs = 60_000;
    const names = Array.from({ length: 7 }, (_, at) => `registry.lan/n${at}:1`);
    for (const [at, image] of names.entries()) {
      images.registry.set(image, playedImage(image));
      await create(`p${at}`, [container(image)]);
    }
    await becomes('five pulls', () => images.pulls.length === 5);
    await clock.advance(1_000);
    expect(images.pulls).toHaveLength(5);
    await api.delete(pods, 'p0', { gracePeriodSeconds: 0 });
    await becomes('the sixth', () => images.pulls.length === 6);
    await api.delete(pods, 'p6', { gracePeriodSeconds: 0 });
    for (const at of [1, 2, 3, 4, 5]) await runs(`p${at}`);
    expect(events().find((event) => event.startsWith('Pulled') && event.includes('n5'))).toMatch(/ in 1m0s \(1m1(?:\.\d+)?s including waiting\)/);
    expect([images.pullsAtOnceMax, images.pulls.length]).toEqual([5, 6]);
  });

  test('is made as who the pod is: by its secrets, or those of its service account', async () => {
    put(inNamespace(resources.secrets, 'default'), 'own', dockerConfig('own'));
    put(inNamespace(resources.secrets, 'default'), 'old', { type: 'kubernetes.io/dockercfg', data: { '.dockercfg': Buffer.from('{"registry.lan":{"username":"old","password":"x"}}').toString('base64') } });
    put(inNamespace(resources.secrets, 'default'), 'account', dockerConfig('account'));
    put(inNamespace(resources.serviceAccounts, 'default'), 'robot', { imagePullSecrets: [{ name: 'account' }] });
    await create('p', [container(APP)], { imagePullSecrets: [{ name: 'own' }, { name: 'gone' }, { name: 'old' }], serviceAccountName: 'robot' });
    await runs();
    expect(events()).toContain('FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.');
    await create('q', [container(APP, { imagePullPolicy: 'Always' })], { serviceAccountName: 'robot' });
    await runs('q');
    expect(images.pulls.map(({ users }) => users)).toEqual([['own', 'old'], ['account']]);
  });

  test('with a secret that cannot be read fails, and says which', async () => {
    put(inNamespace(resources.secrets, 'default'), 'broken', { data: { '.dockerconfigjson': Buffer.from('{').toString('base64') } });
    await create('p', [container(APP)], { imagePullSecrets: [{ name: 'broken' }] });
    await waits('ErrImagePull');
    expect(state()?.waiting?.message).toMatch(/^image pull secret broken: /);
    expect(images.pulls).toEqual([]);
  });
});

describe('a node', () => {
  const node = () => api.find<AgentNode>(resources.nodes, 'node-1');

  test('tells of its images, the largest first, and of others when they come', async () => {
    expect(node()?.status?.images).toEqual([]);
    images.registry.set(APP, playedImage(APP, { sizeBytes: 5_000 }));
    await create('p', [container(APP)]);
    await runs();
    await becomes('its list', () => node()?.status?.images?.length === 1);
    const { repoDigests, repoTags } = playedImage(APP);
    expect(node()?.status?.images).toEqual([{ names: [...repoDigests, ...repoTags], sizeBytes: 5_000 }]);
    // Somebody loads images beside it.
    for (let at = 0; at < 60; at++) images.present.set(`x:${at}`, playedImage(`x:${at}`, { sizeBytes: at }));
    await becomes('the longer list', () => node()?.status?.images?.length === 50);
    expect(node()?.status?.images?.slice(0, 2).map(({ sizeBytes }) => sizeBytes)).toEqual([5_000, 59]);
  });

  test('collects what nobody uses every five minutes, and says when that does not help', async () => {
    await clock.advance(299_000);
    expect(images.collected).toHaveLength(0);
    await clock.advance(2_000);
    expect(images.collected).toHaveLength(1);
    images.collect = () => ({ removed: [], freedBytes: 10, wantedBytes: 500, isShort: true });
    await clock.advance(300_000);
    const why = 'Failed to garbage collect required amount of images. Attempted to free 500 bytes, but only found 10 bytes eligible to free.';
    expect(events()).toEqual([`FreeDiskSpaceFailed: ${why}`]);
    images.collect = () => {
      throw new Error('the disk is gone');
    };
    await clock.advance(300_000);
    await clock.advance(300_000);
    expect(events()).toEqual([`FreeDiskSpaceFailed: ${why}`, 'ImageGCFailed: the disk is gone']);
    const [event] = toldEvents();
    expect(event?.involvedObject).toMatchObject({ kind: 'Node', name: 'node-1' });
  });
});
