/**
 * Reading objects of any kind. The command line shows what the server sends, kinds and fields included that it has
 * never heard of, so it reads by path and never trusts a type.
 */
import type { ApiObject } from '../../client/objects.ts';

export type View = ApiObject & { readonly [field: string]: unknown };

export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Readonly<Record<string | number, unknown>>)[step];
  }
  return here;
}

export function text(value: unknown, fallback = ''): string {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : fallback;
}

export function number(value: unknown, fallback = 0): number {
  return typeof value === 'number' ? value : fallback;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** `a=1,b=2`, sorted by key; `<none>` for no labels. */
export function pairs(value: unknown, separator = ','): string {
  const entries = Object.entries(record(value)).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '<none>' : entries.map(([key, one]) => `${key}=${text(one)}`).join(separator);
}

export function findCondition(object: unknown, type: string): Readonly<Record<string, unknown>> | undefined {
  const found = list(at(object, 'status', 'conditions')).find((condition) => at(condition, 'type') === type);
  return found === undefined ? undefined : record(found);
}
