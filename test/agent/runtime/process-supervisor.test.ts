/** The supervisor's shell script by itself. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { SUPERVISOR_SCRIPT } from '../../../src/agent/runtime/process-supervisor.ts';

test('the start time of a program that has ended is none, and no line of its log', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'podium-supervisor-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  // No process has this number: as if the program had ended before it was looked at.
  const script = SUPERVISOR_SCRIPT.replace('child=$!', 'wait $!; child=4999999').replace('wait "$child"', 'true');
  const { stdout, stderr } = await promisify(execFile)('sh', ['-c', script, 'sh', dir, dir, 'echo', 'hello']);
  expect({ stdout, stderr }).toEqual({ stdout: 'hello\n', stderr: '' });
});
