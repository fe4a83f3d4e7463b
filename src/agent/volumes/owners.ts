/**
 * Files given to the users and groups of pods. Root does it himself. An ordinary user may ask who is root of his pods' users
 * (asRootOfPods), all files at once, as that is a process; where nobody is, `refused` hears of it and files stay whose they are.
 */
import { chmod, chown } from 'node:fs/promises';
import type { Giver, Owned } from './payload.ts';

export interface GiverOptions {
  readonly refused: () => void;
  /** Runs a shell's text that may do it; false: it did not. Paths are the same there. */
  readonly asRootOfPods?: ((script: string) => Promise<boolean>) | undefined;
}

export function giver({ refused, asRootOfPods }: GiverOptions): Giver {
  return async (files) => {
    const left: Owned[] = [];
    for (const file of files) {
      if (await change(file)) await chmod(file.path, file.mode);
      else left.push(file);
    }
    if (left.length === 0 || (await asRootOfPods?.(ownersScript(left))) === true) return;
    refused();
    for (const { path, mode } of left) await chmod(path, mode);
  };
}

async function change({ path, user, group }: Owned): Promise<boolean> {
  if (user === undefined && group === undefined) return true;
  return chown(path, user ?? -1, group ?? -1).then(
    () => true,
    () => false, // only root gives away what is his; nothing else can be wrong with a file that was made just now
  );
}

/** The mode comes last: a change of the owner takes away what lets programs be somebody else. */
export function ownersScript(files: readonly Owned[]): string {
  return files.map(({ path, user, group, mode }) => `chown -h ${user ?? ''}${group === undefined ? '' : `:${group}`} -- ${quoted(path)}\nchmod ${mode.toString(8)} -- ${quoted(path)}\n`).join('');
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
