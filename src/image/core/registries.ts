/**
 * Which servers an image is asked of. A registry's mirrors come first, in their order, then itself. Plain http is for loopback
 * and for those that the configuration names; anywhere else it would hand credentials and images to whoever listens.
 *
 *   registries:
 *     - host: docker.io
 *       mirrors: [ "https://mirror.lan", "http://127.0.0.1:5000" ]
 *     - host: registry.lan:5000
 *       plainHttp: true
 *     - host: other.lan
 *       caFile: /etc/ssl/other.pem
 */
import { decoded, readList, readObject, readString, readStrings, refuse, type Decoded } from './decoded.ts';
import type { ImageReference } from './reference.ts';

export interface RegistrySettings {
  readonly host: string;
  /** Base URLs, `http://…` or `https://…`, a path allowed. */
  readonly mirrors: readonly string[];
  readonly plainHttp: boolean;
  /** A PEM file of authorities to believe besides the usual ones. */
  readonly caFile: string;
}

/** One server to ask. */
export interface Endpoint {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly isMirror: boolean;
  readonly caFile: string;
}

const FIELDS: ReadonlySet<string> = new Set(['host', 'mirrors', 'plainHttp', 'caFile']);

/** Reads the parsed YAML; an unknown field is refused, since a typing error in it would go unseen until it matters. */
export function readRegistries(value: unknown): Decoded<RegistrySettings[]> {
  return decoded(() => {
    if (value === undefined || value === null) return [];
    const whole = readObject(value, 'the file');
    for (const name of Object.keys(whole))
      if (name !== 'registries') refuse(`${name} is no field of it; "registries" is`);
    return readList(whole['registries'], 'registries').map((item, at) => readSettings(item, `registries[${at}]`));
  });
}

function readSettings(value: unknown, what: string): RegistrySettings {
  const fields = readObject(value, what);
  for (const name of Object.keys(fields))
    if (!FIELDS.has(name)) refuse(`${what}.${name} is no field; there are ${[...FIELDS].join(', ')}`);
  const host = readString(fields['host'], `${what}.host`);
  if (host === '' || /[/\s]/.test(host)) refuse(`${what}.host is no host: ${JSON.stringify(host)}`);
  const mirrors = readStrings(fields['mirrors'], `${what}.mirrors`).map((mirror) => mirror.replace(/\/+$/, ''));
  for (const mirror of mirrors)
    if (!/^https?:/.test(mirror) || !URL.canParse(mirror))
      refuse(`${what}.mirrors: ${JSON.stringify(mirror)} is no http or https URL`);
  const plainHttp = fields['plainHttp'] ?? false;
  if (typeof plainHttp !== 'boolean') refuse(`${what}.plainHttp is neither true nor false`);
  return { host, mirrors, plainHttp, caFile: readString(fields['caFile'], `${what}.caFile`) };
}

/** Docker Hub answers under another name than images carry. */
const DOCKER_HUB_SERVER = 'registry-1.docker.io';

export function endpointsOf({ host }: ImageReference, settings: readonly RegistrySettings[]): Endpoint[] {
  const own = settings.find((one) => one.host === host);
  const caFile = own?.caFile ?? '';
  const mirrors = (own?.mirrors ?? []).map((baseUrl) => ({ baseUrl, isMirror: true, caFile }));
  // Who names an authority for a registry on loopback means https.
  const isPlain = own?.plainHttp === true || (isLoopback(hostName(host)) && caFile === '');
  return [
    ...mirrors,
    {
      baseUrl: `${isPlain ? 'http' : 'https'}://${host === 'docker.io' ? DOCKER_HUB_SERVER : host}`,
      isMirror: false,
      caFile,
    },
  ];
}

/** Whether http may be spoken with a URL's host: loopback, named with plainHttp, or a mirror that is named with http. */
export function mayBePlain(url: URL, settings: readonly RegistrySettings[]): boolean {
  if (isLoopback(url.hostname)) return true;
  return settings.some(
    ({ host, plainHttp, mirrors }) =>
      (plainHttp && host === url.host) ||
      mirrors.some((mirror) => mirror.startsWith('http:') && new URL(mirror).host === url.host),
  );
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '');
}

export function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
