/** Background work of one shell: started here, so that `stop` can wait for all of it and no failure goes unseen. */
import { AbortedError } from './errors.ts';

export class Tasks {
  readonly #running = new Set<Promise<void>>();
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` hears of every rejection but the aborts that a stop causes. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  run(work: Promise<void>): void {
    const task = work
      .catch((error: unknown) => {
        if (!(error instanceof AbortedError)) this.#onFailure(error);
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Resolves when nothing runs any more, started meanwhile or before. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
