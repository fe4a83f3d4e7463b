import { expect, test } from 'vitest';
import type { AgentContainerStatus, AgentPodStatus } from '../../../src/agent/core/pod-spec.ts';
import { SteadyAges } from '../../../src/agent/core/steady-ages.ts';
import { lastText, withinBudget } from '../../../src/agent/core/termination-message.ts';

test.each([
  ['short', 10, 'short'],
  ['0123456789', 4, '6789'],
  ['aüb', 3, 'üb'],
  ['aüb', 2, 'b'],
  ['', 4, ''],
])('lastText(%j, %i) is %j: no half character', (text, bytesMax, expected) => {
  expect(lastText(Buffer.from(text), bytesMax)).toBe(expected);
});

test('withinBudget() gives each container of a pod the same share of 12 KiB', () => {
  const ended = (name: string, message: string): AgentContainerStatus => ({ name, ready: false, restartCount: 0, image: 'i', imageID: 'i', state: { terminated: { exitCode: 1, reason: 'Error', message } }, lastState: {} });
  const status: AgentPodStatus = { initContainerStatuses: [ended('x', 'ü'.repeat(2_000))], containerStatuses: ['a', 'b', 'c', 'd', 'e'].map((name) => ended(name, name === 'a' ? 'short' : 'y'.repeat(4_096))) };
  const { initContainerStatuses, containerStatuses } = withinBudget(status);
  const sizes = [...initContainerStatuses!, ...containerStatuses!].map(({ state }) => Buffer.byteLength(state.terminated!.message!));
  expect(sizes).toEqual([2_048, 5, 2_048, 2_048, 2_048, 2_048]);
  expect(initContainerStatuses![0]!.state.terminated!.message).toBe('ü'.repeat(1_024));
});

test('SteadyAges counts on, whatever the wall clock does, from the first time that it was asked', () => {
  const ages = new SteadyAges();
  const at = 1_000_000;
  expect(ages.of('a', at, { wallMs: at + 500, monotonicMs: 100 })).toBe(500);
  expect(ages.of('a', at, { wallMs: at + 9e9, monotonicMs: 200 })).toBe(600);
  expect(ages.of('a', at, { wallMs: at - 9e9, monotonicMs: 300 })).toBe(700);
  // What seems to lie ahead is just now.
  expect(ages.of('b', at, { wallMs: at - 5_000, monotonicMs: 300 })).toBe(0);
  expect(ages.of('b', at, { wallMs: at - 5_000, monotonicMs: 350 })).toBe(50);
  ages.forget((what) => what === 'a');
  expect(ages.of('a', at, { wallMs: at + 1, monotonicMs: 300 })).toBe(1);
});
