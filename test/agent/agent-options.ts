/** What a test says of its agent, and what it leaves to be as in most tests: a large simulated machine without volumes or proxy. */
import type { NodeAgentOptions } from '../../src/agent/agent.ts';
import { agreeingProber } from '../../src/agent/probe.ts';
import { simulatedMachine, simulatedUsage } from '../../src/agent/simulated-machine.ts';
import { noVolumes } from '../../src/agent/volumes.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';

export type AgentOverrides = Pick<NodeAgentOptions, 'api' | 'clock' | 'runtime' | 'podCidr'> & Partial<NodeAgentOptions>;

export function agentOptions(overrides: AgentOverrides): NodeAgentOptions {
  const { clock, address = '10.0.0.1' } = overrides;
  return {
    name: 'node-1',
    address,
    port: 10_250,
    capacity: { cpu: '64', memory: '64Gi', pods: 500 },
    machine: simulatedMachine,
    ownUsage: () => simulatedUsage(clock),
    heartbeatMs: 10_000,
    leaseDurationMs: 40_000,
    onContainerFailure: 'restart',
    portBase: 0,
    nodePortAddress: address,
    random: seededRandom('agent'),
    log: silentLog,
    prober: agreeingProber,
    volumes: noVolumes,
    ...overrides,
  };
}
