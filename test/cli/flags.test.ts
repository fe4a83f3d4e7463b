/** Flags by kubectl's rule: what is on or off takes a value behind `=` alone (verb-command.ts). */
import { beforeEach, afterEach, expect, test } from 'vitest';
import { VerbCommand } from '../../src/cli/verb-command.ts';
import { Option } from 'commander';
import { openTerminal, type Terminal } from './terminal.ts';

function parsed(line: string): unknown {
  let said = '';
  let outcome: unknown;
  const program = new VerbCommand('podium').exitOverride().configureOutput({ writeErr: (text) => void (said += text) });
  program
    .command('delete [words...]')
    .exitOverride()
    .option('--wait', '', true)
    .option('--all', '')
    .option('-w, --watch', '')
    .option('-q, --quiet', '')
    .option('--no-headers', '')
    .option('-f, --file <path>', '')
    .addOption(new Option('--cascade [how]', '').preset('background').default('none'))
    .action((words: readonly string[], flags: object) => void (outcome = { words, ...flags }));
  try {
    program.parse(line.split(' '), { from: 'user' });
  } catch {
    return said;
  }
  return outcome;
}

const PLAIN = { words: ['x'], wait: true, headers: true, cascade: 'none' };

test.each<[string, object]>([
  ['delete x', PLAIN],
  ['delete --wait x', PLAIN],
  ['delete --wait false', { ...PLAIN, words: ['false'] }],
  ['delete x --wait y --all z', { ...PLAIN, words: ['x', 'y', 'z'], all: true }],
  ['delete x --wait=false', { ...PLAIN, wait: false }],
  ['delete x --wait=F --all=1', { ...PLAIN, wait: false, all: true }],
  ['delete x --all=false', { ...PLAIN, all: false }],
  ['delete x -w=true -q', { ...PLAIN, watch: true, quiet: true }],
  ['delete -wq x', { ...PLAIN, watch: true, quiet: true }],
  ['delete x --no-headers', { ...PLAIN, headers: false }],
  ['delete x --no-headers=false', PLAIN],
  ['delete --cascade x', { ...PLAIN, cascade: 'background' }],
  ['delete x --cascade=orphan', { ...PLAIN, cascade: 'orphan' }],
  ['delete x -f --wait=false', { ...PLAIN, file: '--wait=false' }],
  ['delete x -f=a=b', { ...PLAIN, file: 'a=b' }],
  ['delete x -- --wait=false', { ...PLAIN, words: ['x', '--wait=false'] }],
])('%s', (line, expected) => {
  expect(parsed(line)).toEqual(expected);
});

test('what is neither true nor false is refused', () => {
  expect(parsed('delete x --wait=maybe')).toBe("error: invalid argument 'maybe' for '--wait': true or false\n");
});

let terminal: Terminal;
beforeEach(async () => void (terminal = await openTerminal()));
afterEach(() => terminal.server.stop());

test('the verbs have it so', async () => {
  const { run } = terminal;
  const maps = ['a', 'b', 'c'].map((name) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n`).join('---\n');
  await run('apply -f -', maps);
  expect(await run('delete cm --wait a b --ignore-not-found=true')).toBe('configmap "a" deleted\nconfigmap "b" deleted\n');
  expect(await run('apply --dry-run -f -', maps)).toContain('configmap/a created (dry run)');
  expect(await run('describe cm --show-events=false c')).not.toContain('Events');
  expect(await run('describe cm --show-events c')).toContain('Events');
  expect(await run('delete --cascade cm c --wait=false')).toBe('configmap "c" deleted\n');
});
