/** What a header block means (RFC 9113 §8): a request's head, a response's, or trailers; and what makes it malformed. */
import type { Field } from './hpack-table.ts';

/** A block's fields; looked up without being copied, as the same block serves every call that came with it. */
export class Fields {
  readonly all: readonly Field[];
  /** What handlers have asked for, who ask for the same with every call; null: it is not there. */
  readonly #asked = new Map<string, string | null>();

  constructor(all: readonly Field[]) {
    this.all = all;
  }

  /** The first of that name, as text; of a name that ends in "-bin", the bytes it stands for as text. */
  get(name: string): string | undefined {
    const known = this.#asked.get(name);
    if (known !== undefined) return known ?? undefined;
    const value = this.#look(name);
    this.#asked.set(name, value ?? null);
    return value;
  }

  #look(name: string): string | undefined {
    const wanted = name.toLowerCase();
    const value = this.raw(wanted);
    if (value === undefined || !wanted.endsWith('-bin')) return value;
    return decodeBinary(value).toString('utf8');
  }

  raw(name: string): string | undefined {
    for (const field of this.all) if (field.name === name) return field.value;
    return undefined;
  }
}

/** Several values of one name may have been joined by commas on the way; the first counts. */
export function decodeBinary(value: string): Buffer {
  const comma = value.indexOf(',');
  return Buffer.from(comma < 0 ? value : value.slice(0, comma), 'base64');
}

export class RequestHead extends Fields {
  readonly kind = 'request';
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  /** Undefined: not said. */
  readonly contentLength: number | undefined;
  readonly encoding: string;
  /** "grpc-timeout", as it was said. */
  readonly timeout: string | undefined;

  constructor(all: readonly Field[]) {
    super(all);
    this.method = this.raw(':method') ?? '';
    this.path = this.raw(':path') ?? '';
    this.contentType = this.raw('content-type') ?? '';
    this.contentLength = lengthOf(this.raw('content-length'));
    this.encoding = this.raw('grpc-encoding') ?? 'identity';
    this.timeout = this.raw('grpc-timeout');
  }
}

export class ResponseHead extends Fields {
  readonly kind = 'response';
  readonly status: number;
  readonly contentType: string;
  readonly encoding: string;

  constructor(all: readonly Field[]) {
    super(all);
    this.status = Number(this.raw(':status'));
    this.contentType = this.raw('content-type') ?? '';
    this.encoding = this.raw('grpc-encoding') ?? 'identity';
  }
}

export class Trailers extends Fields {
  readonly kind = 'trailers';
}

export type Head =
  | RequestHead
  | ResponseHead
  | Trailers
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'too-large' };

/** §8.2.2: what belongs to one connection of HTTP/1.1. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path']);
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** §8.2.1 */
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

export function readHead(fields: readonly Field[] | undefined): Head {
  if (fields === undefined) return { kind: 'too-large' };
  const pseudo = new Set<string>();
  let isBehindPseudo = false;
  for (const { name, value } of fields) {
    if (!NAME.test(name) || BAD_VALUE.test(value)) return malformed('a field that is none');
    if (name.startsWith(':')) {
      if (isBehindPseudo) return malformed('a pseudo-header behind a field');
      if (pseudo.has(name)) return malformed(`${name} twice`);
      pseudo.add(name);
    } else {
      isBehindPseudo = true;
      if (OF_CONNECTIONS.has(name) || (name === 'te' && value !== 'trailers')) return malformed(`a field ${name}`);
    }
  }
  if (pseudo.size === 0) return new Trailers(fields);
  if (pseudo.has(':status')) {
    if (pseudo.size > 1) return malformed('a response with a pseudo-header of a request');
    const head = new ResponseHead(fields);
    return /^[1-9]\d\d$/.test(String(head.status)) ? head : malformed('no status');
  }
  return readRequest(fields, pseudo);
}

function readRequest(fields: readonly Field[], pseudo: ReadonlySet<string>): Head {
  for (const name of pseudo) if (!REQUEST_PSEUDO.has(name)) return malformed(`a field ${name}`);
  const head = new RequestHead(fields);
  const isConnect = head.method === 'CONNECT';
  const isWhole = isConnect || (pseudo.has(':method') && pseudo.has(':scheme') && head.path !== '');
  if (!isWhole) return malformed('a request without :method, :scheme or :path');
  if (head.contentLength !== undefined && !Number.isSafeInteger(head.contentLength)) return malformed('no length');
  return head;
}

function lengthOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  return /^\d{1,15}$/.test(value) ? Number(value) : NaN;
}

function malformed(why: string): Head {
  return { kind: 'malformed', why };
}
