/** Which files a pod's volumes hold. Pure; `volumes.ts` writes them. */
import { decode, resolveDownward, type EnvironmentInput, type Resolved, type Sources } from './environment.ts';
import type { AgentPod, ConfigMapSource, DownwardSource, KeyToPath, ProjectedSource, SecretSource, Volume } from './pod-spec.ts';

export interface VolumeFile {
  /** Relative, without `..`. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
}

export type VolumeContent =
  | { readonly name: string; readonly kind: 'empty' }
  | { readonly name: string; readonly kind: 'host'; readonly path: string; readonly type: string }
  | { readonly name: string; readonly kind: 'files'; readonly files: readonly VolumeFile[] };

/** Kubernetes' own default. */
const MODE_DEFAULT = 0o644;

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

export type VolumeInput = Omit<EnvironmentInput, 'container'>;

export function planVolumes(input: VolumeInput): Resolved<readonly VolumeContent[]> {
  const volumes: VolumeContent[] = [];
  for (const volume of input.pod.spec.volumes ?? []) {
    const content = planVolume(input, volume);
    if (!content.ok) return { ok: false, message: `MountVolume.SetUp failed for volume "${volume.name}": ${content.message}` };
    volumes.push(content.value);
  }
  return { ok: true, value: volumes };
}

function planVolume(input: VolumeInput, volume: Volume): Resolved<VolumeContent> {
  const { name } = volume;
  if (volume.hostPath !== undefined) {
    return { ok: true, value: { name, kind: 'host', path: volume.hostPath.path, type: volume.hostPath.type ?? '' } };
  }
  const parts = partsOf(volume);
  if (parts.length === 0) {
    if (volume.emptyDir !== undefined || Object.keys(volume).length === 1) return { ok: true, value: { name, kind: 'empty' } };
    const kind = Object.keys(volume).filter((key) => key !== 'name');
    return { ok: false, message: `volumes of type ${kind.join(', ')} are not supported` };
  }
  const files: VolumeFile[] = [];
  for (const part of parts) {
    const made = filesOf(input, part);
    if (!made.ok) return made;
    files.push(...made.value);
  }
  const unsafe = files.find(({ path }) => path === '' || path.startsWith('/') || path.split('/').includes('..'));
  if (unsafe !== undefined) return { ok: false, message: `the path ${unsafe.path} leads out of the volume` };
  return { ok: true, value: { name, kind: 'files', files } };
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

function withMode({ configMap, secret, downwardAPI }: ProjectedSource, defaultMode: number): ProjectedSource {
  return {
    ...(configMap === undefined ? {} : { configMap: { defaultMode, ...configMap } }),
    ...(secret === undefined ? {} : { secret: { defaultMode, ...secret } }),
    ...(downwardAPI === undefined ? {} : { downwardAPI: { defaultMode, ...downwardAPI } }),
  };
}

function filesOf(input: VolumeInput, source: ProjectedSource): Resolved<readonly VolumeFile[]> {
  if (source.configMap !== undefined) return configMapFiles(input.sources, source.configMap);
  if (source.secret !== undefined) return secretFiles(input.sources, source.secret);
  if (source.downwardAPI !== undefined) return downwardFiles(input, source.downwardAPI);
  return { ok: true, value: [] };
}

function configMapFiles(sources: Sources, source: ConfigMapSource): Resolved<readonly VolumeFile[]> {
  const name = source.name ?? '';
  const found = sources.configMap(name);
  if (found === undefined && source.optional !== true) return { ok: false, message: `configmap "${name}" not found` };
  const contents = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found?.data ?? {})) contents.set(key, Buffer.from(text, 'utf8'));
  for (const [key, text] of Object.entries(found?.binaryData ?? {})) contents.set(key, decode(text));
  return pick(contents, source);
}

function secretFiles(sources: Sources, source: SecretSource): Resolved<readonly VolumeFile[]> {
  const name = source.secretName ?? source.name ?? '';
  const found = sources.secret(name);
  if (found === undefined && source.optional !== true) return { ok: false, message: `secret "${name}" not found` };
  const contents = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found?.data ?? {})) contents.set(key, decode(text));
  return pick(contents, source);
}

function pick(
  contents: ReadonlyMap<string, Uint8Array>,
  { items, defaultMode = MODE_DEFAULT, optional }: Pick<ConfigMapSource, 'items' | 'defaultMode' | 'optional'>,
): Resolved<readonly VolumeFile[]> {
  const wanted: readonly KeyToPath[] = items ?? [...contents.keys()].sort().map((key) => ({ key, path: key }));
  const files: VolumeFile[] = [];
  for (const item of wanted) {
    const content = contents.get(item.key);
    if (content !== undefined) files.push({ path: item.path, content, mode: item.mode ?? defaultMode });
    else if (optional !== true) return { ok: false, message: `references non-existent key: ${item.key}` };
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
