/** What both servers say where they do not serve. */
import { systemErrorCode } from '../base/errors.ts';

/** What the last answers of a server that stops have to leave in. */
export const LAST_ANSWERS_MS = 100;

/** Why a server cannot listen, in words that say what to do. */
const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there (EADDRINUSE): stop it, or choose another port',
  EACCES: 'this user may not listen there (EACCES): choose a port from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address (EADDRNOTAVAIL): choose one that it has',
};

export function cannotListen(address: string, cause: Error): Error {
  const code = systemErrorCode(cause);
  return new Error(`cannot listen on ${address}: ${LISTEN_REMEDIES[code ?? ''] ?? code ?? cause.message}`);
}
