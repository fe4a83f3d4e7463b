/**
 * The parameters of a query, read once and checked. Numbers are refused with Kubernetes' text; booleans are as lenient as
 * Kubernetes' are: all but `false` and `0` is true. Parameters that nobody knows are passed over, as there. Pure.
 */
import { badRequest, forbiddenField, invalid, invalidObject, notSupported, tooLong, type FieldError } from '../../../kube/errors.ts';
import type { FieldValidation } from '../../core/draft.ts';
import { decode } from '../../core/schema.ts';
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
  readonly orphanDependents: boolean | undefined;
  readonly preconditions: { readonly uid: string | undefined; readonly resourceVersion: string | undefined };
}

const FIELD_MANAGER_LENGTH_MAX = 128;
const FIELD_VALIDATIONS: readonly FieldValidation[] = ['Ignore', 'Strict', 'Warn'];

export function listOptions(query: Parameters): ListOptions {
  const text = (name: string) => query.get(name) ?? '';
  if (query.has('sendInitialEvents')) refuseInitialEventsOfList();
  // A list has none, and all the same it must be one.
  numberOf(query, 'timeoutSeconds');
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
  const errors = validateManager(fieldManager);
  const validation = query.get('fieldValidation') ?? '';
  // Kubernetes' default: what is not known is told, and dropped.
  const fieldValidation = validation === '' ? 'Warn' : FIELD_VALIDATIONS.find((one) => one === validation);
  if (fieldValidation === undefined) errors.push(notSupported('fieldValidation', validation, ['', ...FIELD_VALIDATIONS]));
  const dryRun = given(query.getAll('dryRun'));
  errors.push(...validateDryRun(dryRun));
  if (fieldValidation === undefined || errors.length > 0) throw invalidObject(optionsOf(what), '', errors);
  return { dryRun: dryRun.length > 0, fieldValidation, fieldManager, force: flag(query, 'force') };
}

const optionsOf = (kind: string) => ({ group: 'meta.k8s.io', resource: '', kind });

function validateManager(name: string): FieldError[] {
  const errors = name.length > FIELD_MANAGER_LENGTH_MAX ? [tooLong('fieldManager', FIELD_MANAGER_LENGTH_MAX)] : [];
  const at = name.search(/[^\x20-\x7e]/);
  if (at < 0) return errors;
  const code = name.codePointAt(at)!.toString(16).toUpperCase().padStart(4, '0');
  return [...errors, invalid('fieldManager', name, `invalid character U+${code} (at position ${at})`)];
}

/** From the query and the body, which may be empty; the body goes first, as in Kubernetes. */
export function deleteOptions(query: Parameters, body: Readonly<Record<string, unknown>> | undefined): DeleteOptions {
  const { value, wrong } = decode('V1DeleteOptions', body ?? {});
  if (wrong.length > 0) throw badRequest(wrong[0]!);
  const sent = value as SentDeleteOptions; // decoded by its model
  const dryRun = given(sent.dryRun ?? query.getAll('dryRun'));
  const errors = validateDryRun(dryRun);
  if (errors.length > 0) throw invalidObject(optionsOf('DeleteOptions'), '', errors);
  const { uid, resourceVersion } = sent.preconditions ?? {};
  return {
    dryRun: dryRun.length > 0,
    gracePeriodSeconds: sent.gracePeriodSeconds ?? numberOf(query, 'gracePeriodSeconds'),
    propagationPolicy: sent.propagationPolicy ?? query.get('propagationPolicy') ?? '',
    orphanDependents: sent.orphanDependents ?? (query.has('orphanDependents') ? flag(query, 'orphanDependents') : undefined),
    preconditions: { uid, resourceVersion },
  };
}

interface SentDeleteOptions {
  readonly dryRun?: readonly string[];
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
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

const given = (values: readonly string[]) => values.filter((value) => value !== '');

function validateDryRun(values: readonly string[]): FieldError[] {
  return values.every((value) => value === 'All') ? [] : [notSupported('dryRun', values, ['All'])];
}
