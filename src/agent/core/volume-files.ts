/** What a pod's volumes are and which files they hold. Pure; `volumes.ts` makes them. */
import { parseQuantity, toUnits } from '../../kube/quantity.ts';
import { decode, resolveDownward, type EnvironmentInput, type Resolved, type Sources } from './environment.ts';
import type { AgentPod, ConfigMapSource, DownwardSource, EmptyDirSource, KeyToPath, ProjectedSource, SecretSource, TokenSource, Volume } from './pod-spec.ts';

export interface VolumeFile {
  /** Relative, without `..`. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  /** Of the file; absent: of whoever writes it. */
  readonly user?: number | undefined;
}

export type VolumeContent =
  | { readonly name: string; readonly kind: 'empty'; /** Of the pod's fsGroup. */ readonly group?: number | undefined }
  | { readonly name: string; readonly kind: 'host'; readonly path: string; readonly type: string }
  | { readonly name: string; readonly kind: 'files'; readonly files: readonly VolumeFile[]; readonly group?: number | undefined; /** It must not reach a disk. */ readonly isSecret: boolean };

/** Where a volume lies follows from this. */
export type VolumePlan = Pick<VolumeContent, 'name' | 'kind'> & { readonly isSecret?: boolean };

/** An emptyDir that may hold so much and no more. */
export interface SizeLimit {
  readonly name: string;
  readonly bytes: number;
  /** As it is written in the pod. */
  readonly text: string;
}

/** A token that a volume shows; `key` tells it from the pod's others. */
export interface TokenWish {
  readonly key: string;
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

/** Kubernetes' own defaults. */
const MODE_DEFAULT = 0o644;
const TOKEN_LIFETIME_SECONDS = 3_600;
/** A token is its user's or its group's alone, where the pod names one. */
const TOKEN_MODE_OWNED = 0o600;

/** The ConfigMaps and Secrets that a pod's volumes name. */
export function volumeSources(pod: AgentPod): { configMaps: readonly string[]; secrets: readonly string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const source of (pod.spec.volumes ?? []).flatMap(partsOf)) {
    if (source.configMap?.name !== undefined) configMaps.add(source.configMap.name);
    const secret = source.secret?.secretName ?? source.secret?.name;
    if (secret !== undefined) secrets.add(secret);
  }
  return { configMaps: [...configMaps].sort(), secrets: [...secrets].sort() };
}

/** The tokens that a pod's volumes show; each is asked for once. */
export function tokenWishes(pod: AgentPod): readonly TokenWish[] {
  const wishes = (pod.spec.volumes ?? []).flatMap(partsOf).flatMap(({ serviceAccountToken }) => (serviceAccountToken === undefined ? [] : [wishOf(serviceAccountToken)]));
  return [...new Map(wishes.map((wish) => [wish.key, wish])).values()];
}

function wishOf({ audience = '', expirationSeconds = TOKEN_LIFETIME_SECONDS }: TokenSource): TokenWish {
  return { key: `${expirationSeconds} ${audience}`, audience: audience === '' ? undefined : audience, expirationSeconds };
}

/** EmptyDirs whose size somebody must look after. */
export function sizeLimits({ spec }: AgentPod): readonly SizeLimit[] {
  return (spec.volumes ?? []).flatMap(({ name, emptyDir }) => {
    const bytes = limitOf(emptyDir);
    return bytes === undefined ? [] : [{ name, bytes, text: emptyDir?.sizeLimit ?? '' }];
  });
}

function limitOf(source: EmptyDirSource | undefined): number | undefined {
  const nano = source?.sizeLimit === undefined ? undefined : parseQuantity(source.sizeLimit);
  return nano === undefined || nano <= 0n ? undefined : Number(toUnits(nano));
}

/**
 * EmptyDirs that are to lie in memory, and how much they may hold: no more than the pod may use, nor than the node has. A
 * runtime that keeps no memory for pods leaves them on disk, where they are measured like the others.
 */
export function memoryVolumes(pod: AgentPod, allocatableMemory: string): readonly { readonly name: string; readonly bytes: number; readonly group?: number | undefined }[] {
  const limits = pod.spec.containers.map(({ resources }) => parseQuantity(resources?.limits?.['memory'] ?? '0') ?? 0n);
  const ofPod = limits.includes(0n) ? undefined : limits.reduce((sum, one) => sum + one, 0n);
  const most = [parseQuantity(allocatableMemory), ofPod].flatMap((nano) => (nano === undefined ? [] : [Number(toUnits(nano))]));
  const group = pod.spec.securityContext?.fsGroup;
  return (pod.spec.volumes ?? [])
    .filter(({ emptyDir }) => emptyDir?.medium === 'Memory')
    .map(({ name, emptyDir }) => ({ name, bytes: Math.min(limitOf(emptyDir) ?? Infinity, ...most), group }));
}

export interface VolumeInput extends Omit<EnvironmentInput, 'container'> {
  /** What was issued for a wish of `tokenWishes`, or why it was not. */
  readonly token: (key: string) => Resolved<string>;
}

export interface PlannedVolumes {
  readonly volumes: readonly VolumeContent[];
  /** Of the others: why they cannot be set up, as events say it. */
  readonly failures: readonly string[];
}

export function planVolumes(input: VolumeInput): PlannedVolumes {
  const volumes: VolumeContent[] = [];
  const failures: string[] = [];
  for (const volume of input.pod.spec.volumes ?? []) {
    const content = planVolume(input, volume);
    if (content.ok) volumes.push(content.value);
    else failures.push(setUpFailed(volume.name, content.message));
  }
  return { volumes, failures };
}

/** Kubernetes' words. */
export function setUpFailed(name: string, why: string): string {
  return `MountVolume.SetUp failed for volume "${name}" : ${why}`;
}

function planVolume(input: VolumeInput, volume: Volume): Resolved<VolumeContent> {
  const { name } = volume;
  const group = input.pod.spec.securityContext?.fsGroup;
  if (volume.hostPath !== undefined) {
    return { ok: true, value: { name, kind: 'host', path: volume.hostPath.path, type: volume.hostPath.type ?? '' } };
  }
  const parts = partsOf(volume);
  if (parts.length === 0 && volume.projected === undefined) {
    if (volume.emptyDir !== undefined || Object.keys(volume).length === 1) return planEmpty(name, volume.emptyDir ?? {}, group);
    const kinds = Object.keys(volume).filter((key) => key !== 'name');
    return { ok: false, message: `volumes of type ${kinds.join(', ')} are not supported by this node` };
  }
  const files: VolumeFile[] = [];
  const failures: string[] = [];
  for (const part of parts) {
    const made = filesOf(input, part);
    if (made.ok) files.push(...made.value);
    else failures.push(made.message);
  }
  if (failures.length > 0) return { ok: false, message: failures.length === 1 ? failures[0]! : `[${failures.join(', ')}]` };
  const unsafe = files.find(({ path }) => !isInside(path));
  if (unsafe !== undefined) return { ok: false, message: `the path ${unsafe.path} leads out of the volume` };
  // Of two that have one path the later counts.
  return { ok: true, value: { name, kind: 'files', files: [...new Map(files.map((file) => [file.path, file])).values()], group, isSecret: isSecretVolume(volume) } };
}

/** As the kubelet has it: all files but those of a ConfigMap. */
export function isSecretVolume({ secret, projected, downwardAPI }: Volume): boolean {
  return secret !== undefined || projected !== undefined || downwardAPI !== undefined;
}

function planEmpty(name: string, { medium = '' }: EmptyDirSource, group: number | undefined): Resolved<VolumeContent> {
  if (medium === '' || medium === 'Memory') return { ok: true, value: { name, kind: 'empty', group } };
  return { ok: false, message: `an emptyDir of medium ${medium} is not supported by this node` };
}

/** Relative, and nowhere on its way outside. */
export function isInside(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !path.split('/').includes('..');
}

function partsOf(volume: Volume): readonly ProjectedSource[] {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (projected !== undefined) {
    const defaultMode = projected.defaultMode ?? MODE_DEFAULT;
    return (projected.sources ?? []).map((source) => withMode(source, defaultMode));
  }
  if (configMap !== undefined) return [{ configMap }];
  if (secret !== undefined) return [{ secret }];
  return downwardAPI === undefined ? [] : [{ downwardAPI }];
}

function withMode(source: ProjectedSource, defaultMode: number): ProjectedSource {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  return {
    ...source,
    ...(configMap === undefined ? {} : { configMap: { defaultMode, ...configMap } }),
    ...(secret === undefined ? {} : { secret: { defaultMode, ...secret } }),
    ...(downwardAPI === undefined ? {} : { downwardAPI: { defaultMode, ...downwardAPI } }),
    ...(serviceAccountToken === undefined ? {} : { serviceAccountToken: { defaultMode, ...serviceAccountToken } }),
  };
}

function filesOf(input: VolumeInput, source: ProjectedSource): Resolved<readonly VolumeFile[]> {
  if (source.configMap !== undefined) return configMapFiles(input.sources, source.configMap);
  if (source.secret !== undefined) return secretFiles(input.sources, source.secret);
  if (source.downwardAPI !== undefined) return downwardFiles(input, source.downwardAPI);
  if (source.serviceAccountToken !== undefined) return tokenFiles(input, source.serviceAccountToken);
  if (source.clusterTrustBundle !== undefined) return { ok: false, message: 'a projected clusterTrustBundle is not supported by this node' };
  return { ok: true, value: [] };
}

function configMapFiles(sources: Sources, source: ConfigMapSource): Resolved<readonly VolumeFile[]> {
  const name = source.name ?? '';
  const found = sources.configMap(name);
  if (found === undefined && source.optional !== true) return { ok: false, message: `configmap "${name}" not found` };
  const contents = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found?.data ?? {})) contents.set(key, Buffer.from(text, 'utf8'));
  for (const [key, text] of Object.entries(found?.binaryData ?? {})) contents.set(key, decode(text));
  return pick(contents, source, 'configmap references non-existent config key');
}

function secretFiles(sources: Sources, source: SecretSource): Resolved<readonly VolumeFile[]> {
  const name = source.secretName ?? source.name ?? '';
  const found = sources.secret(name);
  if (found === undefined && source.optional !== true) return { ok: false, message: `secret "${name}" not found` };
  const contents = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found?.data ?? {})) contents.set(key, decode(text));
  return pick(contents, source, 'references non-existent secret key');
}

function pick(
  contents: ReadonlyMap<string, Uint8Array>,
  { items, defaultMode = MODE_DEFAULT, optional }: Pick<ConfigMapSource, 'items' | 'defaultMode' | 'optional'>,
  lacking: string,
): Resolved<readonly VolumeFile[]> {
  // No items is all of them.
  const wanted: readonly KeyToPath[] = items === undefined || items.length === 0 ? [...contents.keys()].sort().map((key) => ({ key, path: key })) : items;
  const files: VolumeFile[] = [];
  for (const item of wanted) {
    const content = contents.get(item.key);
    if (content !== undefined) files.push({ path: item.path, content, mode: item.mode ?? defaultMode });
    else if (optional !== true) return { ok: false, message: `${lacking}: ${item.key}` };
  }
  return { ok: true, value: files };
}

function downwardFiles(input: VolumeInput, { items, defaultMode = MODE_DEFAULT }: DownwardSource): Resolved<readonly VolumeFile[]> {
  const files: VolumeFile[] = [];
  for (const item of items ?? []) {
    const value = resolveDownward({ ...input, container: input.pod.spec.containers[0]! }, item);
    if (!value.ok) return value;
    files.push({ path: item.path, content: Buffer.from(value.value, 'utf8'), mode: item.mode ?? defaultMode });
  }
  return { ok: true, value: files };
}

function tokenFiles({ pod, token }: VolumeInput, source: TokenSource): Resolved<readonly VolumeFile[]> {
  const issued = token(wishOf(source).key);
  if (!issued.ok) return { ok: false, message: `failed to fetch token: ${issued.message}` };
  const user = commonUser(pod);
  const isOwned = user !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  const mode = isOwned ? TOKEN_MODE_OWNED : (source.defaultMode ?? MODE_DEFAULT);
  return { ok: true, value: [{ path: source.path, content: Buffer.from(issued.value, 'utf8'), mode, user }] };
}

/** The user of all of a pod's containers, if the pod says that they have the same one. */
function commonUser({ spec }: AgentPod): number | undefined {
  const users = new Set([...spec.containers, ...(spec.initContainers ?? [])].map(({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser));
  const [only] = users;
  return users.size === 1 ? only : undefined;
}
