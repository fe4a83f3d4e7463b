/** YAML is read as a real kube-apiserver reads it (test/golden/yaml, by record.ts): by the reader, a request's body, and a manifest. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseBody } from '../../../src/api/rest/body.ts';
import { parseManifests } from '../../../src/cli/manifests.ts';
import { readYaml } from '../../../src/kube/yaml.ts';
import { CASES, HEAD, type Recorded } from './cases.ts';

const RECORDED = readFileSync(new URL('../../golden/yaml/answers.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded); // written by record.ts

/** Where we read what Kubernetes refuses: JSON is to be YAML, also with JSON's own escapes. */
const READ_ALL_THE_SAME: Readonly<Record<string, unknown>> = { '  a: "\\/"\n': { a: '/' }, '  a: "\\ud83d\\ude00"\n': { a: '😀' } };

/** Where it is the other way round: the library does not take a lone dash for a text. */
const REFUSED_ALL_THE_SAME: readonly string[] = ['  a: [-]\n'];
const ORDINARY = RECORDED.filter(({ text }) => !REFUSED_ALL_THE_SAME.includes(text));

/** As JSON has it, where 0 has no sign. */
const dataOf = (value: unknown): unknown => JSON.parse(JSON.stringify((value as { data?: unknown }).data ?? null)); // of the manifest above

test('every case has its answer', () => {
  expect(RECORDED.map(({ text }) => text)).toEqual(CASES);
});

describe('as a kube-apiserver reads it', () => {
  test.each(ORDINARY.map((one) => [JSON.stringify(one.text), one] as const))('%s', async (_, { text, data, refused, repeated = [] }) => {
    const [document] = readYaml(HEAD + text);
    const body = () => parseBody(Buffer.from(HEAD + text), 'yaml');
    if (refused !== undefined && !(text in READ_ALL_THE_SAME)) {
      expect(document!.problems).not.toEqual([]);
      await expect(body()).rejects.toThrow('the object is not YAML: line ');
      return;
    }
    const wanted = text in READ_ALL_THE_SAME ? READ_ALL_THE_SAME[text] : data;
    expect(document!.problems).toEqual([]);
    expect(dataOf(document!.value)).toEqual(wanted);
    const read = await body();
    expect([dataOf(read.body), read.duplicates]).toEqual([wanted, repeated]);
  });
});

test('what the library does not read is refused, and not read otherwise', () => {
  for (const text of REFUSED_ALL_THE_SAME) expect(readYaml(HEAD + text)[0]!.problems).not.toEqual([]);
});

test('a manifest of the command line means the same', () => {
  const readable = ORDINARY.filter(({ refused, repeated, text }) => refused === undefined && repeated === undefined && !text.includes('---'));
  expect(readable.length).toBeGreaterThan(200);
  for (const { text, data } of readable) {
    const [manifest] = parseManifests(HEAD + text, 'm.yaml');
    expect([text, dataOf(manifest!.object)]).toEqual([text, data]);
  }
});

test('JSON as YAML: the same, whichever way it is read', async () => {
  const json = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"y":"\\ud83d\\ude00\\/","__proto__":"x","big":"1e400"}}';
  const { body, duplicates } = await parseBody(Buffer.from(json), 'yaml');
  expect([body, duplicates]).toEqual([JSON.parse(json), []]);
  expect(readYaml(json)[0]!.value).toEqual(JSON.parse(json));
  expect((await parseBody(Buffer.from('{"a":1,\n"a":2}'), 'yaml')).duplicates).toEqual(['line 2: key "a" already set in map']);
});

test('documents: several, none, of another version, with a mark of their order of bytes', () => {
  const values = (text: string) => readYaml(text).map(({ line, column, value, problems }) => [line, column, value, problems.length]);
  expect(values('')).toEqual([]);
  expect(values('# nothing\n')).toEqual([]);
  expect(values('a: 1\n---\n# b\n\nb: yes\n---\n')).toEqual([[1, 1, { a: 1 }, 0], [5, 1, { b: true }, 0], [6, 4, null, 0]]);
  expect(values('%YAML 1.1\n---\na: on\n')).toEqual([[3, 1, { a: true }, 0]]);
  expect(values('%YAML 1.2\n---\na: on\n')).toEqual([[3, 1, undefined, 1]]);
  expect(values('\ufeffa: on\n')).toEqual([[1, 2, { a: true }, 0]]);
});

test('what names itself over and over, or goes too deep, is refused in time', () => {
  const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array.from({ length: 9 }, () => `*l${n}`).join(', ')}]`);
  expect(readYaml(`l0: &l0 [x]\n${levels.join('\n')}\n`)[0]!.problems[0]!.message).toBe('it names parts of itself too often');
  const long = `a: &a ${'x'.repeat(1_000_000)}\nb: [${Array.from({ length: 4 }, () => '*a').join(', ')}]\n`;
  expect(readYaml(long)[0]!.problems[0]!.message).toBe('it names parts of itself too often');
  expect(readYaml('['.repeat(5_000))[0]!.problems).not.toEqual([]);
});
