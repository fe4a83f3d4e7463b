/** `npm run bench:store` runs: a round of one load, too short for its figures to be worth anything. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { requireTool, ROOT } from '../processes.ts';

const PROGRAM = join(ROOT, 'dist', 'test', 'bench', 'main.js');

async function bench(...args: string[]): Promise<string> {
  const env = { ...process.env, PODIUM_BENCH_SECONDS: '0.2' };
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'store', '--rounds', '1', ...args], { env });
  return stdout;
}

/** Of a row of the table: "name  12 (11–13)  10 (9–11)  1.20  …". */
const figuresOf = (table: string, name: string) => {
  const line = table.split('\n').find((one) => one.startsWith(name));
  expect(line, `a row that begins with ${name}:\n${table}`).toBeDefined();
  return [...line!.slice(name.length).matchAll(/([\d,.]+) \(/g)].map(([, figure]) => Number(figure!.replaceAll(',', '')));
};

test('bench:store has a figure of both stores', async ({ skip }) => {
  for (const tool of ['etcd', 'h2load']) requireTool(tool, skip);
  const table = await bench('linearizable range');
  const figures = figuresOf(table, 'linearizable range/s, 100 outstanding on 10 connections, leader');
  expect(figures, table).toHaveLength(2);
  for (const figure of figures) expect(figure).toBeGreaterThan(0);
});
