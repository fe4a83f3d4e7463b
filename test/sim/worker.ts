/** A process that runs the seeds it is sent, one after the other (workers.ts). Ends when its parent lets go of it. */
import { runSeed } from './run.ts';
import type { WorkerAnswer } from './workers.ts';

process.on('message', (seed) => {
  const startedAt = performance.now();
  void runSeed(Number(seed)).then((result) => {
    const tookMs = Math.round(performance.now() - startedAt);
    // Its trace is for those who look at a failure.
    const sent = result.violations.length === 0 ? { ...result, trace: [] } : result;
    process.send?.({ result: sent, tookMs } satisfies WorkerAnswer);
  });
});
