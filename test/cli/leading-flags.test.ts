import { expect, test } from 'vitest';
import { flagsBehindVerb } from '../../src/cli/program.ts';

test.each([
  ['--data-dir d get pods', 'get pods --data-dir d'],
  ['--data-dir=d -n x get pods -o wide', 'get pods -o wide --data-dir=d -n x'],
  ['-n x logs p -- -n', 'logs p -n x -- -n'],
  ['get pods -n x', 'get pods -n x'],
  ['--help', '--help'],
  ['--version', '--version'],
])('flagsBehindVerb(%j) is %j', (typed, read) => {
  expect(flagsBehindVerb(typed.split(' ')).join(' ')).toBe(read);
});
