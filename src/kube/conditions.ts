/** Conditions of a status: found, and set as apimachinery's `SetStatusCondition` does. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  readonly observedGeneration?: number;
}

export function findCondition<C extends Condition>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/** The list with the condition in it; the transition time changes only with the status. */
export function withCondition<C extends Condition>(
  conditions: readonly C[] | undefined,
  next: C,
  now: string,
): readonly C[] {
  const old = findCondition(conditions, next.type);
  const since = old?.status === next.status ? (old.lastTransitionTime ?? now) : now;
  const merged: C = { ...old, ...next, lastTransitionTime: since };
  if (old === undefined) return [...(conditions ?? []), merged];
  return conditions!.map((condition) => (condition === old ? merged : condition));
}
