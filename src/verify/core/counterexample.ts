/**
 * The smallest part of a history that still cannot be explained. What the watches told stays a fact throughout; only
 * what clients claim they were answered is left out, a client at a time, then halves, then one by one (Zeller and
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). Were the writes themselves left out, every read
 * of them would seem wrong, and the search would end at a read that was right.
 */
import { checkByRevision, type RevisionCheckOptions, type StoreOperation, type Violation } from './revision-check.ts';
import type { StoreAnswer, StoreEvent, StoreRequest } from './store-model.ts';

export interface Counterexample {
  readonly violation: Violation;
  /** In the order of their calls. */
  readonly operations: readonly StoreOperation[];
  /** What the watches told of the keys that these operations name, up to the violation: the newest event of each key,
   *  and all from the revision of the first of these operations on. */
  readonly events: readonly StoreEvent[];
}

/** A counterexample shows no more events than a person reads; the newest are the ones that matter. */
const EVENTS_MAX = 20;

export interface History {
  readonly operations: readonly StoreOperation[];
  readonly events: readonly StoreEvent[];
  readonly options: RevisionCheckOptions;
}

/** `violation` is one that checkByRevision() found in the history. */
export function minimalCounterexample(history: History, violation: Violation): Counterexample {
  const fewest = violation.operation === undefined ? suspects(history, violation) : shrinkOperations(history, violation);
  const operations = [...fewest].sort((a, b) => a.calledAt - b.calledAt);
  // Told anew of these operations alone: the first finding may speak of others.
  const found = checkByRevision(operations, history.events, { ...history.options, trustsEvents: true }).find(isLike(violation)) ?? violation;
  return { violation: found, operations, events: eventsAround(history.events, operations, found) };
}

const isLike = ({ rule, revision }: Violation) => (other: Violation) => other.rule === rule && other.revision === revision;

/** An event that nobody explains: those who asked for it, if any, and were answered with another revision or not at all. */
function suspects({ operations, events }: History, { revision }: Violation): readonly StoreOperation[] {
  const values = new Set(events.filter((event) => event.revision === revision && event.value !== '').map(({ value }) => value));
  return operations.filter(({ request }) => valuesOf(request).some((value) => values.has(value)));
}

function shrinkOperations({ operations, events, options }: History, violation: Violation): readonly StoreOperation[] {
  const fails = (part: readonly StoreOperation[]) =>
    checkByRevision(part, events, { ...options, trustsEvents: true }).some(isLike(violation));
  // Nearly always one answer contradicts the events, or two each other; both are quick to try.
  const alone = operations.filter((other) => other === violation.operation);
  if (fails(alone)) return alone;
  const answered = operations.filter((other) => other.answered !== undefined);
  if (!fails(answered)) return alone;
  return shrink(shrinkByClient(answered, fails), fails);
}

function shrinkByClient(operations: readonly StoreOperation[], fails: Fails<StoreOperation>): readonly StoreOperation[] {
  const clients = [...new Set(operations.map(({ client }) => client))].sort((a, b) => a - b);
  return clients.reduce<readonly StoreOperation[]>((kept, client) => {
    const without = kept.filter((operation) => operation.client !== client);
    return without.length > 0 && fails(without) ? without : kept;
  }, operations);
}

type Fails<T> = (part: readonly T[]) => boolean;

/** A part of `items` that fails, from which none can be left out. `fails` must hold of the whole. */
export function shrink<T>(items: readonly T[], fails: Fails<T>): readonly T[] {
  let kept = items;
  let chunk = Math.ceil(kept.length / 2);
  while (kept.length > 1) {
    let isSmaller = false;
    for (let from = 0; from < kept.length && kept.length > 1; ) {
      const without = [...kept.slice(0, from), ...kept.slice(from + chunk)];
      if (without.length > 0 && fails(without)) {
        kept = without;
        isSmaller = true;
      } else from += chunk;
    }
    if (chunk === 1 && !isSmaller) break;
    chunk = Math.max(1, Math.ceil(chunk / 2));
  }
  return kept;
}

function eventsAround(events: readonly StoreEvent[], operations: readonly StoreOperation[], violation: Violation): readonly StoreEvent[] {
  const { revision } = violation;
  const spans = operations.flatMap(({ request }) => spansOf(request));
  const from = Math.min(revision, ...operations.map(({ answered }) => answered?.revision ?? revision));
  const wrong = wrongKeys(violation);
  const isNamed = ({ key }: StoreEvent) =>
    wrong === undefined ? spans.some((span) => key >= span.key && (span.end === '\0' || key < span.end)) : wrong.has(key);
  const related = events.filter((event) => event.revision <= revision && (isNamed(event) || (event.revision === revision && wrong === undefined)));
  const newest = new Map<string, StoreEvent>();
  for (const event of related) if (event.revision <= from) newest.set(event.key, event);
  return related.filter((event) => event.revision > from || newest.get(event.key) === event).slice(-EVENTS_MAX);
}

/** The keys that a range answered otherwise than was due; undefined where that is not what is wrong. */
function wrongKeys({ expected, operation }: Violation): ReadonlySet<string> | undefined {
  const answer = operation?.answered?.answer;
  if (expected?.kind !== 'range' || answer?.kind !== 'range') return undefined;
  const rows = (values: typeof answer.values) => new Map(values.map((value) => [value.key, `${value.modRevision} ${value.version} ${value.value}`]));
  const [due, came] = [rows(expected.values), rows(answer.values)];
  return new Set([...due.keys(), ...came.keys()].filter((key) => due.get(key) !== came.get(key)));
}

interface Span {
  readonly key: string;
  readonly end: string;
}

function spansOf(request: StoreRequest): Span[] {
  switch (request.kind) {
    case 'put':
      return [{ key: request.key, end: `${request.key}\0` }];
    case 'range':
    case 'delete':
      return [{ key: request.key, end: request.rangeEnd ?? `${request.key}\0` }];
    case 'txn':
      return [
        ...request.ifModRevision.map(({ key }) => ({ key, end: `${key}\0` })),
        ...[...request.onSuccess, ...request.onFailure].flatMap(spansOf),
      ];
  }
}

function valuesOf(request: StoreRequest): readonly string[] {
  if (request.kind === 'put') return [request.value];
  return request.kind === 'txn' ? [...request.onSuccess, ...request.onFailure].flatMap(valuesOf) : [];
}

export interface RenderOptions {
  /** Taken off keys. */
  readonly prefix: string;
  /** Times are told from here on. */
  readonly startedAt: number;
}

/** One line each: what was asked and answered, by time, and what the watches told, by revision. */
export function renderCounterexample({ violation, operations, events }: Counterexample, options: RenderOptions): string[] {
  const seconds = (at: number) => `${((at - options.startedAt) / 1000).toFixed(3)}s`;
  const short = (text: string) => text.replaceAll(options.prefix, '');
  const lines = operations.map(({ client, request, answered, calledAt, answeredAt, serializable }) => {
    const kind = serializable === true ? ' (serializable)' : '';
    const outcome = answered === undefined ? 'no answer' : `at revision ${answered.revision}: ${renderAnswer(only(answered.answer, wrongKeys(violation)))}`;
    return short(`  ${seconds(calledAt)} – ${seconds(answeredAt)}  client ${client}  ${renderRequest(request)}${kind}  →  ${outcome}`);
  });
  const told = events.map(({ revision, kind, key, value }) => short(`  revision ${revision}  ${kind} ${key}${kind === 'put' ? ` = ${value}` : ''}`));
  const wrong = wrongKeys(violation);
  const due = violation.expected === undefined ? [] : [short(`  due: ${renderAnswer(only(violation.expected, wrong))}`)];
  return [
    short(`${violation.rule}, at revision ${violation.revision}: ${violation.why}`),
    ...lines,
    ...due,
    ...(told.length === 0 ? [] : ['what the watches told:', ...told]),
  ];
}

/** A range's answer without the keys that are right. */
function only(answer: StoreAnswer, keys: ReadonlySet<string> | undefined): StoreAnswer {
  if (answer.kind !== 'range' || keys === undefined) return answer;
  return { ...answer, values: answer.values.filter(({ key }) => keys.has(key)) };
}

function renderRequest(request: StoreRequest): string {
  switch (request.kind) {
    case 'range':
      return `get ${renderSpan(request)}`;
    case 'put':
      return `put ${request.key} = ${request.value}`;
    case 'delete':
      return `delete ${renderSpan(request)}`;
    case 'txn': {
      const compares = request.ifModRevision.map(({ key, revision }) => `mod(${key}) = ${revision}`).join(' and ');
      const branch = (requests: readonly StoreRequest[]) => requests.map(renderRequest).join(', ');
      const otherwise = request.onFailure.length === 0 ? '' : ` else {${branch(request.onFailure)}}`;
      return `${compares === '' ? '' : `if ${compares} `}{${branch(request.onSuccess)}}${otherwise}`;
    }
  }
}

const renderSpan = ({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }) =>
  rangeEnd === undefined ? key : `[${key}, ${rangeEnd})`;

function renderAnswer(answer: StoreAnswer): string {
  switch (answer.kind) {
    case 'range':
      return answer.values.length === 0 ? 'nothing' : answer.values.map(({ key, value, modRevision }) => `${key} = ${value} (mod ${modRevision})`).join(', ');
    case 'put':
      return 'ok';
    case 'delete':
      return `${answer.deleted} deleted`;
    case 'txn':
      return `${answer.succeeded ? 'succeeded' : 'failed'}: ${answer.answers.map(renderAnswer).join('; ')}`;
  }
}
