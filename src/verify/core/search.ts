/**
 * Is a concurrent history linearizable with respect to a sequential model? The search of Wing and Gong ("Testing and
 * Verifying Concurrent Objects", 1993) with the memory of visited configurations that Lowe added ("Testing for
 * Linearizability", 2017): operations are placed one after the other, each within its call and its answer; a
 * configuration (the set of placed operations and the model's state) that failed once is not tried again.
 *
 *   calls and answers in real-time order:  head ─ call a ─ call b ─ answer a ─ call c ─ answer b ─ answer c
 *   placing `a` takes its two entries out of the list; meeting an answer whose call is not placed means going back.
 *
 * An operation without an answer happened at most once: it may be placed anywhere after its call, or never.
 */
import { assert } from '../../base/assert.ts';

export interface Operation<Input, Output> {
  /** Who called; a client has one operation under way at a time. Only for reports. */
  readonly client: number;
  readonly input: Input;
  /** Undefined: nobody knows whether it happened. */
  readonly output: Output | undefined;
  /** Real time in any unit; an operation precedes another if it was answered before the other was called. */
  readonly calledAt: number;
  /** Ignored for an operation without an output. */
  readonly answeredAt: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after the operation, or undefined if it could not have answered `output` (any answer, if undefined). */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /** Equal for equal states only. */
  keyOf(state: State): string;
}

export type Verdict<Input, Output> =
  | { readonly kind: 'linearizable'; readonly order: ReadonlyArray<Operation<Input, Output>> }
  /** `longest` is the longest order found; `stuck` the operation that no order could place behind it in time. */
  | {
      readonly kind: 'not-linearizable';
      readonly longest: ReadonlyArray<Operation<Input, Output>>;
      readonly stuck: Operation<Input, Output>;
    }
  | { readonly kind: 'unknown'; readonly steps: number };

export interface SearchOptions {
  /** Gives up, with verdict `unknown`, after so many placements tried: a search may be exponential. */
  readonly stepsMax?: number;
}

const STEPS_MAX = 20_000_000;

interface Entry {
  readonly operation: number;
  readonly isCall: boolean;
  /** The answer of a call; undefined for answers, and for calls that were never answered. */
  readonly answer: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/** Runs in time exponential in the number of concurrent operations at worst, about linear on correct histories. */
export function checkLinearizable<State, Input, Output>(
  history: ReadonlyArray<Operation<Input, Output>>,
  model: Model<State, Input, Output>,
  { stepsMax = STEPS_MAX }: SearchOptions = {},
): Verdict<Input, Output> {
  const operations = [...history].sort((a, b) => a.calledAt - b.calledAt);
  const head = linkEntries(operations);
  const placed = new PlacedSet(operations.length);
  const visited = new Set<string>();
  const stack: Array<{ readonly entry: Entry; readonly state: State }> = [];
  let answersLeft = operations.filter((operation) => operation.output !== undefined).length;
  let longest: number[] = [];
  let stuck = 0;
  let state = model.initial;
  let entry = head.next;
  let steps = 0;

  while (answersLeft > 0) {
    assert(entry !== undefined, 'an operation that is not placed yet has its answer in the list');
    if (entry.isCall) {
      if (++steps > stepsMax) return { kind: 'unknown', steps };
      const { input, output } = operations[entry.operation]!;
      const next = model.step(state, input, output);
      if (next !== undefined && visit(visited, placed, entry.operation, model.keyOf(next))) {
        stack.push({ entry, state });
        state = next;
        if (entry.answer !== undefined) answersLeft--;
        takeOut(entry);
        entry = head.next;
      } else {
        entry = entry.next;
      }
      continue;
    }
    if (stack.length >= longest.length) {
      longest = stack.map((frame) => frame.entry.operation);
      stuck = entry.operation;
    }
    const frame = stack.pop();
    if (frame === undefined) {
      return { kind: 'not-linearizable', longest: longest.map((at) => operations[at]!), stuck: operations[stuck]! };
    }
    state = frame.state;
    placed.delete(frame.entry.operation);
    if (frame.entry.answer !== undefined) answersLeft++;
    putBack(frame.entry);
    entry = frame.entry.next;
  }
  return { kind: 'linearizable', order: stack.map((frame) => operations[frame.entry.operation]!) };
}

/** The first try of every part in `checkParts`: enough for a part that is correct, or plainly wrong. */
const FIRST_STEPS_MAX = 100_000;

/**
 * Checks histories that are independent of each other (one a key, say). One refuted part refutes the whole, and the
 * part that is quick to refute need not be the first: every part is tried a little before any is tried to the end.
 */
export function checkParts<State, Input, Output>(
  parts: ReadonlyArray<ReadonlyArray<Operation<Input, Output>>>,
  model: Model<State, Input, Output>,
  { stepsMax = STEPS_MAX }: SearchOptions = {},
): Verdict<Input, Output> {
  let open = parts;
  const order: Array<Operation<Input, Output>> = [];
  for (let budget = Math.min(FIRST_STEPS_MAX, stepsMax); ; budget = Math.min(budget * 10, stepsMax)) {
    const unknown: Array<ReadonlyArray<Operation<Input, Output>>> = [];
    for (const part of open) {
      const verdict = checkLinearizable(part, model, { stepsMax: budget });
      if (verdict.kind === 'not-linearizable') return verdict;
      if (verdict.kind === 'unknown') unknown.push(part);
      else order.push(...verdict.order);
    }
    if (unknown.length === 0) return { kind: 'linearizable', order };
    if (budget === stepsMax) return { kind: 'unknown', steps: budget };
    open = unknown;
  }
}

/** Adds the operation to `placed` unless the configuration that this would give was visited before. */
function visit(visited: Set<string>, placed: PlacedSet, operation: number, stateKey: string): boolean {
  placed.add(operation);
  const key = `${placed.key()}|${stateKey}`;
  if (visited.has(key)) {
    placed.delete(operation);
    return false;
  }
  visited.add(key);
  return true;
}

/** Calls and answers in real-time order behind a sentinel. At one instant calls come first: more is allowed so. */
function linkEntries<Input, Output>(operations: ReadonlyArray<Operation<Input, Output>>): Entry {
  const timed: Array<{ readonly at: number; readonly entry: Entry }> = [];
  operations.forEach(({ calledAt, answeredAt, output }, operation) => {
    assert(output === undefined || calledAt <= answeredAt, 'an operation is called before it is answered');
    const answer: Entry | undefined =
      output === undefined
        ? undefined
        : { operation, isCall: false, answer: undefined, previous: undefined, next: undefined };
    timed.push({ at: calledAt, entry: { operation, isCall: true, answer, previous: undefined, next: undefined } });
    if (answer !== undefined) timed.push({ at: answeredAt, entry: answer });
  });
  timed.sort((a, b) => a.at - b.at || Number(b.entry.isCall) - Number(a.entry.isCall));
  const head: Entry = { operation: -1, isCall: false, answer: undefined, previous: undefined, next: undefined };
  let last = head;
  for (const { entry } of timed) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

function takeOut(call: Entry): void {
  unlink(call);
  if (call.answer !== undefined) unlink(call.answer);
}

/** The exact reverse of `takeOut`: what was unlinked last is linked first. */
function putBack(call: Entry): void {
  if (call.answer !== undefined) relink(call.answer);
  relink(call);
}

function unlink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry.next;
  if (entry.next !== undefined) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  if (entry.previous !== undefined) entry.previous.next = entry;
  if (entry.next !== undefined) entry.next.previous = entry;
}

/**
 * A set of small whole numbers with a short key. Operations are numbered by the time of their call, so below some
 * number all are placed and far above it none is: only the window between is written out.
 */
class PlacedSet {
  readonly #isPlaced: Uint8Array;
  #firstGap = 0;
  #last = -1;

  constructor(size: number) {
    this.#isPlaced = new Uint8Array(size);
  }

  add(operation: number): void {
    this.#isPlaced[operation] = 1;
    while (this.#isPlaced[this.#firstGap] === 1) this.#firstGap++;
    this.#last = Math.max(this.#last, operation);
  }

  delete(operation: number): void {
    this.#isPlaced[operation] = 0;
    this.#firstGap = Math.min(this.#firstGap, operation);
    while (this.#last >= 0 && this.#isPlaced[this.#last] === 0) this.#last--;
  }

  key(): string {
    let window = '';
    for (let at = this.#firstGap; at <= this.#last; at += 16) {
      let unit = 0;
      for (let bit = 0; bit < 16; bit++) unit |= (this.#isPlaced[at + bit] ?? 0) << bit;
      window += String.fromCharCode(unit);
    }
    return `${this.#firstGap}:${window}`;
  }
}
