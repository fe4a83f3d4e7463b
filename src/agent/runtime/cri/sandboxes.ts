/** Sandboxes of pods in the runtime: made, made anew, ended and forgotten, with what the agent keeps of them on this machine. */
import { RuntimeService } from '../../../proto/cri.ts';
import { RuntimeError, type ContainerResources, type Sandbox, type SandboxConfig, type SandboxId } from '../runtime.ts';
import { unlessGone } from './client.ts';
import { sandboxConfig, type SandboxPlace } from './core/pod-config.ts';
import { mountMemory, unmountMemory } from './memory-volumes.ts';
import { CONTAINER_DEADLINE_MS, SANDBOX_DEADLINE_MS, type CriParts } from './parts.ts';
import type { SandboxRow } from './pod-table.ts';

const calls = RuntimeService.methods;

export class Sandboxes {
  readonly #parts: CriParts;
  readonly #starting = new Map<SandboxId, Promise<Sandbox>>();

  constructor(parts: CriParts) {
    this.#parts = parts;
  }

  run(config: SandboxConfig): Promise<Sandbox> {
    const known = this.#parts.table.sandbox(config.uid);
    if (known !== undefined && known.state === 'ready') return Promise.resolve(known);
    const starting = this.#starting.get(config.uid) ?? this.#run(config).finally(() => this.#starting.delete(config.uid));
    this.#starting.set(config.uid, starting);
    return starting;
  }

  async #run(config: SandboxConfig): Promise<Sandbox> {
    const { uid, namespace, name } = config;
    const { client, contact, table, files, cgroups, clock, signal } = this.#parts;
    if (!config.hostNetwork) await contact.requireNetwork();
    const before = table.sandboxRows(uid);
    // Containers go with their sandbox: one that held any is kept, stopped, for their ends and their logs.
    const isEmpty = table.containerRows(uid).length === 0;
    for (const row of before) await (isEmpty ? this.#remove(row) : this.#stop(row));
    const attempt = 1 + Math.max(-1, ...before.map((row) => row.attempt));
    await files.begin({ config, attempt });
    cgroups.make(config);
    await mountMemory(config.memoryVolumes ?? [], clock);
    try {
      const request = { config: sandboxConfig(config, this.place(config, attempt)) };
      const { podSandboxId: criId } = await client.call(calls.runPodSandbox, request, { deadlineMs: SANDBOX_DEADLINE_MS, signal });
      const ip = await table.ipOf({ criId, isReady: true });
      await files.writeHosts(config, ip);
      table.setSandbox({ criId, uid, attempt, isReady: true, namespace, name, ip, createdAtMs: clock.wall() });
      return table.sandbox(uid)!;
    } catch (error) {
      // It may have been made all the same.
      await table.refresh().catch(() => undefined); // the next try sees it
      throw error;
    }
  }

  /** What its containers are made with as well: CRI wants the sandbox's configuration again with each. */
  place(config: SandboxConfig, attempt: number): SandboxPlace {
    const { owner, files, cgroups } = this.#parts;
    return { owner, attempt, logDirectory: files.logDirectory(config.uid), cgroupParent: cgroups.parentOf(config) };
  }

  /** Of all its containers together; kept for when the sandbox is made anew. */
  async update(id: SandboxId, resources: ContainerResources): Promise<void> {
    const { files, cgroups } = this.#parts;
    const stored = files.read(id);
    if (stored === undefined) throw new RuntimeError('not-found', `there is no sandbox ${id}`);
    const config = { ...stored.config, resources: { ...stored.config.resources, ...resources } };
    cgroups.update(config, resources);
    await files.begin({ ...stored, config });
    cgroups.share();
  }

  async stop(id: SandboxId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    for (const row of this.#parts.table.sandboxRows(id)) await this.#stop(row);
    await this.#unmount(id);
  }

  async #stop(row: SandboxRow): Promise<void> {
    const { client, table } = this.#parts;
    await unlessGone(client.call(calls.stopPodSandbox, { podSandboxId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    if (row.isReady) table.setSandbox({ ...row, isReady: false });
  }

  async #remove(row: SandboxRow): Promise<void> {
    const { client, table } = this.#parts;
    await this.#stop(row);
    await unlessGone(client.call(calls.removePodSandbox, { podSandboxId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    table.removeSandbox(row.criId);
  }

  async remove(id: SandboxId): Promise<void> {
    const { table } = this.#parts;
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    for (const row of table.sandboxRows(id)) await this.#remove(row);
    for (const { criId } of table.containerRows(id)) table.removeContainer(criId);
    await this.forget(id);
  }

  /** What this machine has of a pod that the runtime does not know any more. */
  async forget(uid: SandboxId): Promise<void> {
    const { files, limits, cgroups, table } = this.#parts;
    await this.#unmount(uid);
    await files.remove(uid);
    limits.forgetPod(uid);
    await cgroups.remove(uid, table.uids.size === 0 && this.#starting.size === 0);
  }

  async #unmount(uid: SandboxId): Promise<void> {
    const { files, clock } = this.#parts;
    await unmountMemory(files.read(uid)?.config.memoryVolumes ?? [], clock);
  }
}
