/** Giving room back: what nothing leads to, then images by their last use (core/garbage.ts says which). */
import type { Clock } from '../base/clock.ts';
import { planGarbage } from './core/garbage.ts';
import type { GarbageOptions, GarbageReport, ImageStatus } from './image-service.ts';
import type { ImageStatuses } from './image-statuses.ts';
import type { DiskUsage, ImageStore } from './image-store.ts';

export interface GarbageContext {
  readonly store: ImageStore;
  readonly statuses: ImageStatuses;
  readonly clock: Clock;
  readonly diskUsage: () => Promise<DiskUsage>;
}

/** Then the sweep is left to the next time: somebody pulls. */
const SWEEP_WAIT_SECONDS = 10;

export async function collectGarbage(context: GarbageContext, options: GarbageOptions): Promise<GarbageReport> {
  const { store, statuses, clock } = context;
  const { highPercent, lowPercent, minAgeMs, maxAgeMs } = options;
  let freedBytes = (await store.sweep(SWEEP_WAIT_SECONDS)) ?? 0;
  const removed: ImageStatus[] = [];
  const ages = { nowMs: clock.wall(), minAgeMs, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
  const { expired, whileShort } = planGarbage(await statuses.list(), ages);
  const remove = async (image: ImageStatus) => {
    const freed = await collect(store, image);
    if (freed === undefined) return;
    removed.push(image);
    freedBytes += freed;
  };
  for (const image of expired) await remove(image);
  let wantedBytes: number | undefined;
  if ((await percentUsed(context)) > highPercent) {
    const { capacityBytes, usedBytes } = await context.diskUsage();
    wantedBytes = Math.ceil(usedBytes - (capacityBytes * lowPercent) / 100);
    for (const image of whileShort) {
      if ((await percentUsed(context)) <= lowPercent) break;
      await remove(image);
    }
  }
  const isShort = (await percentUsed(context)) > highPercent;
  return { removed, freedBytes, isShort, ...(wantedBytes === undefined ? {} : { wantedBytes }) };
}

/** Undefined: somebody came to use it. */
async function collect(store: ImageStore, { repoTags, repoDigests }: ImageStatus): Promise<number | undefined> {
  const names = new Set([...repoTags, ...repoDigests]);
  const references = (await store.references.list()).filter(({ name }) => names.has(name));
  if (!(await store.unname(references))) return undefined;
  return (await store.sweep(SWEEP_WAIT_SECONDS)) ?? 0;
}

async function percentUsed({ diskUsage }: GarbageContext): Promise<number> {
  const { capacityBytes, usedBytes } = await diskUsage();
  return capacityBytes === 0 ? 0 : (usedBytes / capacityBytes) * 100;
}
