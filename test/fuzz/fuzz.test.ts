import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

/** `npm run fuzz` has the time for more. */
const INPUTS = 3_000;

test.each(TARGETS)('$name reads damaged bytes or refuses them', async (target) => {
  const inputs = target.shortInputs ?? INPUTS;
  const { read, refused, failures } = await fuzz(target, { seed: 1, inputs });
  expect(failures, `replay: npm run fuzz -- --seed 1 --inputs ${inputs} --target ${target.name}`).toEqual([]);
  // Else the damage is too crude to reach what lies behind the first check, or the check is not there.
  expect(read).toBeGreaterThan(inputs / 100);
  expect(refused).toBeGreaterThan(inputs / 100);
});

test.each(TARGETS)('$name reads every valid input', async (target) => {
  for (const bytes of await target.seeds()) expect(await target.run(bytes)).toBe(true);
});
