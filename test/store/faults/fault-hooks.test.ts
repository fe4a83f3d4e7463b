import { expect, test } from 'vitest';
import { FAULT_POINTS, isFaultPoint, meaningOf } from '../../../src/store/faults/core/points.ts';
import { formatTerms, parseTerms } from '../../../src/store/faults/core/terms.ts';
import { FaultHooks } from '../../../src/store/faults/fault-hooks.ts';

function hooks() {
  const done: string[] = [];
  const faults = new FaultHooks({
    panic: (point) => void done.push(`panic ${point}`),
    sleep: async (ms) => void done.push(`sleep ${ms}`),
    block: (ms) => void done.push(`block ${ms}`),
  });
  return { faults, done };
}

test('parseTerms() reads what formatTerms() writes', () => {
  for (const text of ['panic', 'sleep(1000)', '1*panic', '3*sleep(10)->panic', '1*sleep(1)->2*panic']) {
    const parsed = parseTerms(text);
    expect(parsed.ok && formatTerms(parsed.terms)).toBe(text);
  }
  expect(parseTerms('sleep(2s)')).toEqual(parseTerms('sleep(2000)'));
  expect(parseTerms('panic("why")')).toEqual(parseTerms('panic'));
});

test.each([
  ['pnic', /"pnic" is no term: write panic/],
  ['', /is no term/],
  ['0*panic', /a count is a whole number above 0/],
  ['sleep(-1)', /is no term/],
  ['sleep(700000)', /at most 600000 ms/],
  ['panic->sleep(1)', /nothing can follow a term without a count/],
])('parseTerms() refuses %j', (text, why) => {
  expect(parseTerms(text)).toMatchObject({ ok: false, why: expect.stringMatching(why) as string });
});

test('FaultHooks does nothing where nothing is armed', () => {
  const { faults, done } = hooks();
  expect(faults.at('beforeCommit')).toBeUndefined();
  faults.block('beforeApply');
  expect(done).toEqual([]);
});

test('FaultHooks counts a term down, goes on to the next, and disarms the last', async () => {
  const { faults, done } = hooks();
  faults.armAll('beforeCommit=2*sleep(5)->1*sleep(7); beforeApply=1*sleep(3);');
  for (let time = 0; time < 4; time++) {
    await faults.at('beforeCommit');
    faults.block('beforeApply');
  }
  expect(done).toEqual(['sleep 5', 'block 3', 'sleep 5', 'sleep 7']);
  expect(faults.state('beforeCommit')).toEqual({ point: 'beforeCommit', term: '', met: 3 });
});

test('FaultHooks lets nothing of a member go on behind a panic', async () => {
  const { faults, done } = hooks();
  faults.arm('afterCommit', 'panic');
  faults.arm('beforeApply', 'panic');
  const outcome = await Promise.race([faults.at('afterCommit'), new Promise((resolve) => setImmediate(() => resolve('nothing')))]);
  expect(outcome).toBe('nothing');
  expect(() => faults.block('beforeApply')).toThrow('the member has crashed at beforeApply');
  expect(done).toEqual(['panic afterCommit', 'panic beforeApply']);
});

test('FaultHooks refuses points and terms that there are not', () => {
  const { faults } = hooks();
  expect(() => faults.arm('afterComit', 'panic')).toThrow('there is no point "afterComit": did you mean afterCommit?');
  expect(() => faults.arm('afterCommit', 'explode')).toThrow('afterCommit: "explode" is no term');
  expect(() => faults.armAll('afterCommit')).toThrow('write <point>=<term>');
  faults.arm('afterCommit', 'panic');
  faults.disarm('afterCommit');
  expect(faults.at('afterCommit')).toBeUndefined();
});

test('every point says what it means', () => {
  expect(FAULT_POINTS.length).toBeGreaterThan(25);
  for (const point of FAULT_POINTS) expect(isFaultPoint(point) && meaningOf(point)).toMatch(/\w/);
});
