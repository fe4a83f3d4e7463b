/**
 * The parameters of a query, read once and checked. Numbers are refused with Kubernetes' text; booleans are as lenient as
 * Kubernetes' are: all but `false` and `0` is true. Parameters that nobody knows are passed over, as there. Pure.
 */
import { ApiError, badRequest, forbiddenField, invalid, invalidObject, type FieldError } from '../../../kube/errors.ts';
import type { FieldValidation } from '../../core/draft.ts';
import { refuseInitialEventsOfList } from '../../core/list-options.ts';
import type { LogOptions } from '../../core/log-options.ts';
import { includeObject as tableInclude, type IncludeObject } from '../../core/table.ts';

export type Parameters = Pick<URLSearchParams, 'get' | 'getAll' | 'has'>;

export interface ListOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

export interface WatchOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  /** 0: the server chooses. */
  readonly timeoutSeconds: number;
}

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  readonly fieldManager: string;
  readonly force: boolean;
}

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: string;
  readonly preconditions: { readonly uid: string | undefined; readonly resourceVersion: string | undefined };
}

const FIELD_MANAGER_LENGTH_MAX = 128;
const FIELD_VALIDATIONS: readonly FieldValidation[] = ['Ignore', 'Strict', 'Warn'];

export function listOptions(query: Parameters): ListOptions {
  const text = (name: string) => query.get(name) ?? '';
  if (query.has('sendInitialEvents')) refuseInitialEventsOfList();
  return {
    labelSelector: text('labelSelector'),
    fieldSelector: text('fieldSelector'),
    limit: numberOf(query, 'limit') ?? 0,
    continue: text('continue'),
    resourceVersion: text('resourceVersion'),
    resourceVersionMatch: text('resourceVersionMatch'),
  };
}

export function watchOptions(query: Parameters): WatchOptions {
  const text = (name: string) => query.get(name) ?? '';
  const sendInitialEvents = query.has('sendInitialEvents') ? flag(query, 'sendInitialEvents') : undefined;
  return {
    labelSelector: text('labelSelector'),
    fieldSelector: text('fieldSelector'),
    resourceVersion: text('resourceVersion'),
    resourceVersionMatch: text('resourceVersionMatch'),
    allowWatchBookmarks: flag(query, 'allowWatchBookmarks'),
    sendInitialEvents,
    timeoutSeconds: Math.max(0, numberOf(query, 'timeoutSeconds') ?? 0),
  };
}

export function writeOptions(query: Parameters, what: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions'): WriteOptions {
  const fieldManager = query.get('fieldManager') ?? '';
  const refused = (detail: string) => new ApiError('Invalid', `${what}.meta.k8s.io "" is invalid: ${detail}`);
  if (fieldManager.length > FIELD_MANAGER_LENGTH_MAX) {
    throw refused(`fieldManager: Too long: may not be more than ${FIELD_MANAGER_LENGTH_MAX} bytes`);
  }
  if (/[^\x20-\x7e]/.test(fieldManager)) throw refused(`fieldManager: Invalid value: ${JSON.stringify(fieldManager)}: should only contain printable characters`);
  const validation = query.get('fieldValidation') ?? '';
  // Kubernetes' default: what is not known is told, and dropped.
  const fieldValidation = validation === '' ? 'Warn' : FIELD_VALIDATIONS.find((one) => one === validation);
  if (fieldValidation === undefined) {
    throw refused(`fieldValidation: Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`);
  }
  return { dryRun: dryRunOf(query.getAll('dryRun'), refused), fieldValidation, fieldManager, force: flag(query, 'force') };
}

/** From the query and the body, which may be empty; the body goes first, as in Kubernetes. */
export function deleteOptions(query: Parameters, body: Readonly<Record<string, unknown>> | undefined): DeleteOptions {
  const refused = (detail: string) => new ApiError('Invalid', `DeleteOptions.meta.k8s.io "" is invalid: ${detail}`);
  const sent = body ?? {};
  const dryRun = Array.isArray(sent['dryRun']) ? sent['dryRun'].map((one: unknown) => (typeof one === 'string' ? one : JSON.stringify(one))) : query.getAll('dryRun');
  const preconditions = recordOf(sent['preconditions'], 'preconditions');
  const orphans = sent['orphanDependents'] ?? (query.has('orphanDependents') ? flag(query, 'orphanDependents') : undefined);
  const policy = textField(sent, 'propagationPolicy') ?? query.get('propagationPolicy') ?? '';
  const grace = sent['gracePeriodSeconds'] ?? numberOf(query, 'gracePeriodSeconds');
  if (grace !== undefined && (typeof grace !== 'number' || !Number.isInteger(grace))) {
    throw badRequest('DeleteOptions.gracePeriodSeconds: expected a whole number of seconds');
  }
  return {
    dryRun: dryRunOf(dryRun, refused),
    gracePeriodSeconds: grace,
    propagationPolicy: policy !== '' || orphans === undefined ? policy : orphans === true ? 'Orphan' : 'Background',
    preconditions: { uid: textField(preconditions, 'uid'), resourceVersion: textField(preconditions, 'resourceVersion') },
  };
}

/** Every finding at once, as Kubernetes validates PodLogOptions. */
export function logOptions(query: Parameters): LogOptions {
  const options: LogOptions = {
    container: query.get('container') ?? '',
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    tailLines: numberOf(query, 'tailLines'),
    sinceSeconds: numberOf(query, 'sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? '',
    limitBytes: numberOf(query, 'limitBytes'),
  };
  const { tailLines, sinceSeconds, sinceTime, limitBytes } = options;
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0) errors.push(invalid('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1) errors.push(invalid('limitBytes', limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== '') {
    errors.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else if (sinceSeconds !== undefined && sinceSeconds < 1) errors.push(invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  else if (sinceTime !== '' && !isTime(sinceTime)) throw badRequest(`parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse it`);
  if (errors.length > 0) throw invalidObject({ group: '', resource: 'pods', kind: 'PodLogOptions' }, '', errors);
  return options;
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

export function includeObject(query: Parameters): IncludeObject {
  return tableInclude(query.get('includeObject') ?? '');
}

export function flag(query: Parameters, name: string): boolean {
  const text = query.get(name);
  return text !== null && text.toLowerCase() !== 'false' && text !== '0';
}

/** Undefined: it is not there. */
export function numberOf(query: Parameters, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const number = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  const why = /^[+-]?\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
}

/** Go's durations (`32s`, `1m30s`), as `timeout` has them; in milliseconds. */
export function durationMs(query: Parameters, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 0.001, ns: 0.000001 };
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(text) || text.length > 64) throw badRequest(`time: invalid duration ${JSON.stringify(text)}`);
  let sum = 0;
  for (const [, count, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s|us|ns)/g)) sum += Number(count) * units[unit!]!;
  return sum;
}

function dryRunOf(values: readonly string[], refused: (detail: string) => ApiError): boolean {
  const given = values.filter((value) => value !== '');
  const wrong = given.find((value) => value !== 'All');
  if (wrong !== undefined) throw refused(`dryRun: Unsupported value: ${JSON.stringify(wrong)}: supported values: "All"`);
  return given.length > 0;
}

function recordOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>; // checked
  throw badRequest(`DeleteOptions.${field}: expected an object`);
}

function textField(record: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = record[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw badRequest(`DeleteOptions.${field}: expected a string`);
}
