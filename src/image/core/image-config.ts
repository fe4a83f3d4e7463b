/**
 * The config of an image (OCI image-spec, config.md; Docker's is the same in what counts here): what a container takes from it.
 * It came over the wire: fields of another type than the specification's are refused, unknown ones passed over.
 */
import {
  decoded,
  parseJson,
  readKeys,
  readList,
  readObject,
  readString,
  readStringMap,
  readStrings,
  refuse,
  type Decoded,
  type Fields,
} from './decoded.ts';
import { readDigest } from './digest.ts';
import type { Platform } from './platform.ts';

/** What a container runs by, unless the pod says otherwise. */
export interface ImageRunConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value`, in their order. */
  readonly env: readonly string[];
  /** '' means `/`. */
  readonly workingDir: string;
  /** `''`, `user`, `uid`, `user:group`, `uid:gid`, …; names are looked up in the image's /etc/passwd and /etc/group. */
  readonly user: string;
  /** `8080/tcp`, sorted. Documentation only. */
  readonly exposedPorts: readonly string[];
  /** `SIGTERM`, `15`, or '' for SIGTERM. */
  readonly stopSignal: string;
  /** Paths that the image wants to be volumes, sorted; the runtime gives each a fresh directory. */
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ImageConfig {
  readonly platform: Platform;
  readonly created: string;
  /** Digests of the layers as uncompressed tars, lowest first. */
  readonly diffIds: readonly string[];
  readonly run: ImageRunConfig;
}

export const EMPTY_RUN_CONFIG: ImageRunConfig = {
  entrypoint: [],
  cmd: [],
  env: [],
  workingDir: '',
  user: '',
  exposedPorts: [],
  stopSignal: '',
  volumes: [],
  labels: {},
};

/** Of an image that was built on `podium.dev/host`: its layers lie on top of the machine's own programs. */
export const BASE_LABEL = 'podium.dev/base';

export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

export function parseImageConfig(text: string): Decoded<ImageConfig> {
  return decoded(() => readImageConfig(readObject(parseJson(text), 'the config')));
}

function readImageConfig(fields: Fields): ImageConfig {
  const rootfs = fields['rootfs'];
  if (rootfs === undefined || rootfs === null)
    refuse('rootfs is absent: it is the config of something else than an image');
  const { type, diff_ids: diffIds } = readObject(rootfs, 'rootfs');
  if (type !== 'layers') refuse(`rootfs.type is ${JSON.stringify(type) ?? 'absent'}, not "layers"`);
  return {
    platform: {
      os: readString(fields['os'], 'os'),
      architecture: readString(fields['architecture'], 'architecture'),
      variant: readString(fields['variant'], 'variant'),
    },
    created: readString(fields['created'], 'created'),
    diffIds: readList(diffIds, 'rootfs.diff_ids').map((item, at) => readDigest(item, `rootfs.diff_ids[${at}]`)),
    run: readRunConfig(fields['config']),
  };
}

function readRunConfig(value: unknown): ImageRunConfig {
  if (value === undefined || value === null) return EMPTY_RUN_CONFIG;
  const fields = readObject(value, 'config');
  const run: ImageRunConfig = {
    entrypoint: readStrings(fields['Entrypoint'], 'config.Entrypoint'),
    cmd: readStrings(fields['Cmd'], 'config.Cmd'),
    env: readStrings(fields['Env'], 'config.Env'),
    workingDir: readString(fields['WorkingDir'], 'config.WorkingDir'),
    user: readString(fields['User'], 'config.User'),
    exposedPorts: readKeys(fields['ExposedPorts'], 'config.ExposedPorts'),
    stopSignal: readString(fields['StopSignal'], 'config.StopSignal'),
    volumes: readKeys(fields['Volumes'], 'config.Volumes'),
    labels: readStringMap(fields['Labels'], 'config.Labels'),
  };
  // None of these can be handed to a program: a NUL ends the string for the kernel.
  const all = [...run.entrypoint, ...run.cmd, ...run.env, ...run.volumes, run.workingDir, run.user];
  if (all.some((text) => text.includes('\0'))) refuse('config holds a NUL');
  return run;
}

/** The bytes of a config of ours, the same for the same image: no time, no history, empty fields left out. */
export function formatImageConfig({ platform, created, diffIds, run }: ImageConfig): string {
  const set = (keys: readonly string[]) =>
    keys.length === 0 ? undefined : Object.fromEntries(keys.map((key) => [key, {}]));
  const list = (items: readonly string[]) => (items.length === 0 ? undefined : items);
  const labels = Object.keys(run.labels).sort();
  return JSON.stringify({
    created,
    architecture: platform.architecture,
    os: platform.os,
    variant: platform.variant || undefined,
    config: {
      User: run.user || undefined,
      ExposedPorts: set(run.exposedPorts),
      Env: list(run.env),
      Entrypoint: list(run.entrypoint),
      Cmd: list(run.cmd),
      Volumes: set(run.volumes),
      WorkingDir: run.workingDir || undefined,
      StopSignal: run.stopSignal || undefined,
      Labels: labels.length === 0 ? undefined : Object.fromEntries(labels.map((key) => [key, run.labels[key]])),
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
}
