/** Who pulls: what image pull secrets say (`kubernetes.io/dockerconfigjson`, `kubernetes.io/dockercfg`), and for which registries. */
import { decoded, parseJson, readObject, readString, refuse, type Decoded, type Fields } from './decoded.ts';
import { repositoryOf, type ImageReference } from './reference.ts';

export interface Credentials {
  /** A registry's host, with port and path prefix where given; `*` stands for one label of the host. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
  /** An OAuth2 refresh token in place of the two. */
  readonly identityToken?: string;
  /** A bearer token for the registry itself. */
  readonly registryToken?: string;
}

export type SecretFormat = 'dockerconfigjson' | 'dockercfg';

/** `.dockerconfigjson` is `{ auths: { host: … } }`, `.dockercfg` the inner object alone. */
export function parseCredentials(text: string, format: SecretFormat): Decoded<Credentials[]> {
  return decoded(() => {
    const whole = readObject(parseJson(text), 'the secret');
    const auths =
      format === 'dockercfg' ? whole : whole['auths'] === undefined ? {} : readObject(whole['auths'], 'auths');
    return Object.entries(auths).map(([registry, value]) =>
      readCredentials(registry, readObject(value, `auths[${JSON.stringify(registry)}]`)),
    );
  });
}

export function readCredentials(registry: string, fields: Fields): Credentials {
  const text = (name: string) => readString(fields[name], `auths[${JSON.stringify(registry)}].${name}`);
  const [identityToken, registryToken] = [text('identitytoken'), text('registrytoken')];
  const pair =
    text('auth') === '' ? { username: text('username'), password: text('password') } : readAuth(text('auth'), registry);
  return {
    registry: plainRegistry(registry),
    ...pair,
    ...(identityToken === '' ? {} : { identityToken }),
    ...(registryToken === '' ? {} : { registryToken }),
  };
}

/** base64 of `user:password`; Docker pads with NULs. */
function readAuth(auth: string, registry: string): { username: string; password: string } {
  const pair = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  if (colon < 0) refuse(`auths[${JSON.stringify(registry)}].auth is not the base64 of user:password`);
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

/** `https://index.docker.io/v1/` is what `docker login` writes for docker.io. */
function plainRegistry(registry: string): string {
  const plain = registry
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/+$/, '');
  return /^(?:index|registry-1)\.docker\.io$/.test(plain) ? 'docker.io' : plain;
}

/** Those for an image, the most exact first: as kubelet, the one of the longest path, then in the order they were given. */
export function credentialsFor(reference: ImageReference, all: readonly Credentials[]): Credentials[] {
  const fitting = all.filter((one) => fits(one.registry, reference));
  return fitting
    .map((one, at) => ({ one, at }))
    .sort((a, b) => b.one.registry.length - a.one.registry.length || a.at - b.at)
    .map(({ one }) => one);
}

function fits(registry: string, reference: ImageReference): boolean {
  const [host = '', ...path] = registry.split('/');
  if (!hostFits(host, reference.host)) return false;
  const prefix = path.join('/');
  const repository = repositoryOf(reference).slice(reference.host.length + 1);
  return prefix === '' || repository === prefix || repository.startsWith(`${prefix}/`);
}

function hostFits(pattern: string, host: string): boolean {
  const [patternName, patternPort] = splitPort(pattern);
  const [name, port] = splitPort(host);
  if (patternPort !== port) return false;
  const [parts, names] = [patternName.split('.'), name.split('.')];
  return parts.length === names.length && parts.every((part, at) => labelFits(part, names[at]!));
}

function splitPort(host: string): [string, string | undefined] {
  const match = /^(.*):(\d+)$/.exec(host);
  return match === null ? [host, undefined] : [match[1]!, match[2]];
}

/** `*` within a label stands for any characters of it: written without a pattern of the secret's making. */
function labelFits(pattern: string, label: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === label;
  const last = rest.pop()!;
  if (!label.startsWith(first) || !label.endsWith(last) || label.length < first.length + last.length) return false;
  let from = first.length;
  for (const piece of rest) {
    const found = label.indexOf(piece, from);
    if (found < 0) return false;
    from = found + piece.length;
  }
  return from <= label.length - last.length;
}
