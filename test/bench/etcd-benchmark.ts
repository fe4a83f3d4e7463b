/** etcd's own `benchmark` program, for what h2load cannot do: calls that stream. Installed by .ci/install-test-clients. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTool } from '../processes.ts';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

export interface EtcdBenchmark {
  readonly addresses: readonly string[];
  readonly args: readonly string[];
}

/** The rate that its last summary tells, per second; of a watch that is the events'. Undefined: not installed. */
export async function etcdBenchmark(run: EtcdBenchmark): Promise<number | undefined> {
  const output = await outputOf(run);
  return output === undefined ? undefined : rateOf(output, run);
}

/** Its puts, with the latency that 99 of 100 do not exceed. */
export async function etcdBenchmarkPut(run: EtcdBenchmark): Promise<{ readonly perSecond: number; readonly p99Ms: number } | undefined> {
  const output = await outputOf(run);
  if (output === undefined) return undefined;
  const [, seconds] = /99% in ([\d.]+) secs/.exec(output) ?? [];
  if (seconds === undefined) throw new Error(`not what benchmark prints:\n${output.slice(-2000)}`);
  return { perSecond: rateOf(output, run), p99Ms: Number(seconds) * 1000 };
}

async function outputOf({ addresses, args }: EtcdBenchmark): Promise<string | undefined> {
  const program = findTool('benchmark');
  if (program === undefined) return undefined;
  const { stdout } = await promisify(execFile)(program, [`--endpoints=${addresses.join(',')}`, ...args], {
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  return stdout;
}

function rateOf(output: string, { args }: EtcdBenchmark): number {
  const rates = [...output.matchAll(/Requests\/sec:\s+([\d.]+)/g)].map(([, rate]) => Number(rate));
  const rate = rates.at(-1);
  if (rate === undefined || /Error distribution/.test(output)) throw new Error(`benchmark ${args.join(' ')} failed:\n${output.slice(-2000)}`);
  return rate;
}
