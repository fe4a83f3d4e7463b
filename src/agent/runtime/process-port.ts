/** A connection over TCP as a {@link PortStream}: to where the agent can reach pods' addresses, or by another who can. */
import { connect, type Socket } from 'node:net';
import { withDeadline, type Clock } from '../../base/clock.ts';
import { describeError, systemErrorCode } from '../../base/errors.ts';
import { Input } from './process-command.ts';
import { RuntimeError } from './runtime.ts';
import type { PortStream } from './streams.ts';

const CONNECT_DEADLINE_MS = 10_000;

interface Target {
  readonly host: string;
  readonly port: number;
}

export function connectPort({ host, port, clock, deadlineMs = CONNECT_DEADLINE_MS }: Target & { readonly clock: Clock; readonly deadlineMs?: number }): Promise<PortStream> {
  return openPort({ host, port }, () => connected({ host, port }, { clock, deadlineMs }));
}

/** `dial` rejects as a socket would, with its code. */
export async function openPort({ host, port }: Target, dial: () => Promise<Socket>): Promise<PortStream> {
  try {
    return new SocketPort(await dial());
  } catch (cause) {
    const why = systemErrorCode(cause) === 'ECONNREFUSED' ? 'connection refused' : describeError(cause);
    throw new RuntimeError('cannot-start', `failed to connect to ${host}:${port}: ${why}`, { cause });
  }
}

async function connected({ host, port }: Target, { clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number }): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  try {
    await withDeadline(opened, { clock, deadlineMs, what: `connection to ${host}:${port}` });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

class SocketPort implements PortStream {
  readonly #socket: Socket;
  readonly #input: Input;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#input = new Input(socket);
    socket.on('error', () => {}); // who iterates is told
  }

  get output(): AsyncIterable<Uint8Array> {
    // Its end is not the end of what is written: the loop must not destroy the socket.
    return this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>; // without an encoding, bytes
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes);
  }

  endInput(): void {
    this.#input.end();
  }

  close(): void {
    this.#input.destroy();
  }
}
