/** What the parts of a process cluster have in common: their configuration, certificates, health, and their end. */
import { readFileSync } from 'node:fs';
import { sleep } from '../base/clock.ts';
import { describeError, UserError } from '../base/errors.ts';
import { createLog, type Log, type LogLevel } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { systemClock } from '../base/system-clock.ts';
import { systemRandom } from '../base/system-random.ts';
import { ChannelApiClient } from '../client/channel-api-client.ts';
import { HealthProbe, probeTls } from '../cluster/health-probe.ts';
import type { TlsFiles } from '../base/pki.ts';
import type { PartConfig } from '../cluster/parts.ts';
import type { GrpcChannel } from '../grpc/connect-options.ts';
import { HealthService } from '../grpc/health.ts';
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { LeanServer } from '../grpc/lean/lean-server.ts';
import { reflectionServices } from '../grpc/reflection.ts';
import type { BoundService } from '../proto/rpc.ts';

/** Answers of calls that run when a part is told to end have so long to leave. */
const STOP_GRACE_MS = 500;
const API_POLL_MS = 25;
const API_POLL_MAX_MS = 500;
const API_PROBE_DEADLINE_MS = 2_000;

export interface PartWorld {
  readonly config: PartConfig;
  readonly log: Log;
  readonly random: Random;
  /** Fires on SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
}

export function readPartConfig(name: string, argv: readonly string[]): PartConfig {
  const [first = '', second] = argv;
  const path = first.startsWith('--config=') ? first.slice('--config='.length) : first === '--config' ? second : undefined;
  if (path === undefined) throw new UserError(`${name} is started with --config FILE, as \`podium up\` writes it to <data-dir>/parts/`);
  try {
    // Written by the launcher, which has checked what it was made from.
    return JSON.parse(readFileSync(path, 'utf8')) as PartConfig;
  } catch (cause) {
    throw new UserError(`the configuration ${path} cannot be read`, { cause });
  }
}

export function logLevel(): LogLevel {
  return (process.env['PODIUM_LOG_LEVEL'] ?? 'info') as LogLevel;
}

export function partWorld(config: PartConfig): PartWorld {
  return { config, log: createLog(config.name, logLevel()), random: systemRandom(), signal: stopSignal() };
}

/** Loopback in plain text is a choice; any other address is not served so. */
function requireLoopback({ tls, listenAddress }: GrpcEndpoint): void {
  if (tls === undefined && !listenAddress.startsWith('127.')) {
    throw new UserError(`${listenAddress} is not loopback: it is not served without TLS`);
  }
}

export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

export function readTls({ tls }: Pick<PartConfig, 'tls'>) {
  if (tls === undefined) return undefined;
  return { ca: readFileSync(tls.caFile), cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
}

/** Where gRPC is served, and by which certificate. */
export interface GrpcEndpoint {
  readonly listenAddress: string;
  readonly tls?: TlsFiles | undefined;
}

export interface Served {
  readonly health: HealthService;
  stop(): Promise<void>;
}

/** Serves gRPC with health (not serving until it is set) and reflection. */
export async function serve(
  { endpoint, log }: { readonly endpoint: GrpcEndpoint; readonly log: Log },
  services: readonly BoundService[],
  limits: { readonly requestBytesMax?: number } = {},
): Promise<Served> {
  requireLoopback(endpoint);
  const tls = endpoint.tls === undefined ? undefined : readTls({ tls: endpoint.tls });
  const health = new HealthService('not-serving');
  const all = [...services, health.bound];
  const server = new LeanServer({
    log,
    services: [...all, ...reflectionServices(all.map(({ service }) => service.typeName))],
    tls: tls === undefined ? undefined : { ...tls, requireClientCertificate: true },
    ...limits,
  });
  await server.listen([endpoint.listenAddress]);
  log.info({ address: endpoint.listenAddress }, 'serving');
  return {
    health,
    stop: () => {
      health.set('', 'not-serving');
      return server.stop(STOP_GRACE_MS);
    },
  };
}

export interface ApiConnection {
  readonly client: ChannelApiClient;
  readonly channel: GrpcChannel;
}

/** Resolves once the API server serves: all parts start at once, and none shall wait out a back-off for another. */
export async function connectToApi({ config, log, signal }: PartWorld): Promise<ApiConnection> {
  const startedAtMs = systemClock.monotonic();
  const { apiServerAddresses: addresses } = config;
  const tls = config.tls === undefined ? undefined : probeTls(config.tls);
  const probes = addresses.map((address) => new HealthProbe(address, tls));
  try {
    for (let delayMs = API_POLL_MS; ; delayMs = Math.min(delayMs * 1.1, API_POLL_MAX_MS)) {
      signal.throwIfAborted();
      if ((await Promise.all(probes.map((probe) => probe.check(API_PROBE_DEADLINE_MS)))).includes('serving')) break;
      await sleep(systemClock, delayMs, signal);
    }
  } finally {
    for (const probe of probes) probe.close();
  }
  log.info({ addresses, durationMs: Math.round(systemClock.monotonic() - startedAtMs) }, 'the API server answers');
  const channel = connectLean({ addresses, tls: readTls(config) });
  return { channel, client: new ChannelApiClient({ channel, fieldManager: config.name }) };
}

/** A part's own failure ends its process with a message; the supervisor starts it again. */
export async function runUntilStopped(world: Pick<PartWorld, 'log' | 'signal'>, run: () => Promise<void>): Promise<number> {
  try {
    await run();
    world.log.info({}, 'ended');
    return 0;
  } catch (error) {
    if (world.signal.aborted) return 0;
    world.log.error({ error: describeError(error) }, 'failed');
    return 1;
  }
}
