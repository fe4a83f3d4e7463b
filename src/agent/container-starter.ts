/**
 * Makes and starts one container of a pod: gathers what the pod's spec names (ConfigMaps, Secrets, volumes), resolves it, and
 * hands it to the runtime. Keeps nothing between two calls.
 */
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import type { Service } from '../client/objects.ts';
import { isHostImageName } from '../image/core/reference.ts';
import { ImageError } from '../image/image-service.ts';
import { containerResources, containerSecurity } from './core/container-demands.ts';
import { environmentSources, resolveInvocation, type EnvironmentInput, type Sources } from './core/environment.ts';
import { serviceEnvironment } from './core/service-environment.ts';
import type { AgentContainer, AgentPod, ConfigMap, Secret } from './core/pod-spec.ts';
import { planVolumes, volumeSources } from './core/volume-files.ts';
import type { ReadyImage } from './pod-images.ts';
import type { ContainerId, ContainerConfig, Mount, Runtime, Sandbox } from './runtime/runtime.ts';
import type { VolumeStore } from './volumes.ts';

export interface StarterContext {
  readonly nodeIp: string;
  readonly allocatable: { readonly cpu: string; readonly memory: string };
  readonly api: ApiClient;
  readonly runtime: Runtime;
  readonly volumes: VolumeStore;
  /** All that the agent knows of. */
  readonly services: () => readonly Service[];
}

export interface ContainerStart {
  readonly pod: AgentPod;
  readonly container: AgentContainer;
  readonly attempt: number;
  readonly backoffSteps: number;
  readonly init: boolean;
  readonly sandbox: Sandbox;
  /** Absent: the runtime keeps no images. */
  readonly image?: ReadyImage | undefined;
  readonly say: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** The container cannot be made now. `reason` is what its waiting state says, in Kubernetes' words. */
export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError';
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
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
    const { pod, container, attempt, backoffSteps, init, sandbox, image, say } = start;
    const input = await this.#input(pod, container, sandbox.ip);
    const invocation = resolveInvocation(input);
    if (!invocation.ok) throw new ContainerStartError('CreateContainerConfigError', invocation.message);
    const security = containerSecurity(pod, container, image?.user);
    if (!security.ok) throw new ContainerStartError('CreateContainerConfigError', security.message);
    const mounts = await this.#mounts(input);
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
      resources: containerResources(container),
      security: security.value,
      stdin: container.stdin,
      stdinOnce: container.stdinOnce,
      tty: container.tty,
    });
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

  /** The ConfigMaps and Secrets that the pod names, as they are now. */
  async #sources(pod: AgentPod): Promise<Sources> {
    const { api } = this.#context;
    const wanted = [environmentSources(pod), volumeSources(pod)];
    const { namespace } = pod.metadata;
    const configMaps = new Map<string, ConfigMap>();
    const secrets = new Map<string, Secret>();
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

  async #mounts(input: EnvironmentInput): Promise<Mount[]> {
    const planned = planVolumes(input);
    if (!planned.ok) throw new ContainerStartError('ContainerCreating', planned.message);
    const paths = await this.#context.volumes.materialize(input.pod.metadata.uid ?? '', planned.value);
    // Outer mounts first, so that an inner one appears within.
    const wanted = [...(input.container.volumeMounts ?? [])].sort((a, b) => a.mountPath.length - b.mountPath.length);
    return wanted.map(({ name, mountPath, subPath = '', readOnly = false }) => {
      const path = paths.get(name);
      if (path === undefined) throw new ContainerStartError('CreateContainerConfigError', `there is no volume ${name}`);
      if (subPath.split('/').includes('..')) {
        throw new ContainerStartError('CreateContainerConfigError', `subPath ${subPath} leads out of volume ${name}`);
      }
      const hostPath = subPath === '' ? path : `${path}/${subPath}`;
      return { containerPath: mountPath, hostPath, readOnly };
    });
  }
}
