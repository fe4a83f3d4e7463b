/** `StopSignal` of an image: a name with or without SIG, a number, or one of the real-time signals by its distance. */

const NAMES: readonly string[] = [
  'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM', 'TERM', 'STKFLT',
  'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS',
];
export const SIGTERM = 15;
/** The first two real-time signals belong to the C library. */
const RTMIN = 34;
const RTMAX = 64;

/** What nobody knows is as if it had not been said: a container must be asked to end by something. */
export function stopSignalOf(text: string): number {
  if (/^\d{1,2}$/.test(text)) return Number(text) >= 1 && Number(text) <= RTMAX ? Number(text) : SIGTERM;
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realTime = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const [, base, sign, distance = '0'] = realTime;
    const number = (base === 'RTMIN' ? RTMIN : RTMAX) + (sign === '-' ? -1 : 1) * Number(distance);
    return number >= RTMIN && number <= RTMAX ? number : SIGTERM;
  }
  const at = NAMES.indexOf(name);
  return at < 0 ? SIGTERM : at + 1;
}
