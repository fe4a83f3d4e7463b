/** What programs do with client-go (test/clients/informers/check.go), against two API servers as real processes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { requireTool } from '../processes.ts';
import { ApiServers } from './api-servers.ts';

const CHECKS = [
  ...['discovery', 'typed', 'dynamic', 'apply', 'pages', 'errors', 'cached discovery', 'selectors', 'patches', 'apply configurations', 'subresources'],
  ...['protobuf', 'metadata', 'informers', 'until', 'reviews', 'events', 'leader election'],
];

test('client-go: what programs do with its typed, dynamic and metadata clients, informers and tools', { timeout: 120_000 }, async ({ skip }) => {
  const program = requireTool('informers', skip);
  const api = await ApiServers.start({ count: 2 });
  onTestFinished(() => api.stop());
  const args = ['check', '--kubeconfig', api.kubeconfig, '--namespace', 'default'];
  // Rejects where it ends with an error; the balancer runs in this process, which must not wait for it.
  const { stdout } = await promisify(execFile)(program, args, { timeout: 100_000 });
  expect(stdout.trim().split('\n')).toEqual(CHECKS.map((name) => `ok ${name}`));
});
