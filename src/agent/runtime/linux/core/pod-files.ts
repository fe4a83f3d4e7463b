/** The pod's own files below /etc, the same for all of its containers. */
import type { DnsConfig, HostAlias } from '../../runtime.ts';

/** What glibc reads of a resolv.conf. */
const SEARCHES_MAX = 32;

export function resolvConf({ servers, searches, options }: DnsConfig): string {
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.slice(0, SEARCHES_MAX).join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

export function hostsFile(input: { readonly ip: string; readonly hostname: string; readonly aliases: readonly HostAlias[] }): string {
  const { ip, hostname, aliases } = input;
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', `${ip}\t${hostname}`];
  for (const { ip: address, hostnames } of aliases) lines.push(`${address}\t${hostnames.join('\t')}`);
  return lines.map((line) => `${line}\n`).join('');
}
