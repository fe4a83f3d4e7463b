/**
 * Leader election as Go programs do it, each candidate a process: while API servers are killed and come back, the leader
 * leads on; when it is killed itself, and gives nothing back, the other takes over as soon as the lease has run out.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { requireTool } from '../processes.ts';
import { until } from '../until.ts';
import { ApiServers } from './api-servers.ts';

/** The lease's duration in test/clients/informers/election.go, and the time between two tries. */
const LEASE_MS = 4_000;
const TAKE_OVER_MS = LEASE_MS + 6_000;

test('a leader outlives its API servers; a killed one is followed when its lease has run out', { timeout: 90_000 }, async ({ skip }) => {
  const program = requireTool('informers', skip);
  const api = await ApiServers.start({ count: 2 });
  onTestFinished(() => api.stop());
  const stand = (identity: string) => {
    const child = spawn(program, ['stand', '--kubeconfig', api.kubeconfig, '--identity', identity], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
    return { child, said };
  };
  const first = stand('first');
  await until('the first leads', () => first.said.length > 0, TAKE_OVER_MS);
  const second = stand('second');
  const lease = async () => {
    const { body } = await api.client().get('/apis/coordination.k8s.io/v1/namespaces/default/leases/election');
    return (body as unknown as { spec: { holderIdentity: string; renewTime: string } }).spec; // as the server says
  };
  for (const server of api.servers) {
    await server.kill();
    const { renewTime } = await lease();
    server.start();
    await api.untilReady(server);
    let renewed = renewTime;
    await until('the leader renews', async () => (renewed = (await lease()).renewTime) > renewTime, TAKE_OVER_MS);
    expect(renewed > renewTime).toBe(true);
  }
  expect([first.said, second.said]).toEqual([['first'], []]);
  first.child.kill('SIGKILL');
  const killedMs = systemClock.monotonic();
  await until('the second leads', () => second.said.length > 0, TAKE_OVER_MS);
  // Not before the lease that was renewed half a second ago, at the longest, has run out.
  expect(systemClock.monotonic() - killedMs).toBeGreaterThan(LEASE_MS - 1_500);
  expect(second.said).toEqual(['second']);
  expect((await lease()).holderIdentity).toBe('second');
});
