/** Do these labels match? For label selectors of workloads and node selector terms. */
import type { LabelSelector, LabelSelectorRequirement, StringMap } from '../objects.ts';

/** An empty selector matches everything; a missing one nothing. */
export function matchesSelector(selector: LabelSelector | undefined, labels: StringMap = {}): boolean {
  if (selector === undefined) return false;
  return (
    matchesLabels(selector.matchLabels ?? {}, labels) &&
    (selector.matchExpressions ?? []).every((requirement) => meets(requirement, labels))
  );
}

export function matchesLabels(wanted: StringMap, labels: StringMap = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

export function meets({ key, operator, values = [] }: LabelSelectorRequirement, labels: StringMap): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
