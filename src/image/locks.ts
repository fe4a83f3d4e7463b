/**
 * Locks between processes of one machine, by the kernel (flock): whoever dies holds none, in whichever namespaces it lived. Node.js
 * cannot lock files, but a lock belongs to the open file, not to who asked for it: this process opens the file and hands it to the
 * program `flock` (util-linux, busybox), which locks it and ends; the lock goes when this process closes the file, or dies.
 *
 * A lock costs the start of a small process. The way of a pod's start over an image that is there takes none.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError, systemErrorCode, UserError } from '../base/errors.ts';

export type LockMode = 'shared' | 'exclusive';

export interface LockOptions {
  readonly mode: LockMode;
  /** Undefined: as long as it takes. 0: only if it is free now. */
  readonly waitSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Hold {
  release(): Promise<void>;
}

export class Locks {
  readonly #folder: string;
  /** Within this process the waiters of one lock stand in a line, and do not each have a process wait for them. */
  readonly #lines = new Map<string, Promise<unknown>>();
  /** Those who share a lock within this process share one hold. */
  readonly #shared = new Map<string, { readonly hold: Promise<Hold>; users: number }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async exclusively<T>(name: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#lines.get(name) ?? Promise.resolve();
    const turn = before.then(async () => {
      if (signal?.aborted === true) throw new AbortedError('waiting for a lock of the image store');
      return holding(await this.#take(name, { mode: 'exclusive', signal }), run);
    });
    const done = turn.catch(() => undefined);
    this.#lines.set(name, done);
    try {
      return await turn;
    } finally {
      if (this.#lines.get(name) === done) this.#lines.delete(name);
    }
  }

  /** Undefined: somebody else held it for all of `waitSeconds`. */
  async tryExclusively<T>(name: string, waitSeconds: number, run: () => Promise<T>): Promise<T | undefined> {
    const hold = await this.#take(name, { mode: 'exclusive', waitSeconds });
    return hold === undefined ? undefined : holding(hold, run);
  }

  async sharing<T>(name: string, run: () => Promise<T>): Promise<T> {
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      const hold = this.#take(name, { mode: 'shared' }).then((taken) => taken ?? { release: async () => {} });
      shared = { hold, users: 0 };
      this.#shared.set(name, shared);
    }
    shared.users++;
    try {
      await shared.hold;
      return await run();
    } finally {
      if (--shared.users === 0) {
        this.#shared.delete(name);
        await shared.hold.then(
          (hold) => hold.release(),
          () => undefined,
        ); // a hold that was never had
      }
    }
  }

  async #take(name: string, { mode, waitSeconds, signal }: LockOptions): Promise<Hold | undefined> {
    const file = await open(join(this.#folder, name), 'a', 0o600);
    let isHeld = false;
    try {
      isHeld = await lockFile(file.fd, { mode, signal, ...(waitSeconds === undefined ? {} : { waitSeconds }) });
    } finally {
      if (!isHeld) await file.close();
    }
    return isHeld ? { release: () => file.close() } : undefined;
  }
}

async function lockFile(descriptor: number, { mode, waitSeconds, signal }: LockOptions): Promise<boolean> {
  const wait = waitSeconds === undefined ? [] : waitSeconds === 0 ? ['-n'] : ['-w', String(waitSeconds)];
  const child = spawn('flock', [mode === 'shared' ? '-s' : '-x', ...wait, '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
  });
  const stop = () => void child.kill();
  signal?.addEventListener('abort', stop, { once: true });
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 1_000)));
  try {
    await once(child, 'close');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT')
      throw new UserError('the program flock (util-linux) is missing: images need it', { cause });
    throw cause;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  if (child.exitCode === 0) return true;
  if (signal?.aborted === true) throw new AbortedError('waiting for a lock of the image store');
  if (child.exitCode === 1 && complaint === '') return false;
  throw new Error(`flock ended with ${child.exitCode ?? child.signalCode}: ${complaint.trim()}`);
}

async function holding<T>(hold: Hold | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } finally {
    await hold?.release();
  }
}
