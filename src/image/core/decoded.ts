/** Reading of JSON that came from outside: a refusal is a value that names the field. */
import { isRecord } from '../../kube/types.ts';

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

export const refused = (why: string): { readonly ok: false; readonly why: string } => ({ ok: false, why });

export type Fields = Readonly<Record<string, unknown>>;

/** Thrown by the readers below, and turned into a refusal by `decoded`: no reader has to pass refusals on. */
class FieldError extends Error {}

/** Runs a reader of fields. Anything else that it throws is a bug, and thrown on. */
export function decoded<T>(read: () => T): Decoded<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof FieldError) return refused(error.message);
    throw error;
  }
}

export function refuse(why: string): never {
  throw new FieldError(why);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse('it is no JSON');
  }
}

export function readObject(value: unknown, what: string): Fields {
  return isRecord(value) ? value : refuse(`${what} is no object`);
}

/** Absent and null are '' (Go writes null for what is empty). */
export function readString(value: unknown, what: string): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : refuse(`${what} is no string`);
}

export function readStrings(value: unknown, what: string): string[] {
  return readList(value, what).map((item, at) =>
    typeof item === 'string' ? item : refuse(`${what}[${at}] is no string`),
  );
}

export function readList(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : refuse(`${what} is no list`);
}

export function readStringMap(value: unknown, what: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(readObject(value, what)).map(
    ([key, item]) => [key, readString(item, `${what}.${key}`)] as const,
  );
  // Not by assignment: `__proto__` is a key like any other.
  return Object.fromEntries(entries);
}

/** The keys of an object that stands for a set, as ExposedPorts does; sorted. */
export function readKeys(value: unknown, what: string): string[] {
  if (value === undefined || value === null) return [];
  return Object.keys(readObject(value, what)).sort();
}
