/** Damaged inputs, one after the other; which one is damaged how is drawn from the seed and the input's number alone. */
import { seededRandom } from '../../src/base/random.ts';
import { mutate } from './mutate.ts';
import type { FuzzTarget } from './target.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly inputs: number;
  /** The number of the first: a failure is replayed alone. */
  readonly from?: number;
}

export interface FuzzFailure {
  readonly input: number;
  readonly bytes: Uint8Array;
  readonly error: unknown;
}

export interface FuzzResult {
  readonly read: number;
  readonly refused: number;
  readonly failures: readonly FuzzFailure[];
}

const FAILURES_MAX = 10;
/** Longer for one input is a bug by itself: sizes are believed, or work is squared. */
const INPUT_MS_MAX = 2_000;

export async function fuzz(target: FuzzTarget, { seed, inputs, from = 1 }: FuzzOptions): Promise<FuzzResult> {
  const valid = await target.seeds();
  const parent = seededRandom(seed).fork(target.name);
  const failures: FuzzFailure[] = [];
  let read = 0;
  for (let input = from; input < from + inputs && failures.length < FAILURES_MAX; input++) {
    const random = parent.fork(String(input));
    const mutated = target.damage?.(random.pick(valid), random) ?? mutate(random.pick(valid), { random, other: random.pick(valid) });
    const bytes = target.repair?.(mutated, random) ?? mutated;
    const startedAt = performance.now();
    const used = process.cpuUsage();
    try {
      const answer = target.run(bytes);
      if (typeof answer === 'boolean' ? answer : await answer) read++;
      if (performance.now() - startedAt > INPUT_MS_MAX && usedMs(used) > INPUT_MS_MAX) throw new Error(`took longer than ${INPUT_MS_MAX} ms`);
    } catch (error) {
      failures.push({ input, bytes, error });
    }
  }
  return { read, refused: inputs - read - failures.length, failures };
}

/** A machine that is busy with other things makes nobody slow. */
function usedMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}
