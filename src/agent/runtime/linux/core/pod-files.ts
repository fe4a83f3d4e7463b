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

export function hostsFile(input: { readonly ip: string; readonly hostnames: readonly string[]; readonly aliases: readonly HostAlias[] }): string {
  const { ip, hostnames, aliases } = input;
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', `${ip}\t${hostnames.join('\t')}`];
  for (const { ip: address, hostnames: names } of aliases) lines.push(`${address}\t${names.join('\t')}`);
  return lines.map((line) => `${line}\n`).join('');
}
