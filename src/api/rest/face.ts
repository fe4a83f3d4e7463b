/** The REST face of an API server, put together: handlers over its registry, and a server that is ready to listen. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { servedResources, type ServedResource } from '../core/discovery.ts';
import { BINDINGS_INFO } from '../core/subresource.ts';
import { OpenApiDocuments } from '../openapi.ts';
import type { ApiServer } from '../server.ts';
import { Documents, type Check, type VersionInfo } from './documents.ts';
import { RestHandler } from './handler.ts';
import { REST_LIMITS, type RestLimits } from './limits.ts';
import { RestMetrics } from './metrics.ts';
import { ResourceFace } from './resources.ts';
import { RestServer, type RestTls } from './server.ts';
import { Ticks } from './watches.ts';

export interface RestFaceOptions {
  readonly apiServer: ApiServer;
  readonly tls: RestTls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of the program, such as `0.1.0`. */
  readonly programVersion: string;
  readonly limits?: Partial<RestLimits>;
}

/** What clients are told to expect; kubectl warns of servers that are far from its own. */
const KUBERNETES_VERSION = { major: '1', minor: '34', patch: '0' } as const;

export class RestFace {
  readonly #server: RestServer;
  readonly #apiServer: ApiServer;
  readonly #limits: RestLimits;
  readonly #clock: Clock;
  readonly metrics: RestMetrics;
  #address = 'https://127.0.0.1:6443';
  #isStopping = false;

  constructor(options: RestFaceOptions) {
    const { apiServer, clock, random, log, tls } = options;
    const limits = { ...REST_LIMITS, ...options.limits };
    const { inFlight } = apiServer;
    const { counts } = inFlight;
    this.#apiServer = apiServer;
    this.#limits = limits;
    this.#clock = clock;
    const version = versionInfo(options.programVersion);
    this.metrics = new RestMetrics({
      clock,
      mutating: () => counts.mutating,
      readOnly: () => counts.readOnly,
      caches: () => apiServer.registry.caches,
      version,
    });
    const { registry, logs, streams, reviews, computed, guard, tokens } = apiServer;
    const ticks = new Ticks(clock, () => counts.longRunning);
    const resources = new ResourceFace({
      registry,
      logs,
      streams,
      reviews,
      computed,
      world: { clock, limits, ticks },
      random: random.fork('watches'),
      onWatchEnd: ({ resource, namespace }, end) => {
        if (end === 'slow' || end === 'stalled') log.info({ resource, namespace, end }, 'rest: a watch is closed');
      },
    });
    const served = memo(() => servedResources(registry.kinds, [...reviews.served, ...computed.served, { info: BINDINGS_INFO, verbs: ['create'], subresources: [] }]));
    const documents = new Documents({
      served,
      openApi: new OpenApiDocuments({ served, serverVersion: version.gitVersion }),
      tokens,
      metrics: this.metrics,
      checks: this.#checks(),
      version,
      address: () => this.#address,
    });
    const handler = new RestHandler({ clock, log, limits, guard, inFlight, metrics: this.metrics, resources, documents });
    this.#server = new RestServer({ handler, tls, limits, clock, log });
  }

  /** `127.0.0.1:6443`; port 0: any free one. Answers the port. */
  async listen(address: string): Promise<number> {
    const port = await this.#server.listen(address);
    this.#address = `https://${address.replace(/:\d+$/, '')}:${port}`;
    return port;
  }

  /** `readyz` fails first; `drainMs` later, time for balancers to see it, the server stops. */
  async stop(drainMs = 0): Promise<void> {
    this.#isStopping = true;
    if (drainMs > 0) await new Promise<void>((resolve) => this.#clock.setTimer(drainMs, resolve));
    await this.#server.stop();
  }

  get limits(): RestLimits {
    return this.#limits;
  }

  #checks(): Record<'healthz' | 'livez' | 'readyz', readonly Check[]> {
    const ping: Check = { name: 'ping', isGood: () => true };
    const log: Check = { name: 'log', isGood: () => true };
    const synced: Check = { name: 'informer-sync', isGood: () => this.#apiServer.isReady };
    const shutdown: Check = { name: 'shutdown', isGood: () => !this.#isStopping };
    return { healthz: [ping, log, synced], livez: [ping, log], readyz: [ping, log, synced, shutdown] };
  }
}

/** The kinds do not change while the server runs. */
function memo(make: () => readonly ServedResource[]): () => readonly ServedResource[] {
  let made: readonly ServedResource[] | undefined;
  return () => (made ??= make());
}

function versionInfo(programVersion: string): VersionInfo {
  const { major, minor, patch } = KUBERNETES_VERSION;
  return {
    major,
    minor,
    gitVersion: `v${major}.${minor}.${patch}+podium.${programVersion}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
