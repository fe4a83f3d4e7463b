/** A disk that tells of what changes it, for the trace and for faults that strike in the middle of things. */
import type { Disk, DiskFile } from '../../src/base/disk.ts';
import { digest } from './network.ts';

export interface DiskTrace {
  readonly tell: (what: string) => void;
  readonly onFailedSync: (path: string) => void;
}

export function tracedDisk(disk: Disk, { tell, onFailedSync }: DiskTrace): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    size: () => inner.size(),
    read: (offset, length) => inner.read(offset, length),
    writeAt: (offset, parts) => {
      tell(`write ${inner.path} ${offset} ${parts.map(digest).join(' ')}`);
      return inner.writeAt(offset, parts);
    },
    datasync: () =>
      inner.datasync().then(
        () => tell(`synced ${inner.path}`),
        (error: unknown) => {
          onFailedSync(inner.path);
          throw error;
        },
      ),
    truncate: (size) => inner.truncate(size),
    close: () => inner.close(),
  });
  return {
    open: async (path, options) => file(await disk.open(path, options)),
    exists: (path) => disk.exists(path),
    rename: (from, to) => {
      tell(`rename ${from} ${to}`);
      return disk.rename(from, to);
    },
    remove: (path) => {
      tell(`remove ${path}`);
      return disk.remove(path);
    },
    makeDir: (path) => disk.makeDir(path),
    list: (path) => disk.list(path),
    syncDir: (path) => disk.syncDir(path),
    turnWritten: () => disk.turnWritten?.(),
  };
}
