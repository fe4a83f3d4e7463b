/**
 * What a node knows of images: the one interface that runtimes, the agent and the command line use. It is no runtime: it
 * mounts nothing and starts nothing. `ImageStore` with a registry behind it (local-images.ts) is what a node has; a runtime
 * that brings images of its own (CRI) has its own.
 *
 *   containerd's words: a *reference* names an image (docker.io/library/busybox:1.35), its *id* is the digest of its config.
 *
 * A runtime's way through it:
 *
 *   ensure(image, policy) ──► mountable(image, consumer) ──► overlay of lowerDirs ──► … ──► release(consumer)
 *                             from here on nobody collects it                               from here on anybody may
 *
 * Consumers are kept on disk: an agent that comes back calls `keepOnly` with those it adopted, and nothing is lost or left.
 */
import type { Millis } from '../base/clock.ts';
import type { Credentials } from './core/credentials.ts';
import type { ImageRunConfig } from './core/image-config.ts';

export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

/** The reasons under which a waiting container shows a failure; Kubernetes' words. `ImagePullBackOff` is the agent's own. */
export type ImageErrorReason =
  | 'ErrImagePull'
  | 'ErrImageNeverPull'
  | 'InvalidImageName'
  /** Of runtimes that tell it apart. */
  | 'RegistryUnavailable'
  /** What the store holds of the image cannot be read or unpacked. */
  | 'ImageInspectError';

/** The message is made for a person: what was wanted, what came, and of which registry, layer or entry. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly reason: ImageErrorReason;

  constructor(reason: ImageErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export interface EnsureRequest {
  /** As a pod spells it: `busybox`, `busybox:1.35`, `ghcr.io/o/app@sha256:…`. */
  readonly image: string;
  /** Undefined: Kubernetes' default, `Always` for `:latest` and `IfNotPresent` for all else. */
  readonly policy?: PullPolicy;
  /** Of the pod's imagePullSecrets and its service account's (core/credentials.ts reads them); asked in this order. */
  readonly credentials?: readonly Credentials[];
  readonly onProgress?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
}

export type PullProgress =
  | { readonly kind: 'resolved'; readonly digest: string; readonly layers: number; readonly bytes: number }
  /** Told at most ten times a second for a layer, and at its end. */
  | { readonly kind: 'downloading'; readonly layer: string; readonly done: number; readonly bytes: number }
  | { readonly kind: 'retrying'; readonly what: string; readonly why: string; readonly delayMs: Millis }
  | { readonly kind: 'unpacking'; readonly layer: string; readonly number: number; readonly layers: number }
  /** What was left out of the root: devices and FIFOs, owners where the user may not set them. Said once each image. */
  | { readonly kind: 'warning'; readonly message: string };

export interface ImageStatus {
  /** Digest of the config: `sha256:…`. Of the built-in image: `podium.dev/host`. */
  readonly id: string;
  /** Normalised references with a tag, sorted. */
  readonly repoTags: readonly string[];
  /** Normalised references with a digest, sorted: what `imageID` of a container status shows. */
  readonly repoDigests: readonly string[];
  /** Of manifest, config and compressed layers, and of what was unpacked of it alone is not told. */
  readonly sizeBytes: number;
  readonly config: ImageRunConfig;
  readonly architecture: string;
  /** By the config; RFC 3339, or '' where it says nothing. */
  readonly created: string;
  readonly lastUsedMs: Millis;
  /** Who mounts it. */
  readonly consumers: readonly string[];
  /** Never collected by itself: built in, or loaded or built by a person, so that no registry could give it back. */
  readonly isPinned: boolean;
}

export interface EnsuredImage {
  readonly image: ImageStatus;
  /** False: it was there, and no byte of it was fetched. */
  readonly wasPulled: boolean;
  readonly durationMs: Millis;
}

/** What a container's root is made of. */
export interface ImageRoot {
  /**
   * For overlayfs' `lowerdir=`, topmost first. Directories that nobody writes to, ever. Today at most one: layers are
   * flattened (snapshots.ts says why). Empty for the built-in image.
   */
  readonly lowerDirs: readonly string[];
  /**
   * The root is made of the machine's own programs (`podium.dev/host`; the runtime binds /usr, /bin, …), and `lowerDirs`, if
   * any, lie on top of it: an image that was built `--from podium.dev/host`.
   */
  readonly hasHostPrograms: boolean;
}

export interface MountableImage extends ImageRoot {
  readonly id: string;
  readonly config: ImageRunConfig;
  /** Owners of files were not kept (an ordinary user unpacked them): all of it belongs to that user. */
  readonly isOwnerless: boolean;
}

export interface GarbageOptions {
  /** Of the file system below the store, 0-100: above `high`, images go until `low` is reached. Kubernetes: 85 and 80. */
  readonly highPercent: number;
  readonly lowPercent: number;
  /** Younger ones stay, however full it is. Kubernetes: 2 minutes. */
  readonly minAgeMs: Millis;
  /** Unused for longer: goes, however empty it is. Undefined: never. Kubernetes: never. */
  readonly maxAgeMs?: Millis;
}

export interface GarbageReport {
  readonly removed: readonly ImageStatus[];
  readonly freedBytes: number;
  /** What would have brought it from above `high` down to `low`; absent: it was not above. */
  readonly wantedBytes?: number;
  /** Still above the high threshold: nothing more may go. */
  readonly isShort: boolean;
}

export interface RemoveReport {
  /** References that are gone. */
  readonly untagged: readonly string[];
  /** Ids of images that no reference names any more. */
  readonly removed: readonly string[];
}

export interface ImageService {
  /** Makes the image present as the policy wants it; rejects with `ImageError`. Same image at the same time: one pull. */
  ensure(request: EnsureRequest): Promise<EnsuredImage>;
  /** By reference or id; undefined: not here. An image of which a layer is missing or damaged is not here. */
  status(image: string): Promise<ImageStatus | undefined>;
  list(): Promise<ImageStatus[]>;
  /**
   * A reference, or by an id all of an image's. Undefined: there was none. An image that is mounted is refused
   * (`ImageInUseError`), as is the built-in one.
   */
  remove(image: string): Promise<RemoveReport | undefined>;
  /**
   * Unpacks the image where it is not yet, and notes the consumer, so that nobody collects it. Idempotent for one consumer; a
   * consumer is a name of the caller's, such as `node-1/<container id>`: unique over all that share the store. Rejects with
   * `ErrImageNeverPull` when the image is not here.
   */
  mountable(image: string, consumer: string): Promise<MountableImage>;
  /** Idempotent. The consumer has unmounted. */
  release(consumer: string): Promise<void>;
  /** Releases all consumers that begin with `prefix`, but those named: what an agent does when it comes back. */
  keepOnly(prefix: string, consumers: readonly string[]): Promise<void>;
  /** Removes what nobody uses: first what no reference leads to, then images by their last use. */
  collectGarbage(options: GarbageOptions): Promise<GarbageReport>;
}

/** `remove` of an image that containers run on. */
export class ImageInUseError extends Error {
  override readonly name = 'ImageInUseError';
}
