/** The agent on the simulated runtime and a driven clock: no process, no second of waiting. */
import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { inNamespace, resources } from '../../../src/client/api-client.ts';
import { conditionOf } from '../../../src/client/objects.ts';
import { NodeAgent } from '../../../src/agent/agent.ts';
import type { AgentPod } from '../../../src/agent/core/pod-spec.ts';
import { SimulatedRuntime, type Performance } from '../../../src/agent/runtime/simulated.ts';
import { FakeApi } from '../../client/fake-api.ts';
import { agentOptions } from '../agent-options.ts';

const pods = inNamespace(resources.pods, 'default');

async function world(performance: Performance = { startDelayMs: 100, stopDelayMs: 50 }) {
  const clock = new DrivenClock();
  const api = new FakeApi(() => new Date(clock.wall()).toISOString());
  const runtime = new SimulatedRuntime({ clock, podCidr: '10.1.0.0/16', perform: () => performance });
  const startAgent = async () => {
    const agent = new NodeAgent(agentOptions({ api, clock, runtime, podCidr: '10.1.0.0/16' }));
    const started = agent.start();
    await clock.advance(1);
    await started;
    return agent;
  };
  const create = (name: string) =>
    api.create<AgentPod>(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'i', command: ['x'] }] },
    });
  const pod = (name: string) => api.find<AgentPod>(pods, name);
  const isReady = (name: string) => conditionOf(pod(name)?.status?.conditions, 'Ready')?.status === 'True';
  return { clock, api, runtime, startAgent, create, pod, isReady };
}

test('two hundred pods become ready, and go when they are deleted', async () => {
  const { clock, api, startAgent, create, pod, isReady } = await world();
  const agent = await startAgent();
  const names = Array.from({ length: 200 }, (_, i) => `p-${i}`);
  for (const name of names) await create(name);
  await clock.advanceUntil(() => names.every(isReady), 5_000, 'all ready');
  expect(new Set(names.map((name) => pod(name)!.status!.podIP)).size).toBe(200);
  for (const name of names) await api.delete(pods, name);
  await clock.advanceUntil(() => api.all(resources.pods).length === 0, 10_000, 'all gone');
  await agent.stop();
  // Four seconds of work on a machine that has nothing else to do.
}, 60_000);

test('the back-off doubles from 10 s in driven time', async () => {
  const { clock, startAgent, create, pod } = await world({ startDelayMs: 0, runMs: 1_000, exitCode: 1 });
  const agent = await startAgent();
  await create('crashes');
  const restarts = () => pod('crashes')?.status?.containerStatuses?.[0]?.restartCount ?? 0;
  const times: number[] = [];
  for (let count = 1; count <= 7; count++) {
    await clock.advanceUntil(() => restarts() >= count, 400_000, `restart ${count}`);
    times.push(clock.monotonic());
  }
  const pauses = times.slice(1).map((time, i) => Math.round((time - times[i]!) / 1000));
  expect(pauses).toEqual([11, 21, 41, 81, 161, 301]);
  await agent.stop();
});

test('a new agent on the same machine adopts, on a machine that was off it starts again', async () => {
  const { clock, runtime, startAgent, create, pod, isReady } = await world();
  const first = await startAgent();
  await create('web');
  await clock.advanceUntil(() => isReady('web'), 5_000, 'ready');
  const { podIP } = pod('web')!.status!;
  await first.stop();
  const second = await startAgent();
  await clock.advance(1_000);
  expect(pod('web')!.status).toMatchObject({ podIP, containerStatuses: [{ restartCount: 0, ready: true }] });
  await second.stop();
  runtime.powerOff();
  const third = await startAgent();
  await clock.advanceUntil(() => isReady('web') && pod('web')!.status!.podIP !== podIP, 5_000, 'ready again');
  expect(pod('web')!.status!.containerStatuses![0]!.restartCount).toBe(1);
  await third.stop();
});

test('connections: a command is done at once, an attached container ends with it, a port says everything back', async () => {
  const { clock, runtime } = await world();
  await runtime.runPodSandbox({ uid: 'u', namespace: 'default', name: 'p', hostname: 'p', hostNetwork: false, annotations: {} });
  const id = await runtime.createContainer('u', { name: 'a', attempt: 0, backoffSteps: 0, init: false, image: 'i', command: [], workingDir: '', env: {}, mounts: [] });
  const streams = { stdin: true, stdout: true, stderr: true, tty: false };
  await expect(runtime.attachStream(id, streams)).rejects.toMatchObject({ code: 'invalid-state' });
  const started = runtime.startContainer(id);
  await clock.advance(100);
  await started;
  expect(await (await runtime.execStream(id, { ...streams, command: ['x'] })).ended).toEqual({ exitCode: 0 });
  const attached = await runtime.attachStream(id, streams);
  runtime.exit(id, 3);
  expect(await attached.ended).toEqual({ exitCode: 0 });
  const port = await runtime.portForward('u');
  await port.write(Buffer.from('hello'));
  port.endInput();
  const heard: string[] = [];
  for await (const bytes of port.output) heard.push(Buffer.from(bytes).toString());
  expect(heard).toEqual(['hello']);
  await expect(runtime.portForward('other')).rejects.toMatchObject({ code: 'not-found' });
});
