/** What limits each container now: CRI has no word for what the agent asked for, so the agent writes it down. */
import type { ContainerId, ContainerResources, SandboxId } from '../runtime.ts';
import type { PodFiles } from './pod-files.ts';

export class KnownLimits {
  readonly #files: PodFiles;
  readonly #limits = new Map<SandboxId, Map<ContainerId, ContainerResources>>();

  constructor(files: PodFiles) {
    this.#files = files;
  }

  of(sandboxId: SandboxId, id: ContainerId): ContainerResources | undefined {
    return this.#ofPod(sandboxId).get(id);
  }

  /** What is not named stays as it was. */
  note(sandboxId: SandboxId, id: ContainerId, { cpuRequestMilli, cpuLimitMilli, memoryLimitBytes }: ContainerResources): void {
    const own = this.#ofPod(sandboxId);
    const named = Object.entries({ cpuRequestMilli, cpuLimitMilli, memoryLimitBytes }).filter(([, value]) => value !== undefined);
    own.set(id, { ...own.get(id), ...Object.fromEntries(named) });
    this.#files.writeLimits(sandboxId, Object.fromEntries(own));
  }

  forget(sandboxId: SandboxId, id: ContainerId): void {
    this.#ofPod(sandboxId).delete(id);
  }

  forgetPod(sandboxId: SandboxId): void {
    this.#limits.delete(sandboxId);
  }

  #ofPod(sandboxId: SandboxId): Map<ContainerId, ContainerResources> {
    const own = this.#limits.get(sandboxId) ?? new Map(Object.entries(this.#files.readLimits(sandboxId)));
    this.#limits.set(sandboxId, own);
    return own;
  }
}
