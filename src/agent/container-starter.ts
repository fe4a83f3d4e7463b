/**
 * Makes and starts one container of a pod: gathers what the pod's spec names (ConfigMaps, Secrets, volumes), resolves it, and
 * hands it to the runtime. Keeps nothing between two calls.
 */
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import { containerResources, containerSecurity } from './core/container-demands.ts';
import { environmentSources, resolveInvocation, type EnvironmentInput, type Sources } from './core/environment.ts';
import { isHostImage, type AgentContainer, type AgentPod, type ConfigMap, type Secret } from './core/pod-spec.ts';
import { planVolumes, volumeSources } from './core/volume-files.ts';
import type { ContainerId, ContainerResources, Mount, Runtime, Sandbox } from './runtime/runtime.ts';
import type { TerminationLogs } from './termination-logs.ts';
import type { VolumeStore } from './volumes.ts';

export interface StarterContext {
  readonly nodeIp: string;
  readonly allocatable: { readonly cpu: string; readonly memory: string };
  readonly api: ApiClient;
  readonly runtime: Runtime;
  readonly volumes: VolumeStore;
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

export class ContainerStarter {
  readonly #context: StarterContext;

  constructor(context: StarterContext) {
    this.#context = context;
  }

  /** Rejects with `ContainerStartError`, or with what the runtime said. */
  async start(start: ContainerStart): Promise<ContainerId> {
    const { runtime } = this.#context;
    const { pod, container, attempt, backoffSteps, init, sandbox, say, resources = containerResources(container) } = start;
    const input = await this.#input(pod, container, sandbox.ip);
    const invocation = resolveInvocation(input);
    if (!invocation.ok) throw new ContainerStartError('CreateContainerConfigError', invocation.message);
    const security = containerSecurity(pod, container);
    if (!security.ok) throw new ContainerStartError('CreateContainerConfigError', security.message);
    const lastWords = await this.#context.terminationLogs?.mount(pod.metadata.uid ?? '', container, attempt);
    const mounts = [...(await this.#mounts(input)), ...(lastWords === undefined ? [] : [lastWords])];
    const id = await runtime.createContainer(sandbox.id, {
      name: container.name,
      attempt,
      backoffSteps,
      init,
      image: container.image,
      ...invocation.value,
      workingDir: container.workingDir ?? '',
      mounts,
      resources,
      security: security.value,
      stdin: container.stdin,
      stdinOnce: container.stdinOnce,
      tty: container.tty,
      stopSignal: container.lifecycle?.stopSignal,
    });
    say('Normal', 'Created', `Created container: ${container.name}`);
    if (runtime.ignoresImages && !isHostImage(container.image)) {
      const message = `the ${runtime.name} runtime has no images: ${container.name} runs this machine's programs, not those of ${container.image}`;
      say('Warning', 'ImageIgnored', message);
    }
    await runtime.startContainer(id);
    const record = (await runtime.listContainers(sandbox.id)).find((one) => one.id === id);
    if (record?.reason === 'StartError') throw new ContainerStartError('RunContainerError', record.message ?? 'it could not be started');
    say('Normal', 'Started', `Started container ${container.name}`);
    return id;
  }

  async #input(pod: AgentPod, container: AgentContainer, podIp: string): Promise<EnvironmentInput> {
    const { allocatable, nodeIp: hostIp, runtime } = this.#context;
    const sources = await this.#sources(pod);
    return { pod, container, podIp, hostIp, allocatable, sources, ignoresImages: runtime.ignoresImages };
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
