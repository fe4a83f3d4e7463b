/**
 * What the runtime has of this node's pods, as it was when somebody looked last. Asked for in place of the runtime itself:
 * workers look at their pods at every turn, and go on while the runtime is away, as their containers do.
 *
 * Two write to it: a look at everything (`refresh`), and whoever has just changed something. A look that began before such a
 * change does not undo it.
 */
import { sleep, type Clock } from '../../../base/clock.ts';
import { ContainerState, RuntimeService, type Container, type PodSandbox } from '../../../proto/cri.ts';
import type { ContainerId, ContainerRecord, Sandbox, SandboxId } from '../runtime.ts';
import { hasCode, type CriClient } from './client.ts';
import { LABEL } from './core/pod-config.ts';
import { containerKeyOf, pidOf, recordOf, sandboxEntryOf, type SandboxEntry } from './core/records.ts';

const { listPodSandbox, podSandboxStatus, listContainers, containerStatus } = RuntimeService.methods;

const KILLED_EXIT_CODE = 137;
const REASON_LATE_MS = 1_000;
const REASON_WAIT_MS = 60;
/** As no list has it: asked for again. */
export const UNLISTED = -1;

export interface SandboxRow extends SandboxEntry {
  readonly ip: string;
}

export interface ContainerRow {
  readonly criId: string;
  readonly record: ContainerRecord;
  /** As the list has it: what has not changed there is not asked for again. */
  readonly listed: number;
}

interface Touched<T> {
  readonly row: T;
  /** By the count of looks and changes. */
  readonly at: number;
}

export interface PodTableOptions {
  readonly client: CriClient;
  readonly owner: string;
  readonly clock: Clock;
  /** Of pods that are on the network of their node: CRI has no word for it. */
  readonly nodeIp: string;
  /** Something of the pod is not as it was. */
  readonly onChange: (uid: SandboxId) => void;
}

export class PodTable {
  readonly #options: PodTableOptions;
  readonly #sandboxes = new Map<string, Touched<SandboxRow>>();
  readonly #containers = new Map<string, Touched<ContainerRow>>();
  readonly #byId = new Map<ContainerId, string>();
  /** What was removed, until a look has begun after it: what one sees that began before is gone all the same. */
  readonly #removed = new Map<string, number>();
  #count = 0;
  #looking: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;

  constructor(options: PodTableOptions) {
    this.#options = options;
  }

  // --- what is known

  /** Of one pod, the latest attempt last. */
  sandboxRows(uid: SandboxId): SandboxRow[] {
    const rows = [...this.#sandboxes.values()].map(({ row }) => row);
    return rows.filter((row) => row.uid === uid).sort((a, b) => a.attempt - b.attempt);
  }

  get uids(): ReadonlySet<SandboxId> {
    return new Set([...this.#sandboxes.values()].map(({ row }) => row.uid));
  }

  /** What never held a container and is not ready was given up half-way: it is as if it were not there. */
  sandbox(uid: SandboxId): Sandbox | undefined {
    const row = this.sandboxRows(uid).at(-1);
    if (row === undefined) return undefined;
    if (!row.isReady && this.containerRows(uid).length === 0) return undefined;
    const { namespace, name, ip, createdAtMs, isReady, attempt } = row;
    return { id: uid, namespace, name, ip, createdAtMs, state: isReady ? 'ready' : 'stopped', ...(attempt === 0 ? {} : { attempt }) };
  }

  containerRows(uid?: SandboxId): ContainerRow[] {
    const rows = [...this.#containers.values()].map(({ row }) => row);
    return uid === undefined ? rows : rows.filter(({ record }) => record.sandboxId === uid);
  }

  container(id: ContainerId): ContainerRow | undefined {
    const criId = this.#byId.get(id);
    return criId === undefined ? undefined : this.#containers.get(criId)?.row;
  }

  containerByCriId(criId: string): ContainerRow | undefined {
    return this.#containers.get(criId)?.row;
  }

  // --- what somebody has just done

  setSandbox(row: SandboxRow): void {
    this.#sandboxes.set(row.criId, { row, at: ++this.#count });
  }

  setContainer(row: ContainerRow): void {
    this.#containers.set(row.criId, { row, at: ++this.#count });
    this.#byId.set(row.record.id, row.criId);
  }

  removeSandbox(criId: string): void {
    this.#removed.set(criId, ++this.#count);
    this.#sandboxes.delete(criId);
  }

  removeContainer(criId: string): void {
    const id = this.#containers.get(criId)?.row.record.id;
    this.#removed.set(criId, ++this.#count);
    this.#containers.delete(criId);
    if (id !== undefined && this.#byId.get(id) === criId) this.#byId.delete(id);
  }

  /**
   * Asks for one container; undefined: it is gone. Why it was killed the runtime may hear a little after the end: then once
   * more, and, for as long as that may be so, at every look at everything.
   */
  async look(row: Pick<ContainerRow, 'criId' | 'listed'>): Promise<ContainerRow | undefined> {
    const found = await this.#ask(row);
    if (found === undefined || !this.#mayGetReason(found.record)) return found;
    await sleep(this.#options.clock, REASON_WAIT_MS);
    return this.#ask(row);
  }

  #mayGetReason({ exitCode, reason, finishedAtMs = 0 }: ContainerRecord): boolean {
    return exitCode === KILLED_EXIT_CODE && reason === undefined && this.#options.clock.wall() - finishedAtMs <= REASON_LATE_MS;
  }

  async #ask({ criId, listed }: Pick<ContainerRow, 'criId' | 'listed'>): Promise<ContainerRow | undefined> {
    try {
      const { status, info } = await this.#options.client.call(containerStatus, { containerId: criId, verbose: true });
      const key = status === undefined ? undefined : containerKeyOf(status);
      if (status === undefined || key === undefined) return undefined;
      const record = recordOf(key, status, pidOf(info));
      return { criId, record, listed: this.#mayGetReason(record) ? UNLISTED : listed < 0 ? status.state : listed };
    } catch (error) {
      if (hasCode(error, 'not-found')) return undefined;
      throw error;
    }
  }

  // --- looking at everything

  /** Answers whether anything has changed; a look that is under way may have begun too early, so that another follows it. */
  refresh(): Promise<boolean> {
    if (this.#looking === undefined) return this.#begin();
    this.#next ??= this.#looking.catch(() => false).then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<boolean> {
    const looking = this.#refresh().finally(() => {
      if (this.#looking === looking) this.#looking = undefined;
    });
    this.#looking = looking;
    return looking;
  }

  async #refresh(): Promise<boolean> {
    const { client, owner, onChange } = this.#options;
    const since = ++this.#count;
    const labelSelector = new Map([[LABEL.owner, owner]]);
    // Containers first: of a pod that comes meanwhile, the sandbox without its containers is seen, not the other way round.
    const { containers } = await client.call(listContainers, { filter: { labelSelector } });
    const { items } = await client.call(listPodSandbox, { filter: { labelSelector } });
    const changed = new Set<SandboxId>();
    await this.#takeContainers(containers, since, changed);
    await this.#takeSandboxes(items, since, changed);
    for (const [criId, at] of this.#removed) if (at < since) this.#removed.delete(criId);
    for (const uid of changed) onChange(uid);
    return changed.size > 0;
  }

  /** Somebody has changed it since the look began. */
  #isNewer(criId: string, known: { readonly at: number } | undefined, since: number): boolean {
    return (known?.at ?? 0) > since || (this.#removed.get(criId) ?? 0) > since;
  }

  async #takeSandboxes(listed: readonly PodSandbox[], since: number, changed: Set<SandboxId>): Promise<void> {
    const rows = await Promise.all(listed.map(async (sandbox) => {
      const entry = sandboxEntryOf(sandbox);
      if (entry === undefined) return undefined;
      const known = this.#sandboxes.get(entry.criId)?.row;
      return { ...entry, ip: known?.ip ?? (await this.ipOf(entry)) };
    }));
    const seen = new Set(listed.map(({ id }) => id));
    for (const row of rows) {
      if (row === undefined) continue;
      const known = this.#sandboxes.get(row.criId);
      if (this.#isNewer(row.criId, known, since)) continue;
      if (known?.row.isReady === row.isReady && known.row.ip === row.ip) continue;
      this.#sandboxes.set(row.criId, { row, at: since });
      changed.add(row.uid);
    }
    for (const [criId, { row, at }] of this.#sandboxes) {
      if (seen.has(criId) || at > since) continue;
      this.#sandboxes.delete(criId);
      changed.add(row.uid);
    }
  }

  async #takeContainers(listed: readonly Container[], since: number, changed: Set<SandboxId>): Promise<void> {
    const fresh = listed.filter(({ id, state }) => this.#containers.get(id)?.row.listed !== state);
    // Of one whose end is known, and its reason perhaps to come, the next look at everything is the next try.
    const isEndKnown = (criId: string) => this.#containers.get(criId)?.row.record.state === 'exited';
    const look = (row: Pick<ContainerRow, 'criId' | 'listed'>) => (isEndKnown(row.criId) ? this.#ask(row) : this.look(row));
    const rows = await Promise.all(fresh.map(({ id, state }) => look({ criId: id, listed: state })));
    const seen = new Set(listed.map(({ id }) => id));
    for (const row of rows) {
      if (row === undefined) continue;
      const known = this.#containers.get(row.criId);
      if (this.#isNewer(row.criId, known, since)) continue;
      this.#containers.set(row.criId, { row, at: since });
      this.#byId.set(row.record.id, row.criId);
      const { state, reason } = row.record;
      if (known?.row.record.state !== state || known.row.record.reason !== reason) changed.add(row.record.sandboxId);
    }
    for (const [criId, { row, at }] of this.#containers) {
      if (seen.has(criId) || at > since) continue;
      this.removeContainer(criId);
      changed.add(row.record.sandboxId);
    }
  }

  /** Of a sandbox that is not ready there is none any more. */
  async ipOf({ criId, isReady }: Pick<SandboxEntry, 'criId' | 'isReady'>): Promise<string> {
    if (!isReady) return '';
    const { client, nodeIp } = this.#options;
    const { status } = await client.call(podSandboxStatus, { podSandboxId: criId }).catch((error: unknown) => {
      if (hasCode(error, 'not-found')) return { status: undefined };
      throw error;
    });
    const ip = status?.network?.ip ?? '';
    return ip === '' ? nodeIp : ip;
  }
}

/** As CRI's list writes it. */
export const LISTED_CREATED: number = ContainerState.CONTAINER_CREATED;
