/** A cluster of real processes for a test: the built command, a directory and ports of its own. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'node:http';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { readCluster } from '../../src/cluster/data-dir.ts';
import { processesBelow } from '../../src/cluster/processes.ts';
import { until, type Found } from '../until.ts';

export interface Result {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = 'dist/src/main.js';
const COMMAND_DEADLINE_MS = 120_000;

/** The configuration that everybody gets, with pods that reach nothing outside. */
export function withoutEgress(): string {
  const text = readFileSync('cluster-config/local.yaml', 'utf8');
  if (!text.includes('  egress: auto\n')) throw new Error('cluster-config/local.yaml says nothing of egress');
  return text.replace('  egress: auto\n', '  egress: none\n');
}

export class ProcessCluster {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'podium-e2e-'));
  /** Below the ports that the kernel hands out, nodePorts included; another test's cluster stands beside it, not upon it. */
  readonly portBase: number;

  /** `index`: 0 or 1, of the clusters that one test has at a time. */
  constructor(index = 0) {
    // Two files of tests may run side by side; what else runs on this machine is told apart by its process.
    const worker = Number(process.env['VITEST_POOL_ID'] ?? 1) % 2;
    this.portBase = 400 + 16 * (4 * (process.pid % 32) + 2 * worker + index);
  }

  /** Any command line; answers however it ends. */
  run(line: string, { stdin = '', isAllowedToFail = false } = {}): Promise<Result> {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run setup`);
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, ...line.split(' ').filter((word) => word !== '')], {
        env: { ...process.env, PODIUM_DATA_DIR: this.dataDir },
        stdio: 'pipe',
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_DEADLINE_MS);
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        const result = { exitCode: code ?? -1, stdout, stderr };
        if (result.exitCode === 0 || isAllowedToFail) resolve(result);
        else reject(new Error(`podium ${line}: exit ${code}\n${stdout}${stderr}\n${this.#logs()}`));
      });
      child.stdin.on('error', () => {});
      child.stdin.end(stdin);
    });
  }

  async out(line: string, stdin = ''): Promise<string> {
    return (await this.run(line, { stdin })).stdout;
  }

  /** `config` is the text of a configuration; the default one if absent, but for its way out of the machine. */
  up(config = withoutEgress()): Promise<Result> {
    const path = join(this.dataDir, 'config.yaml');
    writeFileSync(path, config);
    return this.run(`up --detach --port-base ${this.portBase} --config ${path}`);
  }

  /** Whatever is left of the cluster is ended, and its directory removed. */
  async remove(): Promise<void> {
    await this.run('down', { isAllowedToFail: true });
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  pidOf(part: string): number {
    return readCluster(this.dataDir)?.parts.find(({ name }) => name === part)?.pid ?? 0;
  }

  /** Everything that runs for this cluster: its pods by their directory, its parts by their command lines. */
  processes(): number[] {
    return processesBelow(this.dataDir, []).map(({ pid }) => pid);
  }

  /** One line of an HTTP answer on a nodePort of the Service; rejects if the request is not answered. */
  fetch(nodePort: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port: nodePort + this.portBase, agent: false, timeout: 5_000 }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('error', reject);
        response.on('end', () => resolve(body.trim()));
      });
      call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
      call.on('error', reject);
      call.end();
    });
  }

  until<T>(what: string, deadlineMs: number, probe: () => Promise<T>): Promise<Found<T>> {
    return until(() => `${what}\n${this.#logs()}`, probe, deadlineMs);
  }

  /** For the message of a failure: the ends of all logs. */
  #logs(): string {
    const parts = readCluster(this.dataDir)?.parts ?? [];
    return ['supervisor', ...parts.map(({ name }) => name)]
      .map((name) => {
        const path = join(this.dataDir, 'logs', `${name}.log`);
        const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-6) : [];
        return `--- ${name}\n${lines.join('\n')}`;
      })
      .join('\n');
  }
}

/** Requests one after the other until it is stopped; what was not answered is kept. */
export class Load {
  readonly failures: string[] = [];
  readonly answers = new Map<string, number>();
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(cluster: ProcessCluster, nodePort: number) {
    this.#done = this.#run(cluster, nodePort);
  }

  async #run(cluster: ProcessCluster, nodePort: number): Promise<void> {
    while (!this.#isStopped) {
      try {
        const answer = await cluster.fetch(nodePort);
        this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      } catch (error) {
        this.failures.push(String(error));
      }
      await sleep(systemClock, 5);
    }
  }

  get count(): number {
    return [...this.answers.values()].reduce((sum, one) => sum + one, 0);
  }

  async stop(): Promise<this> {
    this.#isStopped = true;
    await this.#done;
    return this;
  }
}
