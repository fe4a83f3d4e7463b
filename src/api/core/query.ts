/** What a list or a watch asks for: selectors, resourceVersions and continue tokens, from text to something that works. */
import { ApiError, badRequest, expired } from '../../kube/errors.ts';
import { parseLabelSelector } from '../../kube/label-parser.ts';
import { matchesLabels, parseFieldSelector, type FieldQuery } from '../../kube/selector.ts';
import { isRecord, type KubeObject } from '../../kube/types.ts';
import type { Kind } from '../kinds/kind.ts';

export interface Selection {
  readonly matches: (object: KubeObject) => boolean;
  readonly isEverything: boolean;
  /** Required values of fields, by field: what an index can serve. */
  readonly exact: ReadonlyMap<string, string>;
}

export function selectionOf(kind: Kind, labelSelector = '', fieldSelector = ''): Selection {
  const labels = parseLabelSelector(labelSelector);
  if (!labels.ok) throw badRequest(labels.message);
  const fields = parseFieldSelector(fieldSelector);
  if (!fields.ok) throw badRequest(fields.message);
  const readers = readersOf(kind, fields.value);
  const exact = new Map(fields.value.filter(({ negated }) => !negated).map(({ field, value }) => [field, value]));
  return {
    isEverything: labels.value.length === 0 && fields.value.length === 0,
    exact,
    matches: (object) =>
      fields.value.every(({ value, negated }, index) => (readers[index]!(object) === value) !== negated) &&
      matchesLabels(labels.value, object.metadata.labels),
  };
}

function readersOf(kind: Kind, query: FieldQuery): readonly ((object: KubeObject) => string)[] {
  const known: Readonly<Record<string, (object: KubeObject) => string>> = {
    'metadata.name': (object) => object.metadata.name,
    ...(kind.info.namespaced || isMute(kind) ? { 'metadata.namespace': (object: KubeObject) => object.metadata.namespace ?? '' } : {}),
    ...kind.selectableFields,
  };
  return query.map(({ field }) => {
    const reader = Object.hasOwn(known, field) ? known[field] : undefined;
    if (reader !== undefined) return reader;
    throw badRequest(unknownField(kind, field));
  });
}

/** Kinds that have fields of their own refuse others in other words than kinds that have none. */
function unknownField(kind: Kind, field: string): string {
  if (kind.info.kind === 'Job') return `field label ${JSON.stringify(field)} not supported for Job`;
  if (!isMute(kind)) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

/** It has no fields of its own. Kubernetes then takes both of metadata, in a namespace or not. */
function isMute({ selectableFields }: Kind): boolean {
  return Object.keys(selectableFields).length === 0;
}

/** undefined: none was given. */
export function parseResourceVersion(text: string, field = 'resourceVersion'): number | undefined {
  if (text === '') return undefined;
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  const message = `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new ApiError('BadRequest', `${field}: ${message}`);
}

/** A version of the future, which this server may come to see. `retryAfterSeconds`: of a cache that was waited for. */
export function tooLargeVersion(wanted: number, current: number, retryAfterSeconds?: number): ApiError {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  const details = { causes, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
  return new ApiError('Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, { details });
}

/** Where a list goes on: at the key, in the state of the revision. */
export interface Position {
  /** 0: of now, after the list's own revision was forgotten. */
  readonly revision: number;
  /** Below the kind's prefix. */
  readonly from: string;
}

const TOKEN_VERSION = 'meta.k8s.io/v1';
/** In a token it stands for the state of now; a 0 there would be a mistake of a client's. */
const NOW = -1;

export function encodeContinue({ revision, from }: Position): string {
  return Buffer.from(JSON.stringify({ v: TOKEN_VERSION, rv: revision === 0 ? NOW : revision, start: from })).toString('base64url');
}

export function decodeContinue(token: string): Position {
  const { v, rv, start } = tokenFields(token);
  if (v !== TOKEN_VERSION) throw badToken(`server does not recognize this encoded version ${String(v)}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv < NOW) {
    throw badToken(`incorrect encoded start resourceVersion (version ${TOKEN_VERSION})`);
  }
  if (typeof start !== 'string' || start === '') throw badToken(`encoded start key empty (version ${TOKEN_VERSION})`);
  // It becomes a part of a key: below the prefix of the list, and nowhere else.
  if (start.startsWith('/') || start.split('/').includes('..')) throw badToken(start);
  return { revision: rv === NOW ? 0 : rv, from: start };
}

function tokenFields(token: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    throw badToken(error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(value)) throw badToken('not an object');
  return value;
}

function badToken(why: string): ApiError {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}

const TOO_OLD_TOKEN =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the ' +
  'continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with ' +
  'the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the ' +
  'first chunk was returned and now may show up in the list.';

/** The revision of a list is forgotten: the rest of it can be had only as it is now. */
export function expiredContinue(from: string): ApiError {
  return new ApiError('Expired', TOO_OLD_TOKEN, { continue: encodeContinue({ revision: 0, from }) });
}

export function expiredList(): ApiError {
  return expired('The resourceVersion for the provided list is too old.');
}
