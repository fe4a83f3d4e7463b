/** What a member shows and asks for on its connections, made or read from files, and read again when they change. */
import { dirname } from 'node:path';
import { FileDisk } from '../base/file-disk.ts';
import type { Log } from '../base/log.ts';
import { ensurePki } from '../base/pki.ts';
import { systemClock } from '../base/system-clock.ts';
import type { ConnectOptions } from '../grpc/channel.ts';
import { RenewedTls } from '../grpc/renewed-tls.ts';
import type { GrpcServerOptions } from '../grpc/server-options.ts';
import type { StoreFlags, TlsPaths } from './flags.ts';

export interface Certificates {
  /** undefined: plain text. */
  readonly forClients: GrpcServerOptions['tls'];
  readonly forPeers: GrpcServerOptions['tls'];
  readonly toPeers: ConnectOptions['tls'];
  close(): void;
}

export async function openCertificates(flags: StoreFlags, log: Log): Promise<Certificates> {
  const { clientTls, peerTls } = flags;
  await makeMissing(flags, log);
  const client = clientTls === undefined ? undefined : new RenewedTls(clientTls, log);
  const peer = peerTls === undefined ? undefined : new RenewedTls(peerTls, log);
  return {
    forClients: serverTls(clientTls, client),
    forPeers: serverTls(peerTls, peer),
    toPeers: peer === undefined ? undefined : { renewed: peer, trustAnybody: peerTls?.madeFor !== undefined },
    close: () => {
      client?.close();
      peer?.close();
    },
  };
}

/** For --auto-tls and --peer-auto-tls, whose certificates nobody can check: so they are told in the log, as a warning. */
async function makeMissing({ clientTls, peerTls, name, dataDir }: StoreFlags, log: Log): Promise<void> {
  for (const paths of [clientTls, peerTls]) {
    if (paths?.madeFor === undefined) continue;
    // The disk makes its root durable, but only one that it makes itself.
    await new FileDisk(dataDir).makeDir('');
    const identity = { name: 'server', commonName: name, hosts: paths.madeFor };
    await ensurePki(dirname(paths.certFile), [identity], new Date(systemClock.wall()));
    log.warn({ file: paths.certFile }, 'tls: a certificate of its own making: callers cannot tell this member from another');
  }
}

function serverTls(paths: TlsPaths | undefined, files: RenewedTls | undefined): GrpcServerOptions['tls'] {
  if (paths === undefined || files === undefined) return undefined;
  return { renewed: files, requireClientCertificate: paths.requireClientCertificate };
}
