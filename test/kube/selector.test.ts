import { expect, test } from 'vitest';
import { parseLabelSelector } from '../../src/kube/label-parser.ts';
import { formatSelector, matchesLabels, parseFieldSelector, selectorMatches } from '../../src/kube/selector.ts';

const labels = { app: 'web', tier: 'front', version: '3' };

test.each([
  ['', true],
  ['app=web', true],
  ['app==web,tier!=back', true],
  ['app!=web', false],
  ['other!=web', true],
  ['app in (web, api),version notin (1,2)', true],
  ['app', true],
  ['!app', false],
  ['! other', true],
  ['version>2,version<4', true],
  ['app>2', false],
  ['tier in (back)', false],
  ['toString', false],
])('parseLabelSelector(%j) on the labels: %s', (text, matches) => {
  const parsed = parseLabelSelector(text);
  expect(parsed.ok && matchesLabels(parsed.value, labels)).toBe(matches);
});

test.each(['a b', 'a in', 'a=b=c', 'a in (b', ',', 'a,,b', '-a=b', 'a=b c', '=b'])('parseLabelSelector(%j) is refused', (text) => {
  expect(parseLabelSelector(text).ok).toBe(false);
});

test('parseFieldSelector() knows =, == and != and escapes', () => {
  const parsed = parseFieldSelector('metadata.name=a,spec.nodeName!=b\\,c,status.phase==');
  expect(parsed).toEqual({
    ok: true,
    value: [
      { field: 'metadata.name', negated: false, value: 'a' },
      { field: 'spec.nodeName', negated: true, value: 'b,c' },
      { field: 'status.phase', negated: false, value: '' },
    ],
  });
  expect(parseFieldSelector('metadata.name in (a)').ok).toBe(false);
});

test('a missing selector matches nothing, an empty one everything', () => {
  expect([selectorMatches(undefined, labels), selectorMatches({}, labels)]).toEqual([false, true]);
  expect(formatSelector({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['d', 'e'] }] })).toBe('a=b,c in (d,e)');
});
