/**
 * The images of a runtime that keeps its own: pulled, listed and removed by CRI's image service, by the rules and in the words of
 * the agent's own images (src/image). Which layers there are, and where, is the runtime's business.
 */
import { statfs } from 'node:fs/promises';
import type { Clock, Millis } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import { credentialsFor, type Credentials } from '../../../image/core/credentials.ts';
import { planGarbage } from '../../../image/core/garbage.ts';
import { EMPTY_RUN_CONFIG, parseImageConfig, type ImageConfig } from '../../../image/core/image-config.ts';
import { defaultPullPolicy, formatReference, isHostImage, parseReference, type ImageReference } from '../../../image/core/reference.ts';
import { ImageError, type EnsuredImage, type EnsureRequest, type GarbageOptions, type GarbageReport, type ImageStatus, type RemoveReport } from '../../../image/image-service.ts';
import { ImageService, RuntimeService, type AuthConfig, type Image } from '../../../proto/cri.ts';
import type { Init } from '../../../proto/wire.ts';
import type { NodeImages } from '../runtime.ts';
import { hasCode, type CriClient } from './client.ts';

const calls = ImageService.methods;
/** A large image over a slow line. */
const PULL_DEADLINE_MS: Millis = 30 * 60_000;
/** How CRI says by a message that the registry is to blame (k8s.io/cri-api, pkg/errors). */
const REGISTRY_UNAVAILABLE = /^RegistryUnavailable\b/;

export interface CriImagesOptions {
  readonly client: CriClient;
  readonly clock: Clock;
}

interface Found {
  readonly image: Image;
  readonly config: ImageConfig | undefined;
}

export class CriImages implements NodeImages {
  readonly #options: CriImagesOptions;
  readonly #pulls = new Map<string, Promise<void>>();
  /** By id, wall clock: CRI does not tell. */
  readonly #lastUsedMs = new Map<string, Millis>();

  constructor(options: CriImagesOptions) {
    this.#options = options;
  }

  async ensure({ image, policy, credentials = [], signal }: EnsureRequest): Promise<EnsuredImage> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const reference = referenceOf(image);
    const name = formatReference(reference);
    const wanted = policy ?? defaultPullPolicy(reference);
    const present = await this.#find(name);
    if (present !== undefined && wanted !== 'Always') return { image: this.#statusOf(present), wasPulled: false, durationMs: clock.monotonic() - startedAt };
    if (wanted === 'Never') throw new ImageError('ErrImageNeverPull', `Container image ${JSON.stringify(image)} is not present with pull policy of Never`);
    if (isHostImage(reference)) {
      throw new ImageError('ErrImagePull', `${JSON.stringify(image)} is built into Podium's own runtimes: this node runs images of registries, such as busybox`);
    }
    // What one may pull another may not: only the same secrets share a pull.
    const key = JSON.stringify([name, credentials]);
    const pull = this.#pulls.get(key) ?? this.#pull(image, reference, credentials, signal).finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
    await pull;
    const found = await this.#find(name);
    if (found === undefined) throw new ImageError('ErrImagePull', `image ${JSON.stringify(image)} was removed while it was pulled`);
    return { image: this.#statusOf(found), wasPulled: found.image.id !== present?.image.id, durationMs: clock.monotonic() - startedAt };
  }

  /** With each of the secrets that are for its registry; without, where there is none. */
  async #pull(image: string, reference: ImageReference, credentials: readonly Credentials[], signal: AbortSignal | undefined): Promise<void> {
    const auths: (Init<AuthConfig> | undefined)[] = credentialsFor(reference, credentials).map(authOf);
    let failure: unknown;
    for (const auth of auths.length === 0 ? [undefined] : auths) {
      try {
        const request = { image: { image: formatReference(reference), userSpecifiedImage: image }, ...(auth === undefined ? {} : { auth }) };
        await this.#options.client.call(calls.pullImage, request, { deadlineMs: PULL_DEADLINE_MS, signal });
        return;
      } catch (error) {
        if (hasCode(error, 'unavailable')) throw error;
        failure = error;
      }
    }
    const message = describeError(failure);
    throw new ImageError(REGISTRY_UNAVAILABLE.test(message) ? 'RegistryUnavailable' : 'ErrImagePull', message);
  }

  async #find(name: string): Promise<Found | undefined> {
    const { image, info } = await this.#options.client.call(calls.imageStatus, { image: { image: name }, verbose: true });
    return image === undefined ? undefined : { image, config: configOf(info.get('info')) };
  }

  #statusOf({ image, config }: Found): ImageStatus {
    const lastUsedMs = this.#options.clock.wall();
    this.#lastUsedMs.set(image.id, lastUsedMs);
    return statusOf(image, { config, lastUsedMs, consumers: [] });
  }

  async list(): Promise<ImageStatus[]> {
    const { images } = await this.#options.client.call(calls.listImages, {});
    const users = await this.#users();
    const now = this.#options.clock.wall();
    const ids = new Set(images.map(({ id }) => id));
    for (const id of this.#lastUsedMs.keys()) if (!ids.has(id)) this.#lastUsedMs.delete(id);
    return images.map((image) => {
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      const consumers = [...new Set(names.flatMap((name) => users.get(name) ?? []))].sort();
      // What is met for the first time counts as used now: how long it has been lying there nobody knows.
      if (consumers.length > 0 || !this.#lastUsedMs.has(image.id)) this.#lastUsedMs.set(image.id, now);
      return statusOf(image, { config: undefined, lastUsedMs: this.#lastUsedMs.get(image.id)!, consumers });
    });
  }

  /** Containers by their images, whoever made them: others may use this runtime too. */
  async #users(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { containers } = await this.#options.client.call(RuntimeService.methods.listContainers, {});
    const users = new Map<string, string[]>();
    for (const { id, image, imageRef } of containers) {
      for (const name of new Set([imageRef, image?.image ?? ''])) users.set(name, [...(users.get(name) ?? []), id]);
    }
    return users;
  }

  async remove(image: string): Promise<RemoveReport | undefined> {
    const found = await this.#find(image);
    if (found === undefined) return undefined;
    await this.#options.client.call(calls.removeImage, { image: { image } });
    return { untagged: [...found.image.repoTags].sort(), removed: [found.image.id] };
  }

  async collectGarbage(options: GarbageOptions): Promise<GarbageReport> {
    const { highPercent, lowPercent } = options;
    const { expired, whileShort } = planGarbage(await this.list(), { ...options, nowMs: this.#options.clock.wall() });
    const removed: ImageStatus[] = [];
    const go = async (image: ImageStatus) => {
      await this.remove(image.id);
      removed.push(image);
    };
    for (const image of expired) await go(image);
    const isAbove = async (percent: number) => (await this.#usedPercent()) > percent;
    if (await isAbove(highPercent)) {
      for (const image of whileShort) {
        if (!(await isAbove(lowPercent))) break;
        await go(image);
      }
    }
    return { removed, freedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), isShort: await isAbove(highPercent) };
  }

  /** Of the file system that the images lie on. */
  async #usedPercent(): Promise<number> {
    const { imageFilesystems } = await this.#options.client.call(calls.imageFsInfo, {});
    const path = imageFilesystems[0]?.fsId?.mountpoint;
    if (path === undefined || path === '') return 0;
    const { blocks, bavail } = await statfs(path);
    return blocks === 0 ? 0 : (100 * (blocks - bavail)) / blocks;
  }
}

function referenceOf(image: string): ImageReference {
  const parsed = parseReference(image);
  if (parsed.ok) return parsed.value;
  // Kubernetes' words, which people look for.
  throw new ImageError('InvalidImageName', `Failed to apply default image tag ${JSON.stringify(image)}: couldn't parse image name ${JSON.stringify(image)}: ${parsed.why}`);
}

/** Without the address that they are for: they were chosen by it, and runtimes do not agree on how it is written. */
function authOf({ username, password, identityToken = '', registryToken = '' }: Credentials): Init<AuthConfig> {
  return { username, password, identityToken, registryToken };
}

interface Seen {
  readonly config: ImageConfig | undefined;
  readonly lastUsedMs: Millis;
  readonly consumers: readonly string[];
}

function statusOf({ id, repoTags, repoDigests, size, uid, username, pinned }: Image, { config, lastUsedMs, consumers }: Seen): ImageStatus {
  const user = uid === undefined ? username : String(uid.value);
  return {
    id,
    repoTags: [...repoTags].sort(),
    repoDigests: [...repoDigests].sort(),
    sizeBytes: size,
    config: config?.run ?? { ...EMPTY_RUN_CONFIG, user },
    architecture: config?.platform.architecture ?? '',
    created: config?.created ?? '',
    lastUsedMs,
    consumers,
    isPinned: pinned,
  };
}

/** containerd's and CRI-O's `info` of an image: JSON, with its config. */
function configOf(text: string | undefined): ImageConfig | undefined {
  if (text === undefined) return undefined;
  try {
    const { imageSpec } = JSON.parse(text) as { imageSpec?: unknown };
    const parsed = parseImageConfig(JSON.stringify(imageSpec ?? null));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    return undefined; // not everybody writes JSON
  }
}
