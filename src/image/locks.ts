/**
 * Locks between processes of one machine, by the kernel (flock): whoever dies holds none, in whichever namespaces it lived. Node.js
 * cannot lock files, so the program `flock` of util-linux does, and holds for as long as this process keeps its input open.
 *
 *     this process ──pipe──► flock FILE cat     a byte comes back: held.   The pipe closes, however: free.
 *
 * A lock costs two small processes while it is held. The way of a pod's start over an image that is there takes none.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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
      const hold = await this.#take(name, { mode: 'exclusive', signal });
      return run().finally(() => hold?.release());
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
    return hold === undefined ? undefined : run().finally(() => hold.release());
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
        await shared.hold.then((hold) => hold.release(), () => undefined); // a hold that was never had
      }
    }
  }

  async #take(name: string, { mode, waitSeconds, signal }: LockOptions): Promise<Hold | undefined> {
    const wait = waitSeconds === undefined ? [] : waitSeconds === 0 ? ['-n'] : ['-w', String(waitSeconds)];
    const args = [mode === 'shared' ? '-s' : '-x', ...wait, join(this.#folder, name), 'cat'];
    // In a session of its own: Ctrl-C on a terminal ends what is at work, and only then may the lock go.
    const child = spawn('flock', args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    child.stdin.on('error', () => undefined); // it ended first: told by its exit
    child.stdin.write('.');
    const stop = () => void child.kill();
    signal?.addEventListener('abort', stop, { once: true });
    const closed = once(child, 'close');
    closed.catch(() => undefined); // told below
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 1_000)));
    try {
      const isHeld = await Promise.race([once(child.stdout, 'data').then(() => true), closed.then(() => false)]);
      if (isHeld) return { release: () => letGo(child, closed) };
    } catch (cause) {
      if (systemErrorCode(cause) === 'ENOENT') throw new UserError('the program flock (util-linux) is missing: images need it', { cause });
      throw cause;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    if (signal?.aborted === true) throw new AbortedError('waiting for a lock of the image store');
    if (child.exitCode === 1 && complaint === '') return undefined;
    throw new Error(`flock ended with ${child.exitCode ?? child.signalCode}: ${complaint.trim()}`);
  }
}

async function letGo(child: ChildProcess, closed: Promise<unknown>): Promise<void> {
  child.stdin?.end();
  await closed;
}
