/** A socket to the first of some addresses that takes one and speaks HTTP/2 on it. */
import { connect as connectPlain, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { hostOf, portOf, sniOf, socketPathOf } from '../addresses.ts';
import type { ConnectOptions } from '../connect-options.ts';
import { readsAsStream, readsTo, type OnChunk } from './reading.ts';

export function openSocket(address: string, { addresses, tls }: ConnectOptions, onChunk: OnChunk): Socket {
  const path = socketPathOf(address);
  if (path !== undefined) return connectPlain({ path, onread: readsTo(onChunk) });
  const to = { host: hostOf(address), port: portOf(address) };
  if (tls === undefined) return connectPlain({ ...to, noDelay: true, onread: readsTo(onChunk) });
  const socket = connectTls({ ...to, ...tlsOptions(tls, addresses), ALPNProtocols: ['h2'] });
  socket.setNoDelay(true);
  return readsAsStream(socket, onChunk);
}

function tlsOptions(tls: NonNullable<ConnectOptions['tls']>, addresses: readonly string[]): TlsOptions {
  const names = tls.serverName === undefined ? addresses.map(hostOf) : [tls.serverName];
  const servername = tls.serverName ?? sniOf(addresses);
  // The certificate must be for an address that was asked for, whatever name the handshake carried.
  const checks: TlsOptions = {
    servername,
    checkServerIdentity: (_, certificate) => {
      const problems = names.map((name) => checkServerIdentity(name, certificate));
      return problems.includes(undefined) ? undefined : problems[0];
    },
  };
  if ('renewed' in tls) {
    const { ca, cert, key } = tls.renewed.current;
    const trust: TlsOptions = tls.trustAnybody === true ? { servername, rejectUnauthorized: false } : checks;
    return { ca, cert, key, ...trust };
  }
  const pem = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes));
  return { ca: pem(tls.ca), cert: pem(tls.cert), key: pem(tls.key), ...checks };
}
