/** Where flags come from, by what flag-table.ts says of each: the command line, else `ETCD_*` variables, or a file alone. */
import { parseDuration } from '../base/duration.ts';
import { nearest } from '../base/nearest.ts';
import { UserError } from '../base/errors.ts';
import { FEATURE_GATES, FLAG_NAMES, flagOf, type Flag } from './flag-table.ts';

export interface FlagSources {
  /** `ETCD_DATA_DIR` stands for --data-dir; the command line wins. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What --config-file says. As in etcd, nothing else is looked at then. */
  readonly file?: ReadonlyMap<string, string>;
}

/** The variables that begin like a flag's and are another program's. */
const OTHER_VARIABLES = new Set(['ETCD_UNSUPPORTED_ARCH', 'ETCD_VERSION', 'ETCD_VER']);
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);
export class FlagValues {
  readonly #given: ReadonlyMap<string, string>;
  /** What was given and has no effect, and why. */
  readonly notices: readonly string[];

  constructor(args: readonly string[], { env = {}, file }: FlagSources = {}) {
    const notices: string[] = [];
    const line = fromArgs(args);
    if (file === undefined) this.#given = new Map([...fromEnv(env, notices), ...line]);
    else {
      line.delete('config-file');
      for (const name of line.keys()) notices.push(`--${name} is not looked at beside --config-file`);
      this.#given = byFlag(file);
    }
    for (const [name, value] of this.#given) notices.push(...noticesOf(name, value));
    this.notices = notices;
    this.gates = gatesOf(this.text('feature-gates'));
  }

  readonly gates: ReadonlyMap<string, boolean>;

  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  /** As it was given, else as the table begins it; empty: it is not set. */
  text(name: string): string {
    return this.#given.get(name) ?? flagOf(name)!.initial;
  }

  optional(name: string): string | undefined {
    const text = this.text(name);
    return text === '' ? undefined : text;
  }

  list(name: string): string[] {
    return this.text(name)
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  /** A feature gate that stands for the flag speaks where the flag itself is not given, and can turn it on in any case. */
  boolean(name: string): boolean {
    const own = booleanOf(name, this.text(name));
    const [, gate] = [...this.gates].find(([each]) => FEATURE_GATES.get(each) === name) ?? [];
    if (gate === undefined) return own;
    return this.isGiven(name) ? own || gate : gate;
  }

  number(name: string): number {
    return numberOf(flagOf(name)!, this.text(name));
  }

  durationMs(name: string): number {
    const text = this.text(name);
    const ms = parseDuration(text);
    if (ms === undefined) throw bad(name, text, 'write a duration such as 5m, 1h30m or 500ms');
    if (ms < 0) throw bad(name, text, 'it must not be negative');
    return ms;
  }
}

export function bad(flag: string, value: string, remedy: string): UserError {
  return new UserError(`--${flag} ${JSON.stringify(value)}: ${remedy}`);
}

/** Go's rules: one dash or two, `=` or the next word; a boolean takes its value only behind `=`. */
function fromArgs(args: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [, name, value] = /^--?([A-Za-z][^=\s]*)(?:=([\s\S]*))?$/.exec(args[at]!) ?? [];
    if (name === undefined) throw new UserError(`${JSON.stringify(args[at])} is not a flag: "podium store --help" lists them`);
    const flag = flagNamed(name);
    if (value !== undefined) given.set(flag.name, value);
    else if (flag.type === 'boolean') given.set(flag.name, 'true');
    else if (at + 1 < args.length) given.set(flag.name, args[++at]!);
    else throw new UserError(`--${name} needs a value`);
  }
  return given;
}

function flagNamed(name: string): Flag {
  const flag = flagOf(name);
  if (flag !== undefined) return flag;
  const meant = nearest(name, FLAG_NAMES);
  const hint = meant === undefined ? '' : `did you mean --${meant}? `;
  throw new UserError(`there is no flag --${name}: ${hint}"podium store --help" lists them`);
}

/** An unknown variable is passed over with a notice, as by etcd: it may be some other program's. */
function fromEnv(env: NonNullable<FlagSources['env']>, notices: string[]): Map<string, string> {
  const given = new Map<string, string>();
  // Sorted: an older name and its newer one may both be there, and the plain one shall win.
  for (const variable of Object.keys(env).sort().reverse()) {
    const value = env[variable];
    if (!variable.startsWith('ETCD_') || value === undefined || value === '' || OTHER_VARIABLES.has(variable)) continue;
    const name = variable.slice('ETCD_'.length).toLowerCase().replaceAll('_', '-');
    const flag = flagOf(name);
    if (flag === undefined) notices.push(`the variable ${variable} stands for no flag`);
    else if (!given.has(flag.name) || name === flag.name) given.set(flag.name, value);
  }
  return given;
}

function byFlag(file: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...file].map(([name, value]) => [flagNamed(name).name, value]));
}

function noticesOf(name: string, value: string): string[] {
  const flag = flagOf(name)!;
  if (flag.type === 'boolean') booleanOf(name, value);
  else if (flag.type === 'count' || flag.type === 'integer' || flag.type === 'milliseconds') numberOf(flag, value);
  switch (flag.use) {
    case 'used':
      return [];
    case 'ignored':
      return [`--${name} has no effect: ${flag.help}`];
    case 'refused':
      // What is off or empty asks for nothing.
      if (value === '' || (flag.type === 'boolean' && !booleanOf(name, value))) return [];
      throw bad(name, value, `not supported: ${flag.help}`);
  }
}

function booleanOf(name: string, text: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw bad(name, text, 'use true or false');
}

function numberOf({ name, type }: Flag, text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw bad(name, text, 'write a whole number');
  if (value < 0 && type !== 'integer') throw bad(name, text, 'it must not be negative');
  return value;
}

function gatesOf(text: string): Map<string, boolean> {
  const gates = new Map<string, boolean>();
  for (const part of text.split(',').filter((each) => each.trim() !== '')) {
    const [name = '', value = ''] = part.split('=').map((word) => word.trim());
    if (!FEATURE_GATES.has(name)) {
      const meant = nearest(name, [...FEATURE_GATES.keys()]);
      throw bad('feature-gates', part, `there is no such gate${meant === undefined ? '' : `: did you mean ${meant}?`}`);
    }
    gates.set(name, booleanOf('feature-gates', value));
  }
  return gates;
}
