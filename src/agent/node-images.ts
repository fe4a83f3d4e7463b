/**
 * The images of a node as a whole: the list in its status, and room given back when the disk fills up. Others share them (the
 * other nodes of a machine, `podium image`), so the list is looked at from time to time.
 */
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { EventFacts } from '../client/event-recorder.ts';
import type { GarbageOptions, GarbageReport } from '../image/image-service.ts';
import { nodeImagesOf, type NodeImage } from './core/node-images.ts';
import type { NodeImages } from './runtime/runtime.ts';

export interface ImageGarbageOptions extends GarbageOptions {
  readonly periodMs: Millis;
}

/** The kubelet's. */
export const IMAGE_GARBAGE: ImageGarbageOptions = { periodMs: 300_000, highPercent: 85, lowPercent: 80, minAgeMs: 120_000 };

export interface NodeImageKeeperOptions {
  readonly images: NodeImages;
  readonly garbage: ImageGarbageOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Of the node. */
  readonly say: (event: EventFacts) => void;
  /** The list is another. */
  readonly onChanged: () => void;
}

/** As often as the kubelet. */
const LOOK_EVERY_MS = 30_000;

export class NodeImageKeeper {
  readonly #options: NodeImageKeeperOptions;
  #list: readonly NodeImage[] | undefined;
  #hasFailed = false;

  constructor(options: NodeImageKeeperOptions) {
    this.#options = options;
  }

  /** Undefined: nobody has looked yet, or could. */
  get list(): readonly NodeImage[] | undefined {
    return this.#list;
  }

  async refresh(): Promise<void> {
    const { images, log, onChanged } = this.#options;
    try {
      const list = nodeImagesOf(await images.list());
      const isSame = JSON.stringify(list) === JSON.stringify(this.#list);
      this.#list = list;
      if (!isSame) onChanged();
    } catch (error) {
      log.debug({ error: describeError(error) }, 'agent: images cannot be listed');
    }
  }

  /** Looks and collects until the signal fires. */
  async run(): Promise<void> {
    const { clock, garbage, signal } = this.#options;
    const startMs = clock.monotonic();
    for (let [lookMs, collectMs] = [LOOK_EVERY_MS, garbage.periodMs]; ; ) {
      await sleep(clock, Math.max(0, startMs + Math.min(lookMs, collectMs) - clock.monotonic()), signal);
      const passedMs = clock.monotonic() - startMs;
      if (passedMs >= collectMs) {
        await this.#collect();
        collectMs = passedMs + garbage.periodMs;
      }
      await this.refresh();
      lookMs = passedMs + LOOK_EVERY_MS;
    }
  }

  async #collect(): Promise<void> {
    const { images, garbage, log, say } = this.#options;
    try {
      const report = await images.collectGarbage(garbage);
      const { removed, freedBytes } = report;
      if (removed.length > 0) log.info({ images: removed.map(({ id }) => id), bytes: freedBytes }, 'agent: removed images that nobody uses');
      const why = whyShort(report);
      if (why !== undefined) say({ type: 'Warning', reason: 'FreeDiskSpaceFailed', message: why });
      this.#ended(why);
    } catch (error) {
      if (error instanceof AbortedError) throw error;
      this.#ended(describeError(error));
    }
  }

  /** A failure alone may have its reason in the start of the machine; only the next is told. */
  #ended(failure: string | undefined): void {
    const { log, say } = this.#options;
    if (failure !== undefined && this.#hasFailed) say({ type: 'Warning', reason: 'ImageGCFailed', message: failure });
    if (failure !== undefined) log.warn({ error: failure }, 'agent: images were not collected');
    this.#hasFailed = failure !== undefined;
  }
}

/** In the kubelet's words. */
function whyShort({ isShort, wantedBytes = 0, freedBytes }: GarbageReport): string | undefined {
  if (!isShort) return undefined;
  return `Failed to garbage collect required amount of images. Attempted to free ${wantedBytes} bytes, but only found ${freedBytes} bytes eligible to free.`;
}
