import { expect, test } from 'vitest';
import { flagsBehindVerb, runProgram } from '../../src/cli/program.ts';

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

test('flags in front of a part are its own, too', async () => {
  const asked: unknown[] = [];
  const part = (name: string, argv: readonly string[]) => {
    asked.push([name, ...argv]);
    return Promise.resolve(0);
  };
  const session = () => Promise.reject(new Error('no verb'));
  expect(await runProgram(['--data-dir', 'd', 'node', '--help'], { version: '', session, part })).toBe(0);
  expect(asked).toEqual([['node', '--help', '--data-dir', 'd']]);
});
