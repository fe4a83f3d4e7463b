/** One request on its way through this face, once its caller is known. */
import type { IncomingHttpHeaders } from 'node:http';
import type { User } from '../access.ts';
import type { Upgrade } from './http.ts';
import type { Reply } from './reply.ts';

export interface Exchange {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly remoteAddress: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly user: User;
  readonly reply: Reply;
  /** A watch, a log that is followed, a connection into a pod: no time is set to it. */
  readonly isLongRunning: boolean;
  readonly upgrade: Upgrade | undefined;
  /** Fires when the client has gone, the answer is over, or the server stops. */
  readonly signal: AbortSignal;
  /** Reads the body, once. */
  body(): Promise<Uint8Array>;
  after(delayMs: number): Promise<void>;
}
