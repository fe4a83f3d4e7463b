/**
 * The node agent: says that the node is there and alive, runs the pods that are bound to it, feeds the service proxy, and
 * answers for logs. It keeps no state of its own: what is wanted is in the API server, what runs is in the runtime, and
 * an agent that starts puts the two together.
 */
import { formatMicroTime, formatTime, sleep, type Clock, type Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Tasks } from '../base/tasks.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../client/api-error.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import { keyOf, type EndpointSlice, type Lease, type Service } from '../client/objects.ts';
import { parseQuantity, toMilli, toUnits } from '../kube/quantity.ts';
import { Node as NodeService, type LogsRequest, type PodState } from '../proto/node.ts';
import { RpcCode, RpcError, bind, type BoundService, type CallContext } from '../proto/rpc.ts';
import { admit, sumOfRequests, type Allocatable, type Refusal } from './core/admission.ts';
import { hostPortsOf, type HostPort } from './core/host-ports.ts';
import type { Naming } from './core/pod-names.ts';
import { isRouted, planProxy } from './core/proxy-rules.ts';
import { isEnded } from './core/pod-lifecycle.ts';
import { containersOf, type AgentPod } from './core/pod-spec.ts';
import { isMirror, isMirrorOf, localUid } from './core/static-pods.ts';
import { ImagePuller } from './image-puller.ts';
import { IMAGE_GARBAGE, NodeImageKeeper, type ImageGarbageOptions } from './node-images.ts';
import { NodeStats, type ProcessUsage } from './node-stats.ts';
import { nodeLabels, nodeStatus, saysHealth, type AgentNode, type MachineFacts, type NodeFacts } from './node-status.ts';
import { PodWorker, type WorkerContext } from './pod-worker.ts';
import { PodStreams } from './pod-streams.ts';
import type { Prober } from './probe.ts';
import type { ServiceProxy } from './proxy.ts';
import { RuntimeError, type ContainerRecord, type Runtime, type Sandbox } from './runtime/runtime.ts';
import type { ServiceFollower } from './service-follower.ts';
import { PodVolumes } from './pod-volumes.ts';
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
  readonly capacity: { readonly cpu: string; readonly memory: string; readonly pods: number };
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

const LEASE_NAMESPACE = 'kube-node-lease';
/** A status that did not change is repeated this often; the lease is the sign of life. */
const STATUS_REPEAT_MS = 300_000;
const REGISTER_RETRY_FIRST_MS = 100;
const REGISTER_RETRY_MAX_MS = 2_000;

export class NodeAgent {
  readonly #options: NodeAgentOptions;
  readonly #facts: NodeFacts;
  readonly #context: WorkerContext;
  readonly #abort = new AbortController();
  readonly #tasks: Tasks;
  /** By uid of the pod. */
  readonly #workers = new Map<string, PodWorker>();
  readonly #pods: Informer<AgentPod>;
  readonly #node: Informer<AgentNode>;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #stats: NodeStats;
  readonly #streams: PodStreams;
  readonly #volumes: PodVolumes;
  readonly #images: NodeImageKeeper | undefined;
  readonly #static: StaticPods | undefined;
  #unsubscribe: (() => void) | undefined;
  #isProxyDue = false;
  #isFed = false;
  #hostPorts: readonly HostPort[] = [];
  #isRegistered = false;
  #statusWrittenAtMs: Millis | undefined;
  #lease: Lease | undefined;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    const { api, clock, random, log, runtime, prober, volumes, terminationLogs, name, address, capacity, onContainerFailure } = options;
    const { port, labels = {}, podCidr, machine } = options;
    this.#facts = { name, address, port, labels, podCidr, capacity, machine, runtime };
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'agent: a task failed'));
    const events = new EventRecorder({ client: api, clock, random: random.fork('events'), log, component: 'podium-agent', host: name });
    const { images } = runtime;
    if (images !== undefined) {
      this.#images = new NodeImageKeeper({
        images,
        garbage: options.imageGarbage ?? IMAGE_GARBAGE,
        clock,
        log,
        signal: this.#abort.signal,
        say: (event) => events.record(this.#node.cache.get(name) ?? { apiVersion: 'v1', kind: 'Node', metadata: { name } }, event),
        onChanged: () => this.#isRegistered && this.#tasks.run(this.#repeatStatus()),
      });
    }
    const onPulled = () => this.#tasks.run(this.#images?.refresh() ?? Promise.resolve());
    this.#volumes = new PodVolumes({
      api,
      clock,
      log,
      store: volumes,
      nodeIp: address,
      allocatable: capacity,
      onProgress: (uid) => this.#workers.get(uid)?.retry(),
      onTooLarge: (uid, message) => this.#workers.get(uid)?.evict(message),
    });
    this.#context = {
      puller: images === undefined ? undefined : new ImagePuller({ images, api, clock, onPulled }),
      nodeIp: options.hostIp ?? address,
      allocatable: capacity,
      onContainerFailure,
      api,
      clock,
      log,
      events,
      runtime,
      prober,
      volumes: this.#volumes,
      terminationLogs,
      naming: options.naming,
      services: () => this.#services.cache.list(),
      isRouted: (ip) => isRouted(this.#slices.cache.list(), ip),
      capacityLeft: { allocatable: this.#allocatable, others: (uid) => sumOfRequests(this.#counted(uid)) },
    };
    this.#stats = new NodeStats({ runtime, clock, ownUsage: options.ownUsage, signal: this.#abort.signal });
    const podOf = (namespace: string, pod: string) => this.#pods.cache.get(`${namespace}/${pod}`);
    this.#streams = new PodStreams({ runtime, clock, podOf, signal: this.#abort.signal });
    const shared = { client: api, clock, log };
    this.#pods = new Informer({ ...shared, ref: resources.pods, fieldSelector: `spec.nodeName=${name}` });
    this.#node = new Informer({ ...shared, ref: resources.nodes, fieldSelector: `metadata.name=${name}` });
    this.#services = new Informer({ ...shared, ref: resources.services });
    this.#slices = new Informer({ ...shared, ref: resources.endpointSlices });
    const { podManifestPath: directory } = options;
    if (directory === undefined) return;
    this.#static = new StaticPods({
      ...{ directory, nodeName: name, api, clock, log, events },
      node: () => this.#node.cache.get(name),
      object: (key) => this.#pods.cache.get(key),
      changed: () => this.#staticChanged(),
    });
  }

  /** Resolves when the node is registered and its pods are known; what runs from before has been found again. */
  async start(): Promise<void> {
    const { runtime } = this.#options;
    const { signal } = this.#abort;
    await runtime.start();
    this.#unsubscribe = runtime.subscribe((uid) => this.#workers.get(uid)?.wake());
    this.#pods.listen({ changed: ({ before, after }) => this.#podChanged(before, after), progressed: () => this.#hostPortsChanged() });
    this.#node.listen({ changed: ({ after }) => this.#nodeChanged(after) });
    if (this.#hasServices) {
      for (const informer of [this.#services, this.#slices]) {
        informer.listen({ progressed: () => this.#proxyChanged() });
        this.#tasks.run(informer.run(signal));
      }
    }
    await this.#images?.refresh();
    // Pods of files need no API server, least of all those that are one.
    await this.#static?.look();
    if (this.#static !== undefined) this.#tasks.run(this.#static.run(signal, () => this.#mirrors()));
    await this.#register();
    this.#tasks.run(this.#heartbeats());
    if (this.#images !== undefined) this.#tasks.run(this.#images.run());
    this.#tasks.run(this.#node.run(signal));
    // Containers are told of the services that there are when they start.
    if (this.#hasServices) await this.#services.synced(signal);
    this.#tasks.run(this.#pods.run(signal));
    await this.#pods.synced(signal);
    await this.#removeUnknown();
  }

  /** Lets go: pods go on without an agent. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#unsubscribe?.();
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()));
    await this.#volumes.close();
    await this.#options.proxy?.close();
    await Promise.all((this.#options.followers ?? []).map((follower) => follower.close()));
    await this.#options.runtime.close();
    await this.#tasks.idle();
  }

  // --- the node

  async #register(): Promise<void> {
    const { clock, log, name } = this.#options;
    for (let delayMs = REGISTER_RETRY_FIRST_MS; ; delayMs = Math.min(REGISTER_RETRY_MAX_MS, 2 * delayMs)) {
      try {
        await this.#writeNode();
        this.#isRegistered = true;
        await this.#renewLease().catch(() => undefined); // the heartbeat tries again
        log.info({ node: name }, 'agent: node registered');
        return;
      } catch (error) {
        if (this.#abort.signal.aborted) throw new AbortedError('registration');
        log.debug({ error: describeError(error) }, 'agent: not registered yet');
        await sleep(clock, delayMs, this.#abort.signal);
      }
    }
  }

  /** Makes the Node if there is none, its labels if they are not ours, and its status. */
  async #writeNode(): Promise<void> {
    const { api, clock, name, podCidr } = this.#options;
    const labels = nodeLabels(this.#facts);
    let node = await api.get<AgentNode>(resources.nodes, name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (node === undefined) {
      const object = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: podCidr === '' ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] } };
      node = await api.create<AgentNode>(resources.nodes, object).catch((error: unknown) => {
        if (isAlreadyExists(error)) return api.get<AgentNode>(resources.nodes, name);
        throw error;
      });
    }
    const isLabelled = Object.entries(labels).every(([key, value]) => node?.metadata.labels?.[key] === value);
    if (!isLabelled) {
      const metadata = { ...node.metadata, labels: { ...node.metadata.labels, ...labels } };
      node = await api.update<AgentNode>(resources.nodes, { ...node, metadata });
    }
    await api.updateStatus<AgentNode>(resources.nodes, { ...node, status: nodeStatus({ ...this.#facts, images: this.#images?.list }, node.status, clock.wall()) });
    this.#statusWrittenAtMs = clock.monotonic();
  }

  /** Somebody removed the node, or overruled its condition while no heartbeat came: say again what is. */
  #nodeChanged(node: AgentNode | undefined): void {
    const { clock, heartbeatMs } = this.#options;
    // Who was contradicted just now waits for the next heartbeat: two that insist would do nothing else.
    const isFresh = this.#statusWrittenAtMs !== undefined && clock.monotonic() - this.#statusWrittenAtMs < heartbeatMs;
    if (this.#isRegistered && !isFresh && !saysHealth(node, this.#options.runtime.health)) this.#tasks.run(this.#repeatStatus());
  }

  async #repeatStatus(): Promise<void> {
    try {
      await this.#writeNode();
    } catch (error) {
      if (!isConflict(error)) this.#options.log.debug({ error: describeError(error) }, 'agent: node status not written');
      // The next heartbeat sees that it was not.
      this.#statusWrittenAtMs = undefined;
    }
  }

  async #heartbeats(): Promise<void> {
    const { clock, heartbeatMs, log } = this.#options;
    for (;;) {
      await sleep(clock, heartbeatMs, this.#abort.signal);
      await this.#renewLease().catch((error: unknown) => log.debug({ error: describeError(error) }, 'agent: lease not renewed'));
      const writtenAtMs = this.#statusWrittenAtMs;
      const isDue = writtenAtMs === undefined || clock.monotonic() - writtenAtMs >= STATUS_REPEAT_MS;
      if (isDue || (this.#node.isSynced && !saysHealth(this.#node.cache.get(this.#options.name), this.#options.runtime.health))) await this.#repeatStatus();
    }
  }

  async #renewLease(): Promise<void> {
    const { api, clock, name, leaseDurationMs } = this.#options;
    const ref = inNamespace(resources.leases, LEASE_NAMESPACE);
    const leaseDurationSeconds = Math.max(1, Math.ceil(leaseDurationMs / 1000));
    const spec = { holderIdentity: name, leaseDurationSeconds, renewTime: formatMicroTime(clock.wall()) };
    // As we wrote it last, without reading it first; whoever else wrote it makes us read it the next time.
    const known = this.#lease;
    this.#lease = undefined;
    try {
      const lease = known ?? (await api.get<Lease>(ref, name));
      this.#lease = await api.update<Lease>(ref, { ...lease, spec: { ...lease.spec, ...spec } });
    } catch (error) {
      if (known !== undefined && (isConflict(error) || isNotFound(error))) return this.#renewLease();
      if (!isNotFound(error)) throw error;
      const metadata = { name, namespace: LEASE_NAMESPACE };
      this.#lease = await api.create<Lease>(ref, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    }
  }

  // --- pods

  #podChanged(before: AgentPod | undefined, after: AgentPod | undefined): void {
    // A name may come back with another uid: another pod.
    if (before !== undefined && before.metadata.uid !== after?.metadata.uid) this.#workers.get(before.metadata.uid ?? '')?.remove();
    if (after === undefined) return;
    // It only stands for a pod of a file, which has a worker of its own.
    if (isMirror(after)) {
      this.#workers.get(localUid(after))?.wake();
      if (this.#static === undefined) this.#tasks.run(this.#deleteOrphan(after));
      return;
    }
    this.#volumes.update(after);
    const worker = this.#workers.get(after.metadata.uid ?? '');
    if (worker !== undefined) worker.update(after);
    else this.#addWorker(after);
  }

  /** There was a folder once: nobody else would take it away. */
  async #deleteOrphan({ metadata: { namespace, name, uid = '' } }: AgentPod): Promise<void> {
    const ref = inNamespace(resources.pods, namespace);
    await this.#options.api.delete(ref, name, { gracePeriodSeconds: 0, preconditions: { uid } }).catch((error: unknown) => {
      this.#options.log.debug({ pod: name, error: describeError(error) }, 'agent: a mirror pod was not deleted');
    });
  }

  #addWorker(pod: AgentPod): void {
    const uid = pod.metadata.uid ?? '';
    const onGone = () => {
      if (this.#workers.get(uid) === worker) this.#workers.delete(uid);
    };
    const worker = new PodWorker({ context: this.#context, pod, refusal: this.#refusalOf(pod), onGone });
    this.#workers.set(uid, worker);
    worker.wake();
  }

  /** A pod that this node has begun is never refused. */
  #refusalOf(pod: AgentPod): Refusal | undefined {
    const hasBegun = pod.status?.startTime !== undefined || isEnded(pod.status?.phase);
    if (hasBegun || pod.metadata.deletionTimestamp !== undefined) return undefined;
    return admit(pod, this.#counted(pod.metadata.uid ?? ''), this.#allocatable, this.#options.runtime.whyNoAppArmor);
  }

  get #allocatable(): Allocatable {
    const { cpu, memory, pods } = this.#options.capacity;
    return { milliCpu: toMilli(parseQuantity(cpu) ?? 0n), memoryBytes: toUnits(parseQuantity(memory) ?? 0n), pods };
  }

  /** All pods that have a part of the node, but for one. */
  #counted(but: string): AgentPod[] {
    return [...this.#workers].filter(([uid, { isCounted }]) => uid !== but && isCounted).map(([, { pod }]) => pod);
  }

  // --- pods of files

  #staticChanged(): void {
    const pods = this.#static?.pods ?? new Map<string, AgentPod>();
    for (const [uid, worker] of this.#workers) {
      const { pod } = worker;
      if (!worker.isOfFile || pods.has(uid) || pod.metadata.deletionTimestamp !== undefined) continue;
      const deletionTimestamp = formatTime(this.#options.clock.wall());
      worker.update({ ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30 } });
    }
    for (const [uid, pod] of pods) {
      // A changed file is another pod of the same name: the one before ends first.
      const isTaken = [...this.#workers.values()].some((worker) => worker.isOfFile && keyOf(worker.pod) === keyOf(pod));
      if (!isTaken && !this.#workers.has(uid)) this.#addStaticWorker(uid, pod);
    }
  }

  #addStaticWorker(uid: string, pod: AgentPod): void {
    const mirror = () => {
      const object = this.#pods.cache.get(keyOf(pod));
      return object !== undefined && isMirrorOf(object, pod) ? object : undefined;
    };
    const status = mirror()?.status;
    const onGone = () => {
      if (this.#workers.get(uid) === worker) this.#workers.delete(uid);
      if (!this.#abort.signal.aborted) this.#staticChanged();
    };
    const known = status === undefined ? pod : { ...pod, status };
    const worker = new PodWorker({ context: this.#context, pod: known, refusal: this.#refusalOf(known), onGone, mirror });
    this.#workers.set(uid, worker);
    worker.wake();
  }

  /** Which objects stand for pods of files, but for those that are still being ended. */
  #mirrors(): string[] {
    const ending = new Set([...this.#workers.values()].filter(({ isOfFile }) => isOfFile).map(({ pod }) => keyOf(pod)));
    return this.#pods.cache.list().filter(isMirror).map(keyOf).filter((key) => !ending.has(key));
  }

  /** Ends what the runtime still has of pods that were deleted while there was no agent. */
  async #removeUnknown(): Promise<void> {
    const { runtime, volumes, terminationLogs, log } = this.#options;
    for (const { id, namespace, name } of await runtime.listPodSandboxes()) {
      if (this.#workers.has(id)) continue;
      log.info({ namespace, pod: name, uid: id }, 'agent: ended a pod that is not wanted any more');
      await runtime.removePodSandbox(id);
    }
    for (const uid of await volumes.list()) if (!this.#workers.has(uid)) await volumes.remove(uid);
    for (const uid of (await terminationLogs?.list()) ?? []) if (!this.#workers.has(uid)) await terminationLogs?.remove(uid);
  }

  // --- services

  get #hasServices(): boolean {
    const { proxy, followers = [] } = this.#options;
    return proxy !== undefined || followers.length > 0;
  }

  #hostPortsChanged(): void {
    if (!this.#hasServices) return;
    const hostPorts = hostPortsOf(this.#pods.cache.list());
    // Pods change all the time, their ports of the node seldom.
    const isSame = JSON.stringify(hostPorts) === JSON.stringify(this.#hostPorts);
    this.#hostPorts = hostPorts;
    if (!isSame || !this.#isFed) this.#proxyChanged();
  }

  /** Many changes at once (a list) become one application; the first one when everything is known that was there before. */
  #proxyChanged(): void {
    if (this.#isProxyDue || !this.#hasServices) return;
    if (![this.#services, this.#slices, this.#pods].every(({ isSynced }) => isSynced)) return;
    this.#isFed = true;
    this.#isProxyDue = true;
    void Promise.resolve().then(() => {
      this.#isProxyDue = false;
      if (this.#abort.signal.aborted) return;
      const { nodePortAddress, portBase, proxy, followers = [] } = this.#options;
      const services = this.#services.cache.list();
      const slices = this.#slices.cache.list();
      const hostPorts = this.#hostPorts;
      proxy?.apply(planProxy({ services, slices, hostPorts, nodePortAddress, portBase }));
      for (const follower of followers) follower.update(services, slices, hostPorts);
    });
  }

  // --- what it serves

  /** podium.node.v1, for the API server and for debugging. */
  get service(): BoundService {
    return bind(NodeService, {
      logs: (request, context) => this.#logs(request, context),
      listPods: async () => ({ pods: await this.#podStates() }),
      stats: () => this.#stats.answer(),
      exec: (inputs, context) => this.#streams.exec(inputs, context),
      attach: (inputs, context) => this.#streams.attach(inputs, context),
      portForward: (inputs, context) => this.#streams.portForward(inputs, context),
    });
  }

  async *#logs(request: LogsRequest, { signal }: CallContext): AsyncGenerator<{ data: Uint8Array }> {
    const { runtime, clock } = this.#options;
    const record = await this.#findContainer(request);
    const sinceMs = request.sinceTime !== '' ? Date.parse(request.sinceTime) : undefined;
    if (sinceMs !== undefined && Number.isNaN(sinceMs)) {
      throw new RpcError(RpcCode.INVALID_ARGUMENT, `sinceTime ${request.sinceTime} is not an RFC 3339 time`);
    }
    const { follow, timestamps, tailLines, limitBytes, sinceSeconds } = request;
    const since = sinceMs ?? (sinceSeconds === undefined ? undefined : clock.wall() - 1000 * sinceSeconds);
    const ending = AbortSignal.any([signal, this.#abort.signal]);
    try {
      const options = { follow, timestamps, tailLines, limitBytes, sinceMs: since, signal: ending };
      for await (const data of runtime.logs(record.id, options)) yield { data };
    } catch (error) {
      if (error instanceof RuntimeError) throw new RpcError(RpcCode.NOT_FOUND, error.message, { cause: error });
      throw error;
    }
  }

  async #findContainer({ namespace, pod: name, uid, container, previous }: LogsRequest): Promise<ContainerRecord> {
    const pod = this.#pods.cache.get(`${namespace}/${name}`);
    if (pod === undefined || (uid !== '' && pod.metadata.uid !== uid)) {
      throw new RpcError(RpcCode.NOT_FOUND, `pod ${namespace}/${name} is not on node ${this.#options.name}`);
    }
    const all = containersOf(pod);
    const byDefault = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? all[0]?.name ?? '';
    const wanted = container === '' ? byDefault : container;
    if (!all.some((one) => one.name === wanted)) {
      throw new RpcError(RpcCode.INVALID_ARGUMENT, `container ${wanted} is not valid for pod ${name}`);
    }
    const records = await this.#options.runtime.listContainers(localUid(pod));
    const own = records.filter((record) => record.name === wanted && record.state !== 'created');
    const found = previous ? own.at(-2) : own.at(-1);
    if (found !== undefined) return found;
    const message = previous
      ? `previous terminated container "${wanted}" in pod "${name}" not found`
      : `container "${wanted}" in pod "${name}" is waiting to start: ContainerCreating`;
    throw new RpcError(RpcCode.INVALID_ARGUMENT, message);
  }

  async #podStates(): Promise<PodState[]> {
    const sandboxes = new Map<string, Sandbox>((await this.#options.runtime.listPodSandboxes()).map((one) => [one.id, one]));
    const states: PodState[] = [];
    for (const uid of [...this.#workers.keys()].sort()) {
      const pod = this.#workers.get(uid)?.pod;
      if (pod === undefined) continue;
      const records = await this.#options.runtime.listContainers(uid);
      states.push({
        namespace: pod.metadata.namespace ?? '',
        name: pod.metadata.name,
        uid,
        phase: pod.status?.phase ?? 'Pending',
        ip: sandboxes.get(uid)?.ip ?? '',
        containers: records.map(({ name, state, pid = 0, attempt, exitCode, reason = '' }) => ({
          name,
          state: state === 'exited' ? 'terminated' : state === 'created' ? 'waiting' : 'running',
          pid,
          restarts: attempt,
          exitCode,
          reason,
        })),
      });
    }
    return states;
  }
}

/** For tests and for a runtime that plays: a machine that is not there. */
export const simulatedMachine: MachineFacts = {
  hostname: 'simulated',
  osImage: 'simulated',
  kernelVersion: '0',
  architecture: 'amd64',
  machineId: '00000000000000000000000000000000',
  bootId: '00000000-0000-0000-0000-000000000000',
};

/** An agent of such a machine: a hundredth of a core, always. */
export function simulatedUsage(clock: Clock): ProcessUsage {
  const ageMs = clock.monotonic();
  return { cpuMs: ageMs / 100, memoryBytes: 64 * 1024 * 1024, ageMs };
}
