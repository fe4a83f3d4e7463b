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
export async function etcdBenchmark({ addresses, args }: EtcdBenchmark): Promise<number | undefined> {
  const program = findTool('benchmark');
  if (program === undefined) return undefined;
  const { stdout } = await promisify(execFile)(program, [`--endpoints=${addresses.join(',')}`, ...args], {
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const rates = [...stdout.matchAll(/Requests\/sec:\s+([\d.]+)/g)].map(([, rate]) => Number(rate));
  const rate = rates.at(-1);
  if (rate === undefined || /Error distribution/.test(stdout)) throw new Error(`benchmark ${args.join(' ')} failed:\n${stdout.slice(-2000)}`);
  return rate;
}
