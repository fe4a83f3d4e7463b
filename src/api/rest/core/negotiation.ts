/** What a client accepts and what it has sent: `Accept` and `Content-Type`, as far as this server serves them. Pure. */
import { ApiError } from '../../../kube/errors.ts';

export type Format = 'json' | 'yaml';

/** How an object is to be shown. */
export type Shape =
  | { readonly as: 'object' }
  | { readonly as: 'table'; readonly version: string }
  /** Of a list or of an object, whichever it turns out to be: who asks for the other is refused. */
  | { readonly as: 'partial'; readonly version: string; readonly isList: boolean };

export interface Negotiated {
  readonly format: Format;
  readonly shape: Shape;
  /** What the answer is labelled with. */
  readonly contentType: string;
}

interface MediaRange {
  readonly type: string;
  readonly params: ReadonlyMap<string, string>;
  readonly quality: number;
}

export const MEDIA_TYPES: Readonly<Record<Format, string>> = { json: 'application/json', yaml: 'application/yaml' };
/** More of them are no client's wish. */
const RANGES_MAX = 32;
const META_VERSIONS: ReadonlySet<string> = new Set(['v1', 'v1beta1']);

export interface NegotiationOptions {
  /** Tables and partial objects, for answers that are of a kind. */
  readonly shapes: 'all' | 'plain';
}

/** The first range of the highest quality that can be served; without a header: JSON. */
export function negotiate(accept: string | undefined, { shapes }: NegotiationOptions): Negotiated {
  const ranges = parseAccept(accept ?? '');
  if (ranges.length === 0) return plainJson;
  for (const range of ranges) {
    const format = formatOf(range.type);
    if (format === undefined || range.quality === 0) continue;
    const shape = shapeOf(range, shapes);
    if (shape === undefined) continue;
    return { format, shape, contentType: MEDIA_TYPES[format] };
  }
  throw notAcceptable();
}

const plainJson: Negotiated = { format: 'json', shape: { as: 'object' }, contentType: MEDIA_TYPES.json };

export function notAcceptable(): ApiError {
  return new ApiError('NotAcceptable', `only the following media types are accepted: ${Object.values(MEDIA_TYPES).join(', ')}`);
}

/** For what a refusal is written in: JSON, whatever the client hoped for. */
export function formatOrJson(accept: string | undefined): Format {
  try {
    return negotiate(accept, { shapes: 'all' }).format;
  } catch {
    return 'json';
  }
}

function formatOf(type: string): Format | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return type === 'application/yaml' ? 'yaml' : undefined;
}

function shapeOf({ params }: MediaRange, shapes: 'all' | 'plain'): Shape | undefined {
  const as = params.get('as');
  if (as === undefined) return { as: 'object' };
  const version = params.get('v') ?? '';
  if (shapes === 'plain' || params.get('g') !== 'meta.k8s.io' || !META_VERSIONS.has(version)) return undefined;
  if (as === 'Table') return { as: 'table', version };
  return as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList' ? { as: 'partial', version, isList: as === 'PartialObjectMetadataList' } : undefined;
}

/** Of aggregated discovery: which version of it, if the client asks for one that is served, before plain JSON. */
export function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const { type, params, quality } of parseAccept(accept ?? '')) {
    if (quality === 0 || formatOf(type) !== 'json') continue;
    if (!params.has('as')) return undefined;
    const version = params.get('v');
    const isAggregated = params.get('g') === 'apidiscovery.k8s.io' && params.get('as') === 'APIGroupDiscoveryList';
    if (isAggregated && (version === 'v2' || version === 'v2beta1')) return version;
  }
  return undefined;
}

/** By quality, ties in the order of the header. */
export function parseAccept(header: string): MediaRange[] {
  return header
    .split(',')
    .slice(0, RANGES_MAX)
    .map(parseRange)
    .filter(({ type }) => type !== '')
    .sort((a, b) => b.quality - a.quality);
}

function parseRange(text: string): MediaRange {
  const [type = '', ...rest] = text.split(';');
  const params = new Map<string, string>();
  for (const param of rest) {
    const at = param.indexOf('=');
    if (at > 0) params.set(param.slice(0, at).trim(), param.slice(at + 1).trim().replace(/^"(.*)"$/, '$1'));
  }
  const quality = Number(params.get('q') ?? 1);
  return { type: type.trim().toLowerCase(), params, quality: Number.isFinite(quality) ? quality : 0 };
}

/** Bodies may come in protobuf; answers never go out in it. */
export type BodyFormat = Format | 'protobuf';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** What a body is written in; without a header: JSON. */
export function bodyFormat(contentType: string | undefined): BodyFormat {
  const type = mediaType(contentType);
  if (type === '' || type === 'application/json') return 'json';
  if (type === 'application/yaml') return 'yaml';
  if (type === PROTOBUF) return 'protobuf';
  const list = [...Object.values(MEDIA_TYPES), PROTOBUF].join(', ');
  throw new ApiError('UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${list}`);
}

export type PatchFormat = 'json' | 'merge' | 'strategic' | 'apply';

const PATCH_FORMATS: Readonly<Record<string, PatchFormat>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

export function patchFormat(contentType: string | undefined): PatchFormat {
  const type = mediaType(contentType);
  const format = Object.hasOwn(PATCH_FORMATS, type) ? PATCH_FORMATS[type] : undefined;
  if (format !== undefined) return format;
  const list = Object.keys(PATCH_FORMATS).join(', ');
  throw new ApiError('UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${list}`);
}

export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  return parseAccept(acceptEncoding ?? '').some(({ type, quality }) => (type === 'gzip' || type === '*') && quality > 0);
}
