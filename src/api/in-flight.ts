/**
 * How many requests are at work, through either face: past a limit the next is refused, and told to come again. The parts
 * of the cluster and its administrators are let in for as long again, several times, so that no stranger can lock them out.
 */
import { ApiError } from '../kube/errors.ts';
import { isTrusted, type User } from './access.ts';

export type RequestClass = 'mutating' | 'readOnly' | 'longRunning';

export interface InFlightLimits {
  /** Requests at work at a time; past it 429 with Retry-After. kube-apiserver's numbers. Long-running ones do not count. */
  readonly mutatingInFlightMax: number;
  readonly readOnlyInFlightMax: number;
  /** Open watches, followed logs and connections into pods; past it 429. Each costs some 20 kB. */
  readonly watchesMax: number;
}

export const IN_FLIGHT_LIMITS: InFlightLimits = { mutatingInFlightMax: 200, readOnlyInFlightMax: 400, watchesMax: 10_000 };

/** Whom the cluster needs is refused only past so many times the limit: a loop of his own must not take the server down. */
const TRUSTED_TIMES = 5;
const RETRY_AFTER_SECONDS = 1;

export class InFlight {
  readonly counts: Record<RequestClass, number> = { mutating: 0, readOnly: 0, longRunning: 0 };
  readonly #max: Readonly<Record<RequestClass, number>>;

  constructor(limits: Partial<InFlightLimits> = {}) {
    const { mutatingInFlightMax, readOnlyInFlightMax, watchesMax } = { ...IN_FLIGHT_LIMITS, ...limits };
    this.#max = { mutating: mutatingInFlightMax, readOnly: readOnlyInFlightMax, longRunning: watchesMax };
  }

  /** Answers how to leave; throws TooManyRequests. */
  enter(kind: RequestClass, user: User): () => void {
    const count = this.counts[kind];
    if (count >= this.#max[kind] * (isTrusted(user) ? TRUSTED_TIMES : 1)) {
      const what = kind === 'longRunning' ? `${count} watches are open on this server` : 'the server has received too many requests and has asked us to try again later';
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
