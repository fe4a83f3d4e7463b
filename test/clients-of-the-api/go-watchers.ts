/** The watchers of client-go, in a process of their own (test/clients/informers), and what each of them was told. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Seen } from './views.ts';

interface Line {
  readonly watcher: number;
  readonly type: Seen['type'] | 'informer';
  readonly version: string;
  readonly name: string;
  readonly items?: Readonly<Record<string, string>>;
}

export interface GoWatchersOptions {
  readonly program: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly count: number;
  /** Begin with a watch that sends the state, rather than with a list. */
  readonly watchList: boolean;
}

export class GoWatchers {
  readonly views: readonly Seen[][];
  /** What the shared informer held in the end. */
  held: ReadonlyMap<string, string> | undefined;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #errors = '';

  constructor({ program, kubeconfig, namespace, count, watchList }: GoWatchersOptions) {
    this.views = Array.from({ length: count }, () => []);
    const args = ['watch', '--kubeconfig', kubeconfig, '--namespace', namespace, '--watchers', String(count)];
    const child = spawn(program, args, { env: { ...process.env, KUBE_FEATURE_WatchListClient: String(watchList) }, stdio: 'pipe' });
    this.#child = child;
    child.stderr.on('data', (part: Buffer) => (this.#errors = (this.#errors + part.toString()).slice(-20_000)));
    child.stdin.on('error', () => {});
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (text) => this.#hear(JSON.parse(text) as Line)); // written by our own program
    this.#gone = new Promise((resolve) => lines.once('close', resolve));
  }

  /** What it complained of. */
  get errors(): string {
    return this.#errors;
  }

  /** How often a watcher had to read the whole state, beyond the first time. */
  get lists(): number {
    return this.views.reduce((sum, view) => sum + view.filter(({ type }) => type === 'replace').length - 1, 0);
  }

  /** Every watcher has been told of this version or a later one. */
  /** Those that have not seen a revision, and how far they are. */
  behind(revision: number): string[] {
    const versions = this.views.map((view) => Number(view.at(-1)?.version ?? 0));
    return versions.flatMap((version, at) => (version < revision ? [`${at}, at ${version}`] : []));
  }

  get haveStarted(): boolean {
    return this.views.every((view) => view.length > 0);
  }

  /** They say what they hold, and end. */
  async finish(): Promise<void> {
    this.#child.stdin?.end();
    await this.#gone;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #hear({ watcher, type, version, name, items = {} }: Line): void {
    if (type === 'informer') this.held = new Map(Object.entries(items));
    else this.views[watcher]!.push(type === 'replace' ? { type, version, items } : { type, version, name });
  }
}
