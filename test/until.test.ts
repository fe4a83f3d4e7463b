import { expect, test } from 'vitest';
import { until, untilWithin } from './until.ts';

test('until() looks until there is something, and a zero is something', async () => {
  const answers = [undefined, null, false, 0];
  expect(await until('an answer', () => answers.shift())).toBe(0);
  expect(answers).toEqual([]);
});

test('until() says in the end what was missing, as it was seen last', async () => {
  let seen = 0;
  const never = async () => ++seen < 0;
  await expect(until(() => `a negative number, not ${seen}`, never, 20)).rejects.toThrow(/^not within 20 ms: a negative number, not [1-9]/);
  await expect(untilWithin(5)('an end', never)).rejects.toThrow('not within 5 ms: an end');
});
