import { expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/base/random.ts';
import { checkByRevision, type StoreOperation } from '../../src/verify/core/revision-check.ts';
import { EMPTY_STORE, stepStore, type StoreAnswer, type StoreEvent, type StoreRequest } from '../../src/verify/core/store-model.ts';

interface History {
  operations: StoreOperation[];
  events: StoreEvent[];
}

const all: StoreRequest = { kind: 'range', key: '\0', rangeEnd: '\0' };
const put = (key: string, value: string): StoreRequest => ({ kind: 'put', key, value });
const both = (value: string): StoreRequest => ({
  kind: 'txn',
  ifModRevision: [],
  onSuccess: [put('a', value), put('b', value)],
  onFailure: [],
});

/** What a correct store would record: requests take effect in order, calls overlap their neighbours. */
function record(requests: readonly StoreRequest[], lost: ReadonlySet<number> = new Set()): History {
  let state = EMPTY_STORE;
  const history: History = { operations: [], events: [] };
  requests.forEach((request, at) => {
    const stepped = stepStore(state, request);
    state = stepped.state;
    history.events.push(...stepped.events);
    const answered = lost.has(at) ? undefined : { revision: state.revision, answer: stepped.answer };
    history.operations.push({ client: at % 3, request, answered, calledAt: at * 10 - 4, answeredAt: at * 10 + 4 });
  });
  return history;
}

function anyRequest(random: Random, at: number): StoreRequest {
  const key = random.pick(['a', 'b', 'c']);
  switch (random.below(5)) {
    case 0:
      return put(key, `v${at}`);
    case 1:
      return { kind: 'delete', key, ...(random.chance(0.5) ? { rangeEnd: 'c' } : {}) };
    case 2:
      return both(`v${at}`);
    case 3:
      return { kind: 'txn', ifModRevision: [{ key, revision: 0 }], onSuccess: [put(key, `v${at}`)], onFailure: [all] };
    default:
      return random.chance(0.5) ? all : { kind: 'range', key };
  }
}

const rules = ({ operations, events }: History) => checkByRevision(operations, events).map(({ rule }) => rule);

/** The history with the answer of one operation replaced. */
function withAnswer(history: History, at: number, change: (answer: StoreAnswer, revision: number) => StoreOperation['answered']): History {
  const operation = history.operations[at]!;
  const { answer, revision } = operation.answered!;
  return { ...history, operations: history.operations.with(at, { ...operation, answered: change(answer, revision) }) };
}

test('checkByRevision() accepts what the model did, with answers lost at random', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const requests = Array.from({ length: 40 }, (_, at) => anyRequest(random, at));
    const lost = new Set([...requests.keys()].filter(() => random.chance(0.2)));
    expect(rules(record(requests, lost)), `seed ${seed}`).toEqual([]);
  }
});

test('checkByRevision() finds half a transaction in a range, which no key shows alone', () => {
  const half = withAnswer(record([both('1'), both('2'), all]), 2, (answer, revision) => {
    if (answer.kind !== 'range') throw new Error('a range answers with values');
    return { revision, answer: { ...answer, values: answer.values.filter(({ key }) => key === 'a') } };
  });
  expect(rules(half)).toEqual(['answer']);
});

test('checkByRevision() finds a stale read, but lets a serializable one be stale', () => {
  const history = record([put('a', '1'), put('a', '2'), all]);
  const old = record([put('a', '1'), all]).operations[1]!.answered!;
  const stale = withAnswer(history, 2, () => old);
  expect(rules(stale)).toEqual(['real time']);
  const allowed = stale.operations.with(2, { ...stale.operations[2]!, serializable: true });
  expect(rules({ ...stale, operations: allowed })).toEqual([]);
});

test('checkByRevision() finds an acknowledged write that no watch saw', () => {
  const history = record([put('a', '1'), put('b', '1')]);
  expect(rules({ ...history, events: history.events.slice(0, 1) })).toEqual(['write order']);
});

test('checkByRevision() finds an unanswered write that happened twice', () => {
  const history = record([put('a', '1'), put('a', '1')], new Set([0]));
  expect(rules({ ...history, operations: history.operations.slice(0, 1) })).toEqual(['unexplained write']);
  expect(rules(record([put('a', '1')], new Set([0])))).toEqual([]);
});

test('checkByRevision() finds an unanswered write that happened before it was called', () => {
  const history = record([put('a', '1'), all], new Set([0]));
  const [write, read] = history.operations;
  expect(rules(history)).toEqual([]);
  expect(rules({ ...history, operations: [{ ...write!, calledAt: 100, answeredAt: 104 }, read!] })).toEqual(['unexplained write']);
});

test('checkByRevision() finds two writes with one revision, and a revision left out', () => {
  const history = record([put('a', '1'), put('b', '2')]);
  const twice = withAnswer(history, 1, (answer) => ({ revision: 2, answer }));
  expect(rules(twice)).toContain('write order');
  expect(rules({ ...history, events: history.events.slice(1) })).toContain('write order');
});

test('checkByRevision() finds a compare that succeeded against another state', () => {
  const create: StoreRequest = { kind: 'txn', ifModRevision: [{ key: 'a', revision: 0 }], onSuccess: [put('a', 'x')], onFailure: [] };
  const history = record([put('a', '1'), put('b', '1')]);
  const forged: StoreOperation = {
    ...history.operations[1]!,
    request: create,
    answered: { revision: 3, answer: { kind: 'txn', succeeded: true, answers: [{ kind: 'put' }] } },
  };
  expect(rules({ ...history, operations: [history.operations[0]!, forged] })).toEqual(['write order']);
});
