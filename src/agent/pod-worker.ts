/**
 * One pod's worker: asks the plan what to do, does it, says how it is, and waits for the next thing to happen (the
 * object changed, a container ended, a probe answered, a time came). One pass at a time. What takes long runs beside
 * the passes: stops with their grace, hooks, probes, and writes to the API server, which may be away for minutes while
 * pods go on.
 */
import { AbortedError, describeError } from '../base/errors.ts';
import type { Clock, Millis, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Tasks } from '../base/tasks.ts';
import { controllerOf } from '../client/objects.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { ContainerStarter, ContainerStartError, type ContainerStart, type StarterContext } from './container-starter.ts';
import { ContainerStops } from './container-stops.ts';
import type { Allocatable, Amounts } from './core/admission.ts';
import { podResources, sandboxDemands } from './core/container-demands.ts';
import { planPod, isEnded } from './core/pod-lifecycle.ts';
import type { PodAction, PodPlan, Reason } from './core/pod-plan.ts';
import { describeResize } from './core/pod-resize.ts';
import { podNames, type Naming } from './core/pod-names.ts';
import { ON_FAILURE_ANNOTATION, containersOf, describePod, graceSecondsOf, type AgentContainer, type AgentPod, type AgentPodStatus } from './core/pod-spec.ts';
import { SteadyAges } from './core/steady-ages.ts';
import type { ImagePuller } from './image-puller.ts';
import { runHook } from './lifecycle-hooks.ts';
import { PodEvents } from './pod-events.ts';
import { PodImages } from './pod-images.ts';
import { PodProbing } from './pod-probing.ts';
import { PodStatusWriter } from './pod-status-writer.ts';
import type { Prober } from './probe.ts';
import { RuntimeError, type ContainerId, type ContainerRecord, type ContainerResources, type Sandbox, type SandboxConfig } from './runtime/runtime.ts';
import { TerminationMessages } from './termination-logs.ts';

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
  readonly capacityLeft: { readonly allocatable: Allocatable; readonly others: (uid: string) => Amounts };
}

export interface WorkerOptions {
  readonly context: WorkerContext;
  readonly pod: AgentPod;
  readonly refusal?: Reason | undefined;
  /** Everything of the pod is gone from this node. */
  readonly onGone: () => void;
  /** The object that stands for a pod of a file in the API server; absent: the pod is such an object itself. */
  readonly mirror?: (() => AgentPod | undefined) | undefined;
}

/** A container that cannot be made (no such ConfigMap) is tried again after this, doubling. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 20_000;
/** An object that was removed without waiting for us. */
const REMOVED_GRACE_MS = 1_000;
/** A hook has no deadline of its own, but nothing here waits for ever. */
const POST_START_MAX_MS = 600_000;
/** Actions of one pass that lead to the next one at once; a plan that needs more has lost its way. */
const ROUNDS_MAX = 20;
/** The pod's own, among the names of containers. */
const SANDBOX = '';

interface Waiting extends Reason {
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
  readonly #mirror: WorkerOptions['mirror'];
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  readonly #starting = new Set<ContainerId>();
  readonly #resizeFailures = new Map<ContainerId, string>();
  readonly #resized = new Map<ContainerId, ContainerResources>();
  readonly #ages = new SteadyAges();
  readonly #events: PodEvents;
  readonly #starter: ContainerStarter;
  readonly #stops: ContainerStops;
  readonly #probing: PodProbing;
  readonly #messages: TerminationMessages;
  readonly #images: PodImages;
  readonly #writer: PodStatusWriter;
  #pod: AgentPod;
  #isRemoved = false;
  /** Monotonic: since when the pod is ended, and since when its deletion is known. */
  #endingSinceMs: Millis | undefined;
  #deletionSeenAtMs: Millis | undefined;
  #isPassing = false;
  #isDirty = false;
  #timer: Timer | undefined;
  #plan: PodPlan | undefined;
  #isGone = false;

  constructor({ context, pod, refusal, onGone, mirror }: WorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.#uid = pod.metadata.uid ?? '';
    this.#refusal = refusal === undefined ? undefined : { ...refusal, message: `Pod was rejected: ${refusal.message}` };
    this.#onGone = onGone;
    this.#mirror = mirror;
    this.#tasks = new Tasks((error) => this.#failed(error));
    this.#events = new PodEvents({ recorder: context.events, pod: () => this.#pod });
    this.#starter = new ContainerStarter(context);
    this.#messages = new TerminationMessages(context.terminationLogs, context.runtime);
    const { clock, log, runtime, prober, isRouted, api } = context;
    const shared = { clock, prober, tasks: this.#tasks, signal: this.#abort.signal, say: this.#events.say };
    this.#images = new PodImages({ ...shared, puller: context.puller, pod: () => this.#pod, wake: () => this.wake() });
    this.#stops = new ContainerStops({ ...shared, log, runtime, isRouted, wake: () => this.wake() });
    this.#probing = new PodProbing({
      ...shared,
      runtimeName: runtime.name,
      pod: () => this.#pod,
      sandbox: () => this.#sandbox(),
      ageMs: ({ id, startedAtMs = clock.wall() }) => this.#ageMs(`start of ${id}`, startedAtMs),
      progressed: (isChanged) => (isChanged ? this.wake() : this.#armTimer()),
    });
    this.#writer = new PodStatusWriter({
      ...shared,
      api,
      log,
      object: () => this.#object,
      wanted: () => this.#wanted(),
      isMirror: mirror !== undefined,
      onPod: (answered) => this.#adopt(answered),
      onRemoved: () => this.remove(),
      wake: () => this.wake(),
    });
    if (refusal !== undefined) this.#events.say('Warning', refusal.reason, refusal.message);
  }

  get pod(): AgentPod {
    return this.#pod;
  }

  /** It runs without anybody's order but that of a file. */
  get isOfFile(): boolean {
    return this.#mirror !== undefined;
  }

  /** Takes part in what the node has given away. */
  get isCounted(): boolean {
    return this.#refusal === undefined && !isEnded(this.#pod.status?.phase);
  }

  update(pod: AgentPod): void {
    // The status of a pod of a file is made here, and nowhere else.
    this.#pod = this.#mirror === undefined ? pod : { ...pod, ...(this.#pod.status === undefined ? {} : { status: this.#pod.status }) };
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
    this.#events.say('Warning', 'Evicted', message);
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

  /** What the API server has of it. */
  get #object(): AgentPod | undefined {
    return this.#mirror === undefined ? this.#pod : this.#mirror();
  }

  get #isDeleted(): boolean {
    return this.#pod.metadata.deletionTimestamp !== undefined;
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
    if (this.#isDeleted) this.#endingSinceMs = this.#deletionSeenAtMs ??= this.#now();
    if (this.#isDeleted || this.#isRemoved) this.#images.abandon();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const containers = await this.#context.runtime.listContainers(this.#uid);
      const sandbox = await this.#sandbox();
      if (this.#isRemoved) return this.#cleanUp(containers);
      if (sandbox?.state === 'ready' && containers.length > 0) this.#context.volumes.adopt(this.#pod, sandbox.ip);
      const running = containers.filter(({ state }) => state === 'running');
      for (const id of this.#starting) if (!running.some((record) => record.id === id)) this.#starting.delete(id);
      this.#probing.sync(running.filter(({ id }) => !this.#starting.has(id)), this.#isDeleted || this.#plan?.isEnding === true);
      this.#plan = await this.#planFor(sandbox, containers);
      this.#sayWhatChanged(this.#plan);
      if (this.#plan.isEnding) this.#endingSinceMs ??= this.#now();
      let isChanged = false;
      for (const action of this.#plan.actions) {
        if (this.#abort.signal.aborted) return;
        if (await this.#execute(action, sandbox)) isChanged = true;
      }
      if (!isChanged) break;
    }
    if (this.#mirror !== undefined) this.#pod = { ...this.#pod, status: this.#plan!.status };
    this.#probing.run();
    this.#armTimer();
    this.#writer.publish();
    if (this.#mirror !== undefined && this.#wanted()?.isOver === true) this.remove();
  }

  async #sandbox(): Promise<Sandbox | undefined> {
    return (await this.#context.runtime.listPodSandboxes()).find(({ id }) => id === this.#uid);
  }

  async #planFor(sandbox: Sandbox | undefined, containers: readonly ContainerRecord[]): Promise<PodPlan> {
    const { nodeIp, runtime, clock, onContainerFailure, capacityLeft } = this.#context;
    return planPod({
      pod: this.#pod,
      nodeIp,
      runtimeName: runtime.name,
      sandbox,
      containers,
      health: this.#probing.health,
      starting: this.#starting,
      messages: await this.#messages.of(this.#pod, containers),
      waiting: this.#waiting,
      refusal: this.#refusal,
      onContainerFailure,
      resizing: {
        others: () => capacityLeft.others(this.#uid),
        allocatable: capacityLeft.allocatable,
        canResize: runtime.updateContainerResources !== undefined && runtime.hasLimits !== false,
        failures: this.#resizeFailures,
        applied: this.#resized,
      },
      ending: this.#plan?.ending,
      endingForMs: this.#endingSinceMs === undefined ? 0 : this.#now() - this.#endingSinceMs,
      nowMs: clock.wall(),
      ageMs: (what, atMs) => this.#ageMs(what, atMs),
    });
  }

  // --- doing

  /** True: something is different now, plan again. */
  async #execute(action: PodAction, sandbox: Sandbox | undefined): Promise<boolean> {
    const { runtime } = this.#context;
    switch (action.kind) {
      case 'run-sandbox':
        return this.#runSandbox(action.isAnew);
      case 'start-container':
        return this.#startContainer(action, sandbox!);
      case 'stop-container':
        this.#stop(action, sandbox?.ip ?? '');
        return false;
      case 'resize-container':
        return this.#resize(action);
      case 'remove-container':
        await runtime.removeContainer(action.id);
        this.#ages.forget((what) => what.endsWith(` of ${action.id}`));
        return true;
      case 'stop-sandbox':
        await runtime.stopPodSandbox(this.#uid);
        return true;
      case 'delete-pod':
        return false; // after its status is written: see the status writer
    }
  }

  async #runSandbox(isAnew: boolean): Promise<boolean> {
    const { metadata, spec } = this.#pod;
    if (isAnew) this.#events.say('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    const { warnings, ...names } = podNames(this.#pod, this.#context.naming);
    for (const { reason, message } of warnings) this.#events.say('Warning', reason, message);
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
    return this.#trying(SANDBOX, sandboxFailed, async () => {
      await this.#context.runtime.runPodSandbox(config);
    });
  }

  async #startContainer(action: Extract<PodAction, { kind: 'start-container' }>, sandbox: Sandbox): Promise<boolean> {
    const { name, attempt, backoffSteps, resources } = action;
    const known = this.#waiting.get(name);
    const init = this.#pod.spec.initContainers?.some((one) => one.name === name) ?? false;
    const container = containersOf(this.#pod).find((one) => one.name === name)!;
    const isOther = known?.image !== undefined && known.image !== container.image;
    if (known !== undefined && known.retryAtMs > this.#now() && !isOther) return false;
    const answer = this.#images.ask(container);
    if (answer.kind === 'busy') return false;
    if (answer.kind === 'waiting') {
      const { reason, message, untilMs } = answer;
      this.#waiting.set(name, { reason, message, retryAtMs: untilMs, tries: 0, image: container.image });
      return known?.reason !== reason || known.message !== message;
    }
    if (isOther) this.#waiting.delete(name);
    return this.#trying(name, (why) => ['Failed', `Error: ${why}`], async () => {
      const say: ContainerStart['say'] = (type, reason, message) => this.#events.say(type, reason, message, name);
      const id = await this.#starter.start({ pod: this.#pod, container, attempt, backoffSteps, init, sandbox, resources, image: answer.image, say });
      this.#postStart(container, id, sandbox.ip);
    });
  }

  /** What fails is tried again later, and says why in the meantime. `event`: its reason and text. */
  async #trying(name: string, event: (why: string, error: unknown) => readonly [string, string], work: () => Promise<void>): Promise<boolean> {
    const known = this.#waiting.get(name);
    if (known !== undefined && known.retryAtMs > this.#now()) return false;
    try {
      await work();
      this.#waiting.delete(name);
      return true;
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      const tries = (known?.tries ?? 0) + 1;
      const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
      const retryAtMs = this.#now() + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tries - 1));
      const isSaid = error instanceof ContainerStartError && error.isSaid;
      const message = isSaid ? error.message : describeError(error);
      // A program that could not be started has run, and failed: its attempt counts, and its record says why.
      const hasFailedToRun = reason === 'RunContainerError';
      if (hasFailedToRun) this.#waiting.delete(name);
      else this.#waiting.set(name, { reason, message, retryAtMs, tries });
      if (known?.message !== message && !isSaid) this.#events.say('Warning', ...event(message, error), name === SANDBOX ? undefined : name);
      // Plan once more, for the status; the retry time keeps it from trying again at once.
      return hasFailedToRun || known?.message !== message;
    }
  }

  /** Beside the passes: until it has answered, the container counts as one that is being started. */
  #postStart(container: AgentContainer, id: ContainerId, ip: string): void {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const { clock, prober, log } = this.#context;
    this.#starting.add(id);
    const target = { ip, container, containerId: id };
    const work = runHook(hook, { clock, prober, target, timeoutMs: POST_START_MAX_MS, signal: this.#abort.signal }).then((failure) => {
      if (this.#abort.signal.aborted || !this.#starting.has(id)) return;
      if (failure === undefined) return void this.#starting.delete(id);
      // What it said may be a secret, and events are read by many.
      this.#events.say('Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name);
      log.info({ container: id, error: failure }, 'pod: a postStart hook failed');
      this.#stop({ id, name: container.name, graceMs: 1000 * graceSecondsOf(this.#pod), why: 'FailedPostStartHook' }, ip);
    });
    this.#tasks.run(work.finally(() => this.wake()));
  }

  #stop(stop: { readonly id: ContainerId; readonly name: string; readonly graceMs: Millis; readonly why: string }, ip: string): void {
    const container = containersOf(this.#pod).find(({ name }) => name === stop.name);
    this.#stops.stop(stop, { container, ip, drains: this.#isDeleted && this.#probing.isReady(stop.id) });
  }

  async #resize({ id, resources, needsMore }: Extract<PodAction, { kind: 'resize-container' }>): Promise<boolean> {
    const { runtime } = this.#context;
    const key = `resize of ${id}`;
    const isDone = await this.#trying(key, (why) => ['ResizeError', `Pod resize error: ${why}`], async () => {
      const what = describeResize(this.#pod);
      this.#events.once(what, () => this.#events.say('Normal', 'ResizeStarted', `Pod resize started: ${what}`));
      const ofPod = podResources(this.#pod);
      if (needsMore) await runtime.updatePodSandboxResources?.(this.#uid, ofPod);
      await runtime.updateContainerResources?.(id, resources);
      if (!needsMore) await runtime.updatePodSandboxResources?.(this.#uid, ofPod);
      this.#resized.set(id, resources);
      this.#events.say('Normal', 'ResizeCompleted', `Pod resize completed: ${what}`);
    });
    const failure = this.#waiting.get(key);
    if (failure === undefined) this.#resizeFailures.delete(id);
    else this.#resizeFailures.set(id, failure.message);
    return isDone;
  }

  async #cleanUp(containers: readonly ContainerRecord[]): Promise<void> {
    const { runtime, volumes, terminationLogs } = this.#context;
    this.#timer?.cancel();
    this.#stops.hurryAll();
    const running = containers.filter(({ state }) => state === 'running');
    await Promise.all(running.map(({ id }) => runtime.stopContainer(id, REMOVED_GRACE_MS)));
    await runtime.removePodSandbox(this.#uid);
    await volumes.remove(this.#uid);
    await terminationLogs?.remove(this.#uid);
    this.#isGone = true;
    this.#onGone();
  }

  // --- saying

  #wanted(): { status: AgentPodStatus; isOver: boolean } | undefined {
    if (this.#plan === undefined || this.#isRemoved || this.#isGone) return undefined;
    const { status, actions } = this.#plan;
    return { status, isOver: actions.some(({ kind }) => kind === 'delete-pod') };
  }

  /** Takes an answer of the API server for the news that it is, unless newer news came first. */
  #adopt(pod: AgentPod): void {
    if (this.#mirror !== undefined || pod.metadata.uid !== this.#uid) return;
    const isNewer = Number(pod.metadata.resourceVersion ?? 0) > Number(this.#pod.metadata.resourceVersion ?? 0);
    if (isNewer) this.#pod = pod;
  }

  #sayWhatChanged({ status }: PodPlan): void {
    const { onContainerFailure } = this.#context;
    const { say } = this.#events;
    const { reason, message = '' } = status;
    if (reason === 'DeadlineExceeded') this.#events.once(reason, () => say('Normal', reason, message));
    const pending = status.conditions?.find(({ type }) => type === 'PodResizePending');
    if (pending?.reason !== undefined) {
      const { reason: why, message: error } = pending;
      this.#events.once(`${why} ${error ?? ''}`, () => say('Warning', `Resize${why}`, `Pod resize ${why}: ${describeResize(this.#pod, error)}`));
    }
    for (const { state, restartCount, name } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
      if (state.waiting?.reason !== 'CrashLoopBackOff') continue;
      this.#events.once(`${name}/${restartCount}`, () => {
        say('Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${describePod(this.#pod)}`, name);
        const mode = this.#pod.metadata.annotations?.[ON_FAILURE_ANNOTATION] ?? onContainerFailure;
        if (mode !== 'replace-pod' || controllerOf(this.#pod) !== undefined) return;
        say('Warning', 'NoOwner', 'the pod shall be replaced when a container fails, but has no owner that would make another: it restarts in place');
      });
    }
  }

  // --- time

  #now(): Millis {
    return this.#context.clock.monotonic();
  }

  #ageMs(what: string, atMs: Millis): Millis {
    return this.#ages.of(what, atMs, { wallMs: this.#context.clock.wall(), monotonicMs: this.#now() });
  }

  #armTimer(): void {
    const times: Millis[] = [];
    const { wakeInMs } = this.#plan ?? {};
    if (wakeInMs !== undefined) times.push(this.#now() + wakeInMs);
    // What its image takes tells by itself.
    const isWanted = new Set((this.#plan?.actions ?? []).map((action) => keyOfTry(action)));
    for (const [name, { retryAtMs }] of this.#waiting) if (isWanted.has(name) && !this.#images.isBusy(name)) times.push(retryAtMs);
    const next = this.#probing.nextDeadline();
    if (next !== undefined) times.push(next);
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

function sandboxFailed(why: string, error: unknown): readonly [string, string] {
  if (error instanceof RuntimeError && error.code === 'network-not-ready') return ['NetworkNotReady', why];
  return ['FailedCreatePodSandBox', `Failed to create pod sandbox: ${why}`];
}

/** Under which name what this does is tried again. */
function keyOfTry(action: PodAction): string | undefined {
  if (action.kind === 'start-container') return action.name;
  if (action.kind === 'resize-container') return `resize of ${action.id}`;
  return action.kind === 'run-sandbox' ? SANDBOX : undefined;
}
