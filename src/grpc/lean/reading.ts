/**
 * What a socket reads. Node.js allocates 64 KiB for each read, cuts it to what came and passes it through a stream: a tenth
 * of the processor time that a single client's put takes. A plain socket reads into one buffer of the process instead
 * (`onread`), and what came is copied out: a chunk is its taker's own. TLS has its own way, and stays with the stream.
 */
import { Socket, type OnReadOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

export type OnChunk = (chunk: Buffer) => void;

/** Filled and emptied within one callback, so that all sockets share it. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** For `connect`. */
export function readsTo(onChunk: OnChunk): OnReadOpts {
  return {
    buffer: shared,
    callback: (length) => {
      // Not of Node.js' pool: who keeps a request keeps the memory that it lies in.
      const chunk = Buffer.allocUnsafeSlow(length);
      shared.copy(chunk, 0, 0, length);
      onChunk(chunk);
      return true;
    },
  };
}

/** The way of every socket: of TLS, and wherever the other one is not to be had. */
export function readsAsStream(socket: Socket, onChunk: OnChunk): Socket {
  socket.on('data', onChunk);
  // Whoever looked at its first bytes may have left it paused.
  socket.resume();
  return socket;
}

/** Of what Node.js keeps under a socket; `new Socket({ handle })` is how it makes those that it accepts. */
interface Handle {
  reading: boolean;
  readStop(): number;
}

interface WithHandle {
  _handle: Handle | null;
}

/**
 * Of a server, whose sockets come without `onread`: another socket takes over its connection, and the first bytes, if
 * somebody has looked at them and put them back. The one that was accepted is destroyed when that one has closed.
 */
export function readsAccepted(accepted: Socket, onChunk: OnChunk): Socket {
  const handle = accepted instanceof TLSSocket || accepted.destroyed ? undefined : handleOf(accepted);
  if (handle === undefined) return readsAsStream(accepted, onChunk);
  accepted.pause();
  const first: unknown = accepted.read();
  handle.readStop();
  handle.reading = false;
  (accepted as unknown as WithHandle)._handle = null;
  // A variable, as the types know no handle.
  const options = { handle, allowHalfOpen: accepted.allowHalfOpen, onread: readsTo(onChunk) };
  const socket = new Socket(options);
  socket.once('close', () => accepted.destroy());
  // Before anything that is read: a tick comes first.
  if (Buffer.isBuffer(first)) process.nextTick(onChunk, first);
  return socket;
}

function handleOf(socket: Socket): Handle | undefined {
  const handle = (socket as Partial<WithHandle>)._handle;
  return typeof handle?.readStop === 'function' ? handle : undefined;
}
