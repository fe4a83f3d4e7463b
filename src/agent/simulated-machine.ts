/** For tests and for a runtime that plays: a machine that is not there. */
import type { Clock } from '../base/clock.ts';
import type { ProcessUsage } from './node-stats.ts';
import type { MachineFacts } from './node-status.ts';

export const simulatedMachine: MachineFacts = {
  hostname: 'simulated',
  osImage: 'simulated',
  kernelVersion: '0',
  architecture: 'amd64',
  machineId: '00000000000000000000000000000000',
  bootId: '00000000-0000-0000-0000-000000000000',
};

/** An agent of such a machine: a hundredth of a core, always. */
export function simulatedUsage(clock: Clock): ProcessUsage {
  const ageMs = clock.monotonic();
  return { cpuMs: ageMs / 100, memoryBytes: 64 * 1024 * 1024, ageMs };
}
