/** Seeds over as many processes as there are cores. A process takes the next seed when it is done with one. */
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { SeedResult } from './run.ts';

export interface SeedRange {
  readonly from: number;
  readonly count: number;
}

export interface SeedsOptions extends SeedRange {
  readonly workers?: number;
  /** In the order in which they end. */
  readonly onResult: (result: SeedResult, tookMs: number) => void;
}

export interface WorkerAnswer {
  readonly result: SeedResult;
  readonly tookMs: number;
}

/** Compiled: tests reach it from their sources, `npm run sim` from beside it. */
const WORKER = fileURLToPath(import.meta.url).includes('/dist/')
  ? new URL('./worker.js', import.meta.url)
  : new URL('../../dist/test/sim/worker.js', import.meta.url);

/** Almost all garbage of a seed is young: with more room for it there is less to copy. */
const YOUNG_SPACE = '--max-semi-space-size=64';
/** Refusals are many, and made with a stack that nobody reads; the replay of a failure in one process has them. */
const NO_STACKS = '--stack-trace-limit=0';

export async function runSeeds({ from, count, workers = availableParallelism(), onResult }: SeedsOptions): Promise<void> {
  let next = from;
  const work = (child: ChildProcess) =>
    new Promise<void>((resolve, reject) => {
      const giveNext = () => {
        if (next < from + count) child.send(next++);
        else child.disconnect();
      };
      child.on('message', (message) => {
        const { result, tookMs } = message as WorkerAnswer; // worker.ts sends nothing else
        onResult(result, tookMs);
        giveNext();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code ?? signal}`))));
      giveNext();
    });
  const children = Array.from({ length: Math.min(workers, count) }, () => fork(WORKER, { execArgv: [YOUNG_SPACE, NO_STACKS] }));
  try {
    await Promise.all(children.map(work));
  } finally {
    for (const child of children) child.kill();
  }
}
