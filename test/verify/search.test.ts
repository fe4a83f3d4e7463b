import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type KeyValueInput,
  type KeyValueOperation,
  keyValueModel,
  partitionByKey,
} from '../../src/verify/core/key-value-model.ts';
import { parseKeyValueHistory } from '../../src/verify/core/recorded-history.ts';
import { checkLinearizable, checkParts, type Model, type Operation } from '../../src/verify/core/search.ts';
import { fc } from '../base/property.ts';

const put = (value: string): KeyValueInput => ({ kind: 'put', key: 'k', value });
const get: KeyValueInput = { kind: 'get', key: 'k' };

function operation(input: KeyValueInput, output: string | undefined, calledAt: number, answeredAt: number): KeyValueOperation {
  return { client: 0, input, output, calledAt, answeredAt };
}

const verdictOf = (history: readonly KeyValueOperation[]) => checkLinearizable(history, keyValueModel).kind;

test('checkLinearizable() accepts a read that overlaps a write, with the old value and with the new', () => {
  for (const seen of ['', 'a']) expect(verdictOf([operation(put('a'), '', 0, 10), operation(get, seen, 5, 6)])).toBe('linearizable');
});

test('checkLinearizable() refuses a stale read, and names it', () => {
  const stale = operation(get, '', 2, 3);
  const verdict = checkLinearizable([operation(put('a'), '', 0, 1), stale], keyValueModel);
  expect(verdict).toMatchObject({ kind: 'not-linearizable', stuck: stale });
});

test('checkLinearizable() refuses two reads that see two overlapping writes in opposite orders', () => {
  const writes = [operation(put('a'), '', 0, 100), operation(put('b'), '', 0, 100)];
  const forth = [operation(get, 'a', 10, 11), operation(get, 'b', 12, 13)];
  expect(verdictOf([...writes, ...forth])).toBe('linearizable');
  expect(verdictOf([...writes, ...forth, operation(get, 'a', 14, 15)])).toBe('not-linearizable');
});

test('checkLinearizable() lets an unanswered write happen late, or never, but once', () => {
  const unanswered = operation(put('a'), undefined, 0, 0);
  expect(verdictOf([unanswered, operation(get, '', 5, 6)])).toBe('linearizable');
  expect(verdictOf([unanswered, operation(get, '', 5, 6), operation(get, 'a', 7, 8)])).toBe('linearizable');
  const again = [operation(get, 'a', 5, 6), operation(put('b'), '', 7, 8), operation(get, 'a', 9, 10)];
  expect(verdictOf([unanswered, ...again])).toBe('not-linearizable');
});

test('checkLinearizable() over the whole state finds a violation that no key shows alone', () => {
  // Two clients each write one key and read the other; both reading the old value is impossible in any order.
  type Input = { readonly write: string } | { readonly read: string };
  const model: Model<string, Input, string> = {
    initial: '',
    step: (state, input, output) => {
      if ('write' in input) return state.includes(input.write) ? state : [...state, input.write].sort().join('');
      return output === undefined || output === String(state.includes(input.read)) ? state : undefined;
    },
    keyOf: (state) => state,
  };
  const history: Array<Operation<Input, string>> = [
    { client: 1, input: { write: 'x' }, output: '', calledAt: 0, answeredAt: 1 },
    { client: 2, input: { write: 'y' }, output: '', calledAt: 0, answeredAt: 1 },
    { client: 1, input: { read: 'y' }, output: 'false', calledAt: 2, answeredAt: 3 },
  ];
  expect(checkLinearizable(history, model).kind).toBe('not-linearizable');
  expect(checkLinearizable(history.slice(0, 2), model).kind).toBe('linearizable');
});

test('checkLinearizable() gives up at its limit, and says so', () => {
  expect(checkLinearizable([operation(get, '', 0, 1)], keyValueModel, { stepsMax: 0 })).toEqual({ kind: 'unknown', steps: 1 });
});

test('checkLinearizable() agrees with trying every order', () => {
  const anyOperation = fc
    .tuple(fc.constantFrom('a', 'b', '?'), fc.constantFrom('', 'a', 'b'), fc.nat(6), fc.nat(3), fc.boolean())
    .map(([written, seen, calledAt, lasts, answered]) =>
      operation(written === '?' ? get : put(written), answered ? (written === '?' ? seen : '') : undefined, calledAt, calledAt + lasts),
    );
  const seen = { linearizable: 0, 'not-linearizable': 0, unknown: 0 };
  fc.assert(
    fc.property(fc.array(anyOperation, { maxLength: 5 }), (history) => {
      const verdict = verdictOf(history);
      seen[verdict]++;
      expect(verdict).toBe(hasLegalOrder(history, '') ? 'linearizable' : 'not-linearizable');
    }),
  );
  expect(Math.min(seen.linearizable, seen['not-linearizable'])).toBeGreaterThan(50);
});

/** The definition, spelled out: some operation that nobody precedes goes first, and the rest has a legal order. */
function hasLegalOrder(left: readonly KeyValueOperation[], state: string): boolean {
  if (left.every(({ output }) => output === undefined)) return true;
  return left.some((first) => {
    const isPreceded = left.some((other) => other.output !== undefined && other.answeredAt < first.calledAt);
    const next = keyValueModel.step(state, first.input, first.output);
    return !isPreceded && next !== undefined && hasLegalOrder(left.filter((other) => other !== first), next);
  });
}

test('parseKeyValueHistory() says which line it does not understand', () => {
  expect(parseKeyValueHistory('{:process 0}\n')).toMatchObject({ ok: false, line: 1 });
  const answer = '{:process 0, :type :ok, :f :get, :key "a", :value ""}';
  expect(parseKeyValueHistory(answer)).toMatchObject({ ok: false, line: 1, why: 'client 0 has no call under way' });
});

/** Histories with a known verdict: the project's own, and where they are at hand those that PODIUM_HISTORIES names. */
const folders = [join(import.meta.dirname, 'histories'), join(process.env['PODIUM_HISTORIES'] ?? '/nonexistent', 'kv')];

describe.each(folders)('histories of %s', (folder) => {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /-(ok|bad)\.txt$/.test(name)) : [];
  test.skipIf(files.length > 0)('none here: set PODIUM_HISTORIES to a folder of recorded histories', (context) => context.skip());
  test.each(files)('%s has the verdict of its name', (name) => {
    const parsed = parseKeyValueHistory(readFileSync(join(folder, name), 'utf8'));
    if (!parsed.ok) throw new Error(`${name}:${parsed.line}: ${parsed.why}`);
    const { kind } = checkParts(partitionByKey(parsed.operations), keyValueModel);
    expect(kind).toBe(name.endsWith('-ok.txt') ? 'linearizable' : 'not-linearizable');
  });
});
