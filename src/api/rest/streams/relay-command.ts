/** Passes a command on, both ways, between who runs it and the agent of its node, no faster than either takes it. */
import { describeError } from '../../../base/errors.ts';
import type { CommandCall } from '../../pod-streams.ts';
import { endStatus, failureStatus } from '../core/command-channels.ts';
import type { CommandPeer } from './command-peer.ts';
import type { Transport } from './transport.ts';

/** A message to the agent holds no more; one from a client may be larger. */
const PIECE_BYTES_MAX = 256 * 1024;

export interface RelayOptions {
  readonly peer: CommandPeer;
  readonly transport: Transport;
  readonly call: CommandCall;
  /** The server stops. */
  readonly signal: AbortSignal;
}

/** Resolves when the client has gone or been let go; whatever happens, nothing of it is left then. */
export async function relayCommand({ peer, transport, call, signal }: RelayOptions): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    peer.listen({
      onStdin: (bytes) => {
        let isKeepingUp = true;
        for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) {
          isKeepingUp = call.send({ input: { case: 'stdin', value: bytes.subarray(at, at + PIECE_BYTES_MAX) } });
        }
        if (isKeepingUp) return;
        transport.pause();
        void call.drained().then(() => transport.resume());
      },
      onStdinEnd: () => void call.send({ input: { case: 'stdinEnd', value: {} } }),
      onSize: ({ width, height }) => void call.send({ input: { case: 'size', value: { width, height } } }),
      onClose: () => {
        call.cancel();
        resolve();
      },
    });
  });
  const stop = () => transport.end();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await peer.ready();
    peer.finish(await outcome(peer, transport, call));
  } finally {
    signal.removeEventListener('abort', stop);
    call.cancel();
  }
  await closed;
}

async function outcome(peer: CommandPeer, transport: Transport, call: CommandCall): Promise<Uint8Array> {
  try {
    for await (const { output } of call.responses) {
      if (output?.case === 'end') return endStatus(output.value);
      if (output?.case !== 'stdout' && output?.case !== 'stderr') continue;
      if (!peer.send(output.case, output.value)) await transport.drained();
    }
  } catch (error) {
    return failureStatus(`Internal error occurred: the connection to the node was lost: ${describeError(error)}`);
  }
  return failureStatus('Internal error occurred: the node did not say how it ended');
}
