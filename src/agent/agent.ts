/**
 * The node agent: says that the node is there and alive, runs the pods that are bound to it, feeds the service proxy, and
 * answers for logs. It keeps no state of its own: what is wanted is in the API server, what runs is in the runtime, and
 * an agent that starts puts the two together. Here is only how its parts belong together:
 *
 *   NodeStatusWriter, NodeLease   the node's life in the API server
 *   PodWorkers ─► PodWorker       the pods, each with a worker of its own; StaticPods: those of files
 *   ServiceFeed                   Services to the proxy and the DNS
 *   NodeImageKeeper, PodVolumes   what pods need
 *   nodeService                   podium.node.v1
 */
import type { Clock, Millis } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Tasks } from '../base/tasks.ts';
import { resources, type ApiClient } from '../client/api-client.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import type { BoundService } from '../proto/rpc.ts';
import type { AgentPod } from './core/pod-spec.ts';
import type { Naming } from './core/pod-names.ts';
import { ImagePuller } from './image-puller.ts';
import { IMAGE_GARBAGE, NodeImageKeeper, type ImageGarbageOptions } from './node-images.ts';
import { NodeLease } from './node-lease.ts';
import { nodeService } from './node-service.ts';
import { NodeStats, type ProcessUsage } from './node-stats.ts';
import type { AgentNode, MachineFacts, NodeCapacity } from './node-status.ts';
import { NodeStatusWriter } from './node-status-writer.ts';
import { PodStreams } from './pod-streams.ts';
import { PodVolumes } from './pod-volumes.ts';
import { PodWorkers } from './pod-workers.ts';
import type { Prober } from './probe.ts';
import type { ServiceProxy } from './proxy.ts';
import type { Runtime } from './runtime/runtime.ts';
import { ServiceFeed } from './service-feed.ts';
import type { ServiceFollower } from './service-follower.ts';
import { StaticPods } from './static-pods.ts';
import type { TerminationLogs } from './termination-logs.ts';
import type { VolumeStore } from './volumes.ts';

export interface NodeAgentOptions {
  readonly name: string;
  /** The node's own address, and where it serves podium.node.v1. */
  readonly address: string;
  readonly port: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Empty: somebody else gives out the addresses of its pods, and does not say which. */
  readonly podCidr: string;
  /** Quantities, as in the node's status; memory in bytes with a suffix. */
  readonly capacity: NodeCapacity;
  readonly machine: MachineFacts;
  /** Of this process: it belongs to what the node uses. */
  readonly ownUsage: () => ProcessUsage;
  readonly heartbeatMs: Millis;
  /** The lease's duration: how long the node counts as alive without a heartbeat. */
  readonly leaseDurationMs: Millis;
  /** What a pod without the annotation podium.dev/on-container-failure does. */
  readonly onContainerFailure: 'restart' | 'replace-pod';
  /** Added to a NodePort to get its listener's port. */
  readonly portBase: number;
  /** Where NodePorts are listened on. */
  readonly nodePortAddress: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly prober: Prober;
  readonly volumes: VolumeStore;
  /** Absent: containers leave no last words. */
  readonly terminationLogs?: TerminationLogs | undefined;
  /** A folder of manifests of pods that run here without anybody's order; absolute. */
  readonly podManifestPath?: string | undefined;
  /** undefined: somebody else does it, or nobody needs it. */
  readonly proxy?: ServiceProxy | undefined;
  /** Told of all Services and EndpointSlices: the proxy of a packet filter, the cluster's DNS. Closed with the agent. */
  readonly followers?: readonly ServiceFollower[];
  /** By which its pods reach the node (`status.hostIP`), where that is another address than ours. */
  readonly hostIp?: string | undefined;
  /** When images go that nobody uses; absent: as the kubelet does it. */
  readonly imageGarbage?: ImageGarbageOptions | undefined;
  /** How pods find names; undefined: that is the runtime's affair. */
  readonly naming?: Naming | undefined;
}

export class NodeAgent {
  readonly #options: NodeAgentOptions;
  readonly #abort = new AbortController();
  readonly #tasks: Tasks;
  readonly #events: EventRecorder;
  readonly #pods: Informer<AgentPod>;
  readonly #node: Informer<AgentNode>;
  readonly #services: ServiceFeed;
  readonly #images: NodeImageKeeper | undefined;
  readonly #volumes: PodVolumes;
  readonly #static: StaticPods | undefined;
  readonly #workers: PodWorkers;
  readonly #status: NodeStatusWriter;
  /** podium.node.v1, for the API server and for debugging. */
  readonly service: BoundService;
  #unsubscribe: (() => void) | undefined;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    const { api, clock, random, log, name } = options;
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'agent: a task failed'));
    this.#events = new EventRecorder({ client: api, clock, random: random.fork('events'), log, component: 'podium-agent', host: name });
    const shared = { client: api, clock, log };
    this.#pods = new Informer({ ...shared, ref: resources.pods, fieldSelector: `spec.nodeName=${name}` });
    this.#node = new Informer({ ...shared, ref: resources.nodes, fieldSelector: `metadata.name=${name}` });
    this.#services = this.#serviceFeed();
    this.#images = this.#imageKeeper();
    this.#volumes = this.#podVolumes();
    this.#static = this.#staticPods();
    this.#workers = this.#podWorkers();
    this.#status = this.#statusWriter();
    this.service = this.#nodeService();
  }

  /** Resolves when the node is registered and its pods are known; what runs from before has been found again. */
  async start(): Promise<void> {
    const { runtime } = this.#options;
    const { signal } = this.#abort;
    await runtime.start();
    this.#unsubscribe = runtime.subscribe((uid) => this.#workers.get(uid)?.wake());
    this.#pods.listen({ changed: ({ before, after }) => this.#workers.podChanged(before, after), progressed: () => this.#services.podsChanged() });
    this.#node.listen({ changed: ({ after }) => this.#status.nodeChanged(after) });
    this.#services.start();
    await this.#images?.refresh();
    // Pods of files need no API server, least of all those that are one.
    await this.#static?.look();
    if (this.#static !== undefined) this.#tasks.run(this.#static.run(signal, () => this.#workers.mirrors()));
    await this.#status.register();
    this.#tasks.run(this.#status.heartbeats());
    if (this.#images !== undefined) this.#tasks.run(this.#images.run());
    this.#tasks.run(this.#node.run(signal));
    // Containers are told of the services that there are when they start.
    await this.#services.synced();
    this.#tasks.run(this.#pods.run(signal));
    await this.#pods.synced(signal);
    await this.#workers.removeUnknown();
  }

  /** Lets go: pods go on without an agent. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#unsubscribe?.();
    await this.#workers.close();
    await this.#volumes.close();
    await this.#services.close();
    await this.#options.runtime.close();
    await this.#tasks.idle();
  }

  // --- its parts

  #serviceFeed(): ServiceFeed {
    const { api, clock, log, proxy, followers = [], nodePortAddress, portBase } = this.#options;
    const { signal } = this.#abort;
    return new ServiceFeed({ api, clock, log, pods: this.#pods, proxy, followers, nodePortAddress, portBase, tasks: this.#tasks, signal });
  }

  #imageKeeper(): NodeImageKeeper | undefined {
    const { name, clock, log, runtime: { images }, imageGarbage = IMAGE_GARBAGE } = this.#options;
    if (images === undefined) return undefined;
    return new NodeImageKeeper({
      images,
      garbage: imageGarbage,
      clock,
      log,
      signal: this.#abort.signal,
      say: (event) => this.#events.record(this.#node.cache.get(name) ?? { apiVersion: 'v1', kind: 'Node', metadata: { name } }, event),
      onChanged: () => this.#status.imagesChanged(),
    });
  }

  #podVolumes(): PodVolumes {
    const { api, clock, log, volumes, address, capacity } = this.#options;
    return new PodVolumes({
      api,
      clock,
      log,
      store: volumes,
      nodeIp: address,
      allocatable: capacity,
      onProgress: (uid) => this.#workers.get(uid)?.retry(),
      onTooLarge: (uid, message) => this.#workers.get(uid)?.evict(message),
    });
  }

  #staticPods(): StaticPods | undefined {
    const { podManifestPath: directory, name, api, clock, log } = this.#options;
    if (directory === undefined) return undefined;
    return new StaticPods({
      ...{ directory, nodeName: name, api, clock, log, events: this.#events },
      node: () => this.#node.cache.get(name),
      object: (key) => this.#pods.cache.get(key),
      changed: () => this.#workers.staticChanged(),
    });
  }

  #podWorkers(): PodWorkers {
    const { api, clock, log, runtime, prober, terminationLogs, naming, capacity, onContainerFailure, address, hostIp = address } = this.#options;
    const { images } = runtime;
    const onPulled = () => this.#tasks.run(this.#images?.refresh() ?? Promise.resolve());
    const context = {
      puller: images === undefined ? undefined : new ImagePuller({ images, api, clock, onPulled }),
      nodeIp: hostIp,
      allocatable: capacity,
      onContainerFailure,
      api,
      clock,
      log,
      events: this.#events,
      runtime,
      prober,
      volumes: this.#volumes,
      terminationLogs,
      naming,
      services: () => this.#services.services(),
      isRouted: (ip: string) => this.#services.isRouted(ip),
    };
    const { signal } = this.#abort;
    return new PodWorkers({ context, capacity, pods: this.#pods, volumeStore: this.#options.volumes, staticPods: this.#static, tasks: this.#tasks, signal });
  }

  #statusWriter(): NodeStatusWriter {
    const { api, clock, log, name, address, port, labels = {}, podCidr, capacity, machine, runtime, heartbeatMs, leaseDurationMs } = this.#options;
    return new NodeStatusWriter({
      facts: { name, address, port, labels, podCidr, capacity, machine, runtime },
      images: () => this.#images?.list,
      api,
      clock,
      log,
      lease: new NodeLease({ node: name, api, clock, durationMs: leaseDurationMs }),
      node: this.#node,
      heartbeatMs,
      tasks: this.#tasks,
      signal: this.#abort.signal,
    });
  }

  #nodeService(): BoundService {
    const { name, runtime, clock, ownUsage } = this.#options;
    const { signal } = this.#abort;
    const podOf = (namespace: string, pod: string) => this.#pods.cache.get(`${namespace}/${pod}`);
    const stats = new NodeStats({ runtime, clock, ownUsage, signal });
    const streams = new PodStreams({ runtime, clock, podOf, signal });
    return nodeService({ node: name, runtime, clock, stats, streams, podOf, workers: this.#workers, signal });
  }
}
