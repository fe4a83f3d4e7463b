/**
 * Does what one pod's plan says, action by action, and keeps what the next plan has to know of it: what was tried in vain,
 * which containers are still being started, how resizes went. What takes long (stops, hooks) runs beside.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { ContainerStarter, type ContainerStart, type StarterContext } from './container-starter.ts';
import { ContainerStops } from './container-stops.ts';
import { podResources, sandboxDemands } from './core/container-demands.ts';
import type { PodAction } from './core/pod-plan.ts';
import { podNames, type Naming } from './core/pod-names.ts';
import { describeResize } from './core/pod-resize.ts';
import { containersOf, graceSecondsOf, type AgentContainer, type AgentPod } from './core/pod-spec.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodImages } from './pod-images.ts';
import { PodRetries, SANDBOX } from './pod-retries.ts';
import type { Prober } from './probe.ts';
import { RuntimeError, type ContainerId, type ContainerRecord, type ContainerResources, type Sandbox, type SandboxConfig } from './runtime/runtime.ts';

/** What those of all pods of a node share. */
export interface ExecutorContext extends StarterContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly prober: Prober;
  /** undefined: names are the runtime's affair. */
  readonly naming?: Naming | undefined;
  /** Do endpoints that the agent knows of still send new connections to this address? */
  readonly isRouted: (address: string) => boolean;
}

export interface PodExecutorOptions {
  readonly context: ExecutorContext;
  readonly uid: string;
  /** As it is now. */
  readonly pod: () => AgentPod;
  readonly events: PodEvents;
  readonly images: PodImages;
  /** By its probes. */
  readonly isReady: (id: ContainerId) => boolean;
  /** Nothing is counted of it any more. */
  readonly onRemoved: (id: ContainerId) => void;
  readonly wake: () => void;
  readonly tasks: Tasks;
  /** The worker lets go. */
  readonly signal: AbortSignal;
}

/** An object that was removed without waiting for us. */
const REMOVED_GRACE_MS: Millis = 1_000;
/** A hook has no deadline of its own, but nothing here waits for ever. */
const POST_START_MAX_MS: Millis = 600_000;

export class PodExecutor {
  readonly #options: PodExecutorOptions;
  readonly #context: ExecutorContext;
  readonly #starter: ContainerStarter;
  readonly #stops: ContainerStops;
  readonly #starting = new Set<ContainerId>();
  readonly #resizeFailures = new Map<ContainerId, string>();
  readonly #resized = new Map<ContainerId, ContainerResources>();
  readonly retries: PodRetries;

  constructor(options: PodExecutorOptions) {
    const { context, events, tasks, signal, wake } = options;
    const { clock, log, runtime, prober, isRouted } = context;
    this.#options = options;
    this.#context = context;
    this.#starter = new ContainerStarter(context);
    this.#stops = new ContainerStops({ clock, log, runtime, prober, isRouted, say: events.say, tasks, signal, wake });
    this.retries = new PodRetries({ clock, say: events.say });
  }

  /** Their postStart hooks have not answered yet. */
  get starting(): ReadonlySet<ContainerId> {
    return this.#starting;
  }

  get resizes(): { readonly failures: ReadonlyMap<ContainerId, string>; readonly applied: ReadonlyMap<ContainerId, ContainerResources> } {
    return { failures: this.#resizeFailures, applied: this.#resized };
  }

  sync(running: readonly ContainerRecord[]): void {
    for (const id of this.#starting) if (!running.some((record) => record.id === id)) this.#starting.delete(id);
  }

  /** True: something is different now, plan again. */
  async execute(action: PodAction, { sandbox, plannedAtMs }: { readonly sandbox: Sandbox | undefined; readonly plannedAtMs: Millis }): Promise<boolean> {
    const { runtime } = this.#context;
    switch (action.kind) {
      case 'run-sandbox':
        return this.#runSandbox(action.isAnew);
      case 'start-container':
        return this.#startContainer(action, sandbox!);
      case 'stop-container':
        this.#stop(action, sandbox?.ip ?? '', plannedAtMs);
        return false;
      case 'resize-container':
        return this.#resize(action);
      case 'remove-container':
        await runtime.removeContainer(action.id);
        this.#options.onRemoved(action.id);
        return true;
      case 'stop-sandbox':
        await runtime.stopPodSandbox(this.#options.uid);
        return true;
      case 'delete-pod':
        return false; // after its status is written: see the status writer
    }
  }

  /** When what is still wanted is tried again: monotonic. */
  retryTimes(actions: readonly PodAction[]): Millis[] {
    const isWanted = new Set(actions.map((action) => keyOfTry(action)));
    // What its image takes tells by itself.
    return [...this.retries.waiting].filter(([name]) => isWanted.has(name) && !this.#options.images.isBusy(name)).map(([, { retryAtMs }]) => retryAtMs);
  }

  /** Nothing of the pod is left behind. */
  async removeAll(containers: readonly ContainerRecord[]): Promise<void> {
    const { runtime, volumes, terminationLogs } = this.#context;
    const { uid } = this.#options;
    this.#stops.hurryAll();
    const running = containers.filter(({ state }) => state === 'running');
    await Promise.all(running.map(({ id }) => runtime.stopContainer(id, REMOVED_GRACE_MS)));
    await runtime.removePodSandbox(uid);
    await volumes.remove(uid);
    await terminationLogs?.remove(uid);
  }

  async #runSandbox(isAnew: boolean): Promise<boolean> {
    const { events, uid } = this.#options;
    const pod = this.#options.pod();
    const { metadata, spec } = pod;
    if (isAnew) events.say('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    const { warnings, ...names } = podNames(pod, this.#context.naming);
    for (const { reason, message } of warnings) events.say('Warning', reason, message);
    const config: SandboxConfig = {
      uid,
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      ...names,
      hostNetwork: spec.hostNetwork ?? false,
      annotations: metadata.annotations ?? {},
      ...sandboxDemands(pod),
      memoryVolumes: this.#context.volumes.inMemory(pod),
    };
    const work = async () => {
      await this.#context.runtime.runPodSandbox(config);
    };
    return this.retries.attempt({ name: SANDBOX, event: sandboxFailed, work });
  }

  async #startContainer(action: Extract<PodAction, { kind: 'start-container' }>, sandbox: Sandbox): Promise<boolean> {
    const { events, images, pod } = this.#options;
    const { name, attempt, backoffSteps, resources } = action;
    const known = this.retries.waiting.get(name);
    const init = pod().spec.initContainers?.some((one) => one.name === name) ?? false;
    const container = containersOf(pod()).find((one) => one.name === name)!;
    const isOther = known?.image !== undefined && known.image !== container.image;
    if (!this.retries.isDue(name) && !isOther) return false;
    const answer = images.ask(container);
    if (answer.kind === 'busy') return false;
    if (answer.kind === 'waiting') {
      const { reason, message, untilMs } = answer;
      this.retries.wait(name, { reason, message, retryAtMs: untilMs, tries: 0, image: container.image });
      return known?.reason !== reason || known.message !== message;
    }
    if (isOther) this.retries.forget(name);
    const work = async () => {
      const say: ContainerStart['say'] = (type, reason, message) => events.say(type, reason, message, name);
      const id = await this.#starter.start({ pod: pod(), container, attempt, backoffSteps, init, sandbox, resources, image: answer.image, say });
      this.#postStart(container, id, sandbox.ip);
    };
    return this.retries.attempt({ name, event: (why) => ['Failed', `Error: ${why}`], work });
  }

  /** Beside the passes: until it has answered, the container counts as one that is being started. */
  #postStart(container: AgentContainer, id: ContainerId, ip: string): void {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const { clock, prober, log } = this.#context;
    const { events, pod, signal, tasks, wake } = this.#options;
    this.#starting.add(id);
    const target = { ip, container, containerId: id };
    const work = runHook(hook, { clock, prober, target, timeoutMs: POST_START_MAX_MS, signal }).then((failure) => {
      if (signal.aborted || !this.#starting.has(id)) return;
      if (failure === undefined) return void this.#starting.delete(id);
      // What it said may be a secret, and events are read by many.
      events.say('Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name);
      log.info({ container: id, error: failure }, 'pod: a postStart hook failed');
      this.#stop({ id, name: container.name, graceMs: 1000 * graceSecondsOf(pod()), why: 'FailedPostStartHook' }, ip);
    });
    tasks.run(work.finally(wake));
  }

  #stop(stop: { readonly id: ContainerId; readonly name: string; readonly graceMs: Millis; readonly why: string }, ip: string, sinceMs?: Millis): void {
    const { isReady } = this.#options;
    const pod = this.#options.pod();
    const container = containersOf(pod).find(({ name }) => name === stop.name);
    this.#stops.stop(stop, { container, ip, drains: pod.metadata.deletionTimestamp !== undefined && isReady(stop.id), sinceMs });
  }

  async #resize({ id, resources, needsMore }: Extract<PodAction, { kind: 'resize-container' }>): Promise<boolean> {
    const { runtime } = this.#context;
    const { events, pod, uid } = this.#options;
    const name = resizeOf(id);
    const work = async () => {
      const what = describeResize(pod());
      events.once(what, () => events.say('Normal', 'ResizeStarted', `Pod resize started: ${what}`));
      const ofPod = podResources(pod());
      if (needsMore) await runtime.updatePodSandboxResources?.(uid, ofPod);
      await runtime.updateContainerResources?.(id, resources);
      if (!needsMore) await runtime.updatePodSandboxResources?.(uid, ofPod);
      this.#resized.set(id, resources);
      events.say('Normal', 'ResizeCompleted', `Pod resize completed: ${what}`);
    };
    const isDone = await this.retries.attempt({ name, event: (why) => ['ResizeError', `Pod resize error: ${why}`], work });
    const failure = this.retries.waiting.get(name);
    if (failure === undefined) this.#resizeFailures.delete(id);
    else this.#resizeFailures.set(id, failure.message);
    return isDone;
  }
}

function sandboxFailed(why: string, error: unknown): readonly [string, string] {
  if (error instanceof RuntimeError && error.code === 'network-not-ready') return ['NetworkNotReady', why];
  return ['FailedCreatePodSandBox', `Failed to create pod sandbox: ${why}`];
}

function resizeOf(id: ContainerId): string {
  return `resize of ${id}`;
}

/** Under which name what this does is tried again. */
function keyOfTry(action: PodAction): string | undefined {
  if (action.kind === 'start-container') return action.name;
  if (action.kind === 'resize-container') return resizeOf(action.id);
  return action.kind === 'run-sandbox' ? SANDBOX : undefined;
}
