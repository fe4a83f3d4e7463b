/** Writes, and resolves once the target wants more, or is gone. */
import type { Writable } from 'node:stream';

export function written(target: Writable, bytes: Uint8Array): Promise<void> {
  if (target.write(bytes) || target.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done).off('close', done);
      resolve();
    };
    target.on('drain', done).on('close', done);
  });
}
