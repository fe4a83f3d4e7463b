/** What people see of images. */
import { formatDuration } from '../../kube/age.ts';
import type { ImageStatus } from '../../image/image-service.ts';

export interface PullView {
  readonly layers: number;
  readonly bytes: number;
  /** Bytes that have come, by layer. */
  readonly done: ReadonlyMap<string, number>;
  /** The layer that is being unpacked, from 1 on. */
  readonly unpacking: number;
}

export function progressText({ layers, bytes, done, unpacking }: PullView): string {
  const come = [...done.values()].reduce((sum, one) => sum + one, 0);
  const what = `${layers} layer${layers === 1 ? '' : 's'}, ${done.size === 0 ? '' : `${megabytes(come)} of `}${megabytes(bytes)}`;
  return unpacking === 0 ? what : `${what}, unpacking ${unpacking} of ${layers}`;
}

/** A row for each tag; an image that has none left is shown as such. */
export function imageRows(images: readonly ImageStatus[], nowMs: number): string[][] {
  const rows = images.flatMap((image) => {
    const names = image.repoTags.length > 0 ? image.repoTags : [`${repositoryOf(image)}:<none>`];
    return names.map((name) => {
      const colon = name.lastIndexOf(':');
      return [
        name.slice(0, colon),
        name.slice(colon + 1),
        shortId(image.id),
        size(image),
        lastUsed(image, nowMs),
        String(image.consumers.length),
      ];
    });
  });
  return [['REPOSITORY', 'TAG', 'IMAGE ID', 'SIZE', 'LAST USED', 'CONTAINERS'], ...rows];
}

export function shortId(id: string): string {
  return id.startsWith('sha256:') ? id.slice(7, 19) : '<built-in>';
}

function repositoryOf({ repoDigests }: ImageStatus): string {
  return repoDigests[0]?.split('@')[0] ?? '<none>';
}

function size({ id, sizeBytes }: ImageStatus): string {
  return id.startsWith('sha256:') ? megabytes(sizeBytes) : '-';
}

function lastUsed({ lastUsedMs }: ImageStatus, nowMs: number): string {
  return lastUsedMs === 0 ? '-' : `${formatDuration(Math.max(0, nowMs - lastUsedMs))} ago`;
}

/** As docker and crictl count: a megabyte is a million. */
function megabytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
