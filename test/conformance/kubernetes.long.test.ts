/**
 * Kubernetes' own tests of its use of etcd (test/clients/kubernetes): the storage layer of a kube-apiserver, with the real
 * client of etcd, on three members. Among them create, guaranteed update, lists by page and by RangeStream, watches from
 * a revision, progress by interval and on request, leases, compaction.
 */
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { requireTool, startStoreCluster } from '../processes.ts';

/** So many passed when this was written; fewer means that some were not run. */
const PASSED_MIN = 350;

test("Kubernetes' tests of its storage pass", async (context) => {
  const program = requireTool('kubernetes-storage.test', context.skip);
  const cluster = await startStoreCluster({ members: 3, args: ['--watch-progress-notify-interval=1s'] });
  onTestFinished(() => cluster.stop());
  const endpoints = cluster.members.map(({ clientAddress }) => `http://${clientAddress}`).join(',');
  const env = { ...process.env, PODIUM_ENDPOINTS: endpoints };
  const child = spawn(program, ['-test.v', '-test.timeout=180s'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString('latin1')));
  const exitCode = await new Promise((resolve) => child.once('close', resolve));
  const lines = output.split('\n');
  expect(lines.filter((line) => /^\s*--- (?:FAIL|SKIP)|^panic:/.test(line))).toEqual([]);
  expect(exitCode, output.slice(-4_000)).toBe(0);
  expect(lines.filter((line) => /^\s*--- PASS/.test(line)).length).toBeGreaterThanOrEqual(PASSED_MIN);
});
