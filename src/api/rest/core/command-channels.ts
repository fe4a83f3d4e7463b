/**
 * exec and attach over WebSocket, `v4.channel.k8s.io` and `v5.channel.k8s.io`: each message begins with the number of its
 * channel. v5 lets the client close one: that its input has ended. And what is said at the end, as Kubernetes says it.
 */
import { concatBytes, fromUtf8, toUtf8 } from '../../../base/bytes.ts';
import { isRecord } from '../../../kube/types.ts';

export const CHANNEL_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
export type ChannelProtocol = (typeof CHANNEL_PROTOCOLS)[number];

export const Channel = { STDIN: 0, STDOUT: 1, STDERR: 2, ERROR: 3, RESIZE: 4, CLOSE: 255 } as const;

const SIZE_MAX = 65_535;

export type CommandMessage =
  | { readonly kind: 'stdin'; readonly bytes: Uint8Array }
  | { readonly kind: 'stdin-end' }
  | { readonly kind: 'size'; readonly width: number; readonly height: number }
  /** Nothing that is acted on. */
  | { readonly kind: 'none' };

const NONE: CommandMessage = { kind: 'none' };

export function readCommandMessage(message: Uint8Array, protocol: ChannelProtocol): CommandMessage {
  const [channel, closed] = message;
  switch (channel) {
    case Channel.STDIN:
      return message.length === 1 ? NONE : { kind: 'stdin', bytes: message.subarray(1) };
    case Channel.RESIZE:
      return readSize(message.subarray(1)) ?? NONE;
    case Channel.CLOSE:
      return protocol === 'v5.channel.k8s.io' && closed === Channel.STDIN ? { kind: 'stdin-end' } : NONE;
    default:
      return NONE;
  }
}

/** `{"Width":80,"Height":24}`; undefined: it is none. */
export function readSize(bytes: Uint8Array): Extract<CommandMessage, { kind: 'size' }> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(toUtf8(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { Width: width, Height: height } = value;
  return isSide(width) && isSide(height) ? { kind: 'size', width, height } : undefined;
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= SIZE_MAX;
}

export function channelMessage(channel: number, bytes: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(channel), bytes]);
}

/** How a command has ended, for whoever ran it. */
export function endStatus({ exitCode, error }: { readonly exitCode: number; readonly error: string }): Uint8Array {
  if (error !== '') return failureStatus(`Internal error occurred: ${error}`);
  if (exitCode === 0) return fromUtf8(JSON.stringify({ metadata: {}, status: 'Success' }));
  const status = {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: command terminated with exit code ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
  return fromUtf8(JSON.stringify(status));
}

export function failureStatus(message: string): Uint8Array {
  return fromUtf8(JSON.stringify({ metadata: {}, status: 'Failure', message, reason: 'InternalError', details: { causes: [{ message }] }, code: 500 }));
}
