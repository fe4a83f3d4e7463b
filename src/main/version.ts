/** Which Podium this is, for `--version`. */
import { readFileSync } from 'node:fs';

/** This file is <root>/dist/src/main/version.js. */
export function readVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version; // our own file
}
