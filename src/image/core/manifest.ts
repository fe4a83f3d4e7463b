/**
 * Manifests and indexes, OCI's and Docker's schema 2, which differ in the names of media types alone.
 *
 *   index ──► manifest of a platform ──► config
 *                                    └─► layers, lowest first
 *
 * They came from a registry or an archive: whoever reads them has compared their digest, and believes nothing else.
 */
import {
  decoded,
  parseJson,
  readList,
  readObject,
  readString,
  readStringMap,
  refuse,
  type Decoded,
  type Fields,
} from './decoded.ts';
import { readDigest } from './digest.ts';
import { readPlatform, type Platform } from './platform.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export type Manifest =
  | { readonly kind: 'index'; readonly mediaType: string; readonly manifests: readonly Descriptor[] }
  | {
      readonly kind: 'image';
      readonly mediaType: string;
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
    };

export type ImageManifest = Extract<Manifest, { kind: 'image' }>;

export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const;

/** For the Accept header. Schema 1 is not among them: it has no digests of what it names. */
export const MANIFEST_TYPES: readonly string[] = [MEDIA.index, MEDIA.manifest, MEDIA.dockerIndex, MEDIA.dockerManifest];

/** The limit that registries have, too. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** Docker's limit is 125 (overlayfs'); a flattened root knows none, but whoever names a million means harm. */
const LAYERS_MAX = 1_000;
const MANIFESTS_MAX = 10_000;

/** `mediaType`: what the registry or the descriptor called it; the document's own word counts more. */
export function parseManifest(text: string, mediaType = ''): Decoded<Manifest> {
  return decoded(() => readManifest(readObject(parseJson(text), 'the manifest'), mediaType));
}

function readManifest(fields: Fields, mediaType: string): Manifest {
  const version = fields['schemaVersion'];
  if (version === 1) refuse('it is of schema 1, which is not supported: push it anew with a current builder');
  if (version !== 2) refuse(`schemaVersion is ${JSON.stringify(version) ?? 'absent'}, not 2`);
  const own = readString(fields['mediaType'], 'mediaType');
  const type = own === '' ? mediaType.split(';')[0]!.trim() : own;
  if (isIndex(type, fields)) {
    const manifests = limited(readList(fields['manifests'], 'manifests'), MANIFESTS_MAX, 'manifests');
    return {
      kind: 'index',
      mediaType: type || MEDIA.index,
      manifests: manifests.map((item, at) => readDescriptor(item, `manifests[${at}]`)),
    };
  }
  const layers = limited(readList(fields['layers'], 'layers'), LAYERS_MAX, 'layers');
  return {
    kind: 'image',
    mediaType: type || MEDIA.manifest,
    config: readDescriptor(fields['config'], 'config'),
    layers: layers.map((item, at) => readDescriptor(item, `layers[${at}]`)),
  };
}

/** A document that could be read as both is taken for neither: which one it is would depend on who asks. */
function isIndex(type: string, fields: Fields): boolean {
  const hasManifests = fields['manifests'] !== undefined;
  const hasImage = fields['config'] !== undefined || fields['layers'] !== undefined;
  if (hasManifests && hasImage) refuse('it has both manifests and layers');
  if (type === MEDIA.index || type === MEDIA.dockerIndex)
    return hasImage ? refuse(`it is called ${type} and has layers`) : true;
  if (type === MEDIA.manifest || type === MEDIA.dockerManifest)
    return hasManifests ? refuse(`it is called ${type} and has manifests`) : false;
  if (type !== '' && !/^(?:application|text)\/(?:json|plain|octet-stream)$/.test(type))
    refuse(`it is of type ${type}, which is no image`);
  return hasManifests;
}

function limited<T>(list: readonly T[], max: number, what: string): readonly T[] {
  return list.length <= max ? list : refuse(`${what} are ${list.length}, more than ${max}`);
}

export function readDescriptor(value: unknown, what: string): Descriptor {
  const fields = readObject(value, what);
  const size = fields['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    refuse(`${what}.size is no size: ${JSON.stringify(size) ?? 'absent'}`);
  const platform = fields['platform'];
  return {
    mediaType: readString(fields['mediaType'], `${what}.mediaType`),
    digest: readDigest(fields['digest'], `${what}.digest`),
    size,
    platform: platform === undefined || platform === null ? undefined : readPlatform(platform, `${what}.platform`),
    annotations: readStringMap(fields['annotations'], `${what}.annotations`),
  };
}

/** Builders add manifests that say how an image came about beside those of images (BuildKit's attestations). */
export function isAttestation({ annotations }: Descriptor): boolean {
  return annotations['vnd.docker.reference.type'] !== undefined;
}

interface Named {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The bytes of a manifest of ours, the same for the same image. */
export function formatManifest(config: Named, layers: readonly Named[]): string {
  const named = ({ mediaType, digest, size }: Named) => ({ mediaType, digest, size });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: named(config),
    layers: layers.map(named),
  });
}
