/**
 * Makes and starts one container of a pod: gathers what the pod's spec names (ConfigMaps, Secrets, volumes), resolves it, and
 * hands it to the runtime. Keeps nothing between two calls.
 */
import { describeError } from '../base/errors.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import { parseQuantity, toUnits } from '../kube/quantity.ts';
import type { Service } from '../client/objects.ts';
import { isHostImageName } from '../image/core/reference.ts';
import { ImageError } from '../image/image-service.ts';
import { containerResources, containerSecurity, oomScoreOf } from './core/container-demands.ts';
import { environmentSources, resolveInvocation, type EnvironmentInput, type NodeAmounts, type Sources } from './core/environment.ts';
import type { AgentContainer, AgentPod, ConfigMap, Secret } from './core/pod-spec.ts';
import { serviceEnvironment } from './core/service-environment.ts';
import { planMounts, subPathFailed, type PlannedMount } from './core/volume-mounts.ts';
import type { ReadyImage } from './pod-images.ts';
import { VolumesError, type PodVolumes } from './pod-volumes.ts';
import type { ContainerConfig, ContainerId, ContainerResources, Mount, Runtime, Sandbox } from './runtime/runtime.ts';
import type { TerminationLogs } from './termination-logs.ts';
import { VolumeError } from './volumes/volume-error.ts';

export interface StarterContext {
  readonly nodeIp: string;
  readonly allocatable: NodeAmounts;
  readonly api: ApiClient;
  readonly runtime: Runtime;
  readonly volumes: PodVolumes;
  /** All that the agent knows of. */
  readonly services: () => readonly Service[];
  /** Absent: containers leave no last words. */
  readonly terminationLogs?: TerminationLogs | undefined;
}

export interface ContainerStart {
  readonly pod: AgentPod;
  readonly container: AgentContainer;
  readonly attempt: number;
  readonly backoffSteps: number;
  readonly init: boolean;
  readonly sandbox: Sandbox;
  /** Other than the container says. */
  readonly resources?: ContainerResources | undefined;
  /** Absent: the runtime keeps no images. */
  readonly image?: ReadyImage | undefined;
  readonly say: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** The container cannot be made now. `reason` is what its waiting state says, in Kubernetes' words. */
export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError';
  readonly reason: string;
  /** Events have told of it. */
  readonly isSaid: boolean;

  constructor(reason: string, message: string, { isSaid = false, ...options }: ErrorOptions & { readonly isSaid?: boolean } = {}) {
    super(message, options);
    this.reason = reason;
    this.isSaid = isSaid;
  }
}

/** How a runtime's record calls a program that could not be run. */
const START_ERROR = 'StartError';

export class ContainerStarter {
  readonly #context: StarterContext;

  constructor(context: StarterContext) {
    this.#context = context;
  }

  /** Rejects with `ContainerStartError`, or with what the runtime said. */
  async start(start: ContainerStart): Promise<ContainerId> {
    const { runtime } = this.#context;
    const { pod, container, attempt, backoffSteps, init, sandbox, image, say, resources = containerResources(container) } = start;
    const paths = await this.#volumes(start);
    const input = await this.#input(pod, container, sandbox.ip);
    const invocation = resolveInvocation(input);
    if (!invocation.ok) throw new ContainerStartError('CreateContainerConfigError', invocation.message);
    const security = containerSecurity(pod, container, image?.user);
    if (!security.ok) throw new ContainerStartError('CreateContainerConfigError', security.message);
    const lastWords = await this.#context.terminationLogs?.mount(pod.metadata.uid ?? '', container, attempt);
    const mounts = [...(await this.#mounts(start, { paths, env: invocation.value.env })), ...(lastWords === undefined ? [] : [lastWords])];
    const id = await this.#create(sandbox, {
      name: container.name,
      attempt,
      backoffSteps,
      init,
      image: container.image,
      imageId: image?.id,
      imageShown: image?.shown,
      ...invocation.value,
      workingDir: container.workingDir ?? '',
      mounts,
      resources: { ...resources, oomScoreAdjust: this.#oomScore(pod, container) },
      security: security.value,
      processesOf: await this.#target(start),
      stdin: container.stdin,
      stdinOnce: container.stdinOnce,
      tty: container.tty,
      stopSignal: container.lifecycle?.stopSignal,
    });
    say('Normal', 'Created', `Created container: ${container.name}`);
    if (runtime.ignoresImages && !isHostImageName(container.image)) {
      const message = `the ${runtime.name} runtime has no images: ${container.name} runs this machine's programs, not those of ${container.image}`;
      say('Warning', 'ImageIgnored', message);
    }
    await runtime.startContainer(id);
    const record = (await runtime.listContainers(sandbox.id)).find((one) => one.id === id);
    if (record?.reason === START_ERROR) throw new ContainerStartError('RunContainerError', record.message ?? 'the program cannot be run');
    say('Normal', 'Started', `Started container ${container.name}`);
    return id;
  }

  /** The container whose processes it is to see: the last of its name, whatever has become of it. */
  async #target({ container: { targetContainerName = '' }, sandbox }: ContainerStart): Promise<ContainerId | undefined> {
    if (targetContainerName === '') return undefined;
    const found = (await this.#context.runtime.listContainers(sandbox.id)).filter(({ name }) => name === targetContainerName).at(-1);
    if (found === undefined) throw new ContainerStartError('CreateContainerConfigError', `unable to find target container ${targetContainerName}`);
    return found.id;
  }

  #oomScore(pod: AgentPod, { resources: { requests = {}, limits = {} } = {} }: AgentContainer): number {
    const bytes = (text: string | undefined) => Number(toUnits(parseQuantity(text ?? '0') ?? 0n));
    return oomScoreOf(pod.status?.qosClass ?? 'Burstable', bytes(requests['memory'] ?? limits['memory']), bytes(this.#context.allocatable.memory));
  }

  /** An image may have gone since it was found to be there, or be damaged. */
  #create(sandbox: Sandbox, config: ContainerConfig): Promise<ContainerId> {
    return this.#context.runtime.createContainer(sandbox.id, config).catch((cause: unknown) => {
      throw cause instanceof ImageError ? new ContainerStartError(cause.reason, cause.message, { cause }) : cause;
    });
  }

  async #input(pod: AgentPod, container: AgentContainer, podIp: string): Promise<EnvironmentInput> {
    const { allocatable, nodeIp: hostIp, runtime } = this.#context;
    const sources = await this.#sources(pod);
    const { metadata: { namespace = '' }, spec: { enableServiceLinks = true } } = pod;
    const serviceVariables = serviceEnvironment({ services: this.#context.services(), namespace, enableServiceLinks });
    return { pod, container, podIp, hostIp, allocatable, sources, serviceVariables, ignoresImages: runtime.ignoresImages };
  }

  /** The ConfigMaps and Secrets that the environment names, as they are now. */
  async #sources(pod: AgentPod): Promise<Sources> {
    const { api } = this.#context;
    const wanted = environmentSources(pod);
    const { namespace } = pod.metadata;
    const configMaps = new Map<string, ConfigMap>();
    const secrets = new Map<string, Secret>();
    const absent = (error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    };
    for (const name of wanted.configMaps) {
      const found = await api.get<ConfigMap>(inNamespace(resources.configMaps, namespace), name).catch(absent);
      if (found !== undefined) configMaps.set(name, found);
    }
    for (const name of wanted.secrets) {
      const found = await api.get<Secret>(inNamespace(resources.secrets, namespace), name).catch(absent);
      if (found !== undefined) secrets.set(name, found);
    }
    return { configMap: (name) => configMaps.get(name), secret: (name) => secrets.get(name) };
  }

  /** Of the whole pod, so that what is missing is known before anything of it runs. */
  async #volumes({ pod, sandbox, say }: ContainerStart): Promise<ReadonlyMap<string, string>> {
    try {
      return await this.#context.volumes.setUp(pod, sandbox.ip);
    } catch (error) {
      if (!(error instanceof VolumesError)) throw error;
      for (const failure of error.failures) say('Warning', 'FailedMount', failure);
      throw new ContainerStartError('ContainerCreating', error.message, { cause: error, isSaid: true });
    }
  }

  async #mounts(start: ContainerStart, { paths, env }: { readonly paths: ReadonlyMap<string, string>; readonly env: Readonly<Record<string, string>> }): Promise<Mount[]> {
    const { container } = start;
    const planned = planMounts(container, env);
    if (!planned.ok) throw new ContainerStartError('CreateContainerConfigError', planned.message);
    const mounts: Mount[] = [];
    for (const [index, mount] of planned.value.entries()) {
      const path = paths.get(mount.volume);
      if (path === undefined) throw new ContainerStartError('CreateContainerConfigError', `there is no volume ${mount.volume}`);
      const { containerPath, propagation } = mount;
      const hostPath = mount.subPath === '' ? path : await this.#part(start, mount, { path, index });
      const readOnly = mount.readOnly || this.#context.volumes.isReadOnly(start.pod, mount.volume);
      mounts.push({ containerPath, hostPath, readOnly, ...(propagation === undefined ? {} : { propagation }) });
    }
    return mounts;
  }

  async #part({ pod, container, sandbox }: ContainerStart, { volume, subPath }: PlannedMount, { path, index }: { readonly path: string; readonly index: number }): Promise<string> {
    const { volumes } = this.#context;
    const outside = volumes.inMemory(pod).some((one) => one.path === path) ? (sandbox.memoryAt ?? '') : '';
    try {
      return await volumes.part({ uid: pod.metadata.uid ?? '', container: container.name, index, path, outside, subPath }, volume);
    } catch (error) {
      const why = error instanceof VolumeError ? error.message : describeError(error);
      throw new ContainerStartError('CreateContainerConfigError', subPathFailed({ volume, container: container.name }, why));
    }
  }
}
