/**
 * The content store: what is here, put in and taken out. It knows no registry. Several processes share one (store-layout.ts);
 * whoever is at work that leads to a name shares the lock `store`, whoever sweeps holds it alone.
 */
import { readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog, type Log } from '../base/log.ts';
import type { Clock } from '../base/clock.ts';
import { Blobs } from './blobs.ts';
import { digestOfHex } from './core/digest.ts';
import { CONFIG_BYTES_MAX, parseImageConfig, type ImageConfig } from './core/image-config.ts';
import { MANIFEST_BYTES_MAX, parseManifest, type ImageManifest } from './core/manifest.ts';
import { formatReference, parseReference, repositoryOf } from './core/reference.ts';
import { Locks } from './locks.ts';
import { References, type Consumer, type ReferenceSource, type StoredReference } from './references.ts';
import { chainIdOf, chainIds, Snapshots, type Snapshot, type UnpackRequest } from './snapshots.ts';
import { StoreLayout } from './store-layout.ts';
import { maySetOwners } from './unpack.ts';

export interface StoredImage {
  /** Digest of the config. */
  readonly id: string;
  readonly manifestDigest: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

export interface ImageStoreOptions {
  /** `<data-dir>/images`. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log?: Log;
  /** Undefined: by what this process may. */
  readonly keepsOwners?: boolean;
}

export interface DiskUsage {
  readonly capacityBytes: number;
  readonly usedBytes: number;
}

const STORE_LOCK = 'store';
const NAMES_LOCK = 'names';
/** A download that nobody went on with for so long is given up. */
const PARTIAL_MAX_AGE_MS = 24 * 60 * 60 * 1_000;
/** Manifests and configs are read once: what has a digest does not change. */
const REMEMBERED_MAX = 256;

export class ImageStore {
  readonly layout: StoreLayout;
  readonly blobs: Blobs;
  readonly locks: Locks;
  readonly references: References;
  readonly snapshots: Snapshots;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, StoredImage>();

  private constructor({
    directory,
    clock,
    log = silentLog,
    keepsOwners,
  }: Required<Pick<ImageStoreOptions, 'directory' | 'clock' | 'keepsOwners'>> & { log?: Log }) {
    this.layout = new StoreLayout(directory);
    this.blobs = new Blobs(this.layout);
    this.locks = new Locks(this.layout.folder('locks'));
    this.references = new References(this.layout);
    this.#clock = clock;
    this.snapshots = new Snapshots({ layout: this.layout, locks: this.locks, clock, log, keepsOwners });
  }

  /** Removes what a crash left, unless somebody is at work. */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    const keepsOwners =
      options.keepsOwners ??
      maySetOwners(await readFile('/proc/self/status', 'utf8'), await readFile('/proc/self/uid_map', 'utf8'));
    const store = new ImageStore({ ...options, keepsOwners });
    await store.layout.make();
    const rubbish = await readdir(store.layout.folder('tmp'));
    if (rubbish.length > 0) await store.locks.tryExclusively(STORE_LOCK, 0, () => store.#reap());
    return store;
  }

  /** Work that puts blobs and snapshots there which no name leads to yet: nothing is swept meanwhile. */
  working<T>(run: () => Promise<T>): Promise<T> {
    return this.locks.sharing(STORE_LOCK, run);
  }

  /** Undefined: manifest, config or a layer is missing or damaged. */
  async image(manifestDigest: string): Promise<StoredImage | undefined> {
    const image = this.#remembered.get(manifestDigest) ?? (await this.#read(manifestDigest));
    if (image === undefined) return undefined;
    this.#remembered.set(manifestDigest, image);
    if (this.#remembered.size > REMEMBERED_MAX) this.#remembered.delete(this.#remembered.keys().next().value!);
    for (const blob of [image.manifest.config, ...image.manifest.layers])
      if (!(await this.blobs.has(blob))) return undefined;
    return image;
  }

  async #read(manifestDigest: string): Promise<StoredImage | undefined> {
    const text = await this.blobs.readText(manifestDigest, MANIFEST_BYTES_MAX);
    const manifest = text === undefined ? undefined : parseManifest(text);
    if (manifest?.ok !== true || manifest.value.kind !== 'image') return undefined;
    const configText = await this.blobs.readText(manifest.value.config.digest, CONFIG_BYTES_MAX);
    const config = configText === undefined ? undefined : parseImageConfig(configText);
    if (config?.ok !== true || config.value.diffIds.length !== manifest.value.layers.length) return undefined;
    return { id: manifest.value.config.digest, manifestDigest, manifest: manifest.value, config: config.value };
  }

  /**
   * Names it, by a tag or digest. What was pulled by a tag has a name by its digest, too, which stays when the tag moves on; what
   * was built here has none: the next build takes its place.
   */
  async name(
    image: StoredImage,
    { name, target, source }: { readonly name: string; readonly target: string; readonly source: ReferenceSource },
  ): Promise<void> {
    await this.references.touch(image.id, this.#clock.wall());
    const parsed = parseReference(name);
    const names =
      source === 'pull' && parsed.ok && parsed.value.digest === undefined
        ? [`${repositoryOf(parsed.value)}@${target}`, formatReference(parsed.value)]
        : [name];
    for (const one of names) await this.references.put({ name: one, manifest: image.manifestDigest, target, source });
  }

  /** Undefined: not yet, or not any more. */
  unpacked({ config }: Pick<StoredImage, 'config'>): Promise<Snapshot | undefined> {
    return this.snapshots.get(chainIdOf(config.diffIds));
  }

  async unpack(
    image: Pick<StoredImage, 'config'>,
    request: Omit<UnpackRequest, 'diffIds' | 'otherChains'>,
  ): Promise<Snapshot> {
    const { diffIds } = image.config;
    return (
      (await this.unpacked(image)) ??
      this.snapshots.ensure({ ...request, diffIds, otherChains: await this.#chainsBesides(chainIdOf(diffIds)) })
    );
  }

  async #chainsBesides(chainId: string): Promise<Set<string>> {
    const images = await this.images();
    return new Set(
      images
        .filter(({ config }) => chainIdOf(config.diffIds) !== chainId)
        .flatMap(({ config }) => chainIds(config.diffIds)),
    );
  }

  /** All that a name or a consumer leads to. */
  async images(): Promise<StoredImage[]> {
    const [references, consumers] = [await this.references.list(), await this.references.consumers()];
    const digests = [...new Set([...references, ...consumers].map(({ manifest }) => manifest))].sort();
    const images = await Promise.all(digests.map((digest) => this.image(digest)));
    return images.filter((image) => image !== undefined);
  }

  /** Takes names away, unless somebody mounts what would have none. */
  async unname(references: readonly StoredReference[]): Promise<boolean> {
    const remove = async () => {
      const going = new Set(references.map(({ name }) => name));
      const left = (await this.references.list()).filter(({ name }) => !going.has(name));
      const nameless = references.filter(({ manifest }) => !left.some((one) => one.manifest === manifest));
      const isUsed = async () =>
        (await this.references.consumers()).some((consumer) =>
          nameless.some(({ manifest }) => manifest === consumer.manifest),
        );
      return !(await isUsed()) && (await this.references.removeUnless(references, isUsed));
    };
    return this.working(() => this.locks.exclusively(NAMES_LOCK, remove));
  }

  /** Whether a name still stands, once nobody is about to take it away or put it back. */
  async settledName(name: string): Promise<StoredReference | undefined> {
    return this.locks.exclusively(NAMES_LOCK, () => this.references.get(name));
  }

  /** Removes what nothing leads to. Undefined: somebody is at work, and it was left for later. */
  async sweep(waitSeconds: number): Promise<number | undefined> {
    return this.locks.tryExclusively(STORE_LOCK, waitSeconds, () =>
      this.locks.exclusively(NAMES_LOCK, () => this.#sweep()),
    );
  }

  async #sweep(): Promise<number> {
    await this.#reap();
    const { blobs, chains } = await this.#reachable();
    let freed = 0;
    for (const hex of await readdir(this.layout.folder('used')))
      if (!blobs.has(digestOfHex(hex))) await rm(join(this.layout.folder('used'), hex), { force: true });
    for (const chain of await this.snapshots.list()) {
      if (chains.has(chain)) continue;
      freed += (await this.snapshots.get(chain))?.bytes ?? 0;
      await this.snapshots.discard(chain);
    }
    for (const digest of await this.blobs.list()) if (!blobs.has(digest)) freed += await this.blobs.discard(digest);
    return freed;
  }

  /** Names are read before consumers: see references.ts. */
  async #reachable(): Promise<{ blobs: Set<string>; chains: Set<string> }> {
    const references = await this.references.list();
    const consumers: Consumer[] = await this.references.consumers();
    const blobs = new Set<string>(references.flatMap(({ target, manifest }) => [target, manifest]));
    const chains = new Set<string>();
    for (const manifest of new Set([...references, ...consumers].map((one) => one.manifest))) {
      const image = await this.#read(manifest);
      blobs.add(manifest);
      if (image === undefined) continue;
      for (const { digest } of [image.manifest.config, ...image.manifest.layers]) blobs.add(digest);
      for (const chain of [...chainIds(image.config.diffIds), chainIdOf(image.config.diffIds)]) chains.add(chain);
    }
    return { blobs, chains };
  }

  /** With the store to itself: nobody is making anything, so what is half made is rubbish. */
  async #reap(): Promise<void> {
    const temporary = this.layout.folder('tmp');
    for (const name of await readdir(temporary)) await rm(join(temporary, name), { recursive: true, force: true });
    const partial = this.layout.folder('partial');
    for (const name of await readdir(partial)) {
      const { mtimeMs } = await stat(join(partial, name));
      if (this.#clock.wall() - mtimeMs > PARTIAL_MAX_AGE_MS) await rm(join(partial, name), { force: true });
    }
    const locks = this.layout.folder('locks');
    // Those of blobs and chains are held only by who is at work.
    for (const name of await readdir(locks))
      if (name.startsWith('blob-') || name.startsWith('chain-')) await rm(join(locks, name), { force: true });
  }

  async diskUsage(): Promise<DiskUsage> {
    const { blocks, bavail, bfree, bsize } = await statfs(this.layout.root);
    // As df: what is reserved for root is no room for us, and not used either.
    const usedBytes = (blocks - bfree) * bsize;
    return { capacityBytes: usedBytes + bavail * bsize, usedBytes };
  }

  /** Waits for what goes on behind the scenes. */
  async close(): Promise<void> {
    await this.snapshots.settled();
  }
}
