/**
 * The API server as a class that is handed its world: clock, randomness, a way to the store, a way to node agents. It
 * has handlers and no sockets; `main.ts` binds them to gRPC, tests and the simulator call them straight. It keeps
 * nothing: any number of them may run on one store.
 */
import { assert } from '../base/assert.ts';
import { sleep, type Clock } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Tasks } from '../base/tasks.ts';
import { deferred } from '../base/deferred.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import type { ServerAddress } from './core/kubernetes-service.ts';
import { isReason } from '../kube/errors.ts';
import { findKind } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import type { BoundService, CallOptions, Channel } from '../proto/rpc.ts';
import { systemAuthorizer, type Authorizer } from './access.ts';
import { Authenticator, type TokenAuthenticator } from './access/authenticator.ts';
import { Guard } from './access/guard.ts';
import { ServiceAccountTokens, type ServiceAccountKeys } from './access/service-accounts.ts';
import { firstServiceAddress } from './allocator.ts';
import { Audit } from './audit.ts';
import { Admission } from './grpc/admission.ts';
import { podsService } from './grpc/pods.ts';
import { resourcesService } from './grpc/resources.ts';
import { firstObjects } from './first-objects.ts';
import { builtInKinds } from './kinds/kinds.ts';
import { KubernetesService, SERVER_LEASE_SECONDS } from './kubernetes-service.ts';
import { podLogs, type ConnectToNode, type PodLogs } from './pod-logs.ts';
import { InFlight, type InFlightLimits } from './in-flight.ts';
import { podStreams, type PodStreams } from './pod-streams.ts';
import { Registry } from './registry.ts';
import type { Ref } from './requests.ts';
import { Reviews } from './reviews.ts';
import { ServerLeases } from './server-leases.ts';
import { Storage } from './storage.ts';
import { Usages } from './usage.ts';
import { allComputed, type ComputedKinds } from './computed.ts';
import { ComponentStatuses } from './component-statuses.ts';
import type { WatchLimits } from './watch-cache.ts';

export interface ApiServerConfig {
  /** Cluster addresses of Services. */
  readonly serviceCidr: string;
  readonly nodePortRange: { readonly from: number; readonly to: number };
  readonly evictionTolerationSeconds: number;
}

export const DEFAULT_API_SERVER_CONFIG: ApiServerConfig = {
  serviceCidr: '10.96.0.0/16',
  nodePortRange: { from: 30_000, to: 32_767 },
  evictionTolerationSeconds: 300,
};

export interface ApiServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The caller's to close. */
  readonly storeClient: StoreClient;
  /** One for each member of the store, for who asks how they are; undefined: the one above is all there is to ask. */
  readonly stores?: readonly StoreClient[];
  /** For logs and for what nodes use. */
  readonly connectToNode: ConnectToNode;
  /** For connections into pods: a channel for each, which is closed with it. The same if absent. */
  readonly connectAnew?: ConnectToNode;
  readonly config?: Partial<ApiServerConfig>;
  readonly access?: AccessOptions;
  readonly watchLimits?: WatchLimits;
  readonly inFlightLimits?: Partial<InFlightLimits>;
  /** Where its REST face is found; undefined: it has none, and is no endpoint of the Service `kubernetes`. */
  readonly advertised?: ServerAddress | undefined;
}

/** Who may come in, and what is written down of it. By default: by certificate, and nothing. */
export interface AccessOptions {
  readonly tokens?: readonly TokenAuthenticator[];
  readonly serviceAccounts?: ServiceAccountKeys;
  readonly authorizer?: Authorizer;
  /** Takes the lines of the audit log. */
  readonly writeAudit?: (line: string) => void;
}

const RETRY_MS = 200;
/** As Kubernetes ends generated names. */
const TOKEN_VOLUME_SUFFIX_LENGTH = 5;

export class ApiServer {
  readonly registry: Registry;
  readonly logs: PodLogs;
  readonly streams: PodStreams;
  readonly guard: Guard;
  /** Of both faces. */
  readonly inFlight: InFlight;
  readonly reviews: Reviews;
  /** What is shown and nowhere stored. */
  readonly computed: ComputedKinds;
  /** undefined: this server knows no key of service accounts. */
  readonly tokens: ServiceAccountTokens | undefined;
  /** podium.api.v1.Resources and Pods, for any transport. */
  readonly services: readonly BoundService[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #controller = new AbortController();
  readonly #tasks: Tasks;
  readonly #ready = deferred<void>();
  readonly #kubernetes: KubernetesService | undefined;
  #isReady = false;

  constructor({ clock, random, log, storeClient, stores = [storeClient], connectToNode, connectAnew, config, access = {}, watchLimits, inFlightLimits, advertised }: ApiServerOptions) {
    const { evictionTolerationSeconds, ...allocation } = { ...DEFAULT_API_SERVER_CONFIG, ...config };
    this.#clock = clock;
    this.#log = log;
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'api server: a task failed'));
    const volumeNames = random.fork('token-volumes');
    const tokenVolumeSuffix = access.serviceAccounts?.signingKey === undefined ? undefined : () => volumeNames.suffix(TOKEN_VOLUME_SUFFIX_LENGTH);
    const kinds = builtInKinds({ evictionTolerationSeconds, tokenVolumeSuffix });
    this.registry = new Registry({ kinds, storage: new Storage(storeClient, log), clock, random, log, allocation, watchLimits });
    const { registry } = this;
    this.computed = allComputed([new Usages({ registry, connectToNode, clock, log }), new ComponentStatuses({ registry, stores, clock })]);
    const anew = connectAnew ?? ((address: string) => unclosed(connectToNode(address)));
    this.logs = podLogs(registry, { connectToNode, connectAnew: anew });
    this.streams = podStreams({ registry, connectToNode: anew });
    const { tokens = [], serviceAccounts, authorizer = systemAuthorizer, writeAudit } = access;
    const get = (ref: Ref, resourceVersion: string) => this.registry.get(ref, resourceVersion);
    this.tokens = serviceAccounts === undefined ? undefined : new ServiceAccountTokens({ ...serviceAccounts, clock, random: random.fork('tokens'), get });
    const authenticator = new Authenticator([...tokens, ...(this.tokens === undefined ? [] : [this.tokens])]);
    const audit = writeAudit === undefined ? undefined : new Audit(clock, writeAudit);
    this.guard = new Guard({ authenticator, authorizer, audit, random });
    this.reviews = new Reviews({ clock, authenticator, authorizer, tokens: this.tokens });
    this.inFlight = new InFlight(inFlightLimits);
    const admission = new Admission(this.guard, this.inFlight);
    const { reviews, computed } = this;
    this.services = [resourcesService({ registry, reviews, computed, admission }), podsService({ logs: this.logs, streams: this.streams, admission })];
    this.#kubernetes =
      advertised === undefined
        ? undefined
        : new KubernetesService({
            registry,
            leases: new ServerLeases({ store: storeClient, own: advertised, ttlSeconds: SERVER_LEASE_SECONDS }),
            service: { clusterIp: firstServiceAddress(allocation.serviceCidr), targetPort: advertised.port },
            clock,
            log,
          });
    // Who does not wait for readiness must not die of its failure.
    this.#ready.promise.catch(() => undefined);
  }

  start(): void {
    this.registry.start();
    this.#tasks.run(this.#prepare());
  }

  /** Resolves once the caches are filled and the namespaces that every cluster has are there. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Who looks for an API server does not find this one any more. Before its listeners are closed; `stop` does it too. */
  async leave(): Promise<void> {
    await this.#kubernetes?.leave();
  }

  async stop(): Promise<void> {
    await this.leave();
    this.#controller.abort();
    this.#isReady = false;
    this.#ready.reject(new AbortedError('the API server'));
    await this.registry.stop();
    await this.#tasks.idle();
  }

  async #prepare(): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      try {
        await this.registry.ready();
        for (const object of firstObjects()) await this.#ensure(object);
        this.#isReady = true;
        this.#ready.resolve();
        this.#log.info({}, 'api server: ready');
        this.#kubernetes?.start();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.debug({ error: describeError(error) }, 'api server: waiting for the store');
      }
      await sleep(this.#clock, RETRY_MS, signal);
    }
  }

  async #ensure(object: KubeObject): Promise<void> {
    const info = findKind(object.apiVersion, object.kind);
    assert(info !== undefined, `there is a kind ${object.kind}`);
    const { group, version, resource } = info;
    const ref = { group, version, resource, namespace: object.metadata.namespace ?? '', name: object.metadata.name, subresource: '' };
    try {
      await this.registry.get(ref, '0');
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error;
      await this.registry.create(ref, object).catch((late: unknown) => {
        // Another API server was quicker.
        if (!isReason(late, 'AlreadyExists')) throw late;
      });
    }
  }
}

/** Others call over it, too. */
function unclosed(channel: Channel): Channel {
  const calls = new AbortController();
  const within = <T extends CallOptions>(options: T | undefined) => ({ ...options, signal: AbortSignal.any([calls.signal, ...(options?.signal === undefined ? [] : [options.signal])]) });
  return {
    unary: (method, init, options) => channel.unary(method, init, within(options)),
    serverStream: (method, init, options) => channel.serverStream(method, init, within(options)),
    clientStream: (method, requests, options) => channel.clientStream(method, requests, within(options)),
    bidi: (method, options) => channel.bidi(method, within(options)),
    close: () => calls.abort(),
  };
}
