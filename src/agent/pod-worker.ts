/**
 * One pod's worker: asks the plan what to do, does it, says how it is, and waits for the next thing to happen (the
 * object changed, a container ended, a probe answered, a time came). One pass at a time. What takes long runs beside
 * the passes: stops with their grace, probes, and writes to the API server, which may be away for minutes while pods go on.
 */
import { AbortedError, describeError } from '../base/errors.ts';
import { sleep, type Clock, type Millis, type Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Tasks } from '../base/tasks.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isConflict, isNotFound } from '../client/api-error.ts';
import { controllerOf } from '../client/objects.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { containerResources, containerSecurity, sandboxDemands } from './core/container-demands.ts';
import { resolveInvocation, environmentSources, type Sources } from './core/environment.ts';
import { planPod, isEnded, type ContainerHealth, type PodAction, type PodPlan } from './core/pod-lifecycle.ts';
import {
  ON_FAILURE_ANNOTATION,
  containersOf,
  describePod,
  graceSecondsOf,
  isHostImage,
  type AgentContainer,
  type AgentPod,
  type AgentPodStatus,
  type ConfigMap,
  type LifecycleHandler,
  type Secret,
} from './core/pod-spec.ts';
import { ContainerProbes, type ProbeDue } from './core/probes.ts';
import { planVolumes, volumeSources } from './core/volume-files.ts';
import type { Prober } from './probe.ts';
import type { ContainerRecord, Mount, Runtime, Sandbox } from './runtime/runtime.ts';
import type { VolumeStore } from './volumes.ts';

/** What all workers of a node share. */
export interface WorkerContext {
  readonly nodeIp: string;
  readonly allocatable: { readonly cpu: string; readonly memory: string };
  readonly onContainerFailure: 'restart' | 'replace-pod';
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly runtime: Runtime;
  readonly prober: Prober;
  readonly volumes: VolumeStore;
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
const WRITE_RETRY_FIRST_MS = 100;
const WRITE_RETRY_MAX_MS = 5_000;
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
}

export class PodWorker {
  readonly #context: WorkerContext;
  readonly #uid: string;
  readonly #refusal: WorkerOptions['refusal'];
  readonly #onGone: () => void;
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #probes = new Map<string, ContainerProbes>();
  readonly #stops = new Map<string, Stop>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #said = new Set<string>();
  #pod: AgentPod;
  #isRemoved = false;
  #deletionSeenAtMs: Millis | undefined;
  #isPassing = false;
  #isDirty = false;
  #timer: Timer | undefined;
  #plan: PodPlan | undefined;
  #isWriting = false;
  #lastWrite: { readonly sent: string; readonly answered: string } | undefined;
  #writeFailures = 0;
  #isGone = false;

  constructor({ context, pod, refusal, onGone }: WorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.#uid = pod.metadata.uid ?? '';
    this.#refusal = refusal;
    this.#onGone = onGone;
    this.#tasks = new Tasks((error) => this.#failed(error));
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
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const containers = await this.#context.runtime.listContainers(this.#uid);
      const sandbox = await this.#sandbox();
      if (this.#isRemoved) return this.#cleanUp(containers);
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
    this.#publish();
  }

  async #sandbox(): Promise<Sandbox | undefined> {
    return (await this.#context.runtime.listPodSandboxes()).find(({ id }) => id === this.#uid);
  }

  #planFor(sandbox: Sandbox | undefined, containers: readonly ContainerRecord[]): PodPlan {
    const { nodeIp, runtime, clock, onContainerFailure } = this.#context;
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
        return false; // after its status is written: see #write
    }
  }

  async #runSandbox(): Promise<boolean> {
    const { metadata, spec } = this.#pod;
    await this.#context.runtime.runPodSandbox({
      uid: this.#uid,
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      hostname: spec.hostname ?? metadata.name,
      hostNetwork: spec.hostNetwork ?? false,
      annotations: metadata.annotations ?? {},
      ...sandboxDemands(this.#pod),
    });
    return true;
  }

  async #startContainer(action: Extract<PodAction, { kind: 'start-container' }>, sandbox: Sandbox): Promise<boolean> {
    const { spec } = this.#pod;
    const known = this.#waiting.get(action.name);
    if (known !== undefined && known.retryAtMs > this.#now()) return false;
    const init = spec.initContainers?.find(({ name }) => name === action.name);
    const container = containersOf(this.#pod).find(({ name }) => name === action.name)!;
    try {
      await this.#createAndStart(action, container, init !== undefined, sandbox);
      this.#waiting.delete(action.name);
      return true;
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      const tries = (known?.tries ?? 0) + 1;
      const retryAtMs = this.#now() + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tries - 1));
      const reason = error instanceof ConfigError ? error.reason : 'CreateContainerError';
      const message = describeError(error);
      this.#waiting.set(action.name, { reason, message, retryAtMs, tries });
      if (known?.message !== message) this.#say('Warning', 'Failed', `Error: ${message}`);
      // Plan once more, for the status; the retry time keeps it from trying again at once.
      return known?.message !== message;
    }
  }

  async #createAndStart(
    { name, attempt, backoffSteps }: Extract<PodAction, { kind: 'start-container' }>,
    container: AgentContainer,
    init: boolean,
    sandbox: Sandbox,
  ): Promise<void> {
    const { runtime, allocatable, nodeIp } = this.#context;
    const pod = this.#pod;
    const sources = await this.#sources();
    const { ignoresImages } = runtime;
    const input = { pod, container, podIp: sandbox.ip, hostIp: nodeIp, allocatable, sources, ignoresImages };
    const invocation = resolveInvocation(input);
    if (!invocation.ok) throw new ConfigError('CreateContainerConfigError', invocation.message);
    const security = containerSecurity(pod, container);
    if (!security.ok) throw new ConfigError('CreateContainerConfigError', security.message);
    const mounts = await this.#mounts(input);
    const { env, command } = invocation.value;
    const id = await runtime.createContainer(this.#uid, {
      name,
      attempt,
      backoffSteps,
      init,
      image: container.image,
      command,
      workingDir: container.workingDir ?? '',
      env,
      mounts,
      resources: containerResources(container),
      security: security.value,
      stdin: container.stdin,
      stdinOnce: container.stdinOnce,
      tty: container.tty,
    });
    if (runtime.ignoresImages && !isHostImage(container.image)) {
      const message = `the ${runtime.name} runtime has no images: ${container.name} runs this machine's programs, not those of ${container.image}`;
      this.#say('Warning', 'ImageIgnored', message);
    }
    await runtime.startContainer(id);
    this.#say('Normal', 'Started', `Started container ${name}`);
    await this.#postStart(container, id, sandbox.ip);
  }

  async #postStart(container: AgentContainer, id: string, ip: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const failure = await this.#runHook(hook, { container, id, ip }, 30_000);
    if (failure === undefined) return;
    this.#say('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
    await this.#context.runtime.stopContainer(id, 1000 * graceSecondsOf(this.#pod));
  }

  /** The ConfigMaps and Secrets that the pod names, as they are now. */
  async #sources(): Promise<Sources> {
    const { api } = this.#context;
    const wanted = [environmentSources(this.#pod), volumeSources(this.#pod)];
    const configMaps = new Map<string, ConfigMap>();
    const secrets = new Map<string, Secret>();
    const namespace = this.#pod.metadata.namespace;
    const absent = (error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    };
    for (const name of new Set(wanted.flatMap(({ configMaps: names }) => names))) {
      const found = await api.get<ConfigMap>(inNamespace(resources.configMaps, namespace), name).catch(absent);
      if (found !== undefined) configMaps.set(name, found);
    }
    for (const name of new Set(wanted.flatMap(({ secrets: names }) => names))) {
      const found = await api.get<Secret>(inNamespace(resources.secrets, namespace), name).catch(absent);
      if (found !== undefined) secrets.set(name, found);
    }
    return { configMap: (name) => configMaps.get(name), secret: (name) => secrets.get(name) };
  }

  async #mounts(input: Parameters<typeof resolveInvocation>[0]): Promise<Mount[]> {
    const planned = planVolumes(input);
    if (!planned.ok) throw new ConfigError('ContainerCreating', planned.message);
    const paths = await this.#context.volumes.materialize(this.#uid, planned.value);
    // Outer mounts first, so that an inner one appears within.
    const wanted = [...(input.container.volumeMounts ?? [])].sort((a, b) => a.mountPath.length - b.mountPath.length);
    return wanted.map(({ name, mountPath, subPath = '', readOnly = false }) => {
      const path = paths.get(name);
      if (path === undefined) throw new ConfigError('CreateContainerConfigError', `there is no volume ${name}`);
      if (subPath.split('/').includes('..')) throw new ConfigError('CreateContainerConfigError', `subPath ${subPath} leads out of volume ${name}`);
      const hostPath = subPath === '' ? path : `${path}/${subPath}`;
      return { containerPath: mountPath, hostPath, readOnly };
    });
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

  /** Writes what the last plan says, unless the API server has it; one write at a time, the latest counts. */
  #publish(): void {
    if (this.#isWriting || this.#isGone || this.#abort.signal.aborted || !this.#owesWrite()) return;
    this.#isWriting = true;
    const work = this.#write()
      .then(() => {
        this.#writeFailures = 0;
      })
      .catch((error: unknown) => this.#writeFailed(error))
      .finally(() => {
        this.#isWriting = false;
      });
    // What came up during the write is written next; nothing owed ends it.
    this.#tasks.run(work.then(() => this.#publish()));
  }

  get #owesDelete(): boolean {
    return this.#plan?.actions.some(({ kind }) => kind === 'delete-pod') ?? false;
  }

  #owesWrite(): boolean {
    if (this.#plan === undefined || this.#isRemoved) return false;
    return this.#owesDelete || this.#owesStatus(this.#plan.status);
  }

  #owesStatus(status: AgentPodStatus): boolean {
    const sent = canonical(status);
    const cached = canonical(this.#pod.status ?? {});
    if (sent === cached) return false;
    // What the server made of our write need not be what we sent.
    return this.#lastWrite?.sent !== sent || this.#lastWrite.answered !== cached;
  }

  async #write(): Promise<void> {
    const { api } = this.#context;
    const { status } = this.#plan!;
    const { namespace, name } = this.#pod.metadata;
    const ref = inNamespace(resources.pods, namespace);
    if (this.#owesStatus(status)) {
      const answer = await api.updateStatus<AgentPod>(ref, { ...this.#pod, status });
      this.#lastWrite = { sent: canonical(status), answered: canonical(answer.status ?? {}) };
      this.#adopt(answer);
    }
    if (!this.#owesDelete) return;
    await api.delete(ref, name, { gracePeriodSeconds: 0, preconditions: { uid: this.#uid } });
    // The news of it may come late; the containers are gone already.
    this.#isRemoved = true;
    this.wake();
  }

  async #writeFailed(error: unknown): Promise<void> {
    const { api, clock, log } = this.#context;
    const { namespace, name } = this.#pod.metadata;
    if (isConflict(error) || isNotFound(error)) {
      try {
        const fresh = await api.get<AgentPod>(inNamespace(resources.pods, namespace), name);
        if (fresh.metadata.uid === this.#uid) {
          this.#adopt(fresh);
          if (++this.#writeFailures < 5) return this.wake();
        } else return this.remove();
      } catch (failure) {
        if (isNotFound(failure)) return this.remove();
      }
    }
    const delayMs = Math.min(WRITE_RETRY_MAX_MS, WRITE_RETRY_FIRST_MS * 2 ** Math.min(10, this.#writeFailures++));
    log.debug({ namespace, pod: name, error: describeError(error) }, 'pod: status not written');
    await sleep(clock, delayMs, this.#abort.signal);
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
      const waiting = action.kind === 'start-container' ? this.#waiting.get(action.name) : undefined;
      if (waiting !== undefined) times.push(waiting.retryAtMs);
    }
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

class ConfigError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** JSON with sorted keys and without undefined: equal for equal objects. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
