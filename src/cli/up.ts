/** `podium up`: the local cluster of a configuration, in the foreground or behind a supervisor of its own. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../base/clock.ts';
import { describeError, systemErrorCode, UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { parseConfig, type ReadConfig } from '../cluster/config.ts';
import { logFile, makeDataDir, readCluster } from '../cluster/data-dir.ts';
import { launch, PORT_BASE_MAX, type RunningCluster, takeDown } from '../cluster/launcher.ts';
import type { SupervisorEvent } from '../cluster/supervisor.ts';
import { storeAddresses } from './admin.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { paint } from './paint.ts';

export interface UpOptions {
  readonly dataDir: string;
  readonly config?: string;
  readonly portBase: string;
  readonly insecureLocal?: boolean;
  readonly detach?: boolean;
}

/** Longer than the launcher's own deadline, so that its message is the one that is seen. */
const DETACHED_DEADLINE_MS = 90_000;
const DETACHED_POLL_MS = 20;
const LOG_TAIL_MAX_BYTES = 64 * 1024;

/** The package's own folder: this file is <root>/dist/src/cli/up.js. */
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const entry = resolve(dirname(fileURLToPath(import.meta.url)), '../main.js');

export async function up(options: UpOptions): Promise<number> {
  const startedAtMs = systemClock.monotonic();
  // Nobody reads any more: the cluster goes on.
  process.stdout.on('error', () => {});
  const { config, warnings } = readConfig(options.config);
  const portBase = parsePortBase(options.portBase);
  const insecure = options.insecureLocal === true;
  if (options.detach === true) return detach(options);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  if (insecure) {
    process.stderr.write('warning: --insecure-local: every local user and every pod can now run programs as you\n');
  }

  const interrupt = new AbortController();
  const end = () => interrupt.abort();
  // Heard from the first moment on: a Ctrl-C while the parts start ends them too. A closed terminal is an end as well.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  let running: RunningCluster | undefined;
  process.on('SIGUSR2', () => running?.reconsider());

  running = await launch({
    config,
    dataDir: options.dataDir,
    portBase,
    insecure,
    entry,
    clock: systemClock,
    onEvent: progress(startedAtMs),
    signal: interrupt.signal,
  });
  process.stdout.write(welcome(running, options, systemClock.monotonic() - startedAtMs));
  await new Promise<void>((resume) => {
    if (interrupt.signal.aborted) resume();
    else interrupt.signal.addEventListener('abort', () => resume(), { once: true });
  });
  const stoppingAtMs = systemClock.monotonic();
  process.stdout.write('\nstopping … ');
  await running.stop();
  process.stdout.write(`all parts ended in ${seconds(systemClock.monotonic() - stoppingAtMs)}; the data is kept in ${options.dataDir}\n`);
  return EXIT_OK;
}

function readConfig(path: string | undefined): ReadConfig {
  const file = path ?? join(root, 'cluster-config', 'local.yaml');
  try {
    return parseConfig(readFileSync(file, 'utf8'), file);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') throw new UserError(`no configuration at ${file}: give one with --config`);
    if (code !== undefined) throw new UserError(`the configuration ${file} cannot be read (${code}): give a file with --config`);
    throw error;
  }
}

function parsePortBase(text: string): number {
  const portBase = Number(text);
  if (Number.isInteger(portBase) && portBase >= 0 && portBase <= PORT_BASE_MAX) return portBase;
  throw new UserError(`--port-base must be a whole number from 1 to ${PORT_BASE_MAX}, not ${JSON.stringify(text)}`);
}

function progress(startedAtMs: number): (event: SupervisorEvent) => void {
  return (event) => {
    const at = seconds(systemClock.monotonic() - startedAtMs).padStart(7);
    switch (event.type) {
      case 'ready':
        return void process.stdout.write(`${at}  ${paint('green', '✓')} ${event.part.padEnd(12)} ready (pid ${event.pid})\n`);
      case 'adopted':
        return void process.stdout.write(`${at}  ${paint('green', '✓')} ${event.part.padEnd(12)} adopted (pid ${event.pid})\n`);
      case 'exited': {
        const again = event.restartInMs === 0 ? 'restarting' : `restarting in ${event.restartInMs} ms`;
        return void process.stdout.write(`${at}  ${paint('red', '✗')} ${event.part.padEnd(12)} ended (${event.how}), ${again}\n`);
      }
      case 'held':
        return void process.stdout.write(`${at}  ${paint('yellow', '∎')} ${event.part.padEnd(12)} killed on purpose; \`podium fault restart ${event.part}\` brings it back\n`);
      case 'started':
        return;
    }
  };
}

function welcome({ record }: RunningCluster, { dataDir }: UpOptions, tookMs: number): string {
  const podium = commandFor(dataDir);
  const [grpc = '', rest = ''] = record.parts.find(({ name }) => name === 'apiserver')?.addresses ?? [];
  const stores = storeAddresses(record);
  return `
The cluster ${record.name} is ready: ${record.parts.length} parts in ${seconds(tookMs)}.

  API server  https://${rest} (Kubernetes), ${grpc} (gRPC)
  store       ${stores.join(', ')} (etcd v3)
  data, logs  ${dataDir}

Try, in another terminal:
  ${podium} apply -f cluster-config/examples/hello.yaml
  ${podium} get pods -o wide
  eval "$(${podium} env)" && kubectl get nodes
  ${podium} fault kill ${record.parts[0]!.name}

Ctrl-C ends every process and keeps the data.
`;
}

/** The same command in a process of its own; answers once its cluster is ready, or with what it had to say. */
async function detach(options: UpOptions): Promise<number> {
  const { dataDir } = options;
  const log = logFile(dataDir, 'supervisor');
  makeDataDir(dataDir);
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const file = openSync(log, 'a', 0o600);
  const from = statSync(log).size;
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=2',
      entry,
      'up',
      `--data-dir=${dataDir}`,
      `--port-base=${options.portBase}`,
      ...(options.config === undefined ? [] : [`--config=${resolve(options.config)}`]),
      ...(options.insecureLocal === true ? ['--insecure-local'] : []),
    ],
    { detached: true, stdio: ['ignore', file, file] },
  );
  closeSync(file);
  let exit: string | undefined;
  child.once('error', (error) => (exit = describeError(error)));
  child.once('exit', (code, signal) => (exit = signal ?? `exit code ${code}`));
  const deadlineMs = systemClock.monotonic() + DETACHED_DEADLINE_MS;
  let shown = from;
  const said = () => {
    const text = readFileSync(log).subarray(Math.max(shown, statSync(log).size - LOG_TAIL_MAX_BYTES)).toString('utf8');
    shown += Buffer.byteLength(text);
    return text;
  };
  while (exit === undefined && systemClock.monotonic() < deadlineMs) {
    const text = said();
    if (text !== '') process.stdout.write(text.replace(/^Ctrl-C ends.*$/m, `It runs in the background: \`${commandFor(dataDir)} down\` ends it and keeps the data.`));
    const isUp = text.includes('is ready:') && readCluster(dataDir)?.supervisor.pid === child.pid;
    if (isUp) {
      child.unref();
      return EXIT_OK;
    }
    await sleep(systemClock, DETACHED_POLL_MS);
  }
  process.stderr.write(said());
  if (exit === undefined) {
    process.stderr.write(`the cluster is not ready after ${DETACHED_DEADLINE_MS / 1000} s: see ${log}\n`);
    await takeDown(dataDir, systemClock);
  }
  return EXIT_FAILED;
}

function commandFor(dataDir: string): string {
  return `npx podium${dataDir === resolve('.podium') ? '' : ` --data-dir ${dataDir}`}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
