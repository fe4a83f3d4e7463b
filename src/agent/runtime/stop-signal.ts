/** The signal by which a container is asked to end, from its name in a pod or an image. */
import { constants } from 'node:os';

/** Of Linux, as programs see them: the first two are the C library's own. */
const REAL_TIME_MIN = 34;
const REAL_TIME_MAX = 64;

/** What is no signal here is the usual one. */
export function stopSignalOf({ stopSignal }: { readonly stopSignal?: string | undefined }): number {
  const match = /^SIGRTM(IN|AX)([+-]\d+)?$/.exec(stopSignal ?? '');
  if (match !== null) {
    const number = (match[1] === 'IN' ? REAL_TIME_MIN : REAL_TIME_MAX) + Number(match[2] ?? 0);
    if (number >= REAL_TIME_MIN && number <= REAL_TIME_MAX) return number;
  }
  const named = Object.entries(constants.signals).find(([name]) => name === stopSignal);
  return named?.[1] ?? constants.signals.SIGTERM;
}
