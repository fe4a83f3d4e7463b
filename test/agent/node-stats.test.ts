/** What a node says that it uses, of played containers on a driven clock. */
import { expect, test } from 'vitest';
import { simulatedUsage } from '../../src/agent/simulated-machine.ts';
import { NodeStats } from '../../src/agent/node-stats.ts';
import { SimulatedRuntime, type Performance } from '../../src/agent/runtime/simulated.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import type { StatsResponse } from '../../src/proto/node.ts';

const MIB = 1024 * 1024;

function world(performances: Readonly<Record<string, Partial<Performance>>>) {
  const clock = new DrivenClock();
  const runtime = new SimulatedRuntime({ clock, podCidr: '10.1.0.0/16', perform: (_pod, { name }) => ({ startDelayMs: 0, ...performances[name] }) });
  const stopping = new AbortController();
  const stats = new NodeStats({ runtime, clock, ownUsage: () => simulatedUsage(clock), signal: stopping.signal });
  const run = async (pod: string, ...names: string[]) => {
    await runtime.runPodSandbox({ uid: pod, namespace: 'default', name: pod, hostname: pod, hostNetwork: false, annotations: {} });
    for (const name of names) {
      const config = { name, attempt: 0, backoffSteps: 0, init: false, image: '', command: [], workingDir: '', env: {}, mounts: [] };
      const id = await runtime.createContainer(pod, config);
      const started = runtime.startContainer(id);
      await clock.advance(1);
      await started;
    }
  };
  const ask = async () => {
    const atMs = clock.monotonic();
    let answered: StatsResponse | undefined;
    stats.answer().then((answer) => (answered = answer), () => undefined);
    await clock.advanceUntil(() => answered !== undefined, 5_000, 'an answer');
    return { ...answered!, tookMs: clock.monotonic() - atMs };
  };
  return { clock, runtime, stats, stopping, run, ask };
}

const shown = ({ pods }: StatsResponse) =>
  pods.map(({ name, containers }) => `${name}: ${containers.map((one) => `${one.name} ${Math.round((one.usage?.cpuNanoCores ?? 0) / 1e6)}m ${(one.usage?.memoryBytes ?? 0) / MIB}Mi`).join(', ')}`);

test('containers by their pods, and a node that is their sum and its agent', async () => {
  const { clock, run, ask } = world({ web: { cpuCores: 0.75, memoryBytes: 100 * MIB }, side: { cpuCores: 0, memoryBytes: 2 * MIB } });
  await run('front', 'web', 'side');
  await run('back', 'side');
  await clock.advance(60_000);
  const answer = await ask();
  // After a silence it takes two looks.
  expect(answer.tookMs).toBe(1_000);
  expect(shown(answer)).toEqual(['back: side 0m 2Mi', 'front: side 0m 2Mi, web 750m 100Mi']);
  expect(answer.node).toEqual({ atMs: Date.UTC(2024, 0, 1) + 61_003, windowMs: 1_000, cpuNanoCores: 760_000_000, memoryBytes: (100 + 2 + 2 + 64) * MIB });
  // And then one, or none.
  await clock.advance(3_000);
  expect(await ask()).toMatchObject({ tookMs: 0, node: { windowMs: 4_000, cpuNanoCores: 760_000_000 } });
  await clock.advance(100);
  expect(await ask()).toMatchObject({ tookMs: 0, node: { windowMs: 4_000 } });
});

test('a pod is left out until each of its running containers has been there for a moment', async () => {
  const { clock, run, ask, runtime, stats } = world({ late: { cpuCores: 0.2 } });
  await run('pod', 'early');
  await clock.advance(20_000);
  expect(shown(await ask())).toEqual(['pod: early 10m 16Mi']);
  await clock.advance(1_000);
  await run('pod', 'late');
  const patient = await ask();
  expect([patient.tookMs, shown(patient)]).toEqual([1_000, ['pod: early 10m 16Mi, late 200m 16Mi']]);
  // One that begins while it is measured is not waited for, and its pod is not half shown.
  await clock.advance(20_000);
  await run('other', 'early');
  await clock.advance(20_000);
  const asked = stats.answer();
  await clock.advance(500);
  await run('other', 'newborn');
  await clock.advance(499);
  expect(shown(await asked)).toEqual(['pod: early 10m 16Mi, late 200m 16Mi']);
  await runtime.removePodSandbox('other');
  // What has ended is none of it, and a pod of which nothing runs neither.
  runtime.exit('pod/late/0', 1);
  await clock.advance(2_000);
  expect(shown(await ask())).toEqual(['pod: early 10m 16Mi']);
  runtime.exit('pod/early/0', 0);
  await clock.advance(2_000);
  expect(shown(await ask())).toEqual([]);
});

test('who asks while it is measured gets the same answer, and an agent that stops gives none', async () => {
  const { clock, stats, stopping } = world({});
  await clock.advance(60_000);
  const [one, other] = [stats.answer(), stats.answer()];
  expect(one).toBe(other);
  await clock.advance(1_000);
  expect((await one).node).toMatchObject({ cpuNanoCores: 10_000_000 });
  await clock.advance(60_000);
  const late = stats.answer();
  stopping.abort();
  await expect(late).rejects.toThrow('sleep');
});
