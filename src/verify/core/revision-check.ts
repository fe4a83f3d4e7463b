/**
 * Strict serializability where the order is known. Every answer of the store carries its revision, and a watch from the
 * beginning tells what each revision wrote. So there is nothing to search: the writes are replayed in the order of
 * their revisions, and every answer must be what the model answers there; revisions must respect real time. Transactions
 * and ranges, which a check key by key misses, are covered like any other request.
 */
import { applyEvents, EMPTY_STORE, type StoreAnswer, type StoreEvent, type StoreRequest, type StoreState, stepStore } from './store-model.ts';

export interface StoreOperation {
  readonly client: number;
  readonly request: StoreRequest;
  /** A read that may be stale: checked at its revision, not against real time. */
  readonly serializable?: boolean;
  /** Undefined: nobody knows whether it happened. */
  readonly answered: { readonly revision: number; readonly answer: StoreAnswer } | undefined;
  readonly calledAt: number;
  readonly answeredAt: number;
}

export interface Violation {
  readonly rule: 'write order' | 'answer' | 'real time' | 'unexplained write';
  readonly revision: number;
  readonly why: string;
  readonly operation?: StoreOperation;
  /** Of a wrong answer: the right one. */
  readonly expected?: StoreAnswer;
}

export interface RevisionCheckOptions {
  /** What was there when the history began; an empty store if absent. */
  readonly start?: StoreState;
  /** Others write to keys that this history does not know: revisions without an event of ours are theirs. */
  readonly isShared?: boolean;
  /** Events need no operation that explains them. For parts of a history: those who wrote may have been left out. */
  readonly trustsEvents?: boolean;
}

/** All violations, by revision. `events` are those of a watch of every key from the start on, complete up to its end. */
export function checkByRevision(
  operations: readonly StoreOperation[],
  events: readonly StoreEvent[],
  { start = EMPTY_STORE, isShared = false, trustsEvents = false }: RevisionCheckOptions = {},
): Violation[] {
  const violations: Violation[] = [...checkRealTime(operations)];
  const eventsOf = groupBy(events, (event) => event.revision);
  const readsOf = groupBy(operations.filter(isAnsweredRead), (operation) => operation.answered!.revision);
  const writesOf = groupBy(operations.filter(isAnsweredWrite), (operation) => operation.answered!.revision);
  const open = operations.filter((operation) => operation.answered === undefined);
  const knownAt = earliestAnswers(operations);
  const revisions = [...new Set([...eventsOf.keys(), ...readsOf.keys(), ...writesOf.keys()])].sort((a, b) => a - b);
  let state: StoreState = start;
  for (const revision of revisions) {
    const written = eventsOf.get(revision) ?? [];
    const writers = writesOf.get(revision) ?? [];
    if (written.length > 0 || writers.length > 0) {
      // What lies between belongs to others; the model counts one revision a write.
      if (isShared && revision > state.revision) state = { ...state, revision: revision - 1 };
      const at = { revision, written, writers, open, knownAt: knownAt(revision), violations, trustsEvents };
      const stepped = replay(state, at);
      if (stepped === undefined) return sorted(violations);
      state = stepped;
    }
    for (const operation of readsOf.get(revision) ?? []) {
      const expected = stepStore(state, operation.request);
      if (expected.events.length > 0 || !isSame(expected.answer, operation.answered!.answer)) {
        violations.push(wrongAnswer(operation, expected.answer));
      }
    }
  }
  return sorted(violations);
}

function wrongAnswer(operation: StoreOperation, expected: StoreAnswer): Violation {
  return { rule: 'answer', revision: operation.answered!.revision, why: 'another answer was due', operation, expected };
}

/** When somebody was first told of a revision or of a later one; to be asked for rising revisions. */
function earliestAnswers(operations: readonly StoreOperation[]): (revision: number) => number {
  const answers = operations
    .filter(({ answered }) => answered !== undefined)
    .map(({ answered, answeredAt }) => ({ revision: answered!.revision, at: answeredAt }))
    .sort((a, b) => a.revision - b.revision);
  for (let at = answers.length - 2; at >= 0; at--) answers[at]!.at = Math.min(answers[at]!.at, answers[at + 1]!.at);
  let next = 0;
  return (revision) => {
    while (next < answers.length && answers[next]!.revision < revision) next++;
    return answers[next]?.at ?? Infinity;
  };
}

interface Revision {
  readonly revision: number;
  readonly written: readonly StoreEvent[];
  readonly writers: readonly StoreOperation[];
  /** Unanswered operations that have not been seen to happen; the one that explains this revision is taken out. */
  readonly open: StoreOperation[];
  /** When somebody was first told of this revision or a later one: who called after that did not make it. */
  readonly knownAt: number;
  readonly violations: Violation[];
  readonly trustsEvents: boolean;
}

/** The state after the one write of this revision; undefined where nothing further can be said. */
function replay(state: StoreState, at: Revision): StoreState | undefined {
  const { revision, written, writers, open, knownAt, violations, trustsEvents } = at;
  const [writer, second] = writers;
  if (second !== undefined) {
    violations.push({ rule: 'write order', revision, why: 'two writes were answered with one revision', operation: second });
  }
  if (revision !== state.revision + 1) {
    violations.push({ rule: 'write order', revision, why: `follows revision ${state.revision}` });
    return undefined;
  }
  if (writer !== undefined) {
    const stepped = stepStore(state, writer.request);
    if (!isSame(stepped.events, written)) {
      violations.push({ rule: 'write order', revision, why: `the watch saw ${JSON.stringify(written)}`, operation: writer });
      return undefined;
    }
    if (!isSame(stepped.answer, writer.answered!.answer)) {
      violations.push(wrongAnswer(writer, stepped.answer));
    }
    return stepped.state;
  }
  if (trustsEvents) return applyEvents(state, written);
  const found = open.findIndex(
    (operation) => operation.calledAt <= knownAt && isSame(stepStore(state, operation.request).events, written),
  );
  if (found < 0) {
    violations.push({ rule: 'unexplained write', revision, why: `nobody asked for ${JSON.stringify(written)}, or it happened twice` });
    return undefined;
  }
  const [unanswered] = open.splice(found, 1);
  return stepStore(state, unanswered!.request).state;
}

/** An operation that is called after another was answered must not be older; a write must be newer. */
function checkRealTime(operations: readonly StoreOperation[]): Violation[] {
  const answered = operations.filter((operation) => operation.answered !== undefined && operation.serializable !== true);
  const byCall = [...answered].sort((a, b) => a.calledAt - b.calledAt);
  const byAnswer = [...answered].sort((a, b) => a.answeredAt - b.answeredAt);
  const violations: Violation[] = [];
  let next = 0;
  let newest = 0;
  for (const operation of byCall) {
    while (next < byAnswer.length && byAnswer[next]!.answeredAt < operation.calledAt) {
      newest = Math.max(newest, byAnswer[next++]!.answered!.revision);
    }
    const { revision, answer } = operation.answered!;
    const isTooOld = wroteSomething(answer) ? revision <= newest : revision < newest;
    if (isTooOld) violations.push({ rule: 'real time', revision, why: `revision ${newest} was answered before it was called`, operation });
  }
  return violations;
}

export const isAnsweredWrite = ({ answered }: StoreOperation) => answered !== undefined && wroteSomething(answered.answer);
export const isAnsweredRead = ({ answered }: StoreOperation) => answered !== undefined && !wroteSomething(answered.answer);

/** Whether, by its answer, a request made a revision. */
function wroteSomething(answer: StoreAnswer): boolean {
  switch (answer.kind) {
    case 'range':
      return false;
    case 'put':
      return true;
    case 'delete':
      return answer.deleted > 0;
    case 'txn':
      return answer.answers.some((part) => wroteSomething(part));
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    groups.set(keyOf(item), group);
    group.push(item);
  }
  return groups;
}

/** Of plain data; a field that is undefined is one that is not there. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((part, at) => isSame(part, b[at]));
  }
  const others = new Map(Object.entries(b));
  const isMissed = Object.entries(a).some(([name, value]) => !isSame(value, others.get(name)));
  return !isMissed && [...others].every(([name, value]) => value === undefined || name in a);
}

const sorted = (violations: Violation[]) => violations.sort((a, b) => a.revision - b.revision);
