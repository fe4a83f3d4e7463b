/**
 * Snapshots: layers unpacked one over the other into one directory, named by their chain id, for a runtime to mount below an
 * overlay. Layers are *flattened*: whiteouts are carried out, not handed to overlayfs. Stacked layers would need character devices
 * and `trusted.` attributes as root, `user.` ones and another mount option as an ordinary user, a program to set them (Node.js
 * cannot), and a mount option that holds 125 paths; and entries behind a link of a lower layer would come out wrong. A directory
 * is the same for root and for everybody else.
 *
 * What flattening costs, room for layers that images have in common, hard links give back: a snapshot begins as a clone
 * (clone-tree.ts) of the longest one that its chain begins with. So that there is one, the layers that another image of the store
 * has in common with it are kept as a snapshot of their own.
 *
 * A snapshot is made in tmp/ and renamed. Its files are not synced one by one: until a sync of the whole file system has told
 * that they are on the disk, the snapshot carries the boot it was made in, and after another boot it is made anew.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { digestOfHex } from './core/digest.ts';
import type { Locks } from './locks.ts';
import { sha256Of, type StoreLayout } from './store-layout.ts';
import { openUnpacking } from './unpacking-thread.ts';

const WARNINGS_MAX = 5;

export interface Snapshot {
  readonly chainId: string;
  readonly rootDir: string;
  readonly bytes: number;
  readonly isOwnerless: boolean;
}

interface SnapshotRecord {
  readonly bytes: number;
  readonly isOwnerless: boolean;
  /** '' once it is on the disk. */
  readonly bootId: string;
}

export interface UnpackRequest {
  readonly diffIds: readonly string[];
  /** Where the blob of a layer is; may take its time, as a download does. */
  readonly layerAt: (number: number) => Promise<string>;
  /** Chains of other images: what this one has in common with them is kept for them. */
  readonly otherChains: ReadonlySet<string>;
  readonly onLayer?: (number: number) => void;
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface SnapshotsOptions {
  readonly layout: StoreLayout;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly log: Log;
  readonly keepsOwners: boolean;
}

/** The ids of the chains that begin with the first layer; the last one is that of the image. */
export function chainIds(diffIds: readonly string[]): string[] {
  let chain = '';
  return diffIds.map((diffId) => (chain = chain === '' ? diffId : sha256Of(`${chain} ${diffId}`)));
}

/** An image without layers has a root, too: an empty one. */
const EMPTY_CHAIN = sha256Of('');
export const chainIdOf = (diffIds: readonly string[]): string => chainIds(diffIds).at(-1) ?? EMPTY_CHAIN;

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #bootId: string;
  readonly #settling = new Set<Promise<void>>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  }

  async get(chainId: string): Promise<Snapshot | undefined> {
    const folder = this.#options.layout.snapshot(chainId);
    let record: SnapshotRecord;
    try {
      // Written by this module alone, whole or not at all.
      record = JSON.parse(await readFile(join(folder, 'snapshot.json'), 'utf8')) as SnapshotRecord;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
    if (record.bootId !== '' && record.bootId !== this.#bootId) return undefined;
    return { chainId, rootDir: join(folder, 'root'), bytes: record.bytes, isOwnerless: record.isOwnerless };
  }

  /** The snapshot of an image, made where it is not there. One at a time makes it, in whichever process. */
  async ensure(request: UnpackRequest): Promise<Snapshot> {
    const chainId = chainIdOf(request.diffIds);
    const there = await this.get(chainId);
    if (there !== undefined) return there;
    const make = async () => (await this.get(chainId)) ?? (await this.#make(request));
    return this.#options.locks.exclusively(`chain-${chainId.slice(7)}`, make, request.signal);
  }

  async #make(request: UnpackRequest): Promise<Snapshot> {
    const { diffIds, otherChains } = request;
    const chains = chainIds(diffIds);
    const inCommon = chains.slice(0, -1).findLastIndex((chain) => otherChains.has(chain)) + 1;
    if (inCommon > 0 && (await this.get(chains[inCommon - 1]!)) === undefined) {
      await this.ensure({ ...request, diffIds: diffIds.slice(0, inCommon), otherChains: new Set() });
    }
    const temporary = await this.#options.layout.makeTemporary('snapshot');
    try {
      const record = await this.#build(join(temporary, 'root'), chains, request);
      return await this.#publish(temporary, chains.at(-1) ?? EMPTY_CHAIN, record);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  async #build(
    root: string,
    chains: readonly string[],
    { diffIds, layerAt, onLayer, onWarning, signal }: UnpackRequest,
  ): Promise<SnapshotRecord> {
    const { clock, keepsOwners } = this.#options;
    const [begun, base] = await this.#longest(chains);
    const isOwnerless = !keepsOwners || base?.isOwnerless === true;
    const unpacking = openUnpacking({
      root,
      keepsOwners: !isOwnerless,
      clock,
      onWarning: fewWarnings(onWarning),
      signal,
    });
    try {
      await unpacking.begin(base?.rootDir);
      for (let number = begun; number < diffIds.length; number++) {
        const path = await layerAt(number);
        onLayer?.(number);
        await unpacking.apply({ path, diffId: diffIds[number]! });
      }
      const bytes = (await unpacking.finish()) + (base?.bytes ?? 0);
      return { bytes, isOwnerless, bootId: this.#bootId };
    } finally {
      await unpacking.close();
    }
  }

  /** How many layers the longest snapshot has that the chain begins with, and that one. */
  async #longest(chains: readonly string[]): Promise<[number, Snapshot | undefined]> {
    for (let count = chains.length - 1; count > 0; count--) {
      const snapshot = await this.get(chains[count - 1]!);
      if (snapshot !== undefined) return [count, snapshot];
    }
    return [0, undefined];
  }

  async #publish(temporary: string, chainId: string, record: SnapshotRecord): Promise<Snapshot> {
    const { layout } = this.#options;
    await writeFile(join(temporary, 'snapshot.json'), JSON.stringify(record), { mode: 0o600 });
    const folder = layout.snapshot(chainId);
    // One of an earlier boot that cannot be trusted; nobody mounts it any more.
    await layout.discard(folder);
    await rename(temporary, folder);
    const settling = this.#settle(chainId, record).finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
    return { chainId, rootDir: join(folder, 'root'), bytes: record.bytes, isOwnerless: record.isOwnerless };
  }

  /** Notes that the files are on the disk, once they are. Where that cannot be told, they are made anew after the next boot. */
  async #settle(chainId: string, record: SnapshotRecord): Promise<void> {
    const { layout, log } = this.#options;
    const folder = layout.snapshot(chainId);
    try {
      const child = spawn('sync', ['-f', folder], { stdio: 'ignore', detached: true });
      await once(child, 'close');
      if (child.exitCode !== 0) return;
      // It may have been removed meanwhile: then the rename below finds no directory.
      await layout.writeWhole(join(folder, 'snapshot.json'), JSON.stringify({ ...record, bootId: '' }));
    } catch (error) {
      log.debug({ error, chain: chainId }, 'images: a snapshot stays unsettled');
    }
  }

  /** Resolves when all that was made here is on the disk, or will be made anew. */
  async settled(): Promise<void> {
    await Promise.all(this.#settling);
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#options.layout.folder('snapshots'))).map(digestOfHex);
  }

  async discard(chainId: string): Promise<void> {
    await this.#options.layout.discard(this.#options.layout.snapshot(chainId));
  }
}

function fewWarnings(onWarning: ((message: string) => void) | undefined): (message: string) => void {
  let count = 0;
  return (message) => {
    count++;
    if (count <= WARNINGS_MAX) onWarning?.(message);
    if (count === WARNINGS_MAX + 1) onWarning?.('more was left out');
  };
}
