import { expect, test } from 'vitest';
import { duplicateFields } from '../../../src/api/core/duplicate-fields.ts';

test.each<[string, readonly string[]]>([
  ['{}', []],
  ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}', []],
  ['{"a":1,"a":2,"a":3}', ['a']],
  ['{"b":{"c":1,"c":2},"b":{"c":3}}', ['b.c', 'b']],
  ['{"l":[{"x":1},{"x":1,"x":2},[{"y":1,"y":2}]]}', ['l[1].x', 'l[2][0].y']],
  // Signs within texts, and names that are written in two ways.
  ['{"a":"{\\"a\\":1,","b":"}]\\\\","c":[",",{"d":"\\""}]}', []],
  ['{"name":1,"n\\u0061me":2}', ['name']],
  ['[{"a":1},{"a":1}]', []],
])('duplicateFields() of %s', (text, found) => {
  expect(duplicateFields(text)).toEqual(found);
  expect(duplicateFields(text, JSON.parse(text))).toEqual(found);
});
