/**
 * Label selectors (text of a query, or the structure of a spec) and field selectors (text). Parsing answers an error as
 * a value; matching is a function of the object alone.
 */
import { checkLabelValue, checkQualifiedName } from './names.ts';
import { type FieldError, invalid, required } from './errors.ts';

/** Of text there are three more, which differ in how they are written alone. */
export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt' | 'Equals' | 'DoubleEquals' | 'NotEquals';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** All requirements hold. Empty: everything. */
export type LabelQuery = readonly LabelRequirement[];

export interface FieldRequirement {
  readonly field: string;
  readonly negated: boolean;
  readonly value: string;
}

export type FieldQuery = readonly FieldRequirement[];

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** `metav1.LabelSelector`. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

type Labels = Readonly<Record<string, string>> | undefined;

export function matchesLabels(query: LabelQuery, labels: Labels): boolean {
  return query.every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
    case 'Equals':
    case 'DoubleEquals':
      return value !== undefined && values.includes(value);
    case 'NotIn':
    case 'NotEquals':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/.test(value) || !/^-?\d+$/.test(values[0] ?? '')) return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(values[0]!) : BigInt(value) < BigInt(values[0]!);
    }
  }
}

/** The query of a spec's selector. None: nothing; an empty one: everything. */
export function selectorQuery(selector: LabelSelector | undefined): LabelQuery | undefined {
  if (selector === undefined) return undefined;
  const labels = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): LabelRequirement => ({ key, operator: 'Equals', values: [value] }),
  );
  const expressions = (selector.matchExpressions ?? []).map(
    // Validation has let nothing else through.
    ({ key, operator, values }): LabelRequirement => ({ key, operator: operator as LabelOperator, values: values ?? [] }),
  );
  return [...labels, ...expressions];
}

export function selectorMatches(selector: LabelSelector | undefined, labels: Labels): boolean {
  const query = selectorQuery(selector);
  return query !== undefined && matchesLabels(query, labels);
}

export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return selectorQuery(selector)?.length === 0;
}

/** The text of a selector as kubectl prints it: `app=web,tier in (a,b)`. */
export function formatSelector(selector: LabelSelector | undefined): string {
  const query = selectorQuery(selector);
  return query === undefined || query.length === 0 ? '<none>' : formatLabelQuery(query);
}

/** As text that is parsed to the same: by key, values sorted. */
export function formatLabelQuery(query: LabelQuery): string {
  const sorted = [...query].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return sorted.map(formatRequirement).join(',');
}

const INFIX: Readonly<Partial<Record<LabelOperator, string>>> = { Equals: '=', DoubleEquals: '==', NotEquals: '!=', Gt: '>', Lt: '<', In: ' in ', NotIn: ' notin ' };

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  if (operator === 'Exists') return key;
  if (operator === 'DoesNotExist') return `!${key}`;
  const isSet = operator === 'In' || operator === 'NotIn';
  return `${key}${INFIX[operator]!}${isSet ? `(${[...new Set(values)].sort().join(',')})` : values.join(',')}`;
}

export function validateSelector(selector: LabelSelector, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    for (const message of checkQualifiedName(key)) errors.push(invalid(`${path}.matchLabels`, key, message));
    for (const message of checkLabelValue(value)) errors.push(invalid(`${path}.matchLabels`, value, message));
  }
  selector.matchExpressions?.forEach(({ key, operator, values = [] }, index) => {
    const at = `${path}.matchExpressions[${index}]`;
    for (const message of checkQualifiedName(key)) errors.push(invalid(`${at}.key`, key, message));
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) {
        errors.push({
          reason: 'FieldValueForbidden',
          field: `${at}.values`,
          message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        });
      }
    } else errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
  });
  return errors;
}

/** `metadata.name=a,spec.nodeName!=b`; `\,`, `\=` and `\\` stand for themselves in values. */
export function parseFieldSelector(text: string): Parsed<FieldQuery> {
  const requirements: FieldRequirement[] = [];
  // A comma behind an escaped backslash parts, one behind a bare backslash does not. Sorted, as fields.ParseSelector does.
  for (const part of (text.match(/(?:[^\\,]|\\(?:[^]|$))+/g) ?? []).sort()) {
    const match = /^([^]*?)(!=|==|=)([^]*)$/.exec(part);
    if (match === null) return { ok: false, message: `invalid selector: '${text}'; can't understand '${part}'` };
    const [, field = '', operator, escaped = ''] = match;
    const value = unescapeValue(escaped);
    if (!value.ok) return { ok: false, message: `invalid field selector: ${value.message}` };
    requirements.push({ field, negated: operator === '!=', value: value.value });
  }
  return { ok: true, value: requirements };
}

function unescapeValue(text: string): Parsed<string> {
  let value = '';
  for (const [sequence] of text.matchAll(/\\(?:[^]|$)|[^\\]/gu)) {
    if (sequence === ',' || sequence === '=') return { ok: false, message: `unescaped character in value: ${sequence.charCodeAt(0)}` };
    if (sequence.startsWith('\\') && !/^\\[\\,=]$/.test(sequence)) return { ok: false, message: `invalid escape sequence: ${sequence}` };
    value += sequence.startsWith('\\') ? sequence.slice(1) : sequence;
  }
  return { ok: true, value };
}
