/** Ends the pods of a node that a container runtime of this machine runs, when nobody else does: with the cluster, or as a fault. */
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { RuntimeService } from '../proto/cri.ts';

export interface CriPods {
  readonly endpoint: string;
  /** What the node's pods are labelled by. */
  readonly owner: string;
}

const OWNER_LABEL = 'podium.dev/owner';
const LOOK_DEADLINE_MS = 5_000;
const END_DEADLINE_MS = 30_000;

/** A runtime that does not answer has nothing that could be ended. */
export async function endCriPods({ endpoint, owner }: CriPods): Promise<void> {
  const channel = connectLean({ addresses: [endpoint] });
  const { listPodSandbox, stopPodSandbox, removePodSandbox } = RuntimeService.methods;
  try {
    const { items } = await channel.unary(listPodSandbox, { filter: { labelSelector: new Map([[OWNER_LABEL, owner]]) } }, { timeoutMs: LOOK_DEADLINE_MS });
    await Promise.all(items.map(async ({ id }) => {
      await channel.unary(stopPodSandbox, { podSandboxId: id }, { timeoutMs: END_DEADLINE_MS });
      await channel.unary(removePodSandbox, { podSandboxId: id }, { timeoutMs: END_DEADLINE_MS });
    }));
  } catch {
    // Gone, or hanging: the next start of the node finds them again.
  } finally {
    channel.close();
  }
}
