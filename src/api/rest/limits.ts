/** How much of everything the REST face takes, and what happens past it. */
import { REQUEST_BODY_BYTES_MAX } from '../../kube/limits.ts';

export interface RestLimits {
  /** Past it: 413. */
  readonly bodyBytesMax: number;
  /** A sender that is slower than this is answered 504, and its connection or stream closed. */
  readonly bodyTimeoutMs: number;
  /** Requests at work at a time; past it 429 with Retry-After. kube-apiserver's numbers. Long-running ones do not count. */
  readonly mutatingInFlightMax: number;
  readonly readOnlyInFlightMax: number;
  /** Open watches, followed logs and connections into pods; past it 429. Each costs some 20 kB. */
  readonly watchesMax: number;
  /** A request that is not done by then is answered 504; a write may be done all the same. */
  readonly requestTimeoutMs: number;
  /** A watch without timeoutSeconds ends after a random time from this to twice this. */
  readonly watchTimeoutMs: number;
  /** What one watch has encoded and its client not yet taken; what waits behind it is shared with the cache's history. */
  readonly watchBufferBytesMax: number;
  /** A watch whose client takes nothing for so long is closed. */
  readonly watchStallMs: number;
  /** Headers of a request; past it 431. */
  readonly headerBytesMax: number;
  /** HTTP/2 streams of one connection: a client may have a watch a kind and a namespace on one. */
  readonly streamsPerConnectionMax: number;
  /** How long requests that are at work may still take when the server stops. */
  readonly stopGraceMs: number;
}

export const REST_LIMITS: RestLimits = {
  bodyBytesMax: REQUEST_BODY_BYTES_MAX,
  bodyTimeoutMs: 30_000,
  mutatingInFlightMax: 200,
  readOnlyInFlightMax: 400,
  watchesMax: 10_000,
  requestTimeoutMs: 60_000,
  watchTimeoutMs: 1_800_000,
  watchBufferBytesMax: 256 * 1024,
  watchStallMs: 30_000,
  headerBytesMax: 64 * 1024,
  streamsPerConnectionMax: 1_000,
  stopGraceMs: 2_000,
};
