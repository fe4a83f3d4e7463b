/**
 * Makes this process die (SIGKILL, by its own hand) right after a chosen one of its effects on the world: a file that was
 * written, a directory made or removed (half of it, too), a process started, signalled, or heard of. Effects are counted from
 * `arm` on, so that "after every one of them" is a loop over numbers, and no line of what is tried knows of it.
 */
import childProcess, { type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

/** What crash-points-main.ts says in the end. */
export interface CrashPointsResult {
  /** Of a whole life. */
  readonly effects: number;
  readonly tried: number;
  readonly failures: readonly string[];
}

/** Of the node that is tried. */
export const POD_CIDR = '10.244.1.0/24';

const SYNC = ['mkdirSync', 'writeFileSync', 'renameSync', 'rmSync', 'rmdirSync', 'symlinkSync', 'unlinkSync', 'openSync'] as const;
const ASYNC = ['mkdir', 'writeFile', 'rename', 'rm', 'rmdir', 'symlink', 'unlink'] as const;

export class CrashPoints {
  readonly #dieAfter: number;
  readonly #kill = process.kill.bind(process);
  #count = 0;
  #isArmed = false;
  #last = '';

  /** `dieAfter`: 1 is the first; 0 is never. */
  constructor(dieAfter: number) {
    this.#dieAfter = dieAfter;
    for (const name of SYNC) this.#wrap(fs, name, (args, work) => this.#sync(name, args, work));
    for (const name of ASYNC) this.#wrap(promises, name, (args, work) => this.#async(name, args, work));
    this.#wrap(childProcess, 'spawn', (args, work) => this.#spawn(args, work));
    this.#wrap(process, 'kill', (args, work) => this.#sync('kill', args, work));
    syncBuiltinESMExports();
  }

  arm(): void {
    this.#isArmed = true;
  }

  disarm(): number {
    this.#isArmed = false;
    return this.#count;
  }

  #wrap(owner: object, name: string, around: (args: readonly unknown[], work: () => unknown) => unknown): void {
    const original: unknown = Reflect.get(owner, name);
    if (typeof original !== 'function') throw new Error(`there is no ${name}`);
    Reflect.set(owner, name, (...args: unknown[]) => around(args, () => Reflect.apply(original, owner, args) as unknown));
  }

  #sync(name: string, args: readonly unknown[], work: () => unknown): unknown {
    if (name === 'openSync' && args[1] !== 'a' && args[1] !== 'w') return work();
    if (name === 'rmSync') this.#halve(args[0]);
    const answer = work();
    this.#point(name, args);
    return answer;
  }

  async #async(name: string, args: readonly unknown[], work: () => unknown): Promise<unknown> {
    if (name === 'rm') this.#halve(args[0]);
    const answer = await work();
    this.#point(name, args);
    return answer;
  }

  #spawn(args: readonly unknown[], work: () => unknown): unknown {
    const child = work() as ChildProcess; // what spawn answers
    this.#point('spawn', [args[0], ...(Array.isArray(args[1]) ? args[1].slice(0, 4) : [])]);
    child.prependOnceListener('exit', () => this.#point('exit', [args[0]]));
    return child;
  }

  /** A tree that is removed is cut off in the middle: a point of its own. */
  #halve(path: unknown): void {
    if (!this.#isArmed || typeof path !== 'string' || !fs.existsSync(path) || !fs.statSync(path).isDirectory()) return;
    this.#point('half of rm', [path], () => {
      const names = fs.readdirSync(path).sort();
      const doomed = names.slice(0, Math.ceil(names.length / 2));
      childProcess.spawnSync('rm', ['-rf', ...doomed.map((name) => join(path, name))]);
    });
  }

  #point(name: string, args: readonly unknown[], work: () => void = () => undefined): void {
    if (!this.#isArmed) return;
    this.#last = `${name} ${args.filter((one) => typeof one === 'string' || typeof one === 'number').join(' ').slice(0, 160)}`;
    if (++this.#count !== this.#dieAfter) return;
    work();
    fs.writeSync(1, `dies after ${this.#count}: ${this.#last.replaceAll('\n', ' ')}\n`);
    this.#kill(process.pid, 'SIGKILL');
  }
}
