/**
 * etcd's configuration file: flags as YAML, those of TLS in two sections of their own. A duration is a number of
 * nanoseconds (Go's), or as on the command line.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { flagOf } from './flag-table.ts';

const SECTIONS: Readonly<Record<string, string>> = { 'client-transport-security': '', 'peer-transport-security': 'peer-' };

/** Loads its parser when it is asked for: most members have no such file. */
export async function readConfigFile(path: string): Promise<Map<string, string>> {
  let content: unknown;
  try {
    const { parse } = await import('yaml');
    content = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new UserError(`--config-file ${path} cannot be read`, { cause });
  }
  const values = new Map<string, string>();
  const add = (section: unknown, prefix: string): void => {
    if (typeof section !== 'object' || section === null || Array.isArray(section))
      throw new UserError(`--config-file ${path}: it must hold names and values`);
    for (const [key, value] of Object.entries(section)) {
      if (value === null) continue;
      const inner = SECTIONS[key];
      if (inner !== undefined) add(value, inner);
      else values.set(`${prefix}${key}`, textOf(`${prefix}${key}`, value));
    }
  };
  if (content !== null) add(content, '');
  return values;
}

function textOf(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((each) => textOf(name, each)).join(',');
  if (typeof value === 'number' && flagOf(name)?.type === 'duration') return `${value}ns`;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new UserError(`--config-file: ${name} must be a plain value`);
}

/** The path behind --config-file, before anything else is parsed. */
export function configFileOf(args: readonly string[], env: Readonly<Record<string, string | undefined>>): string | undefined {
  for (const [at, arg] of args.entries()) {
    const match = /^--?config-file(?:=([\s\S]*))?$/.exec(arg);
    if (match !== null) return match[1] ?? args[at + 1];
  }
  const fromEnv = env['ETCD_CONFIG_FILE'];
  return fromEnv === '' ? undefined : fromEnv;
}
