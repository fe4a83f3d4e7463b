/**
 * The config of an image (OCI image-spec, config.md; Docker's is the same in what counts here): what a container takes from it.
 * It came over the wire: fields of another type than the specification's are refused, unknown ones passed over.
 */
import { isRecord, type Decoded } from './decoded.ts';

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
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
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
