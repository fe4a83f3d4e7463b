/** `etcdctl check perf`, of each store: the largest of its loads that passes, each a minute long. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTool, startStoreCluster } from '../processes.ts';
import type { Peer } from './large.ts';

/** In puts a second: 150, 1,000, 8,000, 15,000. */
const LOADS = ['s', 'm', 'l', 'xl'] as const;
const TIMEOUT_MS = 120_000;

/** What passed, with the puts per second that it came to. */
export async function checkPerf({ options, version }: Peer): Promise<string> {
  const etcdctl = findTool('etcdctl');
  if (etcdctl === undefined) return 'no etcdctl';
  const cluster = await startStoreCluster(options);
  try {
    let passed = 'none';
    for (const load of LOADS) {
      const endpoints = cluster.members.map(({ clientAddress }) => clientAddress).join(',');
      const text = await outputOf(etcdctl, [`--endpoints=${endpoints}`, 'check', 'perf', `--load=${load}`, '--prefix', `check-${load}/`]);
      const rate = /Throughput[^\d]*(\d+)/.exec(text)?.[1];
      const isPassed = /^PASS$/m.test(text);
      process.stderr.write(`  ${version}: check perf ${load}: ${isPassed ? 'PASS' : 'FAIL'} ${rate ?? ''}\n`);
      if (!isPassed) break;
      passed = `${load} (${rate ?? '?'}/s)`;
    }
    return passed;
  } finally {
    await cluster.stop();
  }
}

/** Its exit status tells that it did not pass; so does what it prints. */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, ETCDCTL_API: '3' };
  try {
    const { stdout } = await promisify(execFile)(program, args, { env, timeout: TIMEOUT_MS });
    return stdout;
  } catch (error) {
    if (error instanceof Error && 'stdout' in error) return String(error.stdout);
    throw error;
  }
}
