/** The house rules that a machine can check. Each rule names what to write instead. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

type Rule = readonly [pattern: RegExp, instead: string];

const bannedInCores: readonly Rule[] = [
  [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, 'take `now: Millis` as an argument'],
  [/\bMath\.random\(|\brandomUUID\(|\brandomBytes\(/, 'take a Random forked by label (base/random.ts)'],
  [/\bset(?:Timeout|Interval|Immediate)\(|\bqueueMicrotask\(/, 'return nextDeadline(); the shell owns timers'],
  [/\basync\b|\bawait\b|\bnew Promise\(/, 'cores run to completion; split at the await'],
  [/\bfrom '(?:node:|@grpc\/|pino)/, 'import base/ and cores only'],
  [/\blocaleCompare\(|\bIntl\./, 'compare bytes (base/bytes.ts)'],
  [/\bconsole\.|\bprocess\./, 'return a trace event'],
];

const bannedInShells: readonly Rule[] = [
  [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, 'take a Clock (base/clock.ts)'],
  [/\bMath\.random\(|\brandomUUID\(/, 'take a Random (base/random.ts)'],
  [/\bset(?:Timeout|Interval|Immediate)\(/, 'use Clock.setTimer (base/clock.ts)'],
];

/** The named bindings to the real world, and what only ever runs as a process of its own. */
const bindings =
  /^src\/(?:base\/(?:system-clock|driven-clock|system-random|file-disk|memory-disk|log)\.ts|grpc\/|cli\/|cluster\/|main\.ts|agent\/(?:runtime\/process|proxy|exec|probe)|store\/mvcc\/level-backend\.ts)/;

/** Which rooms a room may import from: itself, and floors below. */
const floors: ReadonlyArray<readonly string[]> = [
  ['proto', 'base'],
  ['kube', 'etcd', 'grpc'],
  ['cluster', 'store', 'api', 'client', 'image', 'verify'],
  ['cli', 'scheduler', 'controllers', 'agent'],
  ['main', 'testing'],
];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

/** Comments may name what code may not. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

const isCore = (path: string) => /\/core\/|\/plan\.ts$/.test(path);
const roomOf = (path: string) => path.split('/')[1]!.replace(/\.ts$/, '');
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

function violations(paths: readonly string[], rules: readonly Rule[]): string[] {
  return paths.flatMap((path) => {
    const code = withoutComments(readFileSync(path, 'utf8'));
    return rules
      .filter(([pattern]) => pattern.test(code))
      .map(([pattern, instead]) => `${path}: ${pattern.exec(code)![0]}: ${instead}`);
  });
}

const all = sources('src').filter((path) => !path.startsWith('src/proto/'));

test('cores decide and do nothing else', () => {
  expect(all.some(isCore)).toBe(true);
  // Texts that are read out of other people's documents speak of processes.
  const written = all.filter((path) => !path.endsWith('.generated.ts'));
  expect(violations(written.filter(isCore), bannedInCores)).toEqual([]);
});

test('only the named bindings touch the real clock, timers and randomness', () => {
  const shells = all.filter((path) => !isCore(path) && !bindings.test(path));
  expect(shells.length).toBeGreaterThan(0);
  expect(violations(shells, bannedInShells)).toEqual([]);
});

test('imports go down, never up or across', () => {
  const wrong = all.flatMap((path) => {
    const room = roomOf(path);
    return [...readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)'/g)]
      .map(([, target]) => join(path, '..', target!))
      .filter((target) => target.startsWith('src/'))
      .map(roomOf)
      .filter((other) => other !== room)
      .filter(
        (other) => room !== 'proto' && floorOf(other) >= floorOf(room) && !(other === 'base' && floorOf(room) === 0),
      )
      .map((other) => `${path} imports ${other}`);
  });
  expect(wrong).toEqual([]);
});

test('no default exports, no ignored types', () => {
  const rules: readonly Rule[] = [
    [/\bexport default\b/, 'export by name'],
    [/@ts-ignore|@ts-expect-error|\bas any\b/, 'give it a type'],
  ];
  expect(violations(all, rules)).toEqual([]);
});

test('properties run with the seed of base/property.ts', () => {
  const properties = sources('test').filter((path) => path !== 'test/base/property.ts');
  expect(
    violations(properties, [[/\bfrom 'fast-check'/, 'import { fc } from base/property.ts: it runs with one seed']]),
  ).toEqual([]);
});
