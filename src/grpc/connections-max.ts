/**
 * How many connections a server may hold, by the files that the system lets its process open: past that number none of
 * them could be opened for the log and the database either, and the member would stop.
 */
import { readFileSync } from 'node:fs';

/** LevelDB keeps to a fifth of the limit; the rest is for the log, peers, and those that are just being hung up on. */
const CONNECTIONS_SHARE = 0.7;
/** What a process has open before anybody comes. */
const OPEN_ANYWAY = 100;
/** Where the system does not say (it is no Linux): the limit of most. */
const OPEN_FILES_DEFAULT = 1024;

export function connectionsMax(openFilesMax = readOpenFilesMax()): number {
  return Math.max(1, Math.floor((openFilesMax - OPEN_ANYWAY) * CONNECTIONS_SHARE));
}

/** The soft limit, which Node.js has raised to the hard one when it started. */
function readOpenFilesMax(): number {
  let limits = '';
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return OPEN_FILES_DEFAULT;
  }
  const [, soft] = /^Max open files\s+(\w+)/m.exec(limits) ?? [];
  return soft === 'unlimited' ? Infinity : Number(soft ?? OPEN_FILES_DEFAULT);
}
