/** Signals as CRI counts them: by name in the order of the alphabet, the real-time ones behind them. Pure. */
import { Signal } from '../../../../proto/cri.ts';

/** From 1 on. */
const NAMES = [
  'ABRT', 'ALRM', 'BUS', 'CHLD', 'CLD', 'CONT', 'FPE', 'HUP', 'ILL', 'INT', 'IO', 'IOT', 'KILL', 'PIPE', 'POLL', 'PROF', 'PWR', 'QUIT', 'SEGV',
  'STKFLT', 'STOP', 'SYS', 'TERM', 'TRAP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'USR1', 'USR2', 'VTALRM', 'WINCH', 'XCPU', 'XFSZ',
];

/** `SIGUSR1`, `SIGRTMIN+3`, as pods write them; what nobody knows is left to the runtime. */
export function criSignalOf(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const [, base, distance = '0'] = /^(RTMIN|RTMAX)(?:[+-](\d{1,2}))?$/.exec(name) ?? [];
  if (base !== undefined) {
    const number = base === 'RTMIN' ? Signal.SIGNAL_SIGRTMIN + Number(distance) : Signal.SIGNAL_SIGRTMAX - Number(distance);
    return number >= Signal.SIGNAL_SIGRTMIN && number <= Signal.SIGNAL_SIGRTMAX ? number : Signal.SIGNAL_RUNTIME_DEFAULT;
  }
  return NAMES.indexOf(name) + 1;
}
