/** "127.0.0.1:2379", "[::1]:2379", "name:2379": what of it is whose. */
import { isIP } from 'node:net';

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
