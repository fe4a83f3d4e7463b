/** A digest names content. Only sha256 is used: it is what every registry and builder writes. */
import { refuse } from './decoded.ts';

const SHA256 = /^sha256:[a-f0-9]{64}$/;

export function isDigest(text: string): boolean {
  return SHA256.test(text);
}

export function readDigest(value: unknown, what: string): string {
  return typeof value === 'string' && isDigest(value)
    ? value
    : refuse(`${what} is no sha256 digest: ${JSON.stringify(value) ?? 'absent'}`);
}

/** The 64 digits, as files are named. */
export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

export function digestOfHex(hex: string): string {
  return `sha256:${hex}`;
}

/** What people see where a whole digest is too long. */
export function shortDigest(digest: string): string {
  return hexOf(digest).slice(0, 12);
}
