/** A body of JSON from outside: parsed, and refused where it is deeper than any manifest. */
import { badRequest } from '../../kube/errors.ts';

/** Objects within objects: more is no manifest but an attack on recursion. */
const JSON_DEPTH_MAX = 64;

export function parseJsonBody(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`the ${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkDepth(value);
}

export function checkDepth<T>(value: T): T {
  if (isDeeperThan(value, JSON_DEPTH_MAX)) throw badRequest(`the object is nested deeper than ${JSON_DEPTH_MAX}`);
  return value;
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(item, depth - 1));
  for (const name of Object.keys(value)) if (isDeeperThan((value as Record<string, unknown>)[name], depth - 1)) return true; // parsed: a record
  return false;
}
