/**
 * What a container is told: its environment, program and arguments with all references resolved. Pure: the ConfigMaps
 * and Secrets that it names are handed in. What cannot be resolved is a value, the pod waits with the message shown.
 */
import { parseQuantity } from '../../kube/quantity.ts';
import { containersOf, type AgentContainer, type AgentPod, type ConfigMap, type DownwardFile, type EnvVar, type Secret } from './pod-spec.ts';

export interface Sources {
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
}

/** Of what a node may give, as quantities. */
export interface NodeAmounts {
  readonly cpu: string;
  readonly memory: string;
  /** Absent: it is not known. */
  readonly ephemeralStorage?: string | undefined;
}

export interface EnvironmentInput {
  readonly pod: AgentPod;
  readonly container: AgentContainer;
  readonly podIp: string;
  readonly hostIp: string;
  /** What a limit that is not set stands for. */
  readonly allocatable: NodeAmounts;
  readonly sources: Sources;
  /** By which it finds services (service-environment.ts): whatever it sets itself goes first. */
  readonly serviceVariables?: Readonly<Record<string, string>>;
  /** The runtime has no image to take a program from. */
  readonly ignoresImages: boolean;
}

export type Resolved<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export interface Invocation {
  readonly env: Readonly<Record<string, string>>;
  /** Instead of the image's entrypoint, and its arguments: both as the pod writes them, none where it does not. */
  readonly command: readonly string[];
  readonly args: readonly string[];
}

/** The ConfigMaps and Secrets that the environment of a pod's containers names. */
export function environmentSources(pod: AgentPod): { configMaps: readonly string[]; secrets: readonly string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const container of containersOf(pod)) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      if (configMapRef?.name !== undefined) configMaps.add(configMapRef.name);
      if (secretRef?.name !== undefined) secrets.add(secretRef.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.configMapKeyRef?.name !== undefined) configMaps.add(valueFrom.configMapKeyRef.name);
      if (valueFrom?.secretKeyRef?.name !== undefined) secrets.add(valueFrom.secretKeyRef.name);
    }
  }
  return { configMaps: [...configMaps].sort(), secrets: [...secrets].sort() };
}

export function resolveInvocation(input: EnvironmentInput): Resolved<Invocation> {
  const env = resolveEnvironment(input);
  if (!env.ok) return env;
  const { command = [], args = [] } = input.container;
  if (command.length + args.length === 0 && input.ignoresImages) {
    const message = `container ${input.container.name}: command is required: the machine's own programs have no default one`;
    return { ok: false, message };
  }
  const expanded = (texts: readonly string[]) => texts.map((text) => expand(text, env.value));
  return { ok: true, value: { env: env.value, command: expanded(command), args: expanded(args) } };
}

function resolveEnvironment(input: EnvironmentInput): Resolved<Record<string, string>> {
  const env: Record<string, string> = { ...input.serviceVariables };
  const from = addFrom(input, env);
  if (from !== undefined) return { ok: false, message: from };
  for (const variable of input.container.env ?? []) {
    if (variable.valueFrom === undefined) {
      env[variable.name] = expand(variable.value ?? '', env);
      continue;
    }
    const value = resolveValue(input, variable.valueFrom);
    if (!value.ok) return value;
    if (value.value !== undefined) env[variable.name] = value.value;
  }
  return { ok: true, value: env };
}

/** Adds what `envFrom` names; answers what is missing. */
function addFrom({ container, sources }: EnvironmentInput, env: Record<string, string>): string | undefined {
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) {
      const name = configMapRef.name ?? '';
      const found = sources.configMap(name);
      if (found === undefined && configMapRef.optional !== true) return `configmap "${name}" not found`;
      for (const [key, value] of sorted(found?.data)) env[prefix + key] = value;
    }
    if (secretRef !== undefined) {
      const name = secretRef.name ?? '';
      const found = sources.secret(name);
      if (found === undefined && secretRef.optional !== true) return `secret "${name}" not found`;
      for (const [key, value] of sorted(found?.data)) env[prefix + key] = decode(value).toString('utf8');
    }
  }
  return undefined;
}

/** Undefined inside: optional and not there, the variable is not set. */
function resolveValue(input: EnvironmentInput, from: NonNullable<EnvVar['valueFrom']>): Resolved<string | undefined> {
  const { sources } = input;
  if (from.fieldRef !== undefined || from.resourceFieldRef !== undefined) return resolveDownward(input, from);
  if (from.configMapKeyRef !== undefined) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const found = sources.configMap(name);
    const value = found?.data?.[key];
    if (value !== undefined || optional === true) return { ok: true, value };
    const message = found === undefined ? `configmap "${name}" not found` : `couldn't find key ${key} in ConfigMap ${input.pod.metadata.namespace ?? ''}/${name}`;
    return { ok: false, message };
  }
  if (from.secretKeyRef !== undefined) {
    const { name = '', key, optional } = from.secretKeyRef;
    const found = sources.secret(name);
    const value = found?.data?.[key];
    if (value !== undefined) return { ok: true, value: decode(value).toString('utf8') };
    if (optional === true) return { ok: true, value: undefined };
    return { ok: false, message: found === undefined ? `secret "${name}" not found` : `couldn't find key ${key} in Secret ${input.pod.metadata.namespace ?? ''}/${name}` };
  }
  return { ok: false, message: 'invalid environment variable: valueFrom names nothing' };
}

type Downward = Pick<DownwardFile, 'fieldRef' | 'resourceFieldRef'>;

/** The value of a `fieldRef` or `resourceFieldRef`, for a variable or a file. */
export function resolveDownward(input: Omit<EnvironmentInput, 'sources'>, from: Downward): Resolved<string> {
  if (from.fieldRef !== undefined) return resolveField(input, from.fieldRef.fieldPath);
  if (from.resourceFieldRef !== undefined) return resolveResource(input, from.resourceFieldRef);
  return { ok: false, message: 'a downward reference names a field or a resource' };
}

function resolveField({ pod, podIp, hostIp }: Omit<EnvironmentInput, 'sources'>, path: string): Resolved<string> {
  const { metadata, spec } = pod;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (entry !== null) return { ok: true, value: metadata[entry[1] as 'labels' | 'annotations']?.[entry[2]!] ?? '' };
  const fields: Readonly<Record<string, () => string>> = {
    'metadata.name': () => metadata.name,
    'metadata.namespace': () => metadata.namespace ?? '',
    'metadata.uid': () => metadata.uid ?? '',
    'metadata.labels': () => formatMap(metadata.labels),
    'metadata.annotations': () => formatMap(metadata.annotations),
    'spec.nodeName': () => spec.nodeName ?? '',
    'spec.serviceAccountName': () => spec.serviceAccountName ?? 'default',
    'status.podIP': () => podIp,
    'status.podIPs': () => podIp,
    'status.hostIP': () => hostIp,
    'status.hostIPs': () => hostIp,
  };
  const read = fields[path];
  if (read === undefined) return { ok: false, message: `field path not supported: ${path}` };
  return { ok: true, value: read() };
}

function resolveResource(
  { pod, container, allocatable }: Omit<EnvironmentInput, 'sources'>,
  { resource, containerName, divisor = '1' }: NonNullable<Downward['resourceFieldRef']>,
): Resolved<string> {
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const of = containerName === undefined || containerName === '' ? container : all.find(({ name }) => name === containerName);
  if (of === undefined) return { ok: false, message: `there is no container ${containerName ?? ''}` };
  const match = /^(requests|limits)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource);
  const [, kind = '', name = ''] = match ?? [];
  if (kind !== 'requests' && kind !== 'limits') return { ok: false, message: `resource not supported: ${resource}` };
  const ofNode: Readonly<Record<string, string | undefined>> = { ...allocatable, 'ephemeral-storage': allocatable.ephemeralStorage };
  const text = of.resources?.[kind]?.[name] ?? (kind === 'limits' ? ofNode[name] : undefined) ?? '0';
  const value = parseQuantity(text);
  const unit = parseQuantity(divisor === '0' ? '1' : divisor);
  if (value === undefined || unit === undefined || unit <= 0n) return { ok: false, message: `not a quantity: ${text} / ${divisor}` };
  // Rounded up, as Kubernetes does: 250m of a CPU is 1.
  return { ok: true, value: String((value + unit - 1n) / unit) };
}

/** `$(NAME)` of a variable that is known; `$$(NAME)` stands for `$(NAME)`; anything else stays as it is. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (whole === '$$') return '$';
    return name !== undefined && Object.hasOwn(env, name) ? env[name]! : whole;
  });
}

export function decode(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return sorted(map)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

function sorted(map: Readonly<Record<string, string>> | undefined): [string, string][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
