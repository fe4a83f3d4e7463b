/**
 * Work that several ask for at the same time is done once. It is given up when the last of them is gone, and whoever comes later
 * begins anew.
 */
import { AbortedError } from '../base/errors.ts';

interface Running<T, P> {
  readonly outcome: Promise<T>;
  readonly listeners: Set<(progress: P) => void>;
  readonly stop: AbortController;
  askers: number;
}

export interface Asker<P> {
  readonly onProgress?: ((progress: P) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class SharedWork<T, P> {
  readonly #running = new Map<string, Running<T, P>>();

  run(
    key: string,
    { onProgress, signal }: Asker<P>,
    work: (tell: (progress: P) => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(new AbortedError(key));
    const running = this.#running.get(key) ?? this.#begin(key, work);
    running.askers++;
    if (onProgress !== undefined) running.listeners.add(onProgress);
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener('abort', onAbort);
        if (onProgress !== undefined) running.listeners.delete(onProgress);
        running.askers--;
      };
      const onAbort = () => {
        leave();
        if (running.askers > 0) return reject(new AbortedError(key));
        this.#forget(key, running);
        running.stop.abort();
        // Once it has put away what it holds.
        running.outcome.then(
          () => reject(new AbortedError(key)),
          () => reject(new AbortedError(key)),
        );
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      running.outcome.then(
        (value) => (leave(), resolve(value)),
        (error: unknown) => (leave(), reject(error)),
      );
    });
  }

  #begin(key: string, work: (tell: (progress: P) => void, signal: AbortSignal) => Promise<T>): Running<T, P> {
    const stop = new AbortController();
    const listeners = new Set<(progress: P) => void>();
    const tell = (progress: P) => {
      for (const listener of listeners) listener(progress);
    };
    const running: Running<T, P> = { outcome: work(tell, stop.signal), listeners, stop, askers: 0 };
    this.#running.set(key, running);
    running.outcome.catch(() => undefined).finally(() => this.#forget(key, running));
    return running;
  }

  #forget(key: string, running: Running<T, P>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
