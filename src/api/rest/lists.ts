/**
 * Lists, as objects, tables or metadata alone, in pieces: no list is ever one string. What the cache has encoded is sent
 * as it stands.
 */
import { fromUtf8 } from '../../base/bytes.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import type { KubeObject } from '../../kube/types.ts';
import { columnDefinitionsOf, columnsOf, partialOf, rowOf, type IncludeObject } from '../core/table.ts';
import type { Listed } from '../requests.ts';
import { jsonBytes } from '../watch-cache.ts';
import type { Shape } from './core/negotiation.ts';

const CHUNK_BYTES = 64 * 1024;

export interface Showing {
  readonly shape: Shape;
  readonly includeObject: IncludeObject;
  readonly isPretty: boolean;
  readonly wallMs: number;
}

/** Of kinds that have no own list type of another name. */
const listKind = (kind: string) => `${kind}List`;

export function* listChunks(listed: Listed, showing: Showing): Generator<Uint8Array> {
  const { head, member, items } = partsOf(listed, showing);
  const text = JSON.stringify(head, undefined, showing.isPretty ? 2 : undefined);
  const open = showing.isPretty ? `,\n  "${member}": [` : `,"${member}":[`;
  yield* joined(text.slice(0, showing.isPretty ? -2 : -1) + open, items(), showing.isPretty);
}

/** The whole of it, for YAML. */
export function listDocument(listed: Listed, showing: Showing): object {
  const { head, member, values } = partsOf(listed, showing);
  return { ...head, [member]: listed.items.map(values) };
}

interface ListParts {
  readonly head: object;
  readonly member: string;
  readonly values: (object: KubeObject) => object;
  readonly items: () => Iterable<Uint8Array | string>;
}

function partsOf(listed: Listed, { shape, includeObject, isPretty, wallMs }: Showing): ListParts {
  const { kind, items } = listed;
  const metadata = listMeta(listed);
  const encoded = (values: (object: KubeObject) => object) =>
    function* () {
      for (const object of items) yield JSON.stringify(values(object), undefined, isPretty ? 2 : undefined);
    };
  if (shape.as === 'table') {
    const columns = columnsOf(kind);
    const row = rowOf(columns, { wallMs, include: includeObject, version: shape.version });
    const head = { kind: 'Table', apiVersion: `meta.k8s.io/${shape.version}`, metadata, columnDefinitions: columnDefinitionsOf(columns) };
    return { head, member: 'rows', values: row, items: encoded(row) };
  }
  if (shape.as === 'partial') {
    const partial = (object: KubeObject) => partialOf(object, shape.version);
    const head = { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${shape.version}`, metadata };
    return { head, member: 'items', values: partial, items: encoded(partial) };
  }
  const head = { kind: listKind(kind.info.kind), apiVersion: apiVersionOf(kind.info), metadata };
  const whole = (object: KubeObject) => object;
  return { head, member: 'items', values: whole, items: isPretty ? encoded(whole) : () => items.map(jsonBytes) };
}

function listMeta({ resourceVersion, continue: token, remainingItemCount }: Listed): object {
  return {
    ...(resourceVersion === '' ? {} : { resourceVersion }),
    ...(token === '' ? {} : { continue: token }),
    ...(remainingItemCount === undefined ? {} : { remainingItemCount }),
  };
}

/** Pieces of some size, however small the items are. */
function* joined(open: string, items: Iterable<Uint8Array | string>, isPretty: boolean): Generator<Uint8Array> {
  let parts: Uint8Array[] = [fromUtf8(open)];
  let size = parts[0]!.length;
  let isFirst = true;
  const separator = fromUtf8(isPretty ? ',\n    ' : ',');
  const start = fromUtf8(isPretty ? '\n    ' : '');
  for (const item of items) {
    const bytes = typeof item === 'string' ? fromUtf8(isPretty ? item.replaceAll('\n', '\n    ') : item) : item;
    parts.push(isFirst ? start : separator, bytes);
    isFirst = false;
    size += bytes.length + 1;
    if (size < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  parts.push(fromUtf8(isPretty ? (isFirst ? ']\n}\n' : '\n  ]\n}\n') : ']}\n'));
  yield Buffer.concat(parts);
}
