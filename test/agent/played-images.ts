/** The images of a node that is not there: what is present, what a registry has, and how long it takes, as a test says. */
import { sleep, type Clock, type Millis } from '../../src/base/clock.ts';
import { formatReference, parseReference } from '../../src/image/core/reference.ts';
import { EMPTY_RUN_CONFIG } from '../../src/image/core/image-config.ts';
import { ImageError, type EnsuredImage, type EnsureRequest, type GarbageReport, type ImageErrorReason, type ImageStatus } from '../../src/image/image-service.ts';
import type { NodeImages } from '../../src/agent/runtime/runtime.ts';

export class PlayedImages implements NodeImages {
  readonly present = new Map<string, ImageStatus>();
  readonly registry = new Map<string, ImageStatus>();
  /** Each look at a registry: when, what for, as whom. */
  readonly pulls: { readonly atMs: Millis; readonly image: string; readonly users: readonly string[] }[] = [];
  readonly aborted: string[] = [];
  pullMs: Millis = 1_000;
  /** Instead of what it would do. */
  failure: { readonly reason: ImageErrorReason; readonly message: string } | undefined;
  pullsAtOnce = 0;
  pullsAtOnceMax = 0;
  readonly collected: GarbageReport[] = [];
  collect: () => GarbageReport = () => ({ removed: [], freedBytes: 0, isShort: false });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async ensure({ image, policy, credentials = [], signal }: EnsureRequest): Promise<EnsuredImage> {
    const parsed = parseReference(image);
    if (!parsed.ok) throw new ImageError('InvalidImageName', `couldn't parse image name ${JSON.stringify(image)}: ${parsed.why}`);
    if (this.failure !== undefined && (policy !== 'Never' || this.failure.reason === 'ImageInspectError')) throw await this.#fail(image, credentials);
    const name = formatReference(parsed.value);
    const present = this.present.get(name);
    if (present !== undefined && policy !== 'Always') return { image: present, wasPulled: false, durationMs: 0 };
    if (policy === 'Never') throw new ImageError('ErrImageNeverPull', `Container image ${JSON.stringify(image)} is not present with pull policy of Never`);
    return this.#pull(image, name, { credentials, ...(signal === undefined ? {} : { signal }) });
  }

  async #pull(image: string, name: string, { credentials, signal }: Pick<EnsureRequest, 'credentials' | 'signal'>): Promise<EnsuredImage> {
    this.pulls.push({ atMs: this.#clock.monotonic(), image, users: (credentials ?? []).map(({ username }) => username) });
    this.pullsAtOnceMax = Math.max(this.pullsAtOnceMax, ++this.pullsAtOnce);
    try {
      await sleep(this.#clock, this.pullMs, signal);
    } catch (error) {
      this.aborted.push(image);
      throw error;
    } finally {
      this.pullsAtOnce--;
    }
    const found = this.registry.get(name);
    if (found === undefined) throw new ImageError('ErrImagePull', `failed to pull image ${JSON.stringify(image)}: ${name}: not found`);
    this.present.set(name, found);
    return { image: found, wasPulled: true, durationMs: this.pullMs };
  }

  async #fail(image: string, credentials: EnsureRequest['credentials'] = []): Promise<ImageError> {
    const { reason, message } = this.failure!;
    this.pulls.push({ atMs: this.#clock.monotonic(), image, users: credentials.map(({ username }) => username) });
    return new ImageError(reason, message);
  }

  list(): Promise<ImageStatus[]> {
    return Promise.resolve([...this.present.values()]);
  }

  remove(image: string): Promise<undefined> {
    this.present.delete(image);
    return Promise.resolve(undefined);
  }

  collectGarbage(): Promise<GarbageReport> {
    const report = this.collect();
    this.collected.push(report);
    return Promise.resolve(report);
  }
}

/** An image of a name with a tag. */
export function playedImage(name: string, { sizeBytes = 1_000, user = '' } = {}): ImageStatus {
  const digest = `sha256:${Buffer.from(name).toString('hex').padStart(64, '0').slice(-64)}`;
  return {
    id: digest,
    repoTags: [name],
    repoDigests: [`${name.replace(/:[^:/]*$/, '')}@${digest}`],
    sizeBytes,
    config: { ...EMPTY_RUN_CONFIG, user },
    architecture: 'amd64',
    created: '',
    lastUsedMs: 0,
    consumers: [],
    isPinned: false,
  };
}
