/**
 * Port forwarding: the connections that a client asks for, each to its own connection to a port of the pod. kubectl opens
 * two streams of SPDY for each (what is said, and what went wrong); others have a WebSocket with two channels a port.
 */
import { Pipe } from '../../../base/pipe.ts';
import { fromUtf8 } from '../../../base/bytes.ts';
import type { PodPlace, PortCall } from '../../pod-streams.ts';
import { channelMessage } from '../core/command-channels.ts';
import { SpdyError } from '../../../base/core/spdy/frames.ts';
import { SpdySession } from '../core/spdy/session.ts';
import type { Transport } from './transport.ts';

export interface PortsOptions {
  readonly transport: Transport;
  readonly place: PodPlace;
  /** How the pod is called in what is told of it. */
  readonly pod: string;
  /** The server stops. */
  readonly signal: AbortSignal;
}

/** Of one connection what has come and its port has not taken: so many pieces, a large one counting as several. */
const PIECES_AHEAD_MAX = 64;
const PIECE_WEIGHT_BYTES = 16 * 1024;

/** What a connection says to its client. */
interface ConnectionSink {
  /** False: it is behind. */
  send(bytes: Uint8Array): boolean;
  end(): void;
  fail(message: string): void;
}

/** One connection: bytes that come, kept within bounds, and the call that carries them. */
class Connection {
  readonly #input: Pipe<Uint8Array>;
  readonly #controller = new AbortController();

  constructor(onDrain: () => void) {
    this.#input = new Pipe<Uint8Array>(PIECES_AHEAD_MAX, { drain: onDrain });
  }

  /** False: the port is behind. */
  push(bytes: Uint8Array): boolean {
    return this.#input.push(bytes.slice(), 1 + Math.floor(bytes.length / PIECE_WEIGHT_BYTES));
  }

  endInput(): void {
    this.#input.end();
  }

  close(): void {
    this.#controller.abort();
    this.#input.end();
  }

  async run({ place, pod, transport }: PortsOptions, port: number, sink: ConnectionSink): Promise<void> {
    const fail = (error: unknown) => sink.fail(`error forwarding port ${port} to pod ${pod}, uid ${place.uid}: ${whyNot(error)}`);
    let call: PortCall;
    try {
      call = await place.connect(port, this.#controller.signal);
    } catch (error) {
      return fail(error);
    }
    void this.#feed(call);
    try {
      for await (const { output } of call.responses) {
        if (output?.case === 'data' && !sink.send(output.value)) await transport.drained();
      }
      sink.end();
    } catch (error) {
      if (!this.#controller.signal.aborted) fail(error);
    } finally {
      call.cancel();
      this.close();
    }
  }

  async #feed(call: PortCall): Promise<void> {
    for await (const value of this.#input) {
      if (!call.send({ input: { case: 'data', value } })) await call.drained();
    }
    if (!this.#controller.signal.aborted) call.send({ input: { case: 'end', value: {} } });
  }
}

/** Without the causes: the agent has told them in its message already. */
function whyNot(error: unknown): string {
  return error instanceof Error ? error.message : 'the connection failed';
}

/** Stops reading while one of several is behind: neither protocol can hold back a single one. */
class Gate {
  readonly #transport: Transport;
  readonly #behind = new Set<Connection>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  push(connection: Connection, bytes: Uint8Array): void {
    if (connection.push(bytes)) return;
    this.#behind.add(connection);
    this.#transport.pause();
  }

  release(connection: Connection): void {
    if (this.#behind.delete(connection) && this.#behind.size === 0) this.#transport.resume();
  }
}

/** Resolves when the client has gone or been let go. */
function untilClosed({ transport, signal }: PortsOptions, onBytes: (bytes: Uint8Array) => void): Promise<void> {
  const stop = () => transport.end();
  return new Promise<void>((resolve) => {
    transport.listen({ onBytes, onClose: () => resolve() });
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  }).finally(() => signal.removeEventListener('abort', stop));
}

// --- SPDY

interface Pair {
  readonly connection: Connection;
  data: number | undefined;
  error: number | undefined;
  port: number;
}

export async function relaySpdyPorts(options: PortsOptions): Promise<void> {
  const forwarding = new SpdyForwarding(options);
  try {
    await untilClosed(options, (bytes) => forwarding.receive(bytes));
  } finally {
    forwarding.close();
  }
}

class SpdyForwarding {
  readonly #options: PortsOptions;
  readonly #gate: Gate;
  readonly #session: SpdySession;
  /** By the client's number of the connection. */
  readonly #pairs = new Map<string, Pair>();
  readonly #byStream = new Map<number, string>();
  #isKeepingUp = true;

  constructor(options: PortsOptions) {
    this.#options = options;
    this.#gate = new Gate(options.transport);
    this.#session = new SpdySession({
      onOpen: (id, headers) => this.#onOpen(id, headers),
      onData: (id, bytes) => this.#withPair(id, (pair) => pair.data === id && this.#gate.push(pair.connection, bytes)),
      onEnd: (id) => this.#withPair(id, (pair) => pair.data === id && pair.connection.endInput()),
      onReset: (id) => this.#withPair(id, (pair) => pair.data === id && this.#drop(pair)),
      onGoAway: () => options.transport.end(),
      send: (bytes) => (this.#isKeepingUp = options.transport.write(bytes)),
    });
  }

  receive(bytes: Uint8Array): void {
    try {
      this.#session.receive(bytes);
    } catch (error) {
      if (!(error instanceof SpdyError)) throw error;
      this.#options.transport.destroy();
    }
  }

  close(): void {
    for (const { connection } of this.#pairs.values()) connection.close();
  }

  #withPair(streamId: number, act: (pair: Pair) => void): void {
    const pair = this.#pairs.get(this.#byStream.get(streamId) ?? '');
    if (pair !== undefined) act(pair);
  }

  #drop(pair: Pair): void {
    pair.connection.close();
    this.#gate.release(pair.connection);
    if (pair.error !== undefined) this.#session.send(pair.error, new Uint8Array(0), true);
  }

  #onOpen(streamId: number, headers: ReadonlyMap<string, string>): void {
    const kind = headers.get('streamtype');
    const port = Number(headers.get('port'));
    if ((kind !== 'data' && kind !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) return this.#session.reset(streamId);
    // Older clients do not number their connections: the error stream comes first, the data stream is the next.
    const key = headers.get('requestid') ?? String(kind === 'error' ? streamId : streamId - 2);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const connection: Connection = new Connection(() => this.#gate.release(connection));
      pair = { connection, data: undefined, error: undefined, port };
      this.#pairs.set(key, pair);
    }
    if (pair[kind] !== undefined) return this.#session.reset(streamId);
    pair[kind] = streamId;
    this.#byStream.set(streamId, key);
    if (pair.data !== undefined && pair.error !== undefined) void this.#run(key, pair, pair.data, pair.error);
  }

  async #run(key: string, pair: Pair, data: number, error: number): Promise<void> {
    const none = new Uint8Array(0);
    try {
      await pair.connection.run(this.#options, pair.port, {
        send: (bytes) => {
          this.#session.send(data, bytes);
          return this.#isKeepingUp;
        },
        end: () => {
          this.#session.send(data, none, true);
          this.#session.send(error, none, true);
        },
        fail: (message) => {
          this.#session.send(error, fromUtf8(message), true);
          this.#session.send(data, none, true);
        },
      });
    } finally {
      // What the client still says is for nobody.
      this.#gate.release(pair.connection);
      this.#pairs.delete(key);
      this.#byStream.delete(data);
      this.#byStream.delete(error);
    }
  }
}

// --- channels

/** Of each port the channels 2n (data) and 2n+1 (errors); the first message on each is the port's number. */
export async function relayChannelPorts(options: PortsOptions, ports: readonly number[]): Promise<void> {
  const { transport } = options;
  const gate = new Gate(transport);
  const connections = ports.map(() => {
    const connection: Connection = new Connection(() => gate.release(connection));
    return connection;
  });
  const closed = untilClosed(options, (message) => {
    const channel = message[0];
    const connection = channel === undefined || channel % 2 !== 0 ? undefined : connections[channel / 2];
    if (connection !== undefined && message.length > 1) gate.push(connection, message.subarray(1));
  });
  const running = ports.map((port, at) => {
    for (const channel of [2 * at, 2 * at + 1]) transport.write(channelMessage(channel, Uint8Array.of(port & 255, port >> 8)));
    return connections[at]!.run(options, port, {
      send: (bytes) => transport.write(channelMessage(2 * at, bytes)),
      end: () => undefined,
      fail: (message) => void transport.write(channelMessage(2 * at + 1, fromUtf8(message))),
    });
  });
  void Promise.all(running).then(() => transport.end());
  await closed;
  for (const connection of connections) connection.close();
}
