/**
 * Writes test/golden/semantics anew: `node dist/test/api/core/oracle/main.js [seed]`, after `npm run build`. Needs Go: the
 * answers are those of test/clients/semantics.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { corpus } from './corpus.ts';

const FOLDER = 'test/golden/semantics';
const cases = corpus(Number(process.argv[2] ?? 1));
const text = execFileSync('go', ['run', '.'], { cwd: 'test/clients/semantics', input: JSON.stringify(cases), encoding: 'utf8', maxBuffer: 2 ** 28 });
const answers = JSON.parse(text) as Record<string, unknown[]>; // our own program's
mkdirSync(FOLDER, { recursive: true });
for (const [name, own] of Object.entries(cases)) {
  if (name === 'labels') continue;
  // A case a line: a change shows as the lines that it concerns.
  const lines = (own as readonly unknown[]).map((one, index) => JSON.stringify({ case: one, answer: answers[name]![index] }));
  writeFileSync(join(FOLDER, `${name}.jsonl`), `${lines.join('\n')}\n`);
}
process.stdout.write(`${FOLDER}: ${Object.entries(answers).map(([name, list]) => `${list.length} ${name}`).join(', ')}\n`);
