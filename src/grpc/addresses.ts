/** "127.0.0.1:2379", "[::1]:2379", "name:2379": what of it is whose. */
import { isIP } from 'node:net';

/** The file of a Unix socket, where the address is one: "unix:///run/containerd/containerd.sock". */
export function socketPathOf(address: string): string | undefined {
  return /^unix:(?:\/\/)?(\/.*)$/.exec(address)?.[1];
}

/** Whom a request names; Go's servers refuse the path of a Unix socket. */
export function authorityOf(address: string): string {
  return socketPathOf(address) === undefined ? address : 'localhost';
}

export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

export function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1] ?? NaN);
}

/** RFC 6066 allows no addresses in a handshake's server name, and Node.js warns of them. */
export function sniOf(addresses: readonly string[]): string {
  const host = hostOf(addresses[0]!);
  return isIP(host) === 0 ? host : 'localhost';
}
