/** Whoever runs a command, over WebSocket channels or over streams of SPDY: the same to who passes it on. */
import { deferred } from '../../../base/deferred.ts';
import { Channel, channelMessage, readCommandMessage, readSize, type ChannelProtocol } from '../core/command-channels.ts';
import { SpdyError } from '../../../base/core/spdy/frames.ts';
import { SpdySession } from '../core/spdy/session.ts';
import type { Transport } from './transport.ts';

export interface CommandPeerEvents {
  /** May be a view that is not to be kept. */
  onStdin(bytes: Uint8Array): void;
  onStdinEnd(): void;
  onSize(size: { readonly width: number; readonly height: number }): void;
  onClose(): void;
}

export interface CommandPeer {
  listen(events: CommandPeerEvents): void;
  /** Resolves once there is somewhere to send to, or nobody any more. */
  ready(): Promise<void>;
  /** False: it is behind. */
  send(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean;
  /** The status, and no more. */
  finish(status: Uint8Array): void;
}

export class ChannelPeer implements CommandPeer {
  readonly #transport: Transport;
  readonly #protocol: ChannelProtocol;

  constructor(transport: Transport, protocol: ChannelProtocol) {
    this.#transport = transport;
    this.#protocol = protocol;
  }

  listen(events: CommandPeerEvents): void {
    this.#transport.listen({
      onBytes: (bytes) => {
        const message = readCommandMessage(bytes, this.#protocol);
        if (message.kind === 'stdin') events.onStdin(message.bytes);
        if (message.kind === 'stdin-end') events.onStdinEnd();
        if (message.kind === 'size') events.onSize(message);
      },
      onClose: () => events.onClose(),
    });
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  send(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean {
    return this.#transport.write(channelMessage(stream === 'stdout' ? Channel.STDOUT : Channel.STDERR, bytes));
  }

  finish(status: Uint8Array): void {
    this.#transport.write(channelMessage(Channel.ERROR, status));
    this.#transport.end();
  }
}

export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** `v4.channel.k8s.io` over SPDY: the client opens a stream for each, and says by a header what it is for. */
export class SpdyPeer implements CommandPeer {
  readonly #transport: Transport;
  readonly #missing: Set<string>;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #ready = deferred<void>();
  #session: SpdySession | undefined;
  #isKeepingUp = true;

  constructor(transport: Transport, { stdin, stdout, stderr, tty }: WantedStreams) {
    this.#transport = transport;
    const flags = { error: true, stdin, stdout, stderr: stderr && !tty, resize: false };
    this.#missing = new Set(Object.entries(flags).flatMap(([name, isWanted]) => (isWanted ? [name] : [])));
  }

  listen(events: CommandPeerEvents): void {
    const nameOf = (id: number) => this.#names.get(id);
    this.#session = new SpdySession({
      onOpen: (id, headers) => this.#onOpen(id, headers.get('streamtype') ?? ''),
      onData: (id, bytes) => {
        if (nameOf(id) === 'stdin') events.onStdin(bytes);
        // A size a message; what came together ends with the last.
        const size = nameOf(id) === 'resize' ? readSize(bytes.subarray(bytes.lastIndexOf(0x7b))) : undefined;
        if (size !== undefined) events.onSize(size);
      },
      onEnd: (id) => {
        if (nameOf(id) === 'stdin') events.onStdinEnd();
      },
      onReset: (id) => {
        if (nameOf(id) === 'stdin') events.onStdinEnd();
      },
      onGoAway: () => this.#transport.end(),
      send: (bytes) => (this.#isKeepingUp = this.#transport.write(bytes)),
    });
    const session = this.#session;
    this.#transport.listen({
      onBytes: (bytes) => {
        try {
          session.receive(bytes);
        } catch (error) {
          if (!(error instanceof SpdyError)) throw error;
          this.#transport.destroy();
        }
      },
      onClose: () => {
        this.#ready.resolve();
        events.onClose();
      },
    });
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  send(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean {
    const id = this.#ids.get(stream);
    if (id !== undefined) this.#session?.send(id, bytes);
    return this.#isKeepingUp;
  }

  finish(status: Uint8Array): void {
    for (const name of ['stdout', 'stderr']) {
      const id = this.#ids.get(name);
      if (id !== undefined) this.#session?.send(id, new Uint8Array(0), true);
    }
    const error = this.#ids.get('error');
    if (error !== undefined) this.#session?.send(error, status, true);
    this.#transport.end();
  }

  #onOpen(id: number, name: string): void {
    this.#ids.set(name, id);
    this.#names.set(id, name);
    this.#missing.delete(name);
    if (this.#missing.size === 0) this.#ready.resolve();
  }
}
