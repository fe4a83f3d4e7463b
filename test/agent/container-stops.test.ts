/** Stops of containers, with time that a test moves. */
import { expect, test } from 'vitest';
import { Tasks } from '../../src/base/tasks.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { ContainerStops } from '../../src/agent/container-stops.ts';
import { agreeingProber } from '../../src/agent/probe.ts';
import { SimulatedRuntime } from '../../src/agent/runtime/simulated.ts';

const GRACE_MS = 30_000;
const HOOK_MS = 5_000;

async function world() {
  const clock = new DrivenClock();
  const runtime = new SimulatedRuntime({ clock, podCidr: '10.1.0.0/16', perform: () => ({ startDelayMs: 0, stopDelayMs: 0 }) });
  const config = { uid: 'u', namespace: 'default', name: 'web', hostname: 'web', hostNetwork: false, annotations: {} };
  await runtime.runPodSandbox(config);
  const id = await runtime.createContainer('u', { name: 'main', attempt: 0, backoffSteps: 0, init: false, image: 'i', command: [], workingDir: '', env: {}, mounts: [] });
  const starting = runtime.startContainer(id);
  await clock.advance(1);
  await starting;
  const failures: unknown[] = [];
  const stops = new ContainerStops({
    clock,
    log: silentLog,
    runtime,
    prober: agreeingProber,
    isRouted: () => false,
    say: () => undefined,
    tasks: new Tasks((error) => failures.push(error)),
    signal: new AbortController().signal,
    wake: () => undefined,
  });
  const container = { name: 'main', image: 'i', lifecycle: { preStop: { sleep: { seconds: HOOK_MS / 1_000 } } } };
  const stop = (graceMs: number, sinceMs: number) => stops.stop({ id, name: 'main', graceMs, why: '' }, { container, ip: '', drains: false, sinceMs });
  const isRunning = async () => (await runtime.listContainers('u'))[0]?.state === 'running';
  return { clock, stop, isRunning };
}

test('stop() that is asked for again, of the same deadline, leaves a preStop hook its time however quickly it comes behind its plan', async () => {
  const { clock, stop, isRunning } = await world();
  const plannedAtMs = clock.monotonic();
  // The plan took its time to be carried out the first time, and none the second time.
  await clock.advance(20);
  stop(GRACE_MS, plannedAtMs);
  await clock.advance(100);
  stop(GRACE_MS - (clock.monotonic() - plannedAtMs), clock.monotonic());
  await clock.advance(HOOK_MS - 200);
  expect(await isRunning()).toBe(true);
  await clock.advance(300);
  expect(await isRunning()).toBe(false);
});

test('stop() of a sooner deadline cuts a preStop hook short', async () => {
  const { clock, stop, isRunning } = await world();
  stop(GRACE_MS, clock.monotonic());
  await clock.advance(100);
  stop(2_000, clock.monotonic());
  await clock.advance(100);
  expect(await isRunning()).toBe(false);
});
