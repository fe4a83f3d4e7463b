/** Pods of an agent on the simulated runtime, with time that a test moves, and wall clocks that jump. */
import { expect, test } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import { conditionOf, type KubeEvent } from '../../src/client/objects.ts';
import { NodeAgent } from '../../src/agent/agent.ts';
import type { AgentContainer, AgentPod, AgentPodSpec } from '../../src/agent/core/pod-spec.ts';
import { agreeingProber, type Prober } from '../../src/agent/probe.ts';
import { SimulatedRuntime, type Performance } from '../../src/agent/runtime/simulated.ts';
import { FakeApi } from '../client/fake-api.ts';
import { agentOptions } from './agent-options.ts';

const pods = inNamespace(resources.pods, 'default');

interface WorldOptions {
  readonly perform?: (container: string) => Performance;
  readonly prober?: Prober;
  readonly podCidr?: string;
}

async function world({ perform = () => ({ startDelayMs: 10 }), prober = agreeingProber, podCidr = '10.1.0.0/16' }: WorldOptions = {}) {
  const driven = new DrivenClock();
  let jumpMs = 0;
  const clock: Clock = { monotonic: () => driven.monotonic(), wall: () => driven.wall() + jumpMs, setTimer: (delayMs, run) => driven.setTimer(delayMs, run) };
  const api = new FakeApi(() => new Date(clock.wall()).toISOString());
  const runtime = new SimulatedRuntime({ clock, podCidr, perform: (_, { name }) => perform(name) });
  const startAgent = async () => {
    const another = new NodeAgent(agentOptions({ api, clock, runtime, podCidr, capacity: { cpu: '4', memory: '8Gi', pods: 10 }, prober }));
    const started = another.start();
    await driven.advance(1);
    await started;
    return another;
  };
  const agent = await startAgent();
  const create = (name: string, spec: Partial<AgentPodSpec> = {}) => {
    const containers: AgentContainer[] = [{ name: 'main', image: 'i' }];
    return api.create<AgentPod>(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { nodeName: 'node-1', containers, ...spec } });
  };
  const pod = (name: string) => api.find<AgentPod>(pods, name);
  const status = (name: string) => pod(name)?.status;
  const isReady = (name: string) => conditionOf(status(name)?.conditions, 'Ready')?.status === 'True';
  const events = () => api.all<KubeEvent>(resources.events);
  const told = (reason: string) => events().filter((event) => event.reason === reason).map(({ message }) => message);
  const when = (what: string, isSo: () => boolean, deadlineMs = 60_000) => driven.advanceUntil(isSo, deadlineMs, what);
  const jump = (byMs: number) => (jumpMs += byMs);
  return { clock: driven, api, runtime, agent, startAgent, create, pod, status, isReady, events, told, when, jump };
}

const HOUR_MS = 3_600_000;

test.each([['forward', 48 * HOUR_MS], ['backward', -48 * HOUR_MS]])('a wall clock that jumps %s ends no pod, restarts no container and stretches no back-off', async (_, byMs) => {
  const { clock, create, status, isReady, when, jump, agent } = await world({ perform: (name) => (name === 'fails' ? { startDelayMs: 0, runMs: 1_000, exitCode: 1 } : { startDelayMs: 0 }) });
  await create('lives', { activeDeadlineSeconds: 600, containers: [{ name: 'main', image: 'i', livenessProbe: { periodSeconds: 5 } }] });
  await create('crashes', { containers: [{ name: 'fails', image: 'i' }] });
  const restarts = () => status('crashes')?.containerStatuses?.[0]?.restartCount ?? 0;
  await when('the second restart', () => restarts() === 2 && isReady('lives'));
  // Its third attempt comes 20 s after the end of the second.
  await clock.advance(2_000);
  jump(byMs);
  await clock.advance(15_000);
  expect([restarts(), status('lives')?.phase, status('lives')?.containerStatuses?.[0]?.restartCount]).toEqual([2, 'Running', 0]);
  await when('the third restart', () => restarts() === 3, 8_000);
  await when('the end of the other', () => status('lives')?.phase === 'Failed', 600_000);
  expect(clock.monotonic()).toBeGreaterThan(595_000);
  await agent.stop();
});

test('a pod past its deadline says so by the kubelet s words', async () => {
  const { create, status, told, when, agent } = await world();
  await create('late', { activeDeadlineSeconds: 30 });
  await when('its end', () => status('late')?.phase === 'Failed');
  expect(status('late')).toMatchObject({ reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' });
  expect(told('DeadlineExceeded')).toEqual(['Pod was active on the node longer than the specified deadline']);
  await agent.stop();
});

test('a sandbox that dies is made anew with another address: init containers run again, and everybody is told', async () => {
  const { runtime, create, status, isReady, told, when, agent } = await world({ perform: (name) => (name === 'once' ? { startDelayMs: 1, runMs: 10, exitCode: 0 } : { startDelayMs: 10 }) });
  const { metadata } = await create('web', { initContainers: [{ name: 'once', image: 'i' }, { name: 'side', image: 'i', restartPolicy: 'Always' }] });
  await when('ready', () => isReady('web'));
  const { podIP } = status('web')!;
  await runtime.killSandbox(metadata.uid!);
  await when('ready again', () => isReady('web') && status('web')!.podIP !== podIP);
  const { initContainerStatuses, containerStatuses, phase } = status('web')!;
  expect([...initContainerStatuses!, ...containerStatuses!].map(({ name, restartCount }) => [name, restartCount])).toEqual([['once', 1], ['side', 1], ['main', 1]]);
  expect([phase, containerStatuses![0]!.lastState.terminated?.exitCode]).toEqual(['Running', 137]);
  expect(told('SandboxChanged')).toEqual(['Pod sandbox changed, it will be killed and re-created.']);
  await agent.stop();
});

test('a sandbox that cannot be made says why, and is tried again with patience', async () => {
  const { api, create, status, told, when, agent } = await world({ podCidr: '10.1.0.0/30' });
  for (const name of ['first', 'second']) await create(name);
  await when('they run', () => ['first', 'second'].every((name) => status(name)?.phase === 'Running'));
  await create('third');
  await when('the event', () => told('FailedCreatePodSandBox').length > 0);
  expect(told('FailedCreatePodSandBox')[0]).toBe('Failed to create pod sandbox: every address of 10.1.0.0/30 is taken');
  expect(status('third')).toMatchObject({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] });
  await api.delete(pods, 'first', { gracePeriodSeconds: 0 });
  await when('the other runs', () => status('third')?.phase === 'Running');
  await agent.stop();
});

test('side cars end behind the others, last first; events tell it, each of its container', async () => {
  const { api, create, status, events, isReady, when, pod, agent } = await world({ perform: () => ({ startDelayMs: 1, stopDelayMs: 1_000 }) });
  const sides = ['s1', 's2'].map((name): AgentContainer => ({ name, image: 'i', restartPolicy: 'Always' }));
  await create('web', { initContainers: sides, terminationGracePeriodSeconds: 30 });
  await when('ready', () => isReady('web'));
  expect(status('web')!.initContainerStatuses!.every(({ ready, started }) => ready && started)).toBe(true);
  await api.delete(pods, 'web');
  await when('gone', () => pod('web') === undefined);
  const killed = events().filter(({ reason }) => reason === 'Killing').sort((a, b) => (a.firstTimestamp! < b.firstTimestamp! ? -1 : 1));
  expect(killed.map(({ message, involvedObject }) => [message, involvedObject.fieldPath])).toEqual([
    ['Stopping container main', 'spec.containers{main}'],
    ['Stopping container s2', 'spec.initContainers{s2}'],
    ['Stopping container s1', 'spec.initContainers{s1}'],
  ]);
  await agent.stop();
});

test('a job with side cars succeeds when its containers have, and the side cars are ended', async () => {
  const { create, status, when, agent } = await world({ perform: (name) => (name === 'main' ? { startDelayMs: 1, runMs: 500, exitCode: 0 } : { startDelayMs: 1, stopDelayMs: 60_000 }) });
  await create('job', { restartPolicy: 'Never', initContainers: [{ name: 'side', image: 'i', restartPolicy: 'Always' }], terminationGracePeriodSeconds: 5 });
  await when('its end', () => status('job')?.phase === 'Succeeded');
  expect(status('job')!.initContainerStatuses![0]!.state.terminated).toMatchObject({ exitCode: 137 });
  await agent.stop();
});

test('a postStart hook holds up the next container, not the pod: it can be deleted meanwhile', async () => {
  const { clock, api, create, status, pod, when, agent } = await world();
  const containers: AgentContainer[] = [{ name: 'first', image: 'i', lifecycle: { postStart: { sleep: { seconds: 20 } } } }, { name: 'second', image: 'i' }];
  await create('web', { containers, terminationGracePeriodSeconds: 1 });
  await clock.advance(15_000);
  expect(status('web')!.containerStatuses!.map(({ state }) => state.waiting?.reason)).toEqual(['ContainerCreating', 'ContainerCreating']);
  await when('both run', () => status('web')?.phase === 'Running', 6_000);
  await create('gone', { containers, terminationGracePeriodSeconds: 1 });
  await clock.advance(1_000);
  await api.delete(pods, 'gone');
  await when('gone', () => pod('gone') === undefined, 5_000);
  await agent.stop();
});

test('a postStart hook that fails ends its container, which is restarted; what it said stays out of the event', async () => {
  let answers = 0;
  const prober: Prober = { probe: () => Promise.resolve({ isSuccess: ++answers > 1, message: 'the password is 1234' }) };
  const { create, status, told, when, agent } = await world({ prober });
  await create('web', { containers: [{ name: 'main', image: 'i', lifecycle: { postStart: { exec: { command: ['x'] } } } }] });
  await when('it runs', () => status('web')?.phase === 'Running');
  expect(status('web')!.containerStatuses![0]!.restartCount).toBe(1);
  expect([told('FailedPostStartHook'), told('Killing')]).toEqual([['PostStartHook failed'], ['FailedPostStartHook']]);
  await agent.stop();
});

test.each([
  { hookSeconds: 3, graceSeconds: 30, from: 3, to: 4 },
  // What a hook takes is the container's own time; two seconds remain to it whatever happens.
  { hookSeconds: 60, graceSeconds: 10, from: 12, to: 13 },
])('a preStop hook of $hookSeconds s within $graceSeconds s', async ({ hookSeconds, graceSeconds, from, to }) => {
  const { clock, api, create, isReady, pod, when, agent } = await world({ perform: () => ({ startDelayMs: 1, stopDelayMs: hookSeconds > graceSeconds ? 60_000 : 0 }) });
  await create('web', { terminationGracePeriodSeconds: graceSeconds, containers: [{ name: 'main', image: 'i', lifecycle: { preStop: { sleep: { seconds: hookSeconds } } } }] });
  await when('ready', () => isReady('web'));
  const startMs = clock.monotonic();
  await api.delete(pods, 'web');
  await when('gone', () => pod('web') === undefined);
  const seconds = (clock.monotonic() - startMs) / 1_000;
  expect(seconds).toBeGreaterThanOrEqual(from);
  expect(seconds).toBeLessThan(to);
  await agent.stop();
});

test('an agent that starts anew grants a pod that is being deleted what is left of its grace', async () => {
  const { clock, api, create, isReady, pod, when, agent, startAgent } = await world({ perform: () => ({ startDelayMs: 1, stopDelayMs: 600_000 }) });
  const { metadata } = await create('web', { terminationGracePeriodSeconds: 60 });
  await when('ready', () => isReady('web'));
  const startMs = clock.monotonic();
  // As the API server marks it: with the time at which its grace is over.
  const deletionTimestamp = new Date(clock.wall() + 60_000).toISOString();
  await api.update<AgentPod>(pods, { ...pod('web')!, metadata: { ...pod('web')!.metadata, deletionTimestamp, deletionGracePeriodSeconds: 60 } });
  await clock.advance(40_000);
  await agent.stop();
  const next = await startAgent();
  await when('gone', () => pod('web')?.metadata.uid !== metadata.uid);
  const seconds = (clock.monotonic() - startMs) / 1_000;
  expect(seconds).toBeGreaterThanOrEqual(59);
  expect(seconds).toBeLessThan(65);
  await next.stop();
});

test('while a pod ends only its readiness is asked, which says whether it still serves', async () => {
  const asked: string[] = [];
  let isWell = true;
  const prober: Prober = {
    probe: ({ exec }) => {
      asked.push(exec!.command![0]!);
      return Promise.resolve({ isSuccess: isWell, message: 'ill' });
    },
  };
  const { clock, api, create, pod, isReady, status, told, when, agent } = await world({ prober, perform: () => ({ startDelayMs: 1, stopDelayMs: 25_000 }) });
  const probe = (name: string) => ({ exec: { command: [name] }, periodSeconds: 1, failureThreshold: 2 });
  await create('web', { terminationGracePeriodSeconds: 30, containers: [{ name: 'main', image: 'i', livenessProbe: probe('liveness'), readinessProbe: probe('readiness') }] });
  await when('ready', () => isReady('web'));
  await api.delete(pods, 'web');
  await clock.advance(2_000);
  expect(isReady('web')).toBe(true);
  asked.splice(0);
  isWell = false;
  await clock.advance(5_000);
  expect([isReady('web'), status('web')!.containerStatuses![0]!.restartCount, [...new Set(asked)]]).toEqual([false, 0, ['readiness']]);
  expect(told('Killing')).toEqual(['Stopping container main']);
  await when('gone', () => pod('web') === undefined);
  await agent.stop();
});

test('limits change in place; what the node cannot give now waits, and what it never can is refused', async () => {
  const { api, runtime, create, pod, status, told, when, agent } = await world();
  const asks = (cpu: string) => ({ requests: { cpu }, limits: { cpu } });
  const withCpu = (cpu: string, extra: Partial<AgentContainer> = {}): Partial<AgentPodSpec> => ({ containers: [{ name: 'main', image: 'i', resources: asks(cpu), ...extra }] });
  await create('other', withCpu('2'));
  const { metadata } = await create('web', withCpu('1'));
  await when('both run', () => status('web')?.phase === 'Running' && status('other')?.phase === 'Running');
  const resize = (cpu: string, extra: Partial<AgentContainer> = {}) => {
    const now = pod('web')!;
    return api.update<AgentPod>(pods, { ...now, spec: { ...now.spec, ...withCpu(cpu, extra) } });
  };
  const limit = async () => (await runtime.listContainers(metadata.uid)).at(-1)?.resources?.cpuLimitMilli;
  const pending = () => conditionOf(status('web')?.conditions, 'PodResizePending');
  const given = () => status('web')!.containerStatuses![0]!;
  expect(given()).toMatchObject({ allocatedResources: { cpu: '1' }, resources: asks('1') });

  await resize('1500m');
  await when('given', () => given().allocatedResources?.['cpu'] === '1500m' && conditionOf(status('web')?.conditions, 'PodResizeInProgress') === undefined);
  expect([await limit(), given().restartCount, told('ResizeCompleted').length]).toEqual([1_500, 0, 1]);

  await resize('5');
  await when('refused', () => pending()?.reason === 'Infeasible');
  expect(pending()!.message).toBe("Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000");
  expect(given()).toMatchObject({ allocatedResources: { cpu: '1500m' }, resources: asks('1500m') });

  await resize('3');
  await when('deferred', () => pending()?.reason === 'Deferred');
  expect([pending()!.message, await limit()]).toEqual(["Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000", 1_500]);
  await api.delete(pods, 'other', { gracePeriodSeconds: 0 });
  await when('given', () => given().allocatedResources?.['cpu'] === '3' && pending() === undefined);
  expect([await limit(), given().restartCount]).toEqual([3_000, 0]);

  await resize('2', { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] });
  await when('restarted', () => given().restartCount === 1 && status('web')?.phase === 'Running');
  expect(await limit()).toBe(2_000);
  expect(told('Killing')).toContain('Container main resize requires restart');
  await agent.stop();
});
