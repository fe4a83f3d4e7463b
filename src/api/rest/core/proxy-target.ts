/** What a request by way of the API server to a pod or a service is about, and what of its head goes on. Pure. */
import { badRequest } from '../../../kube/errors.ts';

/** Names in small letters, as Node.js has them. */
type Incoming = Readonly<Record<string, string | string[] | undefined>>;
type Outgoing = Record<string, string | string[] | number>;

/** `[scheme:]name[:port]`, as it stands in the path for a name. */
export interface ProxyTarget {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** A number or a port's name; '' where none is said. */
  readonly port: string;
}

/** The connection's own (RFC 9110 §7.6.1): not for whoever is behind it. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect']);
/** Who asks is the API server's affair: a pod must not be shown what lets him in. */
const OF_THE_CALLER = /^(?:authorization$|impersonate-|host$|content-length$)/;

/** `kind`: of the words in which it is refused. */
export function parseTarget(text: string, kind: 'pod' | 'service'): ProxyTarget {
  const parts = text.split(':');
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  const isScheme = scheme === '' || scheme === 'http' || scheme === 'https';
  if (parts.length > 3 || name === '' || !isScheme) throw badRequest(`invalid ${kind} request ${JSON.stringify(text)}`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

export interface ForwardedFor {
  readonly host: string;
  readonly client: string;
  readonly prefix: string;
  readonly bodyBytes: number | undefined;
  /** To be spoken on the connection from then on, if the other end agrees. */
  readonly upgrade: string | undefined;
}

export function requestHeaders(headers: Incoming, { host, client, prefix, bodyBytes, upgrade }: ForwardedFor): Outgoing {
  const kept = endToEnd(headers, (name) => !OF_THE_CALLER.test(name));
  const before = headers['x-forwarded-for'];
  return {
    ...kept,
    host,
    'x-forwarded-for': before === undefined ? client : `${before.toString()}, ${client}`,
    'x-forwarded-host': headers['host'] ?? '',
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': prefix,
    ...(bodyBytes === undefined ? {} : { 'content-length': bodyBytes }),
    ...(upgrade === undefined ? { connection: 'close' } : { connection: 'Upgrade', upgrade }),
  };
}

/** `prefix`: of the paths below which the client finds what it is led to. */
export function responseHeaders(headers: Incoming, prefix: string, host: string): Outgoing {
  const kept = endToEnd(headers, () => true);
  const { location, 'cache-control': caching, warning, ...others } = kept;
  return {
    ...others,
    // Spelt as the API server's own, in whose place they are.
    ...(caching === undefined ? {} : { 'Cache-Control': caching }),
    ...(warning === undefined ? {} : { Warning: warning }),
    ...(typeof location === 'string' ? { Location: locationFor(location, prefix, host) } : {}),
  };
}

/** Where a pod leads to by a path of its own is below the proxy for the client; elsewhere is elsewhere. */
function locationFor(location: string, prefix: string, host: string): string {
  if (location.startsWith('/') && !location.startsWith('//')) return `${prefix}${location}`;
  if (!URL.canParse(location)) return location;
  const url = new URL(location);
  return url.host === host ? `${prefix}${url.pathname}${url.search}${url.hash}` : location;
}

function endToEnd(headers: Incoming, isKept: (name: string) => boolean): Record<string, string | string[]> {
  const named = new Set((headers['connection'] ?? '').toString().toLowerCase().split(',').map((name) => name.trim()));
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !name.startsWith(':') && !HOP_BY_HOP.has(name) && !named.has(name) && isKept(name)) kept[name] = value;
  }
  return kept;
}
