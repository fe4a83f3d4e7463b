/** Taints and tolerations, for the scheduler and the eviction from tainted nodes. */
import type { Taint, Toleration } from '../objects.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
  const key = toleration.key ?? '';
  if (key !== '' && key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  // An empty key tolerates everything, but only with Exists.
  return key !== '' && (toleration.value ?? '') === (taint.value ?? '');
}

export function isTolerated(taint: Taint, tolerations: readonly Toleration[] | undefined): boolean {
  return (tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}
