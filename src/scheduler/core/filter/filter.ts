import type { NodeInfo, PodInfo } from '../snapshot.ts';

/** One rule that says where a pod cannot go. */
export interface Filter {
  /** Kubernetes' name of the plugin. */
  readonly name: string;
  /** Why not, in Kubernetes' words; empty: the node will do. */
  reasons(pod: PodInfo, node: NodeInfo): readonly string[];
}

export const FITS: readonly string[] = [];
