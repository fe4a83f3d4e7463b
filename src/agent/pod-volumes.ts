/**
 * The volumes of a node's pods while they live: made before a pod's first container starts, kept up to date (ConfigMaps,
 * Secrets, labels, tokens), measured, and gone with the pod. It is made once a node; workers ask it.
 *
 * A pod whose volumes are there needs no API server to restart a container. After a restart of the agent the volumes on
 * disk are taken over, and brought up to date when the API server answers.
 */
import { describeError } from '../base/errors.ts';
import type { Clock, Millis, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Tasks } from '../base/tasks.ts';
import type { ApiClient } from '../client/api-client.ts';
import { equalJson } from '../kube/types.ts';
import type { NodeAmounts, Resolved, Sources } from './core/environment.ts';
import { isEnded } from './core/pod-lifecycle.ts';
import type { AgentPod, ConfigMap, Secret } from './core/pod-spec.ts';
import { isSecretVolume, memoryVolumes, planVolumes, setUpFailed, sizeLimits, tokenWishes, volumeSources, type PlannedVolumes, type VolumeContent } from './core/volume-files.ts';
import { PodTokens } from './pod-tokens.ts';
import { ReferencedObjects, type ObjectName } from './referenced-objects.ts';
import type { MemoryVolume } from './runtime/runtime.ts';
import type { PartOfVolume, VolumeStore } from './volumes.ts';
import { VolumeError } from './volumes/volume-error.ts';

export interface PodVolumesOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: VolumeStore;
  readonly nodeIp: string;
  readonly allocatable: NodeAmounts;
  /** Something that the volumes of a pod may have waited for is there: try again at once. */
  readonly onProgress: (uid: string) => void;
  /** A volume of the pod holds more than it may: the pod must go. */
  readonly onTooLarge: (uid: string, message: string) => void;
}

/** The volumes of a pod cannot be made, and why each; they are tried again. */
export class VolumesError extends Error {
  override readonly name = 'VolumesError';
  readonly failures: readonly string[];

  constructor(failures: readonly string[], options?: ErrorOptions) {
    super(failures.join('; '), options);
    this.failures = failures;
  }
}

interface Entry {
  pod: AgentPod;
  readonly podIp: string;
  readonly names: readonly ObjectName[];
  readonly tokens: PodTokens;
  /** By name of the volume; undefined: they are not made yet. */
  paths: ReadonlyMap<string, string> | undefined;
  /** What is on disk is of an earlier agent, or older than what is known. */
  isStale: boolean;
  /** One thing at a time. */
  working: Promise<void>;
  isRemoved: boolean;
}

/** Tokens and sizes are looked at so often; the kubelet, too, measures every ten seconds. */
const LOOK_MS: Millis = 10_000;

export class PodVolumes {
  readonly #options: PodVolumesOptions;
  readonly #objects: ReferencedObjects;
  readonly #tasks: Tasks;
  readonly #entries = new Map<string, Entry>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: PodVolumesOptions) {
    this.#options = options;
    const { api, clock, log } = options;
    this.#tasks = new Tasks((error) => log.warn({ error: describeError(error) }, 'volumes: a task failed'));
    this.#objects = new ReferencedObjects({ api, clock, log, tasks: this.#tasks, onChanged: (uids) => this.#changed(uids) });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#objects.close();
    await this.#tasks.idle();
  }

  /** EmptyDirs in memory, for the sandbox: they live as long as it does. */
  inMemory(pod: AgentPod): readonly MemoryVolume[] {
    const { store, allocatable } = this.#options;
    const uid = pod.metadata.uid ?? '';
    return memoryVolumes(pod, allocatable.memory).map(({ name, bytes, group }) => ({ path: store.pathOf(uid, { name, kind: 'empty' }), sizeBytes: bytes, group }));
  }

  /** Makes what is not there yet; answers where each volume is. Rejects with `VolumesError`. */
  async setUp(pod: AgentPod, podIp: string): Promise<ReadonlyMap<string, string>> {
    const entry = this.#entry(pod, podIp);
    // What was in memory may have gone with the node's network.
    if (entry.paths !== undefined && (await this.#kept(entry)) !== undefined) return entry.paths;
    entry.paths = undefined;
    await this.#alone(entry, () => this.#make(entry));
    if (entry.paths === undefined) throw new VolumesError([`the volumes of pod ${pod.metadata.name} are being removed`]);
    return entry.paths;
  }

  /** A pod that runs since before this agent: its volumes are followed like those of others. */
  adopt(pod: AgentPod, podIp: string): void {
    if (this.#entries.has(pod.metadata.uid ?? '') || this.#isClosed) return;
    const entry = this.#entry(pod, podIp);
    // What fails is tried again with the next look.
    this.#tasks.run(this.#alone(entry, () => this.#make(entry)).catch((error: unknown) => this.#failed(entry, error)));
  }

  /** News of the pod: its labels may be in files; and when it has ended, nobody reads its volumes any more. */
  update(pod: AgentPod): void {
    const uid = pod.metadata.uid ?? '';
    if (isEnded(pod.status?.phase)) return this.#tasks.run(this.remove(uid));
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    const { labels, annotations } = entry.pod.metadata;
    const isSame = equalJson(labels, pod.metadata.labels) && equalJson(annotations, pod.metadata.annotations);
    entry.pod = pod;
    if (!isSame && entry.paths !== undefined && showsItself(pod)) this.#refresh(entry);
  }

  /** Files that are the agent's to change: nobody else writes there. */
  isReadOnly({ spec }: AgentPod, volume: string): boolean {
    const found = spec.volumes?.find(({ name }) => name === volume);
    return found?.configMap !== undefined || found?.secret !== undefined || found?.downwardAPI !== undefined || found?.projected !== undefined;
  }

  part(part: Omit<PartOfVolume, 'isFrozen'>, volume: string): Promise<string> {
    const pod = this.#entries.get(part.uid)?.pod;
    return this.#options.store.part({ ...part, isFrozen: pod !== undefined && this.isReadOnly(pod, volume) });
  }

  /** Idempotent. */
  async remove(uid: string): Promise<void> {
    const entry = this.#entries.get(uid);
    this.#entries.delete(uid);
    this.#objects.forget(uid);
    if (entry !== undefined) entry.isRemoved = true;
    await entry?.working;
    await this.#options.store.remove(uid);
  }

  // --- making

  #entry(pod: AgentPod, podIp: string): Entry {
    const uid = pod.metadata.uid ?? '';
    const known = this.#entries.get(uid);
    if (known !== undefined) return known;
    const { api, clock } = this.#options;
    const tokens = new PodTokens({ api, clock, pod, wishes: tokenWishes(pod) });
    const entry: Entry = { pod, podIp, names: namesOf(pod), tokens, paths: undefined, isStale: false, working: Promise.resolve(), isRemoved: false };
    this.#entries.set(uid, entry);
    for (const name of entry.names) this.#objects.follow(name, uid);
    return entry;
  }

  #alone(entry: Entry, work: () => Promise<void>): Promise<void> {
    const done = entry.working.then(work);
    entry.working = done.catch(() => undefined); // its caller hears of it
    return done;
  }

  async #make(entry: Entry): Promise<void> {
    if (entry.paths !== undefined || entry.isRemoved) return;
    const { store } = this.#options;
    const uid = entry.pod.metadata.uid ?? '';
    const unanswered = await this.#ask(entry);
    // From now on it is heard of when something that was missing comes.
    if (store.isReal) for (const name of entry.names) this.#objects.watch(name);
    const { volumes, failures } = this.#plan(entry);
    if (unanswered !== undefined) {
      const kept = await this.#kept(entry);
      if (kept === undefined) throw new VolumesError(failuresOf(entry.pod, unanswered), { cause: unanswered });
      [entry.paths, entry.isStale] = [kept, true];
    } else {
      if (failures.length > 0) throw new VolumesError(failures);
      const paths = new Map<string, string>();
      for (const volume of volumes) paths.set(volume.name, await this.#put(uid, volume));
      entry.paths = paths;
    }
    this.#armTimer();
  }

  async #put(uid: string, volume: VolumeContent): Promise<string> {
    try {
      return await this.#options.store.put(uid, volume);
    } catch (error) {
      if (error instanceof VolumeError) throw new VolumesError([error.message], { cause: error });
      throw error;
    }
  }

  /** Reads all that the volumes name, and asks for the tokens. Answers why the API server could not be asked. */
  async #ask(entry: Entry): Promise<unknown> {
    try {
      await Promise.all([...entry.names.map((name) => this.#objects.fetch(name)), ...(this.#options.store.isReal ? [entry.tokens.renew()] : [])]);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** The volumes of an earlier agent, if all of them are there. */
  async #kept(entry: Entry): Promise<ReadonlyMap<string, string> | undefined> {
    const { store } = this.#options;
    const uid = entry.pod.metadata.uid ?? '';
    const paths = new Map<string, string>();
    for (const volume of entry.pod.spec.volumes ?? []) {
      const { name, hostPath, emptyDir } = volume;
      const kind = hostPath !== undefined ? 'host' : emptyDir !== undefined ? 'empty' : 'files';
      const plan = { name, kind, isSecret: isSecretVolume(volume) } as const;
      if (!(await store.has(uid, plan))) return undefined;
      paths.set(name, hostPath?.path ?? store.pathOf(uid, plan));
    }
    return paths;
  }

  #plan({ pod, podIp, tokens }: Entry): PlannedVolumes {
    const { nodeIp: hostIp, allocatable, store } = this.#options;
    const namespace = pod.metadata.namespace ?? '';
    const sources: Sources = {
      configMap: (name): ConfigMap | undefined => this.#objects.known({ resource: 'configMaps', namespace, name }),
      secret: (name): Secret | undefined => this.#objects.known({ resource: 'secrets', namespace, name }),
    };
    const token = (key: string): Resolved<string> => (store.isReal ? tokens.get(key) : { ok: true, value: '' });
    return planVolumes({ pod, podIp, hostIp, allocatable, sources, ignoresImages: false, token });
  }

  // --- keeping up

  #changed(uids: readonly string[]): void {
    for (const uid of uids) {
      const entry = this.#entries.get(uid);
      if (entry === undefined) continue;
      if (entry.paths === undefined) this.#options.onProgress(uid);
      // Also of volumes that are just being made: of what was read before the change.
      this.#refresh(entry);
    }
  }

  #refresh(entry: Entry): void {
    if (this.#isClosed) return;
    this.#tasks.run(this.#alone(entry, () => this.#renew(entry)).catch((error: unknown) => this.#failed(entry, error)));
  }

  /** What cannot be planned now (its ConfigMap was deleted) stays as it is, as in Kubernetes. */
  async #renew(entry: Entry): Promise<void> {
    if (entry.paths === undefined || entry.isRemoved) return;
    const { volumes, failures } = this.#plan(entry);
    for (const volume of volumes) if (volume.kind === 'files') await this.#put(entry.pod.metadata.uid ?? '', volume);
    entry.isStale = false;
    if (failures.length > 0) this.#options.log.debug({ ...aboutPod(entry), failures }, 'volumes: some stay as they are');
  }

  #failed(entry: Entry, error: unknown): void {
    entry.isStale = true;
    const why = error instanceof VolumesError ? error.message : describeError(error);
    this.#options.log.warn({ ...aboutPod(entry), error: why }, 'volumes: not up to date, trying again');
    this.#armTimer();
  }

  /** Ticks only where there is something to look at. */
  #armTimer(): void {
    if (this.#timer !== undefined || this.#isClosed || !this.#options.store.isReal) return;
    const isNeeded = [...this.#entries.values()].some((entry) => entry.isStale || entry.tokens.isNeeded || sizeLimits(entry.pod).length > 0);
    if (!isNeeded) return;
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => {
      this.#timer = undefined;
      const looked = Promise.all([...this.#entries.values()].map((entry) => this.#look(entry))).then(() => this.#armTimer());
      this.#tasks.run(looked);
    });
  }

  async #look(entry: Entry): Promise<void> {
    try {
      if (entry.isStale || entry.tokens.isDue) await this.#alone(entry, () => this.#catchUp(entry));
      await this.#measure(entry);
    } catch (error) {
      if (!entry.isRemoved) this.#failed(entry, error);
    }
  }

  async #catchUp(entry: Entry): Promise<void> {
    if (entry.isRemoved) return;
    if (entry.paths === undefined) return this.#make(entry);
    if (entry.isStale) {
      const unanswered = await this.#ask(entry);
      if (unanswered !== undefined) throw unanswered;
    } else {
      await entry.tokens.renew();
    }
    await this.#renew(entry);
  }

  async #measure(entry: Entry): Promise<void> {
    const { store, onTooLarge } = this.#options;
    const uid = entry.pod.metadata.uid ?? '';
    for (const { name, bytes, text } of entry.paths === undefined ? [] : sizeLimits(entry.pod)) {
      const used = await store.usage(uid, name, bytes);
      if (used > bytes && !entry.isRemoved) return onTooLarge(uid, `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(text)}.`);
    }
  }
}

function namesOf(pod: AgentPod): readonly ObjectName[] {
  const namespace = pod.metadata.namespace ?? '';
  const { configMaps, secrets } = volumeSources(pod);
  return [
    ...configMaps.map((name): ObjectName => ({ resource: 'configMaps', namespace, name })),
    ...secrets.map((name): ObjectName => ({ resource: 'secrets', namespace, name })),
  ];
}

/** Of each volume that needed an answer. */
function failuresOf({ spec }: AgentPod, error: unknown): readonly string[] {
  const asking = (spec.volumes ?? []).filter(({ configMap, secret, projected }) => configMap !== undefined || secret !== undefined || projected !== undefined);
  const why = error instanceof Error ? error.message : String(error);
  return asking.map(({ name }) => setUpFailed(name, why));
}

function showsItself({ spec }: AgentPod): boolean {
  return (spec.volumes ?? []).some(({ downwardAPI, projected }) => downwardAPI !== undefined || projected?.sources?.some((source) => source.downwardAPI !== undefined) === true);
}

function aboutPod({ pod }: Entry) {
  const { namespace, name, uid } = pod.metadata;
  return { namespace, pod: name, uid };
}
