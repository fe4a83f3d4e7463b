/** What a mapping of YAML may hold: each text is `data` of a ControllerRevision, which takes whatever JSON can say. */

const scalars: readonly string[] = [
  // Whole numbers: decimal, octal, hexadecimal, binary, with and without a sign, and with underscores.
  ...['0', '00', '000', '7', '+1', '-0', '0644', '-0644', '+0644', '0o14', '-0o14', '0O14', '08', '0888', '0_7', '0_', '_0', '_1', '1_', '1_000', '1__0', '-1_0'],
  ...['0x1F', '-0x1F', '+0x1f', '0x_1', '0xFF_FF', '0xfg', '0x', '0b101', '-0b101', '+0b1', '0b2', '0b', '123456789012345678', '9007199254740993'],
  ...['9223372036854775807', '9223372036854775808', '18446744073709551615', '18446744073709551616', '12345678901234567890123', '1,000', '--', '+', '-a'],
  // Others.
  ...['1.', '0.', '.5', '-.5', '+.5', '0.0', '-0.0', '1.0', '100.0', '00.5', '09.5', '1e3', '1E3', '1e+3', '12e03', '1.5e3', '1E-3', '0.1e1', '+.5e1', '.5e3', '1e20', '1e21'],
  ...['1e400', '1e-400', '1e', '1e+', '1e3_', '1_e3', '1_0.5', '1__.5', '.1_0', '-.5_0', '._5', '.e3', '.', '1.2.3', '3.14159265358979323846', '6.8523015e+5', '685_230.15', '685.230_15e+03'],
  ...['.inf', '-.inf', '+.inf', '.Inf', '.INF', '.nan', '.NaN', '1:30', '190:20:30', '12:30:45'],
  // Nothing, and truths.
  ...['~', 'null', 'Null', 'NULL', 'nUll', '', '# c', '&a', '!', 'null # c', '0644 # c'],
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'yEs', 'n', 'N', 'no', 'No', 'NO', 'on', 'On', 'ON', 'off', 'Off', 'OFF', 'true', 'True', 'TRUE', 'tRue', 'false', 'False', 'FALSE'],
  // Texts that look like something.
  ...['2001-01-01', '2001-1-1', '2001-12-14t21:59:43.10-05:00', '2001-01-01 10:00:00', '=', '<<x', '_', 'http://x', 'a:b', 'b#c', 'b # c', '?a', ':a', 'a?', 'é'],
  // Tags.
  ...['!!int "3"', '!!int "0x10"', '!!int 0o7', '!!int x', '!!int 1.5', '!!int yes', '!!float 3', '!!float 0644', '!!float 1e3', '!!float 1_0', '!!float "x"', '!!float .inf'],
  ...['!!bool "yes"', '!!bool yes', '!!bool 1', '!!null ""', '!!null ~', '!!null x', '!!str', '!!str 0644', '!!str yes', '!!str ~', '!<tag:yaml.org,2002:str> 12', '! 0644', '! x'],
  ...['!!binary aGVsbG8=', '!!binary "not base64 !"', '!!binary yes', '!!timestamp 2001-01-01', '!!timestamp x', '!!merge x', '!foo x', '!foo 12', '!!foo 12', '!<x> a', '!!'],
  ...['!!set {a, b}', '!!omap [a: 1]', '!!map {b: 1}', '!!seq [b]', '!foo {a: 012}', '!foo [012]'],
  // Quotes, blocks and lines.
  ...['"0644"', "'yes'", '""', "''", "'it''s'", '"\\x41"', '"\\u0041\\n"', '"\\U0001F600"', '"\\e\\0\\a\\b\\v\\f\\r\\N\\_\\L\\P"', '"\\/"', '"\\q"', '"\\ud83d\\ude00"'],
  ...['|\n    0644\n', '>\n    yes\n', '|-\n    x\n    y\n', '>-\n    x\n    y\n\n    z\n', '|2\n      x\n', '|+\n    x\n\n', '>+\n    x\n\n', '|\n   x\n  y', '|\n  x'],
  ...['"x\n    y"', '"a\\\n    b"', '"a\n\n    b"', "'a\n    b'", 'a\n   b\n   c', 'a\n  b', 'a\n    # c\n    b', '\ta', 'a\t# c', 'a #c'],
  // Flow.
  ...['[yes, 010, ~]', '[1,2', '[a,]', '[a, , b]', '[a: 1, b]', '[? a : b]', '[a:1]', '[-]', '[- a]', '{x}', '{x: }', '{a: 1,}', '{"a":1}', '{"a" :1}', '{a:1}', '{a: b:c}', '{? a : b}', '{-: 1}'],
  // Anchors.
  ...['&a yes', '*nope', '*', '&x\n    b: *x\n', '&x [*x]', '&a &b x', '&a *b', '*a : b', '{*a : b}'],
  // What is none of it.
  ...['-', '- b', 'x: y', '? x', '? a\n', '@x', '`x', '%x', "'a' b", '"a" b', '[a] b', '{a} b'],
];

const mappings: readonly string[] = [
  // Keys are values, and then names.
  ...['  0644: a\n', '  yes: a\n', '  n: a\n', '  1.5: a\n', '  1e3: a\n', '  .inf: a\n', '  ~: a\n', '  null: a\n', '  : a\n', '  2001-01-01: a\n', '  18446744073709551615: a\n', '  9007199254740993: a\n'],
  ...['  [1]: a\n', '  {a: 1}: b\n', '  ? |\n    x\n  : a\n', '  ? a\n', '  !!binary aGVsbG8=: a\n', '  "0644": a\n', '  "<<": {a: 1}\n', '  b: &b x\n  *b : c\n', '  b: &b {x: 1}\n  *b : c\n'],
  // The same key twice.
  ...['  a: 1\n  a: 2\n', '  yes: a\n  true: b\n', '  0x10: a\n  16: b\n', '  1.5: a\n  1.50: b\n', '  a: {b: 1, "b": 2}\n', '  a: {b: 1, b: 2, b: 3}\n', '  __proto__: {a: 1}\n', '  constructor: 1\n'],
  // Merges.
  '  b: &b {x: 1, y: 2}\n  c: {<<: *b, x: 3}\n',
  '  b: &b {x: 1, y: 2}\n  c: {<<: [*b, {z: 1, x: 9}], x: 3}\n',
  '  b: &b {x: 1}\n  c:\n    x: 2\n    <<: *b\n',
  '  b: &b [{x: 1}, {x: 2, z: 3}]\n  c:\n    <<: *b\n',
  '  b: &b {x: 1}\n  c: &c\n    <<: *b\n    v: 2\n  d:\n    <<: *c\n',
  ...['  <<: {a: 1}\n', '  <<: x\n', '  <<: [x]\n', '  <<: ~\n', '  !!str <<: {a: 1}\n', '  c:\n    <<: {x: 1}\n    <<: {z: 1}\n'],
  // Anchors.
  '  b: &b yes\n  c: *b\n',
  '  a: &x 1\n  b: *x\n  c: &x 2\n  d: *x\n',
  '  a: &x [&z 1]\n  b: &z 2\n  c: *x\n  d: *z\n',
  '  a: *x\n  b: &x 1\n',
  '  a: &x 1\n  b: "*x"\n',
  // Documents and layout.
  ...['  a: 1\n---\napiVersion: v1\n', '  a: 1\n---\n{ [\n', '  a: 1\n...\n', '  a:\n', '  a:\n  - b\n', '  a:\tx\n', '  {"a":1}\n', '  "a":1\n', '\ta: 1\n', '  a: 1\n b: 2\n', '  a: 1\r\n  b: yes\r\n'],
];

export const CASES: readonly string[] = [...scalars.map((text) => `  a: ${text}\n`), ...mappings];

/** Before each. */
export const HEAD = 'apiVersion: apps/v1\nkind: ControllerRevision\nmetadata:\n  name: x\nrevision: 1\ndata:\n';

export interface Recorded {
  readonly text: string;
  /** Absent: it was refused. */
  readonly data?: unknown;
  readonly refused?: string;
  /** What was said of it in strict mode alone: keys that are there twice. */
  readonly repeated?: readonly string[];
}
