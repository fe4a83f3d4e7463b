#!/usr/bin/env node
/** Wiring only: what was typed meets what does it. Every verb and part is loaded when it is asked for, and no other. */
import { runProgram } from './cli/program.ts';
import { readVersion } from './main/version.ts';

const interrupt = new AbortController();

const exitCode = await runProgram(process.argv.slice(2), {
  version: readVersion(),
  session: async (dataDir, run) => {
    process.once('SIGINT', () => interrupt.abort());
    const { withSession } = await import('./cli/session.ts');
    return withSession({ dataDir, signal: interrupt.signal }, run);
  },
  part: async (name, argv) => (await import('./main/run.ts')).runPart(name, argv),
}).catch(async (error: unknown) => {
  const { explain } = await import('./cli/errors.ts');
  const message = explain(error);
  if (message !== undefined) process.stderr.write(`${message}\n`);
  return interrupt.signal.aborted ? 130 : 1;
});
// What was written must reach a pipe before the process ends.
process.stdout.write('', () => process.exit(exitCode));
