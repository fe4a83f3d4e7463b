/** What only real processes and files prove of pods: last words, the order of ends, programs that are not there, pods of files. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import { conditionOf, type KubeEvent } from '../../src/client/objects.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { Node as NodeService } from '../../src/proto/node.ts';
import type { NodeAgent } from '../../src/agent/agent.ts';
import type { AgentContainer, AgentPod, AgentPodSpec } from '../../src/agent/core/pod-spec.ts';
import { processesWith } from '../../src/agent/runtime/process-table.ts';
import { TerminationLogs } from '../../src/agent/termination-logs.ts';
import { FakeApi } from '../client/fake-api.ts';
import { until } from '../until.ts';
import { startProcessAgent } from './process-agent.ts';

const pods = inNamespace(resources.pods, 'default');

let root = '';
let api: FakeApi;
let agent: NodeAgent;

const manifests = () => join(root, 'manifests');
const sandboxes = () => join(root, 'runtime/pods');

const startAgent = () => {
  const terminationLogs = new TerminationLogs(join(root, 'termination-logs'));
  return startProcessAgent({ root, api, podCidr: '127.251.32.0/20', heartbeatMs: 1_000, terminationLogs, podManifestPath: manifests() });
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'podium-pods-'));
  api = new FakeApi(() => new Date(systemClock.wall()).toISOString());
  mkdirSync(manifests());
  agent = await startAgent();
});

afterEach(async () => {
  rmSync(manifests(), { recursive: true });
  for (const { metadata } of api.all<AgentPod>(resources.pods)) await api.delete(pods, metadata.name, { gracePeriodSeconds: 0 }).catch(() => undefined);
  await until('no process left', () => processesWith(`PODIUM_NODE=${join(root, 'runtime')}`).length === 0);
  await agent.stop();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

const sh = (script: string) => ({ image: 'podium.dev/host', command: ['sh', '-c', script] });
const create = (name: string, containers: readonly AgentContainer[], spec: Partial<AgentPodSpec> = {}) =>
  api.create<AgentPod>(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { nodeName: 'node-1', containers, terminationGracePeriodSeconds: 5, ...spec } });
const find = (name: string) => api.find<AgentPod>(pods, name);
const podWhen = (name: string, holds: (pod: AgentPod) => boolean) =>
  until(`pod ${name}`, () => {
    const pod = find(name);
    return pod !== undefined && holds(pod) ? pod : undefined;
  });
const isReady = (pod: AgentPod) => conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';
const events = () => api.all<KubeEvent>(resources.events).map(({ reason, message }) => `${reason}: ${message}`);

test('containers leave last words in a file, or else in the end of their log where that is asked for', async () => {
  const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' };
  await create(
    'words',
    [
      { name: 'file', ...sh('echo noise; printf "disk on fire" >dev/termination-log; exit 3'), ...fallback },
      { name: 'log', ...sh('for i in $(seq 200); do echo line $i; done; exit 4'), ...fallback },
      { name: 'well', ...sh('echo noise'), ...fallback },
      { name: 'silent', ...sh('echo noise; exit 5') },
      { name: 'elsewhere', ...sh('seq 2000 >tmp/last; exit 6'), terminationMessagePath: '/tmp/last' },
    ],
    { restartPolicy: 'Never' },
  );
  const { status } = await podWhen('words', (pod) => pod.status?.phase === 'Failed');
  const messages = Object.fromEntries(status!.containerStatuses!.map(({ name, state }) => [name, state.terminated!.message]));
  expect([messages['file'], messages['well'], messages['silent']]).toEqual(['disk on fire', undefined, undefined]);
  expect(messages['log']!.split('\n').filter((line) => line !== '')).toEqual(Array.from({ length: 80 }, (_, i) => `line ${i + 121}`));
  // Of a pod of five containers each has a fifth of 12 KiB, of a file the last 4 KiB would be taken.
  expect(Buffer.byteLength(messages['elsewhere']!)).toBe(Math.floor(12_288 / 5));
});

test('side cars are up before the program, and go down after it', async () => {
  const trace = join(root, 'trace');
  const note = (word: string) => `echo ${word} >>${trace}`;
  const serve = (name: string) => sh(`trap '${note(`${name}-down`)}; exit 0' TERM; sleep 0.1; ${note(`${name}-up`)}; touch up; while :; do sleep 0.02; done`);
  const startupProbe = { exec: { command: ['test', '-e', 'up'] }, periodSeconds: 0.05, failureThreshold: 100 };
  const side = (name: string): AgentContainer => ({ name, ...serve(name), restartPolicy: 'Always', startupProbe });
  const initContainers = [side('s1'), { name: 'once', ...sh(note('once')) }, side('s2')];
  const main = { name: 'main', ...serve('main'), readinessProbe: { exec: { command: ['test', '-e', 'up'] } } };
  await create('web', [main], { initContainers });
  await podWhen('web', isReady);
  await api.delete(pods, 'web');
  await until('gone', () => find('web') === undefined);
  expect(readFileSync(trace, 'utf8').trim().split('\n')).toEqual(['s1-up', 'once', 's2-up', 'main-up', 'main-down', 's2-down', 's1-down']);
});

test('a program that does not exist says so: RunContainerError, the event, and how it ended', async () => {
  await create('absent', [{ name: 'main', image: 'podium.dev/host', command: ['no-such-program'] }]);
  const { status } = await podWhen('absent', (pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1 && pod.status.containerStatuses[0].state.waiting !== undefined);
  const [container] = status!.containerStatuses!;
  expect(container!.state.waiting).toMatchObject({ reason: 'RunContainerError', message: expect.stringContaining('no-such-program') as string });
  expect(container!.lastState.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
  await podWhen('absent', (pod) => pod.status?.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff');
  expect(events().some((line) => /^Failed: Error: .*no-such-program/.test(line))).toBe(true);
  expect(events().some((line) => line.startsWith('Started:'))).toBe(false);
});

test('a container for debugging runs beside the others, and its end counts for nothing', async () => {
  const pod = await create('web', [{ name: 'main', ...sh('exec sleep 1000') }]);
  await podWhen('web', isReady);
  const now = find('web')!;
  await api.update<AgentPod>(pods, { ...now, spec: { ...now.spec, ephemeralContainers: [{ name: 'debugger', ...sh('exit 7'), targetContainerName: 'main' } as AgentContainer] } });
  const { status } = await podWhen('web', (one) => one.status?.ephemeralContainerStatuses?.[0]?.state.terminated !== undefined);
  expect(status!.ephemeralContainerStatuses![0]).toMatchObject({ name: 'debugger', restartCount: 0, state: { terminated: { exitCode: 7 } } });
  expect([status!.phase, isReady(find('web')!), find('web')!.metadata.uid]).toEqual(['Running', true, pod.metadata.uid]);
});

test('another size is not given by a runtime without limits', async () => {
  const resources = (cpu: string) => ({ requests: { cpu }, limits: { cpu } });
  await create('web', [{ name: 'main', ...sh('exec sleep 1000'), resources: resources('500m') }]);
  await podWhen('web', isReady);
  const now = find('web')!;
  await api.update<AgentPod>(pods, { ...now, spec: { ...now.spec, containers: [{ ...now.spec.containers[0]!, resources: resources('1') }] } });
  const { status } = await podWhen('web', (one) => conditionOf(one.status?.conditions, 'PodResizePending') !== undefined);
  expect(conditionOf(status!.conditions, 'PodResizePending')).toMatchObject({ reason: 'Infeasible', message: 'In-place resize of containers is not supported by the process runtime' });
  expect(status!.containerStatuses![0]).toMatchObject({ allocatedResources: { cpu: '500m' }, restartCount: 0 });
});

/** At once, as a careful person writes. */
function writeManifest(file: string, text: string): void {
  writeFileSync(join(root, 'manifest.tmp'), text);
  renameSync(join(root, 'manifest.tmp'), join(manifests(), file));
}

const manifest = (script: string) => `{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {terminationGracePeriodSeconds: 2, containers: [{name: main, image: podium.dev/host, command: [sh, -c, ${JSON.stringify(script)}]}]}}`;

test('pods of files run, are mirrored, follow their files, and outlive whoever deletes their mirror', async () => {
  writeManifest('web.yaml', manifest('echo one; exec sleep 1000'));
  const first = await podWhen('web-node-1', isReady);
  const uid = first.metadata.annotations!['kubernetes.io/config.mirror']!;
  expect(existsSync(join(sandboxes(), uid))).toBe(true);
  expect(first.metadata.uid).not.toBe(uid);
  expect(first.metadata.annotations).toMatchObject({ 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': uid });
  const channel = directChannel({ services: [agent.service], clock: systemClock, log: silentLog });
  let log = '';
  for await (const { data } of channel.serverStream(NodeService.methods.logs, { namespace: 'default', pod: 'web-node-1', uid: first.metadata.uid! })) log += Buffer.from(data).toString();
  expect(log).toBe('one\n');

  const about = await until('its events', () => api.all<KubeEvent>(resources.events).find(({ reason }) => reason === 'Started'));
  expect(about.involvedObject).toMatchObject({ name: 'web-node-1', uid, fieldPath: 'spec.containers{main}' });

  await api.delete(pods, 'web-node-1');
  const again = await podWhen('web-node-1', (pod) => pod.metadata.uid !== first.metadata.uid && isReady(pod));
  expect(again.status?.containerStatuses?.[0]).toMatchObject({ containerID: first.status!.containerStatuses![0]!.containerID, restartCount: 0 });

  writeManifest('web.yaml', manifest('echo two; exec sleep 1000'));
  const changed = await podWhen('web-node-1', (pod) => pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== uid && isReady(pod));
  await until('the pod of before is gone', () => !existsSync(join(sandboxes(), uid)));

  await agent.stop();
  agent = await startAgent();
  await until('adopted', async () => (await directChannel({ services: [agent.service], clock: systemClock, log: silentLog }).unary(NodeService.methods.listPods, {})).pods[0]?.containers[0]?.state === 'running');
  expect(await podWhen('web-node-1', isReady)).toMatchObject({ metadata: { uid: changed.metadata.uid }, status: { containerStatuses: [{ restartCount: 0 }] } });

  rmSync(join(manifests(), 'web.yaml'));
  await until('pod and mirror gone', () => find('web-node-1') === undefined && !existsSync(join(sandboxes(), changed.metadata.annotations!['kubernetes.io/config.mirror']!)));
});

test('pods of files need no API server, and what is no pod is named while the others go on', async () => {
  api.fail = () => new Error('away');
  writeManifest('bad.yaml', 'kind: Deployment');
  const mark = join(root, 'ran');
  writeManifest('good.yaml', manifest(`touch ${mark}; exec sleep 1000`));
  await until('it runs', () => existsSync(mark));
  api.fail = undefined;
  await podWhen('web-node-1', isReady);
  writeManifest('worse.yaml', 'a: [');
  await until('both are named', () => events().some((line) => line.startsWith('InvalidManifest: worse.yaml: line')));
  expect(isReady(find('web-node-1')!)).toBe(true);
});
