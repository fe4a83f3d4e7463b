import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCommand } from '../../../src/agent/runtime/run-command.ts';
import { systemClock } from '../../../src/base/system-clock.ts';

const directory = mkdtempSync(join(tmpdir(), 'podium-run-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('runCommand() that takes too long lets a command see the end of what it has started, where it is told how to end that', async () => {
  const file = join(directory, 'pid');
  const command = ['sh', '-c', `sleep 300 & echo $! >${file}.tmp; mv ${file}.tmp ${file}; wait $!; echo "it ended with $?"; exit 7`];
  const endFirst = () => process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
  const result = await runCommand(command, { clock: systemClock, env: { PATH: process.env['PATH'] ?? '' }, timeoutMs: 1_000, endFirst });
  expect(result).toMatchObject({ timedOut: true, exitCode: 7, output: expect.stringContaining('it ended with 137\n') });
});

test('runCommand() ends a command that does not end though what it has started is ended', async () => {
  const result = await runCommand(['sh', '-c', 'sleep 300; :'], { clock: systemClock, env: { PATH: process.env['PATH'] ?? '' }, timeoutMs: 100, endFirst: () => undefined });
  expect(result).toMatchObject({ timedOut: true, exitCode: -1 });
});
