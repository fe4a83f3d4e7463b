/** The signal of a call that is served: most handlers never look at it, so it is made for those who do. */
import { CALL_OVER } from '../proto/rpc.ts';

export abstract class CallSignal {
  #controller: AbortController | undefined;
  #isAborted = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(CALL_OVER);
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort(CALL_OVER);
  }
}
