/**
 * Names of images, by the grammar of Docker's reference package, and made whole as every Kubernetes user expects:
 *
 *   busybox              docker.io/library/busybox:latest
 *   user/app:1           docker.io/user/app:1
 *   ghcr.io/o/app@sha256:…   as it is; a tag beside a digest is dropped, for the digest says all
 *
 * The first part is a host only if it has a dot or a port, is `localhost`, or has capitals.
 */
import type { Decoded } from './decoded.ts';
import { refused } from './decoded.ts';

export interface ImageReference {
  /** `docker.io`, `registry.lan:5000`, `[::1]:5000`. */
  readonly host: string;
  /** `library/busybox`. */
  readonly path: string;
  /** One of the two. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const HOST_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = new RegExp(`^(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const DIGEST_DIGITS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
/** An id where a name should be: Docker refuses it, since it would otherwise look for a repository of that name. */
const BARE_ID = /^[a-f0-9]{64}$/;
/** Docker's NameTotalLengthMax. */
const NAME_CHARACTERS_MAX = 255;
const REFERENCE_CHARACTERS_MAX = 1024;

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_OLD = 'index.docker.io';
export const DEFAULT_TAG = 'latest';

const INVALID = 'invalid reference format';

export function parseReference(text: string): Decoded<ImageReference> {
  if (text === '') return refused(`${INVALID}: it is empty`);
  if (text.length > REFERENCE_CHARACTERS_MAX)
    return refused(`${INVALID}: it is longer than ${REFERENCE_CHARACTERS_MAX} characters`);
  if (BARE_ID.test(text)) return refused('invalid repository name: 64 hexadecimal digits are an id, not a name');
  const [beforeDigest, digest] = splitAt(text, text.indexOf('@'));
  if (digest !== undefined) {
    const why = whyNoDigest(digest);
    if (why !== undefined) return refused(why);
  }
  const colon = beforeDigest.lastIndexOf(':');
  // A colon before the last slash is that of a port.
  const [name, tag] = splitAt(beforeDigest, colon > beforeDigest.lastIndexOf('/') ? colon : -1);
  if (tag !== undefined && !TAG.test(tag)) return refused(`${INVALID}: ${JSON.stringify(tag)} is no tag`);
  const { host, path } = splitHost(name);
  const why = whyNoName(host, path);
  if (why !== undefined) return refused(why);
  return { ok: true, value: { host, path, tag: digest === undefined ? (tag ?? DEFAULT_TAG) : undefined, digest } };
}

function splitAt(text: string, at: number): [string, string | undefined] {
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function whyNoDigest(digest: string): string | undefined {
  if (!DIGEST.test(digest)) return `${INVALID}: ${JSON.stringify(digest)} is no digest`;
  const [algorithm = '', digits = ''] = digest.split(':');
  if (DIGEST_DIGITS[algorithm] === undefined) return `unsupported digest algorithm ${algorithm}`;
  if (digits.length !== DIGEST_DIGITS[algorithm] || /[A-F]/.test(digits))
    return 'invalid checksum digest length or case';
  return algorithm === 'sha256' ? undefined : `unsupported digest algorithm ${algorithm}: only sha256 is`;
}

function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first !== '' && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const host = isHost ? first : DOCKER_HUB;
  const path = isHost ? name.slice(slash + 1) : name;
  if (host !== DOCKER_HUB && host !== DOCKER_HUB_OLD) return { host, path };
  return { host: DOCKER_HUB, path: path.includes('/') ? path : `library/${path}` };
}

function whyNoName(host: string, path: string): string | undefined {
  if (!HOST.test(host)) return `${INVALID}: ${JSON.stringify(host)} is no host`;
  if (path.length > NAME_CHARACTERS_MAX)
    return `repository name must not be more than ${NAME_CHARACTERS_MAX} characters`;
  if (/[A-Z]/.test(path)) return `${INVALID}: repository name (${path}) must be lowercase`;
  if (!path.split('/').every((part) => PATH_PART.test(part))) return INVALID;
  return undefined;
}

/** `docker.io/library/busybox`. */
export function repositoryOf({ host, path }: ImageReference): string {
  return `${host}/${path}`;
}

export function formatReference(reference: ImageReference): string {
  const { tag, digest } = reference;
  return `${repositoryOf(reference)}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** As Kubernetes defaults imagePullPolicy. */
export function defaultPullPolicy({ tag }: ImageReference): 'Always' | 'IfNotPresent' {
  return tag === DEFAULT_TAG ? 'Always' : 'IfNotPresent';
}

/** Known by name, with no layers: its root is made of the machine's own programs. */
export const HOST_IMAGE = 'podium.dev/host';

export function isHostImageName(image: string): boolean {
  const parsed = parseReference(image);
  return parsed.ok && isHostImage(parsed.value);
}

export function isHostImage({ host, path, tag, digest }: ImageReference): boolean {
  return `${host}/${path}` === HOST_IMAGE && digest === undefined && tag === DEFAULT_TAG;
}
