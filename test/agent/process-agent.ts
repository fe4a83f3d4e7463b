/** An agent whose pods are real processes and whose volumes are real files, below a directory of the test's. */
import { join } from 'node:path';
import { NodeAgent, type NodeAgentOptions } from '../../src/agent/agent.ts';
import { NetworkProber } from '../../src/agent/probe.ts';
import { ProcessRuntime } from '../../src/agent/runtime/process.ts';
import { FileVolumes } from '../../src/agent/volumes.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemClock as clock } from '../../src/base/system-clock.ts';
import { agentOptions } from './agent-options.ts';

type Given = Pick<NodeAgentOptions, 'api' | 'podCidr' | 'heartbeatMs'> & Partial<NodeAgentOptions> & { readonly root: string };

export async function startProcessAgent({ root, ...given }: Given): Promise<NodeAgent> {
  const runtime = new ProcessRuntime({ root: join(root, 'runtime'), podCidr: given.podCidr, clock, log: silentLog });
  const agent = new NodeAgent(
    agentOptions({
      clock,
      runtime,
      address: '127.0.0.1',
      capacity: { cpu: '2', memory: '1Gi', pods: 10 },
      leaseDurationMs: 4_000,
      prober: new NetworkProber(runtime, clock),
      volumes: new FileVolumes(join(root, 'volumes')),
      ...given,
    }),
  );
  await agent.start();
  return agent;
}
