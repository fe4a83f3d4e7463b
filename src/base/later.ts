/**
 * A promise for one listener that is told within the call that settles it, for what happens with every call of a busy
 * server: a chain of promises takes half a dozen objects and as many turns of the queue of microtasks for each. Whoever
 * knows nothing of it uses it as the promise that it also is, which is made for him then.
 *
 * Whoever settles it runs the listener: it must have nothing half done, and a listener does not throw.
 */
export interface LaterListener<T> {
  onValue(value: T): void;
  onError(error: unknown): void;
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export class Later<T> implements Promise<T> {
  #listener: LaterListener<T> | undefined;
  /** Of what was settled before anybody listened. */
  #outcome: Outcome<T> | undefined;
  #promise: Promise<T> | undefined;

  get [Symbol.toStringTag](): string {
    return 'Later';
  }

  /** Of one; the first settling counts. */
  listen(listener: LaterListener<T>): void {
    const outcome = this.#outcome;
    if (outcome === undefined) this.#listener = listener;
    else if (outcome.ok) listener.onValue(outcome.value);
    else listener.onError(outcome.error);
  }

  settle(value: T): void {
    const listener = this.#listener;
    if (listener === undefined) this.#outcome ??= { ok: true, value };
    else {
      this.#listener = undefined;
      listener.onValue(value);
    }
  }

  fail(error: unknown): void {
    const listener = this.#listener;
    if (listener === undefined) this.#outcome ??= { ok: false, error };
    else {
      this.#listener = undefined;
      listener.onError(error);
    }
  }

  // eslint-disable-next-line unicorn/no-thenable
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#asPromise().then(onValue, onError);
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#asPromise().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.#asPromise().finally(onEnd);
  }

  #asPromise(): Promise<T> {
    this.#promise ??= new Promise((resolve, reject) => this.listen({ onValue: resolve, onError: reject }));
    return this.#promise;
  }
}

/** What `change` makes of a value; what it throws is the error. */
export function mapped<T, U>(promise: Promise<T>, change: (value: T) => U): Promise<U> {
  return promise instanceof Later ? new Mapped(promise, change) : promise.then(change);
}

class Mapped<T, U> extends Later<U> implements LaterListener<T> {
  readonly #change: (value: T) => U;

  constructor(source: Later<T>, change: (value: T) => U) {
    super();
    this.#change = change;
    source.listen(this);
  }

  onValue(value: T): void {
    let changed: U;
    try {
      changed = this.#change(value);
    } catch (error) {
      return this.fail(error);
    }
    this.settle(changed);
  }

  onError(error: unknown): void {
    this.fail(error);
  }
}
