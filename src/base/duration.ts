/** Durations as Go writes and reads them (`time.ParseDuration`), for flags that etcd's users bring along. */
import type { Millis } from './clock.ts';

const UNIT_MS: Readonly<Record<string, Millis>> = {
  ns: 1e-6,
  us: 1e-3,
  '\u00b5s': 1e-3,
  // The same letter as Greek has it, which Go takes as well.
  '\u03bcs': 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;
const ALL = new RegExp(`^(?:${TERM.source})+$`);
/** Go counts nanoseconds in 64 bits. */
const MS_MAX = 2 ** 63 / 1e6;

/** `1h30m`, `-1.5s`, `0`; undefined: it is no duration. Only a zero goes without a unit. */
export function parseDuration(text: string): Millis | undefined {
  const [, sign, rest] = /^([-+]?)(.*)$/s.exec(text)!; // Everything is some sign and a rest.
  if (rest === '0') return 0;
  if (!ALL.test(rest!)) return undefined;
  let ms = 0;
  for (const [, number, unit] of rest!.matchAll(TERM)) ms += Number(number) * UNIT_MS[unit!]!;
  if (ms >= MS_MAX) return undefined;
  return sign === '-' ? -ms : ms;
}
