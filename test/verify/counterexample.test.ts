import { describe, expect, test } from 'vitest';
import { minimalCounterexample, renderCounterexample, shrink } from '../../src/verify/core/counterexample.ts';
import { checkByRevision, type StoreOperation } from '../../src/verify/core/revision-check.ts';
import { stepStore, type StoreEvent, type StoreRequest, type StoreState } from '../../src/verify/core/store-model.ts';

const START: StoreState = { revision: 1000, values: new Map() };
const options = { start: START, isShared: true } as const;
const put = (key: string, value: string): StoreRequest => ({ kind: 'put', key, value });
const get = (key: string): StoreRequest => ({ kind: 'range', key });

/** A history of a store where somebody else writes a revision before each of ours. */
function record(requests: readonly StoreRequest[]) {
  const operations: StoreOperation[] = [];
  const events: StoreEvent[] = [];
  let state = START;
  for (const [at, request] of requests.entries()) {
    const stepped = stepStore({ ...state, revision: state.revision + 1 }, request);
    ({ state } = stepped);
    events.push(...stepped.events);
    const answered = { revision: state.revision, answer: stepped.answer };
    operations.push({ client: at % 3, request, answered, calledAt: at * 10 - 4, answeredAt: at * 10 + 4 });
  }
  return { operations, events, options };
}

const requests = Array.from({ length: 60 }, (_, at) => (at % 3 === 2 ? get(`k${at % 4}`) : put(`k${at % 4}`, `v${at}`)));

test('checkByRevision() passes a history among the writes of others, from any revision on', () => {
  const { operations, events } = record(requests);
  expect(checkByRevision(operations, events, options)).toEqual([]);
  expect(checkByRevision(operations, events).map(({ rule }) => rule)).toContain('write order');
});

describe('minimalCounterexample()', () => {
  test('a wrong answer stands alone against the events', () => {
    const history = record(requests);
    const at = 32;
    const forged = { ...history.operations[at]!, answered: { revision: history.operations[at]!.answered!.revision, answer: { kind: 'range', values: [] } } } as const;
    const broken = { ...history, operations: history.operations.with(at, forged) };
    const [violation] = checkByRevision(broken.operations, broken.events, options);
    const found = minimalCounterexample(broken, violation!);
    expect(found.operations).toEqual([forged]);
    expect(found.events.map(({ key }) => key)).toEqual(['k0']);
    expect(renderCounterexample(found, { prefix: 'k', startedAt: 0 }).join('\n')).toContain('client 2  get 0  →  at revision');
  });

  test('an answer from the past takes the one that shows it to be late', () => {
    const history = record(requests);
    const stale = { ...history.operations[59]!, answered: history.operations[5]!.answered };
    const broken = { ...history, operations: history.operations.with(59, stale) };
    const violation = checkByRevision(broken.operations, broken.events, options).find(({ rule }) => rule === 'real time');
    const found = minimalCounterexample(broken, violation!);
    expect(found.operations).toHaveLength(2);
    expect(found.operations).toContain(stale);
  });

  test('a write that happened twice names who asked for it', () => {
    const history = record([put('a', '1'), put('b', '2')]);
    const twice = { ...history.events[0]!, revision: 1010 };
    const broken = { ...history, events: [...history.events, twice] };
    const [violation] = checkByRevision(broken.operations, broken.events, options);
    expect(violation!.rule).toBe('unexplained write');
    expect(minimalCounterexample(broken, violation!).operations).toEqual([history.operations[0]]);
  });
});

test('shrink() leaves a part of which nothing can be left out', () => {
  const items = Array.from({ length: 100 }, (_, at) => at);
  const fails = (part: readonly number[]) => [3, 50, 97].every((needed) => part.includes(needed));
  expect(shrink(items, fails)).toEqual([3, 50, 97]);
  expect(shrink(items, (part) => part.length > 0)).toHaveLength(1);
});
