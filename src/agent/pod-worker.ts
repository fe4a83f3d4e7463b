/**
 * One pod's worker: asks the plan what to do, does it, says how it is, and waits for the next thing to happen (the
 * object changed, a container ended, a probe answered, a time came). One pass at a time. What takes long runs beside
 * the passes: stops with their grace, probes, and writes to the API server, which may be away for minutes while pods go on.
 */
import { AbortedError, describeError } from '../base/errors.ts';
import { sleep, type Clock, type Millis, type Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Tasks } from '../base/tasks.ts';
import { controllerOf } from '../client/objects.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { ContainerStarter, ContainerStartError, type ContainerStart, type StarterContext } from './container-starter.ts';
import { sandboxDemands } from './core/container-demands.ts';
import { planPod, isEnded, type ContainerHealth, type PodAction, type PodPlan } from './core/pod-lifecycle.ts';
import {
  ON_FAILURE_ANNOTATION,
  containersOf,
  describePod,
  graceSecondsOf,
  type AgentContainer,
  type AgentPod,
  type AgentPodStatus,
  type LifecycleHandler,
} from './core/pod-spec.ts';
import { podNames, type Naming } from './core/pod-names.ts';
import { ContainerProbes, type ProbeDue } from './core/probes.ts';
import type { ImagePuller } from './image-puller.ts';
import { PodImages } from './pod-images.ts';
import { PodStatusWriter } from './pod-status-writer.ts';
import type { Prober } from './probe.ts';
import { RuntimeError, type ContainerRecord, type Sandbox, type SandboxConfig } from './runtime/runtime.ts';

/** What all workers of a node share. */
export interface WorkerContext extends StarterContext {
  readonly onContainerFailure: 'restart' | 'replace-pod';
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly prober: Prober;
  /** Absent: the runtime keeps no images. */
  readonly puller?: ImagePuller | undefined;
  /** undefined: names are the runtime's affair. */
  readonly naming?: Naming | undefined;
  /** Do endpoints that the agent knows of still send new connections to this address? */
  readonly isRouted: (address: string) => boolean;
}

export interface WorkerOptions {
  readonly context: WorkerContext;
  readonly pod: AgentPod;
  readonly refusal?: { readonly reason: string; readonly message: string } | undefined;
  /** Everything of the pod is gone from this node. */
  readonly onGone: () => void;
}

/** A container that cannot be made (no such ConfigMap) is tried again after this, doubling. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 20_000;
/** A program that could not be run shows why for so long, then that its container is backed off. */
const RUN_ERROR = 'RunContainerError';
const RUN_ERROR_SHOWN_MS = 2_000;
/** New connections end this long after the last endpoint named the pod: other nodes' proxies hear of it a little later. */
const DRAIN_SETTLE_MS = 500;
/** Nobody takes the pod out of its endpoints (the controllers are away): go on. */
const DRAIN_MAX_MS = 3_000;
const DRAIN_POLL_MS = 50;
/** TERM has at least this long, whatever a preStop hook took, as the kubelet grants it. */
const GRACE_AFTER_HOOK_MIN_MS = 2_000;
/** An object that was removed without waiting for us. */
const REMOVED_GRACE_MS = 1_000;
/** Actions of one pass that lead to the next one at once; a plan that needs more has lost its way. */
const ROUNDS_MAX = 20;

interface Stop {
  /** Monotonic. */
  deadlineMs: Millis;
  readonly hurry: AbortController;
  isAsked: boolean;
}

interface Waiting {
  readonly reason: string;
  readonly message: string;
  readonly retryAtMs: Millis;
  readonly tries: number;
  /** What it waits for, if that is its image. */
  readonly image?: string;
}

export class PodWorker {
  readonly #context: WorkerContext;
  readonly #uid: string;
  #refusal: WorkerOptions['refusal'];
  readonly #onGone: () => void;
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #probes = new Map<string, ContainerProbes>();
  readonly #stops = new Map<string, Stop>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #said = new Set<string>();
  readonly #starter: ContainerStarter;
  readonly #images: PodImages;
  readonly #writer: PodStatusWriter;
  #pod: AgentPod;
  #isRemoved = false;
  #deletionSeenAtMs: Millis | undefined;
  #isPassing = false;
  #isDirty = false;
  #timer: Timer | undefined;
  #plan: PodPlan | undefined;
  #isGone = false;

  constructor({ context, pod, refusal, onGone }: WorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.#uid = pod.metadata.uid ?? '';
    this.#refusal = refusal;
    this.#onGone = onGone;
    this.#tasks = new Tasks((error) => this.#failed(error));
    this.#starter = new ContainerStarter(context);
    this.#images = new PodImages({
      puller: context.puller,
      pod: () => this.#pod,
      say: (type, reason, message) => this.#say(type, reason, message),
      wake: () => this.wake(),
      tasks: this.#tasks,
      signal: this.#abort.signal,
    });
    this.#writer = new PodStatusWriter({
      uid: this.#uid,
      api: context.api,
      clock: context.clock,
      log: context.log,
      tasks: this.#tasks,
      signal: this.#abort.signal,
      pod: () => this.#pod,
      wanted: () => this.#wanted(),
      onPod: (answered) => this.#adopt(answered),
      onRemoved: () => this.remove(),
      wake: () => this.wake(),
    });
    if (refusal !== undefined) this.#say('Warning', refusal.reason, refusal.message);
  }

  get pod(): AgentPod {
    return this.#pod;
  }

  /** Takes part in what the node has given away. */
  get isCounted(): boolean {
    return this.#refusal === undefined && !isEnded(this.#pod.status?.phase);
  }

  update(pod: AgentPod): void {
    this.#pod = pod;
    this.wake();
  }

  /** Something that a container waited for may be there. */
  retry(): void {
    for (const [name, waiting] of this.#waiting) this.#waiting.set(name, { ...waiting, retryAtMs: this.#now() });
    this.wake();
  }

  /** The node cannot keep the pod: it ends, and is Failed. */
  evict(message: string): void {
    if (this.#refusal !== undefined || isEnded(this.#pod.status?.phase)) return;
    this.#refusal = { reason: 'Evicted', message };
    this.#say('Warning', 'Evicted', message);
    this.wake();
  }

  /** The object is gone. */
  remove(): void {
    this.#isRemoved = true;
    this.wake();
  }

  /** Lets go without ending anything. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#abort.abort();
    await this.#tasks.idle();
  }

  wake(): void {
    this.#isDirty = true;
    if (this.#isPassing || this.#isGone || this.#abort.signal.aborted) return;
    this.#isPassing = true;
    this.#tasks.run(this.#passes());
  }

  async #passes(): Promise<void> {
    try {
      while (this.#isDirty && !this.#isGone && !this.#abort.signal.aborted) {
        this.#isDirty = false;
        await this.#pass();
      }
    } catch (error) {
      this.#failed(error);
      this.#wakeAt(this.#now() + RETRY_FIRST_MS);
    } finally {
      this.#isPassing = false;
    }
  }

  async #pass(): Promise<void> {
    this.#timer?.cancel();
    if (this.#pod.metadata.deletionTimestamp !== undefined) this.#deletionSeenAtMs ??= this.#now();
    if (this.#deletionSeenAtMs !== undefined || this.#isRemoved) this.#images.abandon();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const containers = await this.#context.runtime.listContainers(this.#uid);
      const sandbox = await this.#sandbox();
      if (this.#isRemoved) return this.#cleanUp(containers);
      if (sandbox?.state === 'ready' && containers.length > 0) this.#context.volumes.adopt(this.#pod, sandbox.ip);
      this.#syncProbes(containers);
      this.#plan = this.#planFor(sandbox, containers);
      this.#sayBackoffs(this.#plan);
      let isChanged = false;
      for (const action of this.#plan.actions) {
        if (this.#abort.signal.aborted) return;
        if (await this.#execute(action, sandbox)) isChanged = true;
      }
      if (!isChanged) break;
    }
    this.#runProbes();
    this.#armTimer();
    this.#writer.publish();
  }

  async #sandbox(): Promise<Sandbox | undefined> {
    return (await this.#context.runtime.listPodSandboxes()).find(({ id }) => id === this.#uid);
  }

  #planFor(sandbox: Sandbox | undefined, containers: readonly ContainerRecord[]): PodPlan {
    const { nodeIp, runtime, clock, onContainerFailure } = this.#context;
    for (const [name, { reason, retryAtMs }] of this.#waiting) if (reason === RUN_ERROR && retryAtMs <= this.#now()) this.#waiting.delete(name);
    const health = new Map<string, ContainerHealth>();
    for (const [id, { isStarted, isReady, unhealthy }] of this.#probes) health.set(id, { isStarted, isReady, unhealthy });
    return planPod({
      pod: this.#pod,
      nodeIp,
      runtimeName: runtime.name,
      sandbox,
      containers,
      health,
      waiting: this.#waiting,
      refusal: this.#refusal,
      onContainerFailure,
      nowMs: clock.wall(),
    });
  }

  // --- doing

  /** True: something is different now, plan again. */
  async #execute(action: PodAction, sandbox: Sandbox | undefined): Promise<boolean> {
    const { runtime } = this.#context;
    switch (action.kind) {
      case 'run-sandbox':
        return this.#runSandbox();
      case 'start-container':
        return this.#startContainer(action, sandbox!);
      case 'stop-container':
        this.#stop(action, sandbox);
        return false;
      case 'remove-container':
        await runtime.removeContainer(action.id);
        return true;
      case 'stop-sandbox':
        await runtime.stopPodSandbox(this.#uid);
        return true;
      case 'delete-pod':
        return false; // after its status is written: see the status writer
    }
  }

  async #runSandbox(): Promise<boolean> {
    const { metadata, spec } = this.#pod;
    const { warnings, ...names } = podNames(this.#pod, this.#context.naming);
    for (const { reason, message } of warnings) this.#say('Warning', reason, message);
    const config: SandboxConfig = {
      uid: this.#uid,
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      ...names,
      hostNetwork: spec.hostNetwork ?? false,
      annotations: metadata.annotations ?? {},
      ...sandboxDemands(this.#pod),
      memoryVolumes: this.#context.volumes.inMemory(this.#pod),
    };
    try {
      await this.#context.runtime.runPodSandbox(config);
    } catch (error) {
      const isNetwork = error instanceof RuntimeError && error.code === 'network-not-ready';
      if (isNetwork) this.#say('Warning', 'NetworkNotReady', describeError(error));
      else this.#say('Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${describeError(error)}`);
      throw error;
    }
    return true;
  }

  async #startContainer(action: Extract<PodAction, { kind: 'start-container' }>, sandbox: Sandbox): Promise<boolean> {
    const { spec } = this.#pod;
    const known = this.#waiting.get(action.name);
    const init = spec.initContainers?.some(({ name }) => name === action.name) ?? false;
    const container = containersOf(this.#pod).find(({ name }) => name === action.name)!;
    const isWaiting = known !== undefined && known.retryAtMs > this.#now() && (known.image ?? container.image) === container.image;
    if (isWaiting) return false;
    const answer = this.#images.ask(container);
    if (answer.kind === 'busy') return false;
    if (answer.kind === 'waiting') {
      const { reason, message, untilMs } = answer;
      this.#waiting.set(action.name, { reason, message, retryAtMs: untilMs, tries: 0, image: container.image });
      return known?.reason !== reason || known.message !== message;
    }
    const { attempt, backoffSteps } = action;
    try {
      const say: ContainerStart['say'] = (type, reason, message) => this.#say(type, reason, message);
      const id = await this.#starter.start({ pod: this.#pod, container, attempt, backoffSteps, init, sandbox, image: answer.image, say });
      await this.#postStart(container, id, sandbox.ip);
      this.#waiting.delete(action.name);
      return true;
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      const tries = (known?.tries ?? 0) + 1;
      const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
      const delayMs = reason === RUN_ERROR ? RUN_ERROR_SHOWN_MS : Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tries - 1));
      const retryAtMs = this.#now() + delayMs;
      const isSaid = error instanceof ContainerStartError && error.isSaid;
      const message = isSaid ? error.message : describeError(error);
      this.#waiting.set(action.name, { reason, message, retryAtMs, tries });
      if (known?.message !== message && !isSaid) this.#say('Warning', 'Failed', `Error: ${message}`);
      // Plan once more, for the status; the retry time keeps it from trying again at once.
      return known?.message !== message;
    }
  }

  async #postStart(container: AgentContainer, id: string, ip: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const failure = await this.#runHook(hook, { container, id, ip }, 30_000);
    if (failure === undefined) return;
    this.#say('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
    await this.#context.runtime.stopContainer(id, 1000 * graceSecondsOf(this.#pod));
  }

  // --- stopping

  #stop({ id, name, graceMs, why }: Extract<PodAction, { kind: 'stop-container' }>, sandbox: Sandbox | undefined): void {
    const now = this.#now();
    const deadlineMs = (this.#deletionSeenAtMs ?? now) + graceMs;
    const known = this.#stops.get(id);
    if (known !== undefined) {
      // Only ever shorter: a deletion with less grace overtakes the one before.
      if (deadlineMs >= known.deadlineMs) return;
      known.deadlineMs = deadlineMs;
      known.hurry.abort();
      if (known.isAsked) this.#tasks.run(this.#context.runtime.stopContainer(id, Math.max(0, deadlineMs - now)));
      return;
    }
    const stop: Stop = { deadlineMs, hurry: new AbortController(), isAsked: false };
    this.#stops.set(id, stop);
    this.#say('Normal', 'Killing', why);
    const wasReady = this.#probes.get(id)?.isReady ?? false;
    const container = containersOf(this.#pod).find((one) => one.name === name);
    const work = this.#stopGracefully(id, stop, { container, ip: sandbox?.ip ?? '', wasReady }).finally(() => {
      this.#stops.delete(id);
      this.wake();
    });
    this.#tasks.run(work);
  }

  async #stopGracefully(
    id: string,
    stop: Stop,
    { container, ip, wasReady }: { container: AgentContainer | undefined; ip: string; wasReady: boolean },
  ): Promise<void> {
    const left = () => stop.deadlineMs - this.#now();
    const hook = container?.lifecycle?.preStop;
    if (wasReady && this.#deletionSeenAtMs !== undefined && left() > 0) await this.#drain(ip, stop);
    if (hook !== undefined && container !== undefined && left() > 0) {
      const failure = await this.#runHook(hook, { container, id, ip }, left(), stop.hurry.signal);
      if (failure !== undefined) this.#say('Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
      if (!stop.hurry.signal.aborted) stop.deadlineMs = Math.max(stop.deadlineMs, this.#now() + GRACE_AFTER_HOOK_MIN_MS);
    }
    if (this.#abort.signal.aborted) return;
    stop.isAsked = true;
    await this.#context.runtime.stopContainer(id, Math.max(0, left()));
  }

  /** A terminating pod goes on serving until nobody sends it new connections: a rolling update drops no request. */
  async #drain(ip: string, stop: Stop): Promise<void> {
    const { clock, isRouted } = this.#context;
    const signal = AbortSignal.any([stop.hurry.signal, this.#abort.signal]);
    const endMs = Math.min(this.#now() + DRAIN_MAX_MS, stop.deadlineMs);
    try {
      while (isRouted(ip) && this.#now() < endMs) await sleep(clock, DRAIN_POLL_MS, signal);
      await sleep(clock, Math.max(0, Math.min(DRAIN_SETTLE_MS, stop.deadlineMs - this.#now())), signal);
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error;
    }
  }

  /** Answers why it failed. */
  async #runHook(
    hook: LifecycleHandler,
    { container, id, ip }: { container: AgentContainer; id: string; ip: string },
    timeoutMs: Millis,
    hurry?: AbortSignal,
  ): Promise<string | undefined> {
    const { clock, prober } = this.#context;
    if (hook.sleep !== undefined) {
      const signal = hurry === undefined ? this.#abort.signal : AbortSignal.any([hurry, this.#abort.signal]);
      await sleep(clock, Math.min(1000 * hook.sleep.seconds, timeoutMs), signal).catch(() => undefined); // hurried
      return undefined;
    }
    const { isSuccess, message } = await prober.probe(hook, { ip, container, containerId: id }, timeoutMs);
    return isSuccess ? undefined : message;
  }

  async #cleanUp(containers: readonly ContainerRecord[]): Promise<void> {
    const { runtime, volumes } = this.#context;
    this.#timer?.cancel();
    for (const stop of this.#stops.values()) stop.hurry.abort();
    const running = containers.filter(({ state }) => state === 'running');
    await Promise.all(running.map(({ id }) => runtime.stopContainer(id, REMOVED_GRACE_MS)));
    await runtime.removePodSandbox(this.#uid);
    await volumes.remove(this.#uid);
    this.#isGone = true;
    this.#onGone();
  }

  // --- probes

  #syncProbes(containers: readonly ContainerRecord[]): void {
    const { clock, runtime } = this.#context;
    const running = containers.filter(({ state }) => state === 'running');
    for (const id of [...this.#probes.keys()]) if (!running.some((record) => record.id === id)) this.#probes.delete(id);
    for (const record of running) {
      if (this.#probes.has(record.id)) continue;
      const container = containersOf(this.#pod).find(({ name }) => name === record.name);
      if (container === undefined) continue;
      const ageMs = Math.max(0, clock.wall() - (record.startedAtMs ?? clock.wall()));
      const statuses = [...(this.#pod.status?.containerStatuses ?? []), ...(this.#pod.status?.initContainerStatuses ?? [])];
      const before = statuses.find(({ containerID }) => containerID === `${runtime.name}://${record.id}`);
      const was = { started: before?.started ?? false, ready: before?.ready ?? false };
      this.#probes.set(record.id, new ContainerProbes(container, this.#now() - ageMs, was));
    }
  }

  #runProbes(): void {
    // A terminating pod is not asked any more: it is not ready, and must not be restarted.
    if (this.#pod.metadata.deletionTimestamp !== undefined) return;
    for (const [id, probes] of this.#probes) {
      for (const due of probes.due(this.#now())) this.#tasks.run(this.#probe(id, probes, due));
    }
  }

  async #probe(id: string, probes: ContainerProbes, { kind, spec }: ProbeDue): Promise<void> {
    const { prober } = this.#context;
    const name = id.split('/')[1]!;
    const container = containersOf(this.#pod).find((one) => one.name === name);
    const sandbox = await this.#sandbox();
    if (container === undefined || sandbox === undefined) return;
    const target = { ip: sandbox.ip, container, containerId: id };
    const { isSuccess, message } = await prober.probe(spec, target, 1000 * (spec.timeoutSeconds ?? 1));
    if (this.#abort.signal.aborted || this.#probes.get(id) !== probes) return;
    const wasReady = probes.isReady;
    const { isChanged } = probes.record(kind, isSuccess, this.#now());
    if (!isSuccess && (kind !== 'readiness' || wasReady)) {
      this.#say('Warning', 'Unhealthy', `${kind[0]!.toUpperCase()}${kind.slice(1)} probe failed: ${message}`);
    }
    if (isChanged) this.wake();
    else this.#armTimer();
  }

  // --- saying

  #wanted(): { status: AgentPodStatus; isOver: boolean } | undefined {
    if (this.#plan === undefined || this.#isRemoved || this.#isGone) return undefined;
    const { status, actions } = this.#plan;
    return { status, isOver: actions.some(({ kind }) => kind === 'delete-pod') };
  }

  /** Takes an answer of the API server for the news that it is, unless newer news came first. */
  #adopt(pod: AgentPod): void {
    if (pod.metadata.uid !== this.#uid) return;
    const isNewer = Number(pod.metadata.resourceVersion ?? 0) > Number(this.#pod.metadata.resourceVersion ?? 0);
    if (isNewer) this.#pod = pod;
  }

  #sayBackoffs({ status }: PodPlan): void {
    const { onContainerFailure } = this.#context;
    for (const { state, restartCount, name } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
      if (state.waiting?.reason !== 'CrashLoopBackOff') continue;
      const key = `${name}/${restartCount}`;
      if (this.#said.has(key)) continue;
      this.#said.add(key);
      this.#say('Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${describePod(this.#pod)}`);
      const mode = this.#pod.metadata.annotations?.[ON_FAILURE_ANNOTATION] ?? onContainerFailure;
      if (mode !== 'replace-pod' || controllerOf(this.#pod) !== undefined) continue;
      const message = 'the pod shall be replaced when a container fails, but has no owner that would make another: it restarts in place';
      this.#say('Warning', 'NoOwner', message);
    }
  }

  #say(type: 'Normal' | 'Warning', reason: string, message: string): void {
    // Once a pod where it does not change with time; the recorder counts the others.
    if (reason === 'ImageIgnored' && this.#said.has(message)) return;
    if (reason === 'ImageIgnored') this.#said.add(message);
    this.#context.events.record(this.#pod, { type, reason, message });
  }

  // --- time

  #now(): Millis {
    return this.#context.clock.monotonic();
  }

  #armTimer(): void {
    const { clock } = this.#context;
    const isDeleted = this.#pod.metadata.deletionTimestamp !== undefined;
    const times: Millis[] = [];
    if (this.#plan?.wakeAtMs !== undefined) times.push(this.#now() + Math.max(0, this.#plan.wakeAtMs - clock.wall()));
    for (const action of this.#plan?.actions ?? []) {
      // What its image takes tells by itself.
      if (action.kind !== 'start-container' || this.#images.isBusy(action.name)) continue;
      const waiting = this.#waiting.get(action.name);
      if (waiting !== undefined) times.push(waiting.retryAtMs);
    }
    for (const { reason, retryAtMs } of this.#waiting.values()) if (reason === RUN_ERROR) times.push(retryAtMs);
    for (const probes of this.#probes.values()) {
      const next = isDeleted ? undefined : probes.nextDeadline();
      if (next !== undefined) times.push(next);
    }
    if (times.length > 0) this.#wakeAt(Math.min(...times));
  }

  #wakeAt(atMs: Millis): void {
    this.#timer?.cancel();
    if (this.#abort.signal.aborted || this.#isGone) return;
    this.#timer = this.#context.clock.setTimer(Math.max(0, atMs - this.#now()), () => this.wake());
  }

  #failed(error: unknown): void {
    const { namespace, name: pod } = this.#pod.metadata;
    this.#context.log.warn({ namespace, pod, uid: this.#uid, error: describeError(error) }, 'pod: a pass failed, trying again');
  }
}
