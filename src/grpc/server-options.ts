/** What a gRPC server is told, whichever serves: server.ts over grpc-js, or lean/lean-server.ts. */
import type { RequestListener } from 'node:http';
import type { BoundService } from '../proto/rpc.ts';
import type { DispatchOptions } from './dispatch.ts';
import type { RenewedTls } from './renewed-tls.ts';

export interface TlsFiles {
  /** PEM. Clients must show a certificate that it signed where `requireClientCertificate` says so. */
  readonly ca?: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

export interface GrpcServerOptions extends DispatchOptions {
  readonly services: readonly BoundService[];
  /** undefined: plain text. */
  readonly tls?:
    | (TlsFiles & { readonly requireClientCertificate: boolean })
    | { readonly renewed: RenewedTls; readonly requireClientCertificate: boolean }
    | undefined;
  /** A larger request is refused with ResourceExhausted. */
  readonly requestBytesMax?: number;
  /** Streams that one connection may have open at a time. */
  readonly streamsPerConnectionMax?: number;
  /** 0: a quiet connection is not asked whether it lives. */
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** Answers HTTP/1.1 on the same ports; absent: they speak gRPC only. */
  readonly http?: RequestListener | undefined;
}

export interface RunningServer {
  /** Listens on all `addresses` ("127.0.0.1:2379"; port 0: any free one) or on none; answers the ports. */
  listen(addresses: readonly string[]): Promise<number[]>;
  /** Takes no more calls, ends streams at once with Unavailable, and after `graceMs` the unary calls that still run. */
  stop(graceMs: number): Promise<void>;
}

/** etcd's 1.5 MiB for a request, and room for what surrounds it. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024;
