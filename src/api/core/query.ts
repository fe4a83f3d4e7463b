/** What a list or a watch asks for: selectors, resourceVersions and continue tokens, from text to something that works. */
import { ApiError, badRequest, expired } from '../../kube/errors.ts';
import { parseLabelSelector } from '../../kube/label-parser.ts';
import { matchesLabels, parseFieldSelector, type FieldQuery } from '../../kube/selector.ts';
import type { KubeObject } from '../../kube/types.ts';
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
    ...(kind.info.namespaced ? { 'metadata.namespace': (object: KubeObject) => object.metadata.namespace ?? '' } : {}),
    ...kind.selectableFields,
  };
  return query.map(({ field }) => {
    const reader = Object.hasOwn(known, field) ? known[field] : undefined;
    if (reader !== undefined) return reader;
    throw badRequest(unknownField(kind, field));
  });
}

/** Kinds that have fields of their own refuse others in other words than kinds that have none. */
function unknownField({ info, selectableFields }: Kind, field: string): string {
  if (info.kind === 'Job') return `field label ${JSON.stringify(field)} not supported for Job`;
  if (Object.keys(selectableFields).length > 0) return `field label not supported: ${field}`;
  const names = ['metadata.name', ...(info.namespaced ? ['metadata.namespace'] : [])].map((name) => JSON.stringify(name));
  return `${JSON.stringify(field)} is not a known field selector: only ${names.join(', ')}`;
}

/** undefined: none was given. */
export function parseResourceVersion(text: string, field = 'resourceVersion'): number | undefined {
  if (text === '') return undefined;
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  const message = `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new ApiError('BadRequest', `${field}: ${message}`);
}

/** Where a list goes on: at the key, in the state of the revision. */
export interface Position {
  readonly revision: number;
  /** Below the kind's prefix. */
  readonly from: string;
}

export function encodeContinue({ revision, from }: Position): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: from })).toString('base64url');
}

export function decodeContinue(token: string): Position {
  const refused = badRequest('continue key is not valid');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw refused;
  }
  if (typeof value !== 'object' || value === null || !('rv' in value) || !('start' in value)) throw refused;
  const { rv, start } = value;
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv <= 0 || typeof start !== 'string') throw refused;
  return { revision: rv, from: start };
}

export function expiredContinue(): ApiError {
  return expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the ' +
      'continue parameter.',
  );
}
