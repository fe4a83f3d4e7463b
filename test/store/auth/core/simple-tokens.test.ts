import { expect, test } from 'vitest';
import { SimpleTokens, TOKENS_MAX } from '../../../../src/store/auth/core/simple-tokens.ts';

const TTL_MS = 1000;

test('use() makes the time of a token begin anew, and it ends without use', () => {
  const tokens = new SimpleTokens();
  tokens.assign('t', 'u');
  expect(tokens.use('t', 0, TTL_MS)).toBe('u');
  expect(tokens.use('t', 900, TTL_MS)).toBe('u');
  expect(tokens.use('t', 1800, TTL_MS)).toBe('u');
  expect(tokens.use('t', 2800, TTL_MS)).toBeUndefined();
  expect(tokens.size).toBe(0);
});

test('a token that nobody uses ends, too', () => {
  const tokens = new SimpleTokens();
  tokens.assign('t', 'u');
  expect(tokens.use('other', 0, TTL_MS)).toBeUndefined();
  expect(tokens.use('other', 1000, TTL_MS)).toBeUndefined();
  expect(tokens.size).toBe(0);
});

test('forgetUser() takes back his tokens and no others', () => {
  const tokens = new SimpleTokens();
  tokens.assign('t', 'u');
  tokens.assign('s', 'v');
  tokens.forgetUser('u');
  expect([tokens.use('t', 0, TTL_MS), tokens.use('s', 0, TTL_MS)]).toEqual([undefined, 'v']);
});

test('past TOKENS_MAX the oldest goes', () => {
  const tokens = new SimpleTokens();
  for (let at = 0; at <= TOKENS_MAX; at++) tokens.assign(`t${at}`, 'u');
  expect(tokens.size).toBe(TOKENS_MAX);
  expect([tokens.use('t0', 0, TTL_MS), tokens.use('t1', 0, TTL_MS)]).toEqual([undefined, 'u']);
});
