/** What the parts of the cri runtime share: sandboxes.ts, containers.ts, connections.ts, container-logs.ts. */
import type { Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import type { SandboxId } from '../runtime.ts';
import type { CriClient } from './client.ts';
import type { KnownLimits } from './known-limits.ts';
import type { PodCgroups } from './pod-cgroups.ts';
import type { PodFiles } from './pod-files.ts';
import type { PodTable } from './pod-table.ts';
import type { RuntimeContact } from './runtime-contact.ts';

export interface CriParts {
  readonly client: CriClient;
  readonly contact: RuntimeContact;
  readonly table: PodTable;
  readonly files: PodFiles;
  readonly limits: KnownLimits;
  readonly cgroups: PodCgroups;
  /** What the node's pods bear, and in the names of their cgroups. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Fires when the agent lets go. */
  readonly signal: AbortSignal;
  readonly tell: (sandboxId: SandboxId) => void;
}

/** As the kubelet waits: a network plugin may take its time. */
export const SANDBOX_DEADLINE_MS = 240_000;
export const CONTAINER_DEADLINE_MS = 120_000;
