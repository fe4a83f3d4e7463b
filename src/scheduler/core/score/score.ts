import type { NodeInfo, PodInfo } from '../snapshot.ts';

/** One wish about where a pod should go, from 0 to `SCORE_MAX`. */
export interface Score {
  readonly name: string;
  readonly weight: number;
  /** One number for each node; the nodes are those that the filters left. */
  scores(pod: PodInfo, nodes: readonly NodeInfo[]): readonly number[];
}

export const SCORE_MAX = 100;

/** Scales so that the largest becomes `SCORE_MAX`; all zeros stay so. */
export function normalize(raw: readonly number[]): number[] {
  const largest = raw.reduce((most, each) => Math.max(most, each), 0);
  return raw.map((each) => (largest === 0 ? 0 : (each * SCORE_MAX) / largest));
}
