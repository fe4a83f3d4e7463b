/**
 * What a token is, by etcd's `--auth-token`: `simple`, or `jwt,pub-key=<file>,priv-key=<file>,sign-method=RS256,ttl=5m`.
 */
import { randomInt } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';
import { parseDuration } from '../../base/duration.ts';
import { describeError, UserError } from '../../base/errors.ts';
import { TOKEN_TTL_MS } from './core/simple-tokens.ts';
import { createJwt, type Jwt } from './jwt.ts';

export type TokenScheme =
  | {
      readonly kind: 'simple';
      readonly ttlMs: Millis;
      /** The letters of a new token; whoever guesses them is its user. */
      readonly letters: () => string;
    }
  | { readonly kind: 'jwt'; readonly jwt: Jwt };

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const TOKEN_LETTERS = 16;
const JWT_TTL_MS = 300_000;
const JWT_OPTIONS = ['pub-key', 'priv-key', 'sign-method', 'ttl'];

export function simpleTokenScheme(ttlMs: Millis = TOKEN_TTL_MS): TokenScheme {
  const letters = () => Array.from({ length: TOKEN_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]!).join('');
  return { kind: 'simple', ttlMs, letters };
}

export interface AuthTokenFlags {
  readonly text: string;
  /** Of simple tokens: etcd's `--auth-token-ttl`. */
  readonly ttlSeconds: number;
  readonly readFile: (path: string) => Uint8Array;
}

export function parseAuthToken({ text, ttlSeconds, readFile }: AuthTokenFlags): TokenScheme {
  const [kind, ...options] = text.split(',');
  if (kind === 'simple' && options.length === 0) {
    if (!(ttlSeconds > 0)) throw bad(text, 'a positive --auth-token-ttl is needed');
    return simpleTokenScheme(ttlSeconds * 1000);
  }
  if (kind !== 'jwt') throw bad(text, 'use "simple" or "jwt,pub-key=…,priv-key=…,sign-method=…,ttl=…"');
  const values = new Map(options.map((option) => splitOption(text, option)));
  const method = values.get('sign-method');
  if (method === undefined) throw bad(text, 'sign-method is missing');
  const file = (name: string) => {
    const path = values.get(name);
    return path === undefined ? undefined : readFile(path);
  };
  try {
    const keys = { privateKey: file('priv-key'), publicKey: file('pub-key') };
    return { kind: 'jwt', jwt: createJwt({ method, ...keys, ttlMs: ttlMsOf(text, values.get('ttl')) }) };
  } catch (error) {
    throw error instanceof UserError ? error : bad(text, describeError(error));
  }
}

function splitOption(text: string, option: string): [string, string] {
  const at = option.indexOf('=');
  const name = option.slice(0, at);
  if (at < 0 || !JWT_OPTIONS.includes(name))
    throw bad(text, `${JSON.stringify(option)} is none of ${JWT_OPTIONS.join(', ')}`);
  return [name, option.slice(at + 1)];
}

function ttlMsOf(text: string, duration: string | undefined): Millis {
  if (duration === undefined) return JWT_TTL_MS;
  const ms = parseDuration(duration);
  if (ms === undefined) throw bad(text, `the ttl ${JSON.stringify(duration)} is no duration such as 5m`);
  if (ms <= 0) throw bad(text, `the ttl ${JSON.stringify(duration)} lets no token live`);
  return ms;
}

function bad(text: string, remedy: string): UserError {
  return new UserError(`--auth-token ${JSON.stringify(text)}: ${remedy}`);
}
