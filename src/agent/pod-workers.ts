/**
 * The workers of a node, one a pod: whether a pod comes from the API server or from a file, it is admitted here, gets a worker,
 * and has it until everything of the pod is gone.
 */
import { formatTime } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Tasks } from '../base/tasks.ts';
import { inNamespace, resources } from '../client/api-client.ts';
import type { Informer } from '../client/informer.ts';
import { keyOf } from '../client/objects.ts';
import { parseQuantity, toMilli, toUnits } from '../kube/quantity.ts';
import { admit, sumOfRequests, type Allocatable, type Refusal } from './core/admission.ts';
import { isEnded } from './core/pod-lifecycle.ts';
import type { AgentPod } from './core/pod-spec.ts';
import { isMirror, isMirrorOf, localUid } from './core/static-pods.ts';
import type { NodeCapacity } from './node-status.ts';
import { PodWorker, type WorkerContext } from './pod-worker.ts';
import type { StaticPods } from './static-pods.ts';
import type { VolumeStore } from './volumes.ts';

export interface PodWorkersOptions {
  /** But for what pods take from each other. */
  readonly context: Omit<WorkerContext, 'capacityLeft'>;
  /** Quantities. */
  readonly capacity: NodeCapacity;
  /** Of this node, as they are heard of; others start and stop it. */
  readonly pods: Informer<AgentPod>;
  /** Where volumes lie of pods that nobody knows any more. */
  readonly volumeStore: VolumeStore;
  /** undefined: no folder of manifests. */
  readonly staticPods: StaticPods | undefined;
  readonly tasks: Tasks;
  /** The agent lets go. */
  readonly signal: AbortSignal;
}

export class PodWorkers {
  readonly #options: PodWorkersOptions;
  readonly #context: WorkerContext;
  readonly #allocatable: Allocatable;
  /** By uid of the pod. */
  readonly #workers = new Map<string, PodWorker>();

  constructor(options: PodWorkersOptions) {
    this.#options = options;
    const { cpu, memory, pods } = options.capacity;
    this.#allocatable = { milliCpu: toMilli(parseQuantity(cpu) ?? 0n), memoryBytes: toUnits(parseQuantity(memory) ?? 0n), pods };
    const capacityLeft = { allocatable: this.#allocatable, others: (uid: string) => sumOfRequests(this.#counted(uid)) };
    this.#context = { ...options.context, capacityLeft };
  }

  get uids(): string[] {
    return [...this.#workers.keys()].sort();
  }

  get(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** Lets go: pods go on. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()));
  }

  podChanged(before: AgentPod | undefined, after: AgentPod | undefined): void {
    const { context, staticPods, tasks } = this.#options;
    // A name may come back with another uid: another pod.
    if (before !== undefined && before.metadata.uid !== after?.metadata.uid) this.#workers.get(before.metadata.uid ?? '')?.remove();
    if (after === undefined) return;
    // It only stands for a pod of a file, which has a worker of its own.
    if (isMirror(after)) {
      this.#workers.get(localUid(after))?.wake();
      if (staticPods === undefined) tasks.run(this.#deleteOrphan(after));
      return;
    }
    context.volumes.update(after);
    const worker = this.#workers.get(after.metadata.uid ?? '');
    if (worker !== undefined) worker.update(after);
    else this.#add(after);
  }

  /** Ends what the runtime still has of pods that were deleted while there was no agent. */
  async removeUnknown(): Promise<void> {
    const { runtime, terminationLogs, log } = this.#context;
    const { volumeStore } = this.#options;
    for (const { id, namespace, name } of await runtime.listPodSandboxes()) {
      if (this.#workers.has(id)) continue;
      log.info({ namespace, pod: name, uid: id }, 'agent: ended a pod that is not wanted any more');
      await runtime.removePodSandbox(id);
    }
    for (const uid of await volumeStore.list()) if (!this.#workers.has(uid)) await volumeStore.remove(uid);
    for (const uid of (await terminationLogs?.list()) ?? []) if (!this.#workers.has(uid)) await terminationLogs?.remove(uid);
  }

  /** There was a folder once: nobody else would take it away. */
  async #deleteOrphan({ metadata: { namespace, name, uid = '' } }: AgentPod): Promise<void> {
    const { api, log } = this.#context;
    const ref = inNamespace(resources.pods, namespace);
    await api.delete(ref, name, { gracePeriodSeconds: 0, preconditions: { uid } }).catch((error: unknown) => {
      log.debug({ pod: name, error: describeError(error) }, 'agent: a mirror pod was not deleted');
    });
  }

  #add(pod: AgentPod): void {
    const uid = pod.metadata.uid ?? '';
    const onGone = () => {
      if (this.#workers.get(uid) === worker) this.#workers.delete(uid);
    };
    const worker = new PodWorker({ context: this.#context, pod, refusal: this.#refusalOf(pod), onGone });
    this.#workers.set(uid, worker);
    worker.wake();
  }

  // --- what the node has to give

  /** A pod that this node has begun is never refused. */
  #refusalOf(pod: AgentPod): Refusal | undefined {
    const hasBegun = pod.status?.startTime !== undefined || isEnded(pod.status?.phase);
    if (hasBegun || pod.metadata.deletionTimestamp !== undefined) return undefined;
    return admit(pod, this.#counted(pod.metadata.uid ?? ''), this.#allocatable, this.#context.runtime.whyNoAppArmor);
  }

  /** All pods that have a part of the node, but for one. */
  #counted(but: string): AgentPod[] {
    return [...this.#workers].filter(([uid, { isCounted }]) => uid !== but && isCounted).map(([, { pod }]) => pod);
  }

  // --- pods of files

  /** The folder holds another set of pods. */
  staticChanged(): void {
    const pods = this.#options.staticPods?.pods ?? new Map<string, AgentPod>();
    for (const [uid, worker] of this.#workers) {
      const { pod } = worker;
      if (!worker.isOfFile || pods.has(uid) || pod.metadata.deletionTimestamp !== undefined) continue;
      const deletionTimestamp = formatTime(this.#context.clock.wall());
      worker.update({ ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30 } });
    }
    for (const [uid, pod] of pods) {
      // A changed file is another pod of the same name: the one before ends first.
      const isTaken = [...this.#workers.values()].some((worker) => worker.isOfFile && keyOf(worker.pod) === keyOf(pod));
      if (!isTaken && !this.#workers.has(uid)) this.#addStatic(uid, pod);
    }
  }

  /** Which objects stand for pods of files, but for those that are still being ended. */
  mirrors(): string[] {
    const ending = new Set([...this.#workers.values()].filter(({ isOfFile }) => isOfFile).map(({ pod }) => keyOf(pod)));
    return this.#options.pods.cache.list().filter(isMirror).map(keyOf).filter((key) => !ending.has(key));
  }

  #addStatic(uid: string, pod: AgentPod): void {
    const { pods, signal } = this.#options;
    const mirror = () => {
      const object = pods.cache.get(keyOf(pod));
      return object !== undefined && isMirrorOf(object, pod) ? object : undefined;
    };
    const status = mirror()?.status;
    const onGone = () => {
      if (this.#workers.get(uid) === worker) this.#workers.delete(uid);
      if (!signal.aborted) this.staticChanged();
    };
    const known = status === undefined ? pod : { ...pod, status };
    const worker = new PodWorker({ context: this.#context, pod: known, refusal: this.#refusalOf(known), onGone, mirror });
    this.#workers.set(uid, worker);
    worker.wake();
  }
}
