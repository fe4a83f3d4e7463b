/** What becomes of a pod's volumes while it lives: an agent by a driven clock, with real files and a small API server. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { inNamespace, resources, type CreateOptions, type NewObject, type ResourceRef } from '../../src/client/api-client.ts';
import { apiError } from '../../src/client/api-error.ts';
import type { ApiObject, KubeEvent } from '../../src/client/objects.ts';
import { NodeAgent } from '../../src/agent/agent.ts';
import type { AgentPod, AgentPodSpec, ConfigMap, Volume } from '../../src/agent/core/pod-spec.ts';
import { SimulatedRuntime } from '../../src/agent/runtime/simulated.ts';
import { FileVolumes } from '../../src/agent/volumes.ts';
import { FakeApi } from '../client/fake-api.ts';
import { agentOptions } from './agent-options.ts';

const pods = inNamespace(resources.pods, 'default');
const configMaps = inNamespace(resources.configMaps, 'default');
const CIDR = '10.244.1.0/24';
const PASS_STEP_MS = 100_000;

interface TokenAsked {
  readonly account: string | undefined;
  readonly spec: { readonly expirationSeconds: number; readonly audiences: readonly string[]; readonly boundObjectRef: object };
}

/** Issues tokens, numbered. */
class TokenApi extends FakeApi {
  readonly asked: TokenAsked[] = [];
  /** Called when one is asked for. */
  meanwhile: (() => void) | undefined;
  readonly #clock: DrivenClock;

  constructor(clock: DrivenClock) {
    super(() => new Date(clock.wall()).toISOString());
    this.#clock = clock;
  }

  override async create<T extends ApiObject>(ref: ResourceRef, object: NewObject<T>, options: CreateOptions = {}): Promise<T> {
    if (options.subresource !== 'token') return super.create(ref, object, options);
    const failure = this.fail?.({ verb: 'create/token', ref, name: options.name ?? '' });
    if (failure !== undefined) throw failure;
    const { spec } = JSON.parse(JSON.stringify(object)) as TokenAsked; // a TokenRequest
    this.asked.push({ account: options.name, spec });
    this.meanwhile?.();
    const expirationTimestamp = new Date(this.#clock.wall() + 1_000 * spec.expirationSeconds).toISOString();
    return JSON.parse(JSON.stringify({ ...object, status: { token: `token-${this.asked.length}`, expirationTimestamp } })) as T;
  }
}

let root = '';
let clock: DrivenClock;
let api: TokenApi;
let runtime: SimulatedRuntime;
let agent: NodeAgent;

/** The machine and its disk stay when the agent goes. */
function newAgent(): NodeAgent {
  return new NodeAgent(
    agentOptions({
      api,
      clock,
      runtime,
      address: '127.0.0.1',
      podCidr: CIDR,
      capacity: { cpu: '2', memory: '1Gi', pods: 10 },
      heartbeatMs: 600_000,
      leaseDurationMs: 2_400_000,
      volumes: new FileVolumes(join(root, 'volumes')),
    }),
  );
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'podium-pod-volumes-'));
  clock = new DrivenClock();
  api = new TokenApi(clock);
  runtime = new SimulatedRuntime({ clock, podCidr: CIDR });
  agent = newAgent();
  await driven(agent.start());
});

afterEach(async () => {
  api.endWatches();
  await driven(agent.stop());
  rmSync(root, { recursive: true, force: true });
});

/** Files take real time, everything else the clock's: `stepMs` of it for each look. */
async function until<T>(what: string, probe: () => T | undefined, stepMs = 1): Promise<NonNullable<T>> {
  for (const start = systemClock.monotonic(); systemClock.monotonic() - start < 10_000; ) {
    const found = probe();
    if (found !== undefined && found !== null && found !== false) return found;
    await clock.advance(stepMs);
    await new Promise<void>((go) => systemClock.setTimer(1, go));
  }
  throw new Error(`${what}: not within 10 s of real time`);
}

async function driven<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  void work.finally(() => (isDone = true)).catch(() => undefined);
  await until('an end', () => isDone);
  return work;
}

/** In steps, so that what begins on the way gets its real time. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= PASS_STEP_MS) {
    await clock.advance(Math.min(left, PASS_STEP_MS));
    await new Promise<void>((go) => systemClock.setTimer(0, go));
  }
}

async function run(name: string, volumes: readonly Volume[], spec: Partial<AgentPodSpec> = {}): Promise<string> {
  const container = { name: 'main', image: 'podium.dev/host', command: ['x'], volumeMounts: volumes.map((volume) => ({ name: volume.name, mountPath: `/${volume.name}` })) };
  const pod: AgentPod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels: { app: 'web' } }, spec: { nodeName: 'node-1', containers: [container], volumes, ...spec } };
  return (await api.create<AgentPod>(pods, pod)).metadata.uid ?? '';
}

const podOf = (name: string) => api.find<AgentPod>(pods, name);
const isRunning = (name: string) => podOf(name)?.status?.phase === 'Running';
const file = (uid: string, path: string) => join(root, 'volumes', uid, path);
const read = (uid: string, path: string) => (existsSync(file(uid, path)) ? readFileSync(file(uid, path), 'utf8') : undefined);
const settings = (data: Readonly<Record<string, string>>, extra: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data, ...extra }) as ConfigMap;
const config: Volume = { name: 'config', configMap: { name: 'settings' } };
const events = (reason: string) => api.all<KubeEvent>(resources.events).filter((event) => event.reason === reason).map(({ message, count }) => ({ message, count: count ?? 0 }));
const stateOf = (name: string) => podOf(name)?.status?.containerStatuses?.[0]?.state;
const restartAgent = async (between: () => void) => {
  api.endWatches();
  await driven(agent.stop());
  between();
  agent = newAgent();
  await driven(agent.start());
};

test('a token is exchanged at 80 % of its life, and what it is for is said', async () => {
  const token: Volume = { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3_607 } }, { serviceAccountToken: { path: 'vault', audience: 'vault', expirationSeconds: 600_000 } }] } };
  const uid = await run('web', [token], { serviceAccountName: 'robot' });
  await until('it runs', () => isRunning('web'));
  expect([read(uid, 'token/token'), read(uid, 'token/vault')]).toEqual(['token-1', 'token-2']);
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid };
  expect(api.asked).toEqual([
    { account: 'robot', spec: { audiences: [], expirationSeconds: 3_607, boundObjectRef } },
    { account: 'robot', spec: { audiences: ['vault'], expirationSeconds: 600_000, boundObjectRef } },
  ]);
  await pass(2_870_000);
  expect([api.asked.length, read(uid, 'token/token')]).toEqual([2, 'token-1']);
  const before = realpathSync(file(uid, 'token/..data'));
  await pass(30_000);
  expect(await until('the next token', () => (read(uid, 'token/token') === 'token-1' ? undefined : read(uid, 'token/token')), 1_000)).toBe('token-3');
  // By a switch of the whole: the other one is there beside it, unchanged.
  expect([realpathSync(file(uid, 'token/..data')) === before, read(uid, 'token/vault')]).toEqual([false, 'token-2']);
  // One that is good for a week is a day old at most.
  await pass(86_400_000 - 2_900_000 - 60_000);
  expect(read(uid, 'token/vault')).toBe('token-2');
  await pass(90_000);
  await until('the next of the other', () => read(uid, 'token/vault') !== 'token-2' || undefined, 1_000);
}, 30_000);

test('a token that cannot be exchanged stays, and is asked for again', async () => {
  const uid = await run('web', [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }]);
  await until('it runs', () => isRunning('web'));
  api.fail = ({ verb }) => (verb === 'create/token' ? apiError('ServiceUnavailable', 'away') : undefined);
  await pass(3_000_000);
  expect(read(uid, 'token/token')).toBe('token-1');
  api.fail = undefined;
  await until('the next token', () => read(uid, 'token/token') === 'token-2', 1_000);
}, 30_000);

test('files follow their ConfigMap, all at once, and stay when it goes', async () => {
  await api.create(configMaps, settings({ a: '1', b: '1' }));
  const uid = await run('web', [config, { name: 'labels', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } }]);
  await until('it runs', () => isRunning('web'));
  expect([read(uid, 'config/a'), read(uid, 'labels/labels')]).toEqual(['1', 'app="web"']);
  const atMs = clock.monotonic();
  await api.update(configMaps, { ...api.find<ConfigMap>(configMaps, 'settings')!, data: { a: '2', c: '2' } } as ConfigMap);
  await until('the change', () => read(uid, 'config/a') === '2');
  await until('the new name, and not the old one', () => readdirSync(file(uid, 'config')).filter((name) => !name.startsWith('..')).join() === 'a,c');
  expect(clock.monotonic() - atMs).toBeLessThan(1_000);
  const pod = podOf('web')!;
  await api.update(pods, { ...pod, metadata: { ...pod.metadata, labels: { app: 'db' } } });
  await until('the label', () => read(uid, 'labels/labels') === 'app="db"');
  await api.delete(configMaps, 'settings');
  await pass(30_000);
  expect(read(uid, 'config/a')).toBe('2');
});

test('a change that comes while the volumes are being made is not lost', async () => {
  await api.create(configMaps, settings({ a: '1' }));
  // The ConfigMap has been read then.
  api.meanwhile = () => api.put(configMaps, settings({ a: '2' }));
  const uid = await run('web', [config, { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }]);
  await until('it runs', () => isRunning('web'));
  await until('the change', () => read(uid, 'config/a') === '2');
});

test('an immutable object is not watched', async () => {
  await api.create(configMaps, settings({ a: '1' }, { immutable: true }));
  await api.create(configMaps, { ...settings({ a: '1' }), metadata: { name: 'other', namespace: 'default' } });
  await run('web', [config, { name: 'other', configMap: { name: 'other' } }]);
  await until('it runs', () => isRunning('web'));
  await until('the watch of the other', () => api.calls.some(({ verb, ref }) => verb === 'watch' && ref.resource === 'configmaps'));
  expect(api.calls.filter(({ verb, ref }) => verb === 'list' && ref.resource === 'configmaps')).toHaveLength(1);
});

test('what the environment lacks is told again and again, and counted; it runs when that comes', async () => {
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }];
  await run('web', [], { containers: [{ name: 'main', image: 'podium.dev/host', command: ['x'], env }] });
  await until('it waits', () => stateOf('web')?.waiting?.message !== undefined);
  expect(stateOf('web')).toEqual({ waiting: { reason: 'CreateContainerConfigError', message: 'configmap "settings" not found' } });
  for (let seconds = 0; seconds < 120; seconds++) await pass(1_000);
  const [told, ...others] = events('Failed');
  expect(told?.message).toBe('Error: configmap "settings" not found');
  // Backed off: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s, then every 20 s.
  expect([told?.count, others]).toEqual([11, []]);
  await api.create(configMaps, settings({ a: '1' }));
  await until('it runs', () => isRunning('web'), 1_000);
});

test('what is missing is said, waited for ever longer, and taken at once when it comes', async () => {
  const uid = await run('web', [config, { name: 'keys', secret: { secretName: 'keys' } }]);
  await until('it waits', () => stateOf('web')?.waiting?.message !== undefined);
  const wanted = 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found';
  expect(stateOf('web')).toEqual({ waiting: { reason: 'ContainerCreating', message: `${wanted}; MountVolume.SetUp failed for volume "keys" : secret "keys" not found` } });
  await pass(120_000);
  const [first] = events('FailedMount');
  expect(first?.message).toBe(wanted);
  expect(first?.count).toBeGreaterThan(5);
  expect([events('FailedMount').length, events('Failed')]).toEqual([2, []]);
  await api.create(configMaps, settings({ a: '1' }));
  await until('only the other is missing', () => stateOf('web')?.waiting?.message?.includes('config') === false);
  const atMs = clock.monotonic();
  await api.create(inNamespace(resources.secrets, 'default'), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys', namespace: 'default' }, data: { k: 'aHVzaA==' } } as ApiObject);
  await until('it runs', () => isRunning('web'));
  expect([read(uid, 'keys/k'), clock.monotonic() - atMs < 2_000]).toEqual(['hush', true]);
});

test('a token of an account that is not there is waited for', async () => {
  api.fail = ({ verb }) => (verb === 'create/token' ? apiError('NotFound', 'serviceaccounts "default" not found') : undefined);
  await run('web', [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }]);
  await until('it waits', () => stateOf('web')?.waiting?.message !== undefined);
  expect(stateOf('web')?.waiting?.message).toBe('MountVolume.SetUp failed for volume "token" : failed to fetch token: serviceaccounts "default" not found');
  api.fail = undefined;
  await until('it runs', () => isRunning('web'), 1_000);
});

test('a container is started again without an API server, also by another agent; its volumes are brought up to date later', async () => {
  await api.create(configMaps, settings({ a: '1' }));
  const uid = await run('web', [config, { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }]);
  await until('it runs', () => isRunning('web'));
  const away = ({ verb, ref }: { verb: string; ref: ResourceRef }) => (verb === 'create/token' || ref.resource === 'configmaps' ? apiError('ServiceUnavailable', 'away') : undefined);
  const restarts = () => podOf('web')?.status?.containerStatuses?.[0]?.restartCount;
  api.fail = away;
  runtime.exit(`${uid}/main/0`, 1);
  await until('the first restart', () => restarts() === 1 && isRunning('web') && stateOf('web')?.running !== undefined);
  await restartAgent(() => api.put(configMaps, settings({ a: '2' })));
  runtime.exit(`${uid}/main/1`, 1);
  await until('the second', () => restarts() === 2 && stateOf('web')?.running !== undefined, 500);
  expect([read(uid, 'config/a'), read(uid, 'token/token')]).toEqual(['1', 'token-1']);
  api.fail = undefined;
  await until('what is new', () => read(uid, 'config/a') === '2' && read(uid, 'token/token') === 'token-2', 1_000);
});

test('an agent that starts goes on with the volumes of running pods, and removes those of others', async () => {
  await api.create(configMaps, settings({ a: '1' }));
  const uid = await run('web', [config]);
  await until('it runs', () => isRunning('web'));
  await restartAgent(() => mkdirSync(file('a-pod-that-is-gone', 'v'), { recursive: true }));
  expect(readdirSync(join(root, 'volumes'))).toEqual([uid]);
  await api.update(configMaps, { ...api.find<ConfigMap>(configMaps, 'settings')!, data: { a: '2' } } as ConfigMap);
  await until('the change', () => read(uid, 'config/a') === '2');
});

test('an emptyDir past its limit ends the pod, and its volumes go', async () => {
  const uid = await run('web', [{ name: 'cache', emptyDir: { sizeLimit: '1Mi' } }]);
  await until('it runs', () => isRunning('web'));
  writeFileSync(file(uid, 'cache/small'), Buffer.alloc(900_000, 1));
  await pass(30_000);
  expect(isRunning('web')).toBe(true);
  writeFileSync(file(uid, 'cache/large'), Buffer.alloc(900_000, 1));
  const { status } = await until('its end', () => (podOf('web')?.status?.phase === 'Failed' ? podOf('web') : undefined), 1_000);
  const message = 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi".';
  expect(status).toMatchObject({ reason: 'Evicted', message });
  expect(events('Evicted').map((event) => event.message)).toEqual([message]);
  await until('the volumes are gone', () => !existsSync(file(uid, '')));
});

test('the volumes of a pod go with it', async () => {
  await api.create(configMaps, settings({ a: '1' }));
  const uid = await run('web', [config]);
  await until('it runs', () => isRunning('web'));
  await api.delete(pods, 'web');
  await until('it is gone', () => podOf('web') === undefined, 100);
  await until('the volumes are gone', () => !existsSync(file(uid, '')));
  const watches = api.calls.filter(({ verb, ref }) => verb === 'watch' && ref.resource === 'configmaps').length;
  api.endWatches();
  await pass(60_000);
  expect(api.calls.filter(({ verb, ref }) => verb === 'watch' && ref.resource === 'configmaps')).toHaveLength(watches);
});
