/** An API server on the dumb store, on a driven clock, and the manifests that tests start from. */
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import type { Log } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { ApiServer, type AccessOptions, type ApiServerConfig } from '../../src/api/server.ts';
import type { InFlightLimits } from '../../src/api/in-flight.ts';
import type { Ref } from '../../src/api/requests.ts';
import type { CacheWatch } from '../../src/api/watch-audience.ts';
import type { CacheEvent, WatchLimits } from '../../src/api/watch-cache.ts';
import { ApiError } from '../../src/kube/errors.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import { MemoryStore } from './memory-store.ts';

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

export const ref = (resource: string, name = '', namespace = 'default', subresource = ''): Ref => {
  const groups: Readonly<Record<string, string>> = { deployments: 'apps', replicasets: 'apps', leases: 'coordination.k8s.io', endpointslices: 'discovery.k8s.io' };
  const isCluster = resource === 'namespaces' || resource === 'nodes';
  return { group: groups[resource] ?? '', version: 'v1', resource, name, namespace: isCluster ? '' : namespace, subresource };
};

export interface Fixture {
  readonly store: MemoryStore;
  readonly clock: DrivenClock;
  readonly server: ApiServer;
  readonly api: ApiServer['registry'];
}

export async function startServer(options: { store?: MemoryStore; config?: Partial<ApiServerConfig>; access?: AccessOptions; watchLimits?: WatchLimits; connectToNode?: (address: string) => Channel; stores?: readonly StoreClient[]; inFlightLimits?: Partial<InFlightLimits> } = {}): Promise<Fixture> {
  const store = options.store ?? new MemoryStore();
  const clock = new DrivenClock();
  const noNode = () => {
    throw new Error('no node in this test');
  };
  const server = new ApiServer({
    clock,
    random: seededRandom('api'),
    log: quiet,
    storeClient: store,
    connectToNode: options.connectToNode ?? noNode,
    config: options.config ?? {},
    access: options.access ?? {},
    watchLimits: options.watchLimits ?? {},
    inFlightLimits: options.inFlightLimits ?? {},
    ...(options.stores === undefined ? {} : { stores: options.stores }),
  });
  server.start();
  await clock.advanceUntil(() => server.isReady, 5_000, 'the API server is ready');
  await settle();
  return { store, clock, server, api: server.registry };
}

export const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'main', image: 'podium.dev/host' }], ...spec },
});

export const configMap = (name: string, data: object = { a: '1' }, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});

export const deployment = (name: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'web:1' }] } },
    ...spec,
  },
});

export const service = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
});

/** The refusal as `code reason: message`. */
export async function refusal(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return `${error.code} ${error.reason}: ${error.message}`;
  }
  throw new Error('it was not refused');
}

/** `ADDED name`, … of the next `count` events. */
export async function take(watch: CacheWatch, count: number): Promise<string[]> {
  const taken: string[] = [];
  if (count === 0) return taken;
  for await (const events of watch) {
    taken.push(...events.map((event) => (event.type === 'BOOKMARK' ? 'BOOKMARK' : `${event.type} ${event.cached.object.metadata.name}`)));
    if (taken.length >= count) break;
  }
  return taken.slice(0, count);
}

/** What waits for the watcher now. */
export async function waiting(watch: CacheWatch): Promise<readonly CacheEvent[]> {
  const next = watch[Symbol.asyncIterator]().next();
  const nothing = { done: true, value: undefined } as const;
  return (await Promise.race([next, settle().then(() => nothing)])).value ?? [];
}
