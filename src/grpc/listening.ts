/** Why a server cannot listen, in words that say what to do. */
export const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there (EADDRINUSE): stop it, or choose another port',
  EACCES: 'this user may not listen there (EACCES): choose a port from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address (EADDRNOTAVAIL): choose one that it has',
};
