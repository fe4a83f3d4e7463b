/**
 * From a registry into the store: the name to a manifest, an index to that of this machine's platform, then config and layers.
 * Layers come several at a time and are unpacked in their order while later ones still come. The name is written last.
 */
import type { Clock, Millis } from '../../base/clock.ts';
import type { Blobs } from '../blobs.ts';
import { credentialsFor, type Credentials } from '../core/credentials.ts';
import { CONFIG_BYTES_MAX, parseImageConfig, type ImageConfig } from '../core/image-config.ts';
import { isAttestation, parseManifest, type Descriptor, type ImageManifest } from '../core/manifest.ts';
import { choosePlatform, formatPlatform, runsOn, type Platform } from '../core/platform.ts';
import type { ImageReference } from '../core/reference.ts';
import { endpointsOf, type RegistrySettings } from '../core/registries.ts';
import type { PullProgress } from '../image-service.ts';
import type { Downloads } from './download.ts';
import { RegistryClient, RegistryError, type RetryLimits } from './registry-client.ts';
import type { RegistryTransport } from './transport.ts';

export interface PullerOptions {
  readonly blobs: Blobs;
  readonly downloads: Downloads;
  readonly transport: RegistryTransport;
  readonly settings: readonly RegistrySettings[];
  readonly platform: Platform;
  readonly clock: Clock;
  readonly retry: RetryLimits;
  /** Of one image at a time. */
  readonly parallelLayers: number;
}

export interface PullTask {
  readonly reference: ImageReference;
  readonly credentials: readonly Credentials[];
  readonly onProgress: (progress: PullProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/** An image whose manifest and config are in the store, and whose layers come. */
export interface PullingImage {
  /** What the name leads to: an index or the manifest. */
  readonly target: string;
  readonly manifestDigest: string;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  /** Resolves with the path of a layer's blob. */
  layerAt(number: number): Promise<string>;
  /** Gives up what still comes, and resolves when nothing does. */
  end(): Promise<void>;
}

/** What the registry has of this name is no image for this machine. */
export class UnfitImageError extends Error {
  override readonly name = 'UnfitImageError';
}

const PROGRESS_EVERY_MS: Millis = 100;

export class Puller {
  readonly #options: PullerOptions;

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** What the name leads to now; undefined: the registry does not say. */
  async resolve(task: PullTask): Promise<string | undefined> {
    const { digest, tag } = task.reference;
    if (digest !== undefined) return digest;
    return (await this.#firstOf(task, (client) => client.resolve(tag!, task.signal))).value;
  }

  async begin(task: PullTask): Promise<PullingImage> {
    const { reference, signal, onProgress } = task;
    const name = reference.digest ?? reference.tag!;
    const { value: top, sources } = await this.#firstOf(task, (client) => client.manifest(name, signal));
    const chosen = await this.#imageOf(top, sources[0]!, signal);
    const read = await this.#fetchConfig(chosen.manifest, sources, signal);
    for (const { text } of chosen.texts) await this.#options.blobs.addText(text);
    const { layers } = chosen.manifest;
    onProgress({
      kind: 'resolved',
      digest: top.digest,
      layers: layers.length,
      bytes: layers.reduce((sum, { size }) => sum + size, 0),
    });
    return {
      target: top.digest,
      manifestDigest: chosen.digest,
      config: read,
      layers,
      ...this.#fetchLayers(layers, sources, task),
    };
  }

  /** Asks server after server until one knows; what the last one says, for it is the registry itself, is the error. */
  async #firstOf<T>(
    { reference, credentials, onProgress }: PullTask,
    ask: (client: RegistryClient) => Promise<T>,
  ): Promise<{ value: T; sources: RegistryClient[] }> {
    const { settings, transport, clock, retry } = this.#options;
    const onRetry = (what: string, why: string, delayMs: Millis) =>
      onProgress({ kind: 'retrying', what, why, delayMs });
    const endpoints = endpointsOf(reference, settings);
    // Credentials are for the registry that they name: not for another one, and not for its mirrors.
    const fitting = credentialsFor(reference, credentials);
    const clients = endpoints.map(
      (endpoint) =>
        new RegistryClient({
          endpoint,
          reference,
          transport,
          clock,
          retry,
          onRetry,
          credentials: endpoint.isMirror ? [] : fitting,
        }),
    );
    let failure: unknown;
    for (const [at, client] of clients.entries()) {
      try {
        return { value: await ask(client), sources: clients.slice(at) };
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        failure = error;
        if (at < clients.length - 1)
          onProgress({ kind: 'retrying', what: `mirror ${client.host}`, why: error.message, delayMs: 0 });
      }
    }
    throw failure;
  }

  async #imageOf(
    top: { text: string; digest: string; mediaType: string },
    source: RegistryClient,
    signal: AbortSignal | undefined,
  ) {
    const read = readManifest(top);
    if (read.kind === 'image') return { manifest: read, digest: top.digest, texts: [top] };
    const descriptor = chooseManifest(read.manifests, this.#options.platform);
    const inner = await source.manifest(descriptor.digest, signal);
    const manifest = readManifest({ ...inner, mediaType: descriptor.mediaType || inner.mediaType });
    if (manifest.kind !== 'image') throw new UnfitImageError('its index names another index for this platform');
    return { manifest, digest: inner.digest, texts: [inner, top] };
  }

  async #fetchConfig(
    { config, layers }: ImageManifest,
    sources: readonly RegistryClient[],
    signal: AbortSignal | undefined,
  ): Promise<ImageConfig> {
    const { blobs, downloads, platform } = this.#options;
    if (config.size > CONFIG_BYTES_MAX)
      throw new UnfitImageError(`its config has ${config.size} bytes, more than ${CONFIG_BYTES_MAX}`);
    await downloads.fetch({ blob: config, sources, signal });
    return readConfig((await blobs.readText(config.digest, CONFIG_BYTES_MAX)) ?? '', {
      layers: layers.length,
      platform,
    });
  }

  #fetchLayers(
    layers: readonly Descriptor[],
    sources: readonly RegistryClient[],
    task: PullTask,
  ): Pick<PullingImage, 'layerAt' | 'end'> {
    const { downloads, blobs, clock, parallelLayers } = this.#options;
    const stop = new AbortController();
    const signal = task.signal === undefined ? stop.signal : AbortSignal.any([task.signal, stop.signal]);
    let failure: unknown;
    const fetchLayer = async (layer: Descriptor): Promise<string> => {
      try {
        await downloads.fetch({
          blob: layer,
          sources,
          signal,
          onProgress: progressOf(layer, task, clock),
          onRetry: (what, why, delayMs) => task.onProgress({ kind: 'retrying', what, why, delayMs }),
        });
        return blobs.path(layer.digest);
      } catch (error) {
        // Without one layer the others are of no use; why they end is the same.
        failure ??= error;
        stop.abort();
        throw failure;
      }
    };
    const inOrder = limited(layers, parallelLayers, fetchLayer);
    const end = async () => {
      stop.abort();
      await Promise.allSettled(inOrder);
    };
    return { layerAt: (number) => inOrder[number]!, end };
  }
}

function progressOf({ digest, size }: Descriptor, { onProgress }: PullTask, clock: Clock): (done: number) => void {
  let toldAt = -Infinity;
  return (done) => {
    const now = clock.monotonic();
    if (done < size && now - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = now;
    onProgress({ kind: 'downloading', layer: digest, done, bytes: size });
  };
}

/** One promise for each, in their order; at most `count` run at a time. Once one failed no more is begun. */
function limited<T, R>(items: readonly T[], count: number, run: (item: T) => Promise<R>): Array<Promise<R>> {
  const running: Array<Promise<unknown>> = [];
  return items.map((item, at) => {
    const slot = at % count;
    // Each waits for the one before it of its lane; the lanes are alike, for their first ones begin together.
    const promise = (running[slot] ?? Promise.resolve()).then(() => run(item));
    running[slot] = promise;
    promise.catch(() => undefined); // told by whoever asks for this layer
    return promise;
  });
}

export function readManifest({
  text,
  mediaType,
  digest,
}: {
  readonly text: string;
  readonly mediaType: string;
  readonly digest: string;
}): ReturnType<typeof unwrapManifest> {
  return unwrapManifest(parseManifest(text, mediaType), digest);
}

function unwrapManifest(read: ReturnType<typeof parseManifest>, digest: string) {
  if (!read.ok) throw new UnfitImageError(`manifest ${digest} cannot be read: ${read.why}`);
  return read.value;
}

export function chooseManifest(manifests: readonly Descriptor[], platform: Platform): Descriptor {
  const offers = manifests.filter((one) => !isAttestation(one));
  const chosen =
    choosePlatform(offers, platform) ??
    (offers.length === 1 && offers[0]!.platform === undefined ? offers[0] : undefined);
  if (chosen !== undefined) return chosen;
  const others = offers.map((one) => (one.platform === undefined ? 'unknown' : formatPlatform(one.platform)));
  throw new UnfitImageError(
    `no match for platform ${formatPlatform(platform)}: the image is for ${others.join(', ') || 'none'}`,
  );
}

export function readConfig(
  text: string,
  { layers, platform }: { readonly layers: number; readonly platform: Platform },
): ImageConfig {
  const read = parseImageConfig(text);
  if (!read.ok) throw new UnfitImageError(`its config cannot be read: ${read.why}`);
  const config = read.value;
  if (config.diffIds.length !== layers)
    throw new UnfitImageError(`its config names ${config.diffIds.length} layers, its manifest ${layers}`);
  if (!runsOn(config.platform, platform))
    throw new UnfitImageError(
      `no match for platform ${formatPlatform(platform)}: the image is for ${formatPlatform(config.platform)}`,
    );
  return config;
}
