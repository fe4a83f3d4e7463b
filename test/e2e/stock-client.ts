/** A stock client (kubectl, helm) as a person has it: its own home directory, the cluster's kubeconfig, one namespace. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from './cluster.ts';

const COMMAND_DEADLINE_MS = 60_000;

export interface StockClientOptions {
  readonly program: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Before every command's own arguments. */
  readonly args?: readonly string[];
}

export class StockClient {
  readonly #options: StockClientOptions;
  readonly #home = mkdtempSync(join(tmpdir(), 'podium-client-'));

  constructor(options: StockClientOptions) {
    this.#options = options;
  }

  /** Rejects, with all that was printed, where the command fails. */
  async out(...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(...args);
    if (exitCode !== 0) throw new Error(`${args.join(' ')}: exit ${exitCode}\n${stdout}${stderr}`);
    return stdout;
  }

  /** What `-o json` prints; what it is, the caller knows. */
  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.out(...args, '-o', 'json')) as T;
  }

  run(...args: readonly string[]): Promise<Result> {
    const child = this.start(...args);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stderr += `\nnot within ${COMMAND_DEADLINE_MS / 1000} s\n`;
        child.kill('SIGKILL');
      }, COMMAND_DEADLINE_MS);
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        resolve({ exitCode: code ?? -1, stdout, stderr });
      });
    });
  }

  /** One that goes on, such as a watch; whoever starts it ends it. */
  start(...args: readonly string[]) {
    const { program, kubeconfig, namespace, args: first = [] } = this.#options;
    const env = { PATH: process.env['PATH'] ?? '', HOME: this.#home, KUBECONFIG: kubeconfig };
    return spawn(program, ['--namespace', namespace, ...first, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
