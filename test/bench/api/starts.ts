/** How soon an API server is ready, and what a `kubectl get pods` takes over kubectl's own start. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/system-clock.ts';
import { findTool } from '../../processes.ts';
import { median } from '../report.ts';
import { listOnce } from './lists.ts';
import { POD } from './objects.ts';
import type { Subject } from './subjects.ts';

export interface StartResult {
  readonly readyMs: number;
  /** From the start of the process to the end of the first list of everything. */
  readonly listedMs: number;
}

/** Ends the server and starts it again. */
export async function restart(subject: Subject): Promise<StartResult> {
  await subject.stop();
  const startedAt = systemClock.monotonic();
  const readyMs = await subject.start();
  await listOnce(subject, '/api/v1/pods?resourceVersion=0');
  return { readyMs, listedMs: systemClock.monotonic() - startedAt };
}

const SMALL_PODS = 20;
const RUNS_A_ROUND = 5;

export async function prepareSmall(subject: Subject): Promise<void> {
  for (let at = 0; at < SMALL_PODS; at++) await subject.create('/api/v1/namespaces/default/pods', POD);
}

/** Medians of runs by turns; undefined: kubectl is not installed. */
export function kubectlRound(subject: Subject): { readonly getMs: number; readonly startMs: number } | undefined {
  const kubectl = findTool('kubectl');
  if (kubectl === undefined) return undefined;
  const home = mkdtempSync(join(tmpdir(), 'kubectl-'));
  const run = (...args: string[]) => {
    const startedAt = systemClock.monotonic();
    const { status, stdout, stderr } = spawnSync(kubectl, ['--kubeconfig', subject.kubeconfig, ...args], { encoding: 'utf8', env: { ...process.env, HOME: home } });
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return { ms: systemClock.monotonic() - startedAt, lines: stdout.trimEnd().split('\n').length };
  };
  try {
    // Fills its cache of what the server can do.
    const { lines } = run('get', 'pods');
    if (lines !== SMALL_PODS + 1) throw new Error(`kubectl get pods printed ${lines} lines`);
    const [starts, gets]: [number[], number[]] = [[], []];
    for (let at = 0; at < RUNS_A_ROUND; at++) {
      starts.push(run('version', '--client').ms);
      gets.push(run('get', 'pods').ms);
    }
    return { getMs: median(gets), startMs: median(starts) };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
