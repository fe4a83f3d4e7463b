/** What a channel is told, whichever carries it: channel.ts over grpc-js, or lean/lean-channel.ts. */
import type { Channel } from '../proto/rpc.ts';
import type { RenewedTls } from './renewed-tls.ts';

export interface ConnectOptions {
  /** "127.0.0.1:2379", several must be IP addresses; over the lean channel also "unix:///run/x.sock". */
  readonly addresses: readonly string[];
  /** undefined: plain text. Without `cert` and `key` no client certificate is shown. */
  /** `trustAnybody`: what is said is secret, but to whom it is said is not checked. */
  readonly tls?:
    | { readonly ca: Uint8Array; readonly cert?: Uint8Array; readonly key?: Uint8Array; readonly serverName?: string }
    | { readonly renewed: RenewedTls; readonly serverName?: string; readonly trustAnybody?: boolean }
    | undefined;
  readonly responseBytesMax?: number;
  readonly reconnectBackoffMaxMs?: number;
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
}

export interface GrpcChannel extends Channel {
  /** Resolves once connected; rejects with Unavailable after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
}

/** A large list of objects, or a fragment of a snapshot, but not without end. */
export const RESPONSE_BYTES_MAX = 256 * 1024 * 1024;

/** Responses of a stream that wait for the caller before the transport is told to hold back. */
export const RESPONSES_AHEAD_MAX = 64;
