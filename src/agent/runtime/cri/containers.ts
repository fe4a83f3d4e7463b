/** Containers in the runtime: made, started, stopped, changed, measured and removed. */
import { describeError } from '../../../base/errors.ts';
import type { Millis } from '../../../base/clock.ts';
import { RuntimeService } from '../../../proto/cri.ts';
import {
  RuntimeError,
  containerIdOf,
  type ContainerConfig,
  type ContainerId,
  type ContainerRecord,
  type ContainerResources,
  type ContainerUsage,
  type SandboxId,
} from '../runtime.ts';
import { hasCode, unlessGone } from './client.ts';
import { containerConfig, LABEL, linuxResources, sandboxConfig } from './core/pod-config.ts';
import { CONTAINER_DEADLINE_MS, type CriParts } from './parts.ts';
import { LISTED_CREATED, UNLISTED, type ContainerRow } from './pod-table.ts';
import type { Sandboxes } from './sandboxes.ts';

const calls = RuntimeService.methods;
/** For the KILL that follows the grace. */
const KILL_DEADLINE_MS = 30_000;
const CANNOT_RUN_EXIT_CODE = 128;
/** What crun and runc say of the kernel's EBUSY: CRI has no code for it. */
const IN_USE = /device or resource busy|current usage/i;

export class Containers {
  readonly #parts: CriParts;
  readonly #sandboxes: Sandboxes;

  constructor(parts: CriParts, sandboxes: Sandboxes) {
    this.#parts = parts;
    this.#sandboxes = sandboxes;
  }

  get(id: ContainerId): ContainerRow {
    const row = this.#parts.table.container(id);
    if (row === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return row;
  }

  running(id: ContainerId): ContainerRow {
    const row = this.get(id);
    if (row.record.state !== 'running') throw new RuntimeError('invalid-state', `container ${id} is not running`);
    return row;
  }

  async create(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const { client, table, files, limits, owner, clock, signal } = this.#parts;
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    if (table.container(id) !== undefined) return id;
    const sandbox = table.sandbox(sandboxId);
    const row = table.sandboxRows(sandboxId).at(-1);
    const stored = files.read(sandboxId);
    if (sandbox === undefined || row === undefined || stored === undefined) throw new RuntimeError('not-found', `there is no sandbox ${sandboxId}`);
    if (sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${sandboxId} is stopped`);
    await files.makeLogDirectory(sandboxId, config.name);
    const target = config.processesOf === undefined ? undefined : this.get(config.processesOf).criId;
    const { seccompDirectory } = files;
    const request = {
      podSandboxId: row.criId,
      config: containerConfig(config, { owner, pod: stored.config, hostsFile: files.hostsPath(sandboxId), sandboxAttempt: row.attempt, seccompDirectory, target }),
      sandboxConfig: sandboxConfig(stored.config, this.#sandboxes.place(stored.config, row.attempt)),
    };
    limits.note(sandboxId, id, config.resources ?? {});
    try {
      const { containerId: criId } = await client.call(calls.createContainer, request, { deadlineMs: CONTAINER_DEADLINE_MS, signal });
      const { name, attempt, backoffSteps, init, imageShown } = config;
      table.setContainer({ criId, listed: LISTED_CREATED, record: { id, sandboxId, name, attempt, backoffSteps, init, imageShown, sandboxAttempt: sandbox.attempt, state: 'created', createdAtMs: clock.wall() } });
      return id;
    } catch (error) {
      // It may have been made all the same.
      await table.refresh().catch(() => undefined); // the error that came first is told
      if (table.container(id) !== undefined) return id;
      throw error;
    }
  }

  async start(id: ContainerId): Promise<void> {
    const { client, signal } = this.#parts;
    const row = this.get(id);
    if (row.record.state !== 'created') throw new RuntimeError('invalid-state', `container ${id} has been started`);
    try {
      await client.call(calls.startContainer, { containerId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS, signal });
    } catch (error) {
      if (hasCode(error, 'not-found', 'unavailable')) throw error;
      return this.#failToStart(row, describeError(error));
    }
    await this.lookAt([row]);
  }

  /** Most runtimes have noted it as an end; where one has not, the agent does. */
  async #failToStart(row: ContainerRow, message: string): Promise<void> {
    const { table, clock, tell } = this.#parts;
    const found = await table.look({ ...row, listed: UNLISTED });
    const now = clock.wall();
    const { record } = found ?? row;
    const isNoted = record.state === 'exited';
    const ended: ContainerRecord = { ...record, state: 'exited', startedAtMs: record.startedAtMs ?? now, finishedAtMs: record.finishedAtMs ?? now, reason: record.reason ?? 'StartError', message: record.message ?? message };
    const exitCode = isNoted && record.exitCode !== 0 ? record.exitCode : CANNOT_RUN_EXIT_CODE;
    table.setContainer({ ...(found ?? row), record: { ...ended, exitCode } });
    tell(record.sandboxId);
  }

  async stop(id: ContainerId, graceMs: Millis): Promise<void> {
    const { client, table } = this.#parts;
    const row = table.container(id);
    if (row?.record.state !== 'running') return;
    const timeout = Math.ceil(graceMs / 1_000);
    await unlessGone(client.call(calls.stopContainer, { containerId: row.criId, timeout }, { deadlineMs: timeout * 1_000 + KILL_DEADLINE_MS }));
    await this.lookAt([row]);
  }

  async remove(id: ContainerId): Promise<void> {
    const { client, table, files, limits } = this.#parts;
    const row = table.container(id);
    if (row === undefined) return;
    const { sandboxId, name, attempt, state } = row.record;
    if (state === 'running') throw new RuntimeError('invalid-state', `container ${id} is running`);
    await unlessGone(client.call(calls.removeContainer, { containerId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    table.removeContainer(row.criId);
    limits.forget(sandboxId, id);
    await files.removeLogs(sandboxId, name, attempt);
  }

  /** How they are now, each by itself. */
  async lookAt(rows: readonly ContainerRow[]): Promise<void> {
    const { table, tell } = this.#parts;
    await Promise.all(rows.map(async (row) => {
      const found = await table.look({ ...row, listed: UNLISTED });
      if (found === undefined) table.removeContainer(row.criId);
      else table.setContainer(found);
      if (found?.record.state !== row.record.state) tell(row.record.sandboxId);
    }));
  }

  list(sandboxId?: SandboxId): readonly ContainerRecord[] {
    const { table, limits } = this.#parts;
    const records = table.containerRows(sandboxId).map(({ record }) => ({ ...record, resources: limits.of(record.sandboxId, record.id) }));
    return records.sort((a, b) => (a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : a.id < b.id ? -1 : 1));
  }

  async usages(): Promise<readonly ContainerUsage[]> {
    const { client, table, owner } = this.#parts;
    const { stats } = await client.call(calls.listContainerStats, { filter: { labelSelector: new Map([[LABEL.owner, owner]]) } });
    return stats.flatMap(({ attributes, cpu, memory }) => {
      const row = table.containerByCriId(attributes?.id ?? '');
      const used = cpu?.usageCoreNanoSeconds?.value;
      const resident = memory?.workingSetBytes?.value ?? memory?.rssBytes?.value;
      if (row?.record.state !== 'running' || used === undefined || resident === undefined) return [];
      return [{ id: row.record.id, cpuMs: Number(used / 1_000n) / 1_000, memoryBytes: Number(resident) }];
    });
  }

  async update(id: ContainerId, resources: ContainerResources): Promise<void> {
    const { client, limits } = this.#parts;
    const { criId, record } = this.running(id);
    try {
      await client.call(calls.updateContainerResources, { containerId: criId, linux: linuxResources(resources) });
    } catch (cause) {
      if (!IN_USE.test(describeError(cause))) throw cause;
      throw new RuntimeError('invalid-state', 'the limit of memory cannot be set: more than that is in use', { cause });
    }
    limits.note(record.sandboxId, id, resources);
  }
}
