/** `--sort-by .status.startTime`: rows in the order of a field of their objects, as kubectl compares them. */
import { UserError } from '../../base/errors.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { at } from './view.ts';

/** Rows whose object lacks the field come first; that no object has it is an error. */
export function sortedBy<T>(rows: readonly T[], objectOf: (row: T) => unknown, expression: string): T[] {
  const path = parsePath(expression);
  const keyed = rows.map((row) => ({ row, value: at(objectOf(row), ...path) }));
  if (keyed.length > 0 && keyed.every(({ value }) => value === undefined)) {
    throw new UserError(`error: couldn't find any field with path ${JSON.stringify(expression)} in the list of objects`);
  }
  return keyed.sort((a, b) => compareValues(a.value, b.value)).map(({ row }) => row);
}

/** A path of names and numbers of a JSONPath: `{.metadata.labels.app\\.x/y}`, `.spec.containers[0].name`. */
function parsePath(expression: string): (string | number)[] {
  const bare = expression.replace(/^\{(.*)\}$/, '$1');
  const text = bare.startsWith('.') || bare.startsWith('[') ? bare : `.${bare}`;
  const steps = [...text.matchAll(/\.((?:[^.[\\]|\\.)+)|\[(\d+)\]|\['([^']+)'\]/gy)];
  if (steps.length === 0 || steps.map(([step]) => step).join('') !== text) {
    throw new UserError(`error: --sort-by takes a path such as .metadata.creationTimestamp, not ${JSON.stringify(expression)}`);
  }
  return steps.map(([, name, index, quoted]) => (index === undefined ? (name?.replace(/\\(.)/g, '$1') ?? quoted ?? '') : Number(index)));
}

function compareValues(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a !== 'string' || typeof b !== 'string') return compareText(JSON.stringify(a), JSON.stringify(b));
  const [left, right] = [parseQuantity(a), parseQuantity(b)];
  if (left !== undefined && right !== undefined) return left < right ? -1 : left > right ? 1 : 0;
  return compareNatural(a, b);
}

/** `pod-9` before `pod-10`. */
function compareNatural(a: string, b: string): number {
  const parts = (text: string): readonly string[] => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let index = 0; index < left.length && index < right.length; index++) {
    const [x, y] = [left[index]!, right[index]!];
    const areNumbers = /^\d/.test(x) && /^\d/.test(y);
    const order = areNumbers ? Number(x) - Number(y) : compareText(x, y);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
