/** The `ImageService` of a node: the content store of its data directory, and registries behind it. */
import { systemErrorCode, AbortedError, describeError, isNoSpace } from '../base/errors.ts';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { DigestError } from './blobs.ts';
import { BASE_LABEL } from './core/image-config.ts';
import { isDigest } from './core/digest.ts';
import type { Platform } from './core/platform.ts';
import {
  defaultPullPolicy,
  formatReference,
  HOST_IMAGE,
  isHostImage,
  parseReference,
  type ImageReference,
} from './core/reference.ts';
import type { RegistrySettings } from './core/registries.ts';
import { MOUNTABLE_HOST_IMAGE } from './host-image.ts';
import { collectGarbage } from './image-garbage.ts';
import {
  ImageError,
  ImageInUseError,
  type EnsuredImage,
  type EnsureRequest,
  type GarbageOptions,
  type GarbageReport,
  type ImageService,
  type ImageStatus,
  type MountableImage,
  type PullProgress,
  type RemoveReport,
} from './image-service.ts';
import { ImageStatuses } from './image-statuses.ts';
import type { DiskUsage, ImageStore, StoredImage } from './image-store.ts';
import type { StoredReference } from './references.ts';
import { Downloads } from './registry/download.ts';
import { Puller, UnfitImageError, type PullTask } from './registry/puller.ts';
import { RegistryError, type RetryLimits } from './registry/registry-client.ts';
import { RegistryTransport } from './registry/transport.ts';
import { LayerError } from './unpacking.ts';
import { SharedWork } from './shared-work.ts';

export interface LocalImagesOptions {
  readonly store: ImageStore;
  readonly clock: Clock;
  readonly platform: Platform;
  readonly registries?: readonly RegistrySettings[];
  readonly retry?: RetryLimits;
  /** A server that says nothing for so long is given up. */
  readonly idleMs?: number;
  readonly parallelLayers?: number;
  /** Of the file system below the store; a test has its own. */
  readonly diskUsage?: () => Promise<DiskUsage>;
}

const RETRY: RetryLimits = { attempts: 5, firstMs: 500, maxMs: 8_000 };
const IDLE_MS = 30_000;
/** As containerd. */
const PARALLEL_LAYERS = 3;
/** A name that changes between two looks is looked at again. */
const LOOKS_MAX = 10;

export class LocalImages implements ImageService {
  readonly #options: LocalImagesOptions;
  readonly #store: ImageStore;
  readonly #statuses: ImageStatuses;
  readonly #transport: RegistryTransport;
  readonly #puller: Puller;
  readonly #pulls = new SharedWork<StoredImage | undefined, PullProgress>();

  constructor(options: LocalImagesOptions) {
    const {
      store,
      clock,
      platform,
      registries = [],
      retry = RETRY,
      idleMs = IDLE_MS,
      parallelLayers = PARALLEL_LAYERS,
    } = options;
    this.#options = options;
    this.#store = store;
    this.#statuses = new ImageStatuses(store, platform);
    this.#transport = new RegistryTransport(registries, idleMs);
    const downloads = new Downloads({ layout: store.layout, blobs: store.blobs, locks: store.locks, clock, retry });
    this.#puller = new Puller({
      blobs: store.blobs,
      downloads,
      transport: this.#transport,
      settings: registries,
      platform,
      clock,
      retry,
      parallelLayers,
    });
  }

  async ensure({ image, policy, credentials = [], onProgress, signal }: EnsureRequest): Promise<EnsuredImage> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const answer = (status: ImageStatus, wasPulled: boolean) => ({
      image: status,
      wasPulled,
      durationMs: clock.monotonic() - startedAt,
    });
    const byId = isDigest(image) ? await this.status(image) : undefined;
    if (byId !== undefined) return answer(byId, false);
    const reference = parse(image);
    if (isHostImage(reference)) return answer(this.#statuses.host(), false);
    const wanted = policy ?? defaultPullPolicy(reference);
    const present = await this.status(image);
    if (present !== undefined && wanted !== 'Always') return answer(present, false);
    if (wanted === 'Never')
      throw new ImageError(
        'ErrImageNeverPull',
        `Container image ${JSON.stringify(image)} is not present with pull policy of Never`,
      );
    // What one may pull another may not: only the same secrets share a pull.
    const key = JSON.stringify([formatReference(reference), credentials]);
    try {
      const pulled = await this.#pulls.run(key, { onProgress, signal }, (tell, stop) =>
        this.#pull({ reference, credentials, onProgress: tell, signal: stop }),
      );
      const status = await this.status(formatReference(reference));
      if (status === undefined)
        throw new ImageError('ErrImagePull', `image ${JSON.stringify(image)} was removed while it was pulled`);
      return answer(status, pulled !== undefined);
    } catch (error) {
      // Layers that came whole, of an image that did not, would keep the room that others need.
      if (isNoSpace(error)) await this.#store.sweep(0).catch(() => undefined); // the next one tries it again
      throw asImageError(image, error);
    }
  }

  /** Undefined: what is here is what the registry has. */
  #pull(task: PullTask): Promise<StoredImage | undefined> {
    const name = formatReference(task.reference);
    return this.#store.working(async () => {
      const before = await this.#store.references.get(name);
      if (
        before !== undefined &&
        before.target === (await this.#puller.resolve(task)) &&
        (await this.#store.image(before.manifest)) !== undefined
      )
        return undefined;
      const pulling = await this.#puller.begin(task);
      const { layers, config, target, manifestDigest } = pulling;
      try {
        // Whoever unpacked this chain before may have come by other blobs: these are wanted all the same, to be passed on.
        await this.#store.unpack(
          { config },
          {
            layerAt: (number) => pulling.layerAt(number),
            onLayer: (number) =>
              task.onProgress({
                kind: 'unpacking',
                layer: layers[number]!.digest,
                number: number + 1,
                layers: layers.length,
              }),
            onWarning: (message) => task.onProgress({ kind: 'warning', message }),
            signal: task.signal,
          },
        );
        for (const number of layers.keys()) await pulling.layerAt(number);
      } finally {
        await pulling.end();
      }
      const image = await this.#store.image(manifestDigest);
      assert(image !== undefined, 'what was fetched and verified is here');
      await this.#store.name(image, { name, target, source: 'pull' });
      return image;
    });
  }

  status(image: string): Promise<ImageStatus | undefined> {
    return this.#statuses.of(image);
  }

  list(): Promise<ImageStatus[]> {
    return this.#statuses.list();
  }

  async remove(image: string): Promise<RemoveReport | undefined> {
    const status = await this.status(image);
    if (status === undefined) return undefined;
    if (status.id === HOST_IMAGE) throw new ImageInUseError(`${HOST_IMAGE} is built in, and cannot be removed`);
    const references = await this.#store.references.list();
    const going = namesToRemove(image, status, references);
    if (!(await this.#store.unname(going)))
      throw new ImageInUseError(`image ${image} is used by ${await this.#usersOf(status)}`);
    const isLeft = [...status.repoTags, ...status.repoDigests].length > going.length;
    // Somebody pulls: the next sweep finds it.
    await this.#store.sweep(0);
    return { untagged: going.map(({ name }) => name), removed: isLeft ? [] : [status.id] };
  }

  async #usersOf({ id }: ImageStatus): Promise<string> {
    return (await this.status(id))?.consumers.join(', ') ?? 'a container';
  }

  async mountable(image: string, consumer: string): Promise<MountableImage> {
    const parsed = isDigest(image) ? undefined : parse(image);
    if (image === HOST_IMAGE || (parsed !== undefined && isHostImage(parsed))) return MOUNTABLE_HOST_IMAGE;
    const name = parsed === undefined ? await this.#nameOfId(image) : formatReference(parsed);
    const stored = await this.#claim(name, consumer);
    if (stored === undefined)
      throw new ImageError('ErrImageNeverPull', `image ${JSON.stringify(image)} is not present`);
    try {
      const layers = stored.manifest.layers.map(({ digest }) => this.#store.blobs.path(digest));
      const unpack = () => this.#store.unpack(stored, { layerAt: async (number) => layers[number]! });
      const { rootDir, isOwnerless } = (await this.#store.unpacked(stored)) ?? (await this.#store.working(unpack));
      await this.#store.references.touch(stored.id, this.#options.clock.wall());
      const hasHostPrograms = stored.config.run.labels[BASE_LABEL] === HOST_IMAGE;
      return { id: stored.id, lowerDirs: [rootDir], hasHostPrograms, config: stored.config.run, isOwnerless };
    } catch (error) {
      await this.#store.references.removeConsumer(consumer);
      if (error instanceof LayerError)
        throw new ImageError('ImageInspectError', `image ${JSON.stringify(image)}: ${describeError(error)}`, {
          cause: error,
        });
      throw error;
    }
  }

  async #nameOfId(id: string): Promise<string> {
    const status = await this.status(id);
    return status?.repoTags[0] ?? status?.repoDigests[0] ?? '';
  }

  /** Notes the consumer, and answers the image that its name still leads to after that (references.ts). */
  async #claim(name: string, consumer: string): Promise<StoredImage | undefined> {
    const { references } = this.#store;
    let reference = await references.get(name);
    for (let look = 0; look < LOOKS_MAX; look++) {
      reference ??= await this.#store.settledName(name);
      if (reference === undefined) break;
      const { manifest } = reference;
      await references.addConsumer(consumer, manifest);
      reference = await references.get(name);
      if (reference?.manifest === manifest) {
        const image = await this.#store.image(manifest);
        if (image !== undefined) return image;
        break;
      }
    }
    await references.removeConsumer(consumer);
    return undefined;
  }

  async release(consumer: string): Promise<void> {
    const { references } = this.#store;
    const noted = await references.getConsumer(consumer);
    await references.removeConsumer(consumer);
    const image = noted === undefined ? undefined : await this.#store.image(noted.manifest);
    if (image !== undefined) await references.touch(image.id, this.#options.clock.wall());
  }

  async keepOnly(prefix: string, consumers: readonly string[]): Promise<void> {
    const kept = new Set(consumers);
    for (const { name } of await this.#store.references.consumers())
      if (name.startsWith(prefix) && !kept.has(name)) await this.release(name);
  }

  collectGarbage(options: GarbageOptions): Promise<GarbageReport> {
    const { clock, diskUsage = () => this.#store.diskUsage() } = this.#options;
    return collectGarbage({ store: this.#store, statuses: this.#statuses, clock, diskUsage }, options);
  }

  /** Gives connections back, and waits for what goes on behind the scenes. */
  async close(): Promise<void> {
    this.#transport.close();
    await this.#store.close();
  }
}

function parse(image: string): ImageReference {
  const parsed = parseReference(image);
  // Kubernetes' words, which people look for.
  if (!parsed.ok)
    throw new ImageError(
      'InvalidImageName',
      `Failed to apply default image tag ${JSON.stringify(image)}: couldn't parse image name ${JSON.stringify(image)}: ${parsed.why}`,
    );
  return parsed.value;
}

/** By an id all names; by a tag that one, and with the last tag of a repository what names it by digest there. */
function namesToRemove(
  image: string,
  { repoTags, repoDigests }: ImageStatus,
  references: readonly StoredReference[],
): StoredReference[] {
  const parsed = isDigest(image) ? undefined : parse(image);
  if (parsed === undefined)
    return references.filter(({ name }) => repoTags.includes(name) || repoDigests.includes(name));
  const name = formatReference(parsed);
  const repository = `${parsed.host}/${parsed.path}`;
  const isLastTag =
    parsed.tag !== undefined && !repoTags.some((tag) => tag !== name && tag.startsWith(`${repository}:`));
  return references.filter(
    (one) =>
      one.name === name || (isLastTag && repoDigests.includes(one.name) && one.name.startsWith(`${repository}@`)),
  );
}

function asImageError(image: string, error: unknown): unknown {
  if (error instanceof ImageError || error instanceof AbortedError) return error;
  if (error instanceof Error && error.name === 'AbortError') return new AbortedError(`pulling ${image}`);
  const isExpected =
    error instanceof RegistryError ||
    error instanceof UnfitImageError ||
    error instanceof DigestError ||
    error instanceof LayerError;
  if (!isExpected && !isNoSpace(error) && systemErrorCode(error) === undefined) return error;
  // Whatever it was, as with every runtime that people know; the message says which.
  return new ImageError('ErrImagePull', `failed to pull image ${JSON.stringify(image)}: ${describeError(error)}`, {
    cause: error,
  });
}
