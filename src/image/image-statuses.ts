/** What the images of a store are, as the rest of a node sees them. */
import { assert } from '../base/assert.ts';
import { isDigest } from './core/digest.ts';
import type { Platform } from './core/platform.ts';
import { formatReference, HOST_IMAGE, isHostImage, parseReference } from './core/reference.ts';
import { hostImageStatus } from './host-image.ts';
import type { ImageStatus } from './image-service.ts';
import type { ImageStore, StoredImage } from './image-store.ts';
import type { Consumer, StoredReference } from './references.ts';

export class ImageStatuses {
  readonly #store: ImageStore;
  readonly #platform: Platform;

  constructor(store: ImageStore, platform: Platform) {
    this.#store = store;
    this.#platform = platform;
  }

  /** By reference or id. */
  async of(image: string): Promise<ImageStatus | undefined> {
    if (image === HOST_IMAGE) return this.host();
    if (isDigest(image)) return (await this.list()).find(({ id }) => id === image);
    const parsed = parseReference(image);
    if (!parsed.ok) return undefined;
    if (isHostImage(parsed.value)) return this.host();
    const reference = await this.#store.references.get(formatReference(parsed.value));
    const stored = reference === undefined ? undefined : await this.#store.image(reference.manifest);
    return stored === undefined
      ? undefined
      : this.#statusOf([stored], await this.#store.references.list(), await this.#store.references.consumers());
  }

  async list(): Promise<ImageStatus[]> {
    const [images, references, consumers] = [
      await this.#store.images(),
      await this.#store.references.list(),
      await this.#store.references.consumers(),
    ];
    const byId = groupById(images);
    const all = await Promise.all([...byId.values()].map((same) => this.#statusOf(same, references, consumers)));
    return [this.host(), ...all.sort((a, b) => compareNames(nameOf(a), nameOf(b)))];
  }

  /** The images of one id: the same config, by more than one manifest (packed otherwise). */
  async #statusOf(
    same: readonly StoredImage[],
    references: readonly StoredReference[],
    consumers: readonly Consumer[],
  ): Promise<ImageStatus> {
    const [image] = same;
    assert(image !== undefined, 'an id is that of an image');
    const leadsHere = ({ manifest }: { readonly manifest: string }) =>
      same.some(({ manifestDigest }) => manifestDigest === manifest);
    const names = references.filter(leadsHere);
    const { manifest, config, id } = image;
    return {
      id,
      repoTags: names.map(({ name }) => name).filter((name) => !name.includes('@')),
      repoDigests: names.map(({ name }) => name).filter((name) => name.includes('@')),
      sizeBytes: [manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0),
      config: config.run,
      architecture: config.platform.architecture,
      created: config.created,
      lastUsedMs: await this.#store.references.lastUsed(id),
      consumers: consumers.filter(leadsHere).map(({ name }) => name),
      isPinned: names.some(({ source }) => source !== 'pull'),
    };
  }

  host(): ImageStatus {
    return hostImageStatus(this.#platform.architecture);
  }
}

function groupById(images: readonly StoredImage[]): Map<string, StoredImage[]> {
  const groups = new Map<string, StoredImage[]>();
  for (const image of images) groups.set(image.id, [...(groups.get(image.id) ?? []), image]);
  return groups;
}

const nameOf = ({ repoTags, repoDigests, id }: ImageStatus) => repoTags[0] ?? repoDigests[0] ?? id;
const compareNames = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
