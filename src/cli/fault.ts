/** `podium fault`: break a part on purpose, and mend it. */
import { systemClock } from '../base/system-clock.ts';
import { killPart, listFaults, pausePart, restartPart, resumePart } from '../cluster/faults.ts';
import { EXIT_OK } from './context.ts';
import { renderRows } from './core/table.ts';

export type FaultVerb = 'kill' | 'pause' | 'resume' | 'restart';

export interface FaultOptions {
  readonly dataDir: string;
  readonly withPods?: boolean;
}

export async function fault(verb: FaultVerb, parts: readonly string[], { dataDir, withPods }: FaultOptions): Promise<number> {
  const context = { dataDir, clock: systemClock };
  for (const part of parts) {
    const outcome = {
      kill: () => killPart(context, part, withPods === true),
      pause: () => pausePart(context, part),
      resume: () => resumePart(context, part),
      restart: () => restartPart(context, part),
    }[verb];
    process.stdout.write(`${await outcome()}\n`);
  }
  return EXIT_OK;
}

export async function faultList({ dataDir }: FaultOptions): Promise<number> {
  const rows = listFaults(dataDir);
  if (rows.length === 0) process.stderr.write('No faults: every part is meant to run\n');
  else process.stdout.write(renderRows([['PART', 'FAULT', 'SINCE'], ...rows]));
  return EXIT_OK;
}
