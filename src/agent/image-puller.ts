/** A node's pulls, so many at a time: more would only share the line and the disk. */
import type { Millis, Clock } from '../base/clock.ts';
import { AbortedError } from '../base/errors.ts';
import type { ApiClient } from '../client/api-client.ts';
import type { EnsuredImage, EnsureRequest } from '../image/image-service.ts';
import type { NodeImages } from './runtime/runtime.ts';

export interface ImagePullerOptions {
  readonly images: NodeImages;
  readonly api: ApiClient;
  readonly clock: Clock;
  /** An image came. */
  readonly onPulled: () => void;
}

export interface Pulled extends EnsuredImage {
  /** `durationMs` with the time before its turn. */
  readonly waitedMs: Millis;
}

const PULLS_MAX = 5;
const WAITING = 'waiting for its turn to pull';

export class ImagePuller {
  readonly images: NodeImages;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly #onPulled: () => void;
  readonly #waiting: (() => void)[] = [];
  #pulls = 0;

  constructor({ images, api, clock, onPulled }: ImagePullerOptions) {
    this.images = images;
    this.api = api;
    this.clock = clock;
    this.#onPulled = onPulled;
  }

  async pull(request: EnsureRequest & { readonly signal: AbortSignal }): Promise<Pulled> {
    const startMs = this.clock.monotonic();
    await this.#turn(request.signal);
    try {
      const ensured = await this.images.ensure(request);
      if (ensured.wasPulled) this.#onPulled();
      return { ...ensured, waitedMs: this.clock.monotonic() - startMs };
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#pulls--;
      else next();
    }
  }

  /** Resolves with a place among those that pull, which whoever is done hands on. */
  #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new AbortedError(WAITING));
    if (this.#pulls < PULLS_MAX) {
      this.#pulls++;
      return Promise.resolve();
    }
    return new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(new AbortedError(WAITING));
      };
      const begin = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(begin);
    });
  }
}
