/** The node agent on the process runtime: real processes, a small API server in memory. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import { conditionOf, type ApiObject, type EndpointSlice, type KubeEvent } from '../../src/client/objects.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { Node as NodeService } from '../../src/proto/node.ts';
import type { NodeAgent } from '../../src/agent/agent.ts';
import type { AgentContainer, AgentPod, AgentPodSpec } from '../../src/agent/core/pod-spec.ts';
import type { AgentNode } from '../../src/agent/node-status.ts';
import { UserspaceProxy } from '../../src/agent/proxy.ts';
import { processesWith } from '../../src/agent/runtime/process-table.ts';
import { FakeApi } from '../client/fake-api.ts';
import { until } from '../until.ts';
import { startProcessAgent } from './process-agent.ts';

const NODE_PORT_ADDRESS = '127.251.255.1';
const pods = inNamespace(resources.pods, 'default');

let root = '';
let api: FakeApi;
let agent: NodeAgent;

const startAgent = () => {
  const proxy = new UserspaceProxy({ clock: systemClock, log: silentLog });
  return startProcessAgent({ root, api, podCidr: '127.251.16.0/20', heartbeatMs: 200, nodePortAddress: NODE_PORT_ADDRESS, proxy });
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'podium-agent-'));
  api = new FakeApi(() => new Date(systemClock.wall()).toISOString());
  agent = await startAgent();
});

afterEach(async () => {
  for (const { metadata } of api.all<AgentPod>(resources.pods)) {
    await api.delete(pods, metadata.name, { gracePeriodSeconds: 0 }).catch(() => undefined);
  }
  const marker = `PODIUM_NODE=${join(root, 'runtime')}`;
  await until('no process left', () => processesWith(marker).length === 0);
  await agent.stop();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

const podOf = (name: string, container: Partial<AgentContainer>, spec: Partial<AgentPodSpec> = {}): AgentPod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'node-1',
    containers: [{ name: 'main', image: 'podium.dev/host', ...container }],
    terminationGracePeriodSeconds: 5,
    ...spec,
  },
});

const sh = (script: string) => ({ command: ['sh', '-c', script] });
const create = (pod: AgentPod) => api.create<AgentPod>(pods, pod);
const podWhen = (name: string, holds: (pod: AgentPod) => boolean) =>
  until(`pod ${name}`, () => {
    const pod = api.find<AgentPod>(pods, name);
    return pod !== undefined && holds(pod) ? pod : undefined;
  });
const isReady = (pod: AgentPod) => conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';
const running = (name: string) => podWhen(name, ({ status }) => status?.phase === 'Running');
const goneWhen = (name: string) => until(`${name} gone`, () => api.find(pods, name) === undefined);
const events = () => api.all<KubeEvent>(resources.events).map(({ reason, message }) => `${reason}: ${message}`);

async function logs(name: string, options: { previous?: boolean; tailLines?: number; container?: string } = {}): Promise<string> {
  const channel = directChannel({ services: [agent.service], clock: systemClock, log: silentLog });
  let text = '';
  const request = { namespace: 'default', pod: name, ...options };
  for await (const { data } of channel.serverStream(NodeService.methods.logs, request)) text += Buffer.from(data).toString();
  return text;
}

function fetchText(host: string, port: number): Promise<string> {
  return new Promise((done, fail) => {
    const call = get({ host, port, path: '/', agent: false, timeout: 5_000 }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString())).on('end', () => done(text)).on('error', fail);
    });
    call.on('error', fail);
  });
}

test('the node registers, renews its lease, and says again that it is ready when that was overruled', async () => {
  const node = api.find<AgentNode>(resources.nodes, 'node-1')!;
  expect(node.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-1', 'podium.dev/runtime': 'process' });
  expect(node.status).toMatchObject({
    allocatable: { cpu: '2', memory: '1Gi', pods: '10' },
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
  });
  const leases = inNamespace(resources.leases, 'kube-node-lease');
  const first = api.find<ApiObject>(leases, 'node-1')!.metadata.resourceVersion;
  await until('a renewal', () => api.find<ApiObject>(leases, 'node-1')!.metadata.resourceVersion !== first);
  const conditions = [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }];
  await api.updateStatus(resources.nodes, { ...api.find<AgentNode>(resources.nodes, 'node-1')!, status: { conditions } } as AgentNode);
  await until('Ready again', () => conditionOf(api.find<AgentNode>(resources.nodes, 'node-1')!.status?.conditions, 'Ready')?.status === 'True');
});

test('a pod runs with its ConfigMap and Secret as environment and files, and its logs are served', async () => {
  await api.create(inNamespace(resources.configMaps, 'default'), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default' },
    data: { colour: 'red', 'app.conf': 'a=1\n' },
  } as ApiObject);
  await api.create(inNamespace(resources.secrets, 'default'), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys', namespace: 'default' },
    data: { token: Buffer.from('hush').toString('base64') },
  } as ApiObject);
  const container = {
    ...sh('echo "$WHO $COLOUR $TOKEN $BOTH $0"; cat etc/app.conf; cat keys/token; echo; cat info/labels; exec sleep 1000'),
    args: ['$(COLOUR)'],
    env: [
      { name: 'WHO', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
      { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
      { name: 'BOTH', value: '$(WHO)-$(COLOUR)-$$(WHO)' },
    ],
    volumeMounts: [
      { name: 'settings', mountPath: '/etc' },
      { name: 'keys', mountPath: '/keys' },
      { name: 'info', mountPath: '/info' },
    ],
  };
  const volumes = [
    { name: 'settings', configMap: { name: 'settings', items: [{ key: 'app.conf', path: 'app.conf' }] } },
    { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
    { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  ];
  const pod = podOf('web', container, { volumes });
  await create({ ...pod, metadata: { ...pod.metadata, labels: { app: 'web' } } });
  const { status } = await running('web');
  expect(status?.podIP).toMatch(/^127\.251\.\d+\.\d+$/);
  expect(status?.containerStatuses?.[0]).toMatchObject({ ready: true, started: true, restartCount: 0 });
  await until('its log', async () => (await logs('web')).includes('app='));
  expect(await logs('web')).toBe('web red hush web-red-$(WHO) red\na=1\nhush\napp="web"');
  expect(await logs('web', { tailLines: 1 })).toBe('app="web"');
  await expect(logs('nobody')).rejects.toThrow('not on node');
});

test('a missing ConfigMap is waited for, and says so', async () => {
  const container = { ...sh('exec sleep 1000'), env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late', key: 'a' } } }] };
  await create(podOf('waits', container));
  const waiting = await podWhen('waits', ({ status }) => status?.containerStatuses?.[0]?.state.waiting?.reason === 'CreateContainerConfigError');
  expect(waiting.status?.containerStatuses?.[0]?.state.waiting?.message).toBe('configmap "late" not found');
  await api.create(inNamespace(resources.configMaps, 'default'), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'late', namespace: 'default' },
    data: { a: 'b' },
  } as ApiObject);
  await running('waits');
});

test('a container that fails is restarted at once, then backed off; its last log is kept', async () => {
  await create(podOf('crashes', sh('echo attempt; exit 3')));
  const pod = await podWhen('crashes', ({ status }) => status?.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff');
  const [status] = pod.status!.containerStatuses!;
  expect(status).toMatchObject({ restartCount: 1, ready: false, lastState: { terminated: { exitCode: 3, reason: 'Error' } } });
  expect(status!.state.waiting!.message).toContain('back-off 10s restarting failed container=main');
  expect(pod.status!.phase).toBe('Running');
  await until('the event', () => events().some((line) => line.startsWith('BackOff: Back-off restarting failed container main')));
  expect(await logs('crashes', { previous: true })).toBe('attempt\n');
});

test('a program that cannot be run is said to be so, before its container is backed off', async () => {
  await create(podOf('missing', { command: ['no-such-program'] }));
  const pod = await podWhen('missing', ({ status }) => status?.containerStatuses?.[0]?.state.waiting?.reason === 'RunContainerError');
  const [status] = pod.status!.containerStatuses!;
  expect(status!.state.waiting!.message).toContain('no-such-program');
  expect(status!.lastState.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
  await until('the event', () => events().some((line) => line.startsWith('Failed: Error: ') && line.includes('no-such-program')));
  expect(events().some((line) => line.startsWith('Started'))).toBe(false);
  const backedOff = await podWhen('missing', (one) => one.status?.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff');
  expect(backedOff.status?.containerStatuses?.[0]?.restartCount).toBe(1);
  await create(podOf('once', { command: ['no-such-program'] }, { restartPolicy: 'Never' }));
  const failed = await podWhen('once', ({ status: own }) => own?.phase === 'Failed');
  expect(failed.status?.containerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
});

test('init containers run first, one by one; a Job-like pod succeeds', async () => {
  const step = (name: string, script: string) => ({ name, image: 'podium.dev/host', ...sh(script), volumeMounts: [{ name: 'work', mountPath: '/work' }] });
  const container = { ...sh('cat work/trace'), volumeMounts: [{ name: 'work', mountPath: '/work' }] };
  const initContainers = [step('one', 'sleep 0.05; echo one >> work/trace'), step('two', 'echo two >> work/trace')];
  await create(podOf('job', container, { initContainers, restartPolicy: 'Never', volumes: [{ name: 'work', emptyDir: {} }] }));
  const pod = await podWhen('job', ({ status }) => status?.phase === 'Succeeded');
  expect(await logs('job')).toBe('one\ntwo\n');
  expect(pod.status?.containerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
});

test('deletion asks the program, waits for it, removes the object and everything of the pod', async () => {
  const pod = await create(podOf('bye', sh(`trap 'touch '${root}'/asked; exit 0' TERM; while :; do sleep 0.02; done`)));
  await running('bye');
  await api.delete(pods, 'bye');
  await goneWhen('bye');
  expect(existsSync(join(root, 'asked'))).toBe(true);
  await until('its directory gone', () => !existsSync(join(root, 'runtime/pods', pod.metadata.uid!)));
});

test('liveness restarts a container; readiness follows the program', async () => {
  const container = {
    ...sh('exec sleep 1000'),
    livenessProbe: { exec: { command: ['test', '!', '-e', 'sick'] }, periodSeconds: 0.1, failureThreshold: 2 },
    readinessProbe: { exec: { command: ['test', '-e', 'ready'] }, periodSeconds: 0.1, failureThreshold: 1 },
  };
  const { metadata } = await create(podOf('probed', container, { terminationGracePeriodSeconds: 1 }));
  await running('probed');
  expect(isReady(api.find<AgentPod>(pods, 'probed')!)).toBe(false);
  const directory = (attempt: number) => join(root, 'runtime/pods', metadata.uid!, 'containers/main', String(attempt), 'root');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(directory(0), 'ready'), '');
  await podWhen('probed', isReady);
  writeFileSync(join(directory(0), 'sick'), '');
  const restarted = await podWhen('probed', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1);
  expect(isReady(restarted)).toBe(false);
  expect(events().some((line) => line.includes('Liveness probe failed'))).toBe(true);
});

test('a pod that does not fit is refused', async () => {
  await create(podOf('large', { ...sh('exec sleep 1000'), resources: { requests: { cpu: '1500m' } } }));
  await running('large');
  await create(podOf('too-large', { ...sh('exec sleep 1000'), resources: { requests: { cpu: '600m' } } }));
  const { status } = await podWhen('too-large', (pod) => pod.status?.phase === 'Failed');
  expect(status?.reason).toBe('OutOfcpu');
  expect(status?.message).toContain('requested: 600, used: 1500, capacity: 2000');
});

test('another image is said to be ignored', async () => {
  await create(podOf('foreign', { ...sh('exec sleep 1000'), image: 'nginx:1.27' }));
  await running('foreign');
  await until('the event', () => events().some((line) => line.startsWith('ImageIgnored') && line.includes('nginx:1.27')));
});

test('replace-pod: a container that fails ends the pod of an owner', async () => {
  const pod = podOf('owned', sh('exit 1'));
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'u', controller: true };
  const annotations = { 'podium.dev/on-container-failure': 'replace-pod' };
  await create({ ...pod, metadata: { ...pod.metadata, annotations, ownerReferences: [owner] } });
  const { status } = await podWhen('owned', (one) => one.status?.phase === 'Failed');
  expect(status?.reason).toBe('ContainerFailed');
  expect(status?.containerStatuses?.[0]?.restartCount).toBe(0);
});

test('an agent that comes back adopts what runs and ends what was deleted meanwhile', async () => {
  await create(podOf('stays', sh('echo here; exec sleep 1000')));
  const gone = await create(podOf('goes', sh('exec sleep 1000')));
  const before = await podWhen('stays', isReady);
  await running('goes');
  await agent.stop();
  await api.delete(pods, 'goes', { gracePeriodSeconds: 0 });
  agent = await startAgent();
  const channel = directChannel({ services: [agent.service], clock: systemClock, log: silentLog });
  const answer = await channel.unary(NodeService.methods.listPods, {});
  expect(answer.pods.map(({ name }) => name)).toEqual(['stays']);
  expect(answer.pods[0]!.containers).toMatchObject([{ state: 'running', restarts: 0 }]);
  expect(answer.pods[0]!.ip).toBe(before.status!.podIP);
  await until('the deleted one gone', () => !existsSync(join(root, 'runtime/pods', gone.metadata.uid!)));
  expect(await logs('stays')).toBe('here\n');
  expect(isReady(api.find<AgentPod>(pods, 'stays')!)).toBe(true);
});

test('pods go on, and are ended, while the API server is away; their status follows', async () => {
  const { metadata } = await create(podOf('alone', sh(`while [ ! -e go ]; do sleep 0.02; done; exit 0`), { restartPolicy: 'Never' }));
  await running('alone');
  api.fail = () => new Error('away');
  const { writeFileSync } = await import('node:fs');
  const directory = join(root, 'runtime/pods', metadata.uid!, 'containers/main/0');
  writeFileSync(join(directory, 'root/go'), '');
  await until('its end', () => existsSync(join(directory, 'exit')));
  api.fail = undefined;
  await podWhen('alone', ({ status }) => status?.phase === 'Succeeded');
});

test('hello.yaml: three pods answer in turn behind the NodePort, and a replaced pod drops no request', async () => {
  const documents = parseAllDocuments(readFileSync('cluster-config/examples/hello.yaml', 'utf8'));
  const [configMap, deployment, service] = documents.map((document) => document.toJS() as ApiObject & { spec: never });
  const at = <T extends ApiObject>(object: T) => ({ ...object, metadata: { ...object.metadata, namespace: 'default' } });
  await api.create(inNamespace(resources.configMaps, 'default'), at(configMap!));
  const template = (deployment!.spec as { template: AgentPod }).template;
  const spawnPod = (name: string) =>
    create({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels: { app: 'hello' } }, spec: { ...template.spec, nodeName: 'node-1' } });
  const names = ['hello-1', 'hello-2', 'hello-3'];
  for (const name of names) await spawnPod(name);
  for (const name of names) await podWhen(name, isReady);
  const writeSlice = (live: readonly string[]) => {
    const endpoints = live.map((name) => ({ addresses: [api.find<AgentPod>(pods, name)!.status!.podIP!], conditions: { ready: true } }));
    const metadata = { name: 'hello-x', namespace: 'default', labels: { 'kubernetes.io/service-name': 'hello' } };
    const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [{ name: 'http', port: 8080 }] };
    api.put(inNamespace(resources.endpointSlices, 'default'), slice as EndpointSlice);
  };
  writeSlice(names);
  await api.create(inNamespace(resources.services, 'default'), at(service!));
  await until('the first answer', () => fetchText(NODE_PORT_ADDRESS, 30080).catch(() => undefined));
  const answers: string[] = [];
  for (let i = 0; i < 6; i++) answers.push(await fetchText(NODE_PORT_ADDRESS, 30080));
  expect([...new Set(answers)].sort()).toEqual(names.map((name) => `${name} v1\n`));

  // As the controllers would: a new pod, then the old one terminates, then the slice follows a little later.
  let isRolling = true;
  const failures: unknown[] = [];
  let requests = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (isRolling) {
      requests++;
      await fetchText(NODE_PORT_ADDRESS, 30080).catch((error: unknown) => failures.push(error));
    }
  });
  await spawnPod('hello-4');
  await podWhen('hello-4', isReady);
  writeSlice([...names, 'hello-4']);
  await api.delete(pods, 'hello-1');
  await podWhen('hello-1', ({ metadata }) => metadata.deletionTimestamp !== undefined);
  writeSlice(['hello-2', 'hello-3', 'hello-4']);
  await goneWhen('hello-1');
  isRolling = false;
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(50);
});
