/**
 * A connection to a port of a sandbox. The agent dials the pod's address where it can: that is quick, says at once where nobody
 * listens, and lets either side end first, which the streaming servers of runtimes do not (containerd gives half a second). What
 * listens on the pod's loopback alone is reached by the runtime, from within.
 */
import { withDeadline, type Clock, type Millis } from '../../../base/clock.ts';
import { deferred } from '../../../base/deferred.ts';
import { Pipe } from '../../../base/pipe.ts';
import { RuntimeError } from '../runtime.ts';
import type { PortStream } from '../streams.ts';
import { StreamConnection } from './stream-connection.ts';

const CHUNKS_AHEAD_MAX = 16;
const CHUNK_WEIGHT_BYTES = 16 * 1024;
/** The runtime says that nobody listens by a message beside the data, and nothing where somebody does. */
const REFUSAL_MS: Millis = 1_000;

export interface RemotePortOptions {
  readonly url: string;
  readonly port: number;
  readonly clock: Clock;
  /** It is known that somebody listens: no refusal is waited for. */
  readonly isHeard: boolean;
}

export class RemotePort implements PortStream {
  readonly #pipe: Pipe<Uint8Array>;
  readonly #settled = deferred<void>();
  #connection: StreamConnection | undefined;
  #data = 0;
  #error = 0;
  #refusal = '';
  #isInputEnded = false;
  #isOver = false;

  /** Rejects with `cannot-start` where nobody listens. */
  static async open(options: RemotePortOptions): Promise<RemotePort> {
    const { clock, port, isHeard } = options;
    const stream = new RemotePort();
    await stream.#begin(options);
    if (isHeard) return stream;
    await withDeadline(stream.#settled.promise, { clock, deadlineMs: REFUSAL_MS, what: 'a refusal' }).catch(() => undefined); // there is none
    if (stream.#refusal === '') return stream;
    stream.close();
    throw new RuntimeError('cannot-start', /connection refused/.test(stream.#refusal) ? `failed to connect to port ${port} of the pod: connection refused` : stream.#refusal);
  }

  private constructor() {
    this.#pipe = new Pipe<Uint8Array>(CHUNKS_AHEAD_MAX, { drain: () => this.#connection?.resume(), return: () => this.close() });
  }

  async #begin({ url, port, clock }: RemotePortOptions): Promise<void> {
    const connection = await StreamConnection.open({ url, clock, protocol: 'portforward.k8s.io' }, {
      onData: (streamId, bytes) => this.#onData(streamId, bytes),
      onEnd: (streamId) => {
        if (streamId === this.#data) this.close();
      },
      onClose: (why) => this.#finish(why),
    });
    this.#connection = connection;
    const headers = { port: String(port), requestid: '0' };
    this.#error = connection.open({ streamtype: 'error', ...headers }, true);
    this.#data = connection.open({ streamtype: 'data', ...headers });
  }

  get output(): AsyncIterable<Uint8Array> {
    return this.#pipe;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#isOver || this.#isInputEnded ? Promise.resolve() : this.#connection!.send(this.#data, bytes);
  }

  endInput(): void {
    if (this.#isOver || this.#isInputEnded) return;
    this.#isInputEnded = true;
    this.#connection!.end(this.#data);
  }

  close(): void {
    this.#connection?.close();
    this.#finish(undefined);
  }

  #onData(streamId: number, bytes: Uint8Array): boolean {
    if (streamId === this.#error) this.#refusal += Buffer.from(bytes).toString('utf8');
    this.#settled.resolve();
    return streamId !== this.#data || this.#pipe.push(Buffer.from(bytes), 1 + Math.floor(bytes.length / CHUNK_WEIGHT_BYTES));
  }

  #finish(why: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settled.resolve();
    this.#pipe.end(this.#refusal === '' ? why : new Error(this.#refusal));
  }
}
