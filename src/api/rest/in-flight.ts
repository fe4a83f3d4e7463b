/** How many requests are at work: past a limit the next is refused, and told to come again. */
import { ApiError } from '../../kube/errors.ts';
import type { RestLimits } from './limits.ts';

export type RequestClass = 'mutating' | 'readOnly' | 'longRunning';

const RETRY_AFTER_SECONDS = 1;

export class InFlight {
  readonly counts: Record<RequestClass, number> = { mutating: 0, readOnly: 0, longRunning: 0 };
  readonly #max: Readonly<Record<RequestClass, number>>;

  constructor(limits: RestLimits) {
    this.#max = { mutating: limits.mutatingInFlightMax, readOnly: limits.readOnlyInFlightMax, longRunning: limits.watchesMax };
  }

  /** Answers how to leave; throws TooManyRequests. */
  enter(kind: RequestClass): () => void {
    if (this.counts[kind] >= this.#max[kind]) {
      const what = kind === 'longRunning' ? `${this.#max.longRunning} watches are open on this server` : 'the server has received too many requests and has asked us to try again later';
      throw new ApiError('TooManyRequests', what, { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } });
    }
    this.counts[kind]++;
    let isIn = true;
    return () => {
      if (isIn) this.counts[kind]--;
      isIn = false;
    };
  }
}
