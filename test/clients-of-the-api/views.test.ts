import { expect, test } from 'vitest';
import { problemOf, type Change, type Seen } from './views.ts';

const history: readonly Change[] = [
  { revision: 2, name: 'a', isDeleted: false },
  { revision: 3, name: 'b', isDeleted: false },
  { revision: 5, name: 'a', isDeleted: false },
  { revision: 6, name: 'b', isDeleted: true },
];
const start: Seen = { type: 'replace', version: '3', items: { a: '2', b: '3' } };
const changed: Seen = { type: 'update', name: 'a', version: '5' };
const gone: Seen = { type: 'delete', name: 'b', version: '6' };

test('problemOf() takes a view that is what happened, also one that began anew', () => {
  expect(problemOf([start, changed, gone], history)).toBeUndefined();
  expect(problemOf([start, changed, { type: 'replace', version: '6', items: { a: '5' } }], history)).toBeUndefined();
});

test('problemOf() finds what was lost, doubled, out of order, made up, or no state', () => {
  expect(problemOf([start, gone], history)).toContain('update a at 5 was to come');
  expect(problemOf([start, changed, changed, gone], history)).toContain('delete b at 6 was to come');
  expect(problemOf([start, gone, changed], history)).toContain('update a at 5 was to come');
  expect(problemOf([start, changed], history)).toContain('1 changes are missing');
  expect(problemOf([start, { type: 'add', name: 'a', version: '5' }, gone], history)).toContain('update a at 5 was to come');
  expect(problemOf([start, changed, gone, { type: 'add', name: 'c', version: '7' }], history)).toContain('more than happened');
  expect(problemOf([{ type: 'replace', version: '5', items: { a: '2', b: '3' } }], history)).toContain('a is 2, and should be 5');
  expect(problemOf([start, changed, gone, start], history)).toContain('older than what was seen before');
  expect(problemOf([changed], history)).toContain('before any state');
});
