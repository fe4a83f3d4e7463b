/** What crash-main.ts kills where containerd runs the pods: containerd itself, shims, pause processes, programs. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { census } from '../census.ts';
import { wrongCounts, type CrashSubject } from '../crash-subject.ts';
import { Containerd, SOCKET, UNIFIED } from './containerd.ts';
import { NODE_IP } from './subject.ts';

const COME_BACK_MS = 300;
/**
 * A sandbox that containerd 1.6 was making when it was killed it knows nothing of when it is back: it makes the namespace and
 * the link first, and writes the sandbox down after (until 1.7). Nobody else knows their names.
 */
const isForgottenNetwork = (line: string) => /^mount .*\/netns\/cni-|^link veth|^(?:ip|nft) .* veth/.test(line);

/**
 * Killed between the start of a shim and that of its first task, containerd 1.6 takes the shim for that of a sandbox when it
 * is back, and does not end it with the sandbox.
 */
const isForgottenShim = ({ pid, command }: Found) => isShim(command) && !processes().some(({ parent }) => parent === pid);
const pidOfLine = (line: string) => Number(/process (\d+)/.exec(line)?.[1]);

interface Found {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

export async function criCrashSubject(directory: string): Promise<CrashSubject> {
  const containerd = await Containerd.start(join(directory, 'containerd'), 'crun');
  spawnSync('ip', ['addr', 'add', `${NODE_IP}/32`, 'dev', 'lo']);
  // The bridge comes with the first pod of a machine, and stays.
  const made = spawnSync('ip', ['link', 'add', 'cni0', 'type', 'bridge']);
  if (made.status !== 0) throw new Error('the bridge of the pods cannot be made');
  const node = join(directory, 'node-1');
  const keeper = new Keeper(containerd);
  keeper.run();
  return {
    name: 'cri',
    kinds: { agent: 1, containerd: 1, shim: 3, pause: 3, program: 4, any: 3 },
    victims: () => ({
      containerd: pidsOf((command) => command.startsWith('containerd -c ')),
      shim: pidsOf(isShim),
      pause: pidsOf(isPause),
      program: pidsOf((command) => /^(?:sh -c|nc) /.test(command)),
      any: pidsOf((command) => isShim(command) || isPause(command) || /^(?:sh -c|nc |sleep )/.test(command)),
    }),
    surplus: () => wrongCounts({
      'sandboxes of containerd': rows(['containers', 'ls', 'labels."io.cri-containerd.kind"==sandbox']).length,
      'containers of containerd, twice': rows(['containers', 'ls', 'labels."io.cri-containerd.kind"==container']).length / 2,
      'shims': processes().filter((one) => isShim(one.command) && !(keeper.restarts > 0 && isForgottenShim(one))).length,
      'tasks of three': rows(['tasks', 'ls']).length / 3,
      ...(keeper.restarts === 0 ? { links: links().length } : {}),
      directories: existsSync(join(node, 'pods')) ? readdirSync(join(node, 'pods')).length : 0,
    }),
    census: () => {
      const shims = new Set(keeper.restarts > 0 ? processes().filter(isForgottenShim).map(({ pid }) => pid) : []);
      const isForgotten = (line: string) => keeper.restarts > 0 && (isForgottenNetwork(line) || shims.has(pidOfLine(line)));
      return census([node]).filter((line) => !line.includes(UNIFIED) && !line.includes('dev cni0') && !/process \d+ containerd -c /.test(line) && !isForgotten(line));
    },
    end: () => keeper.end(),
  };
}

/** Brings containerd back, as a machine's init does. */
class Keeper {
  readonly #containerd: Containerd;
  #isOver = false;
  #restarts = 0;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  /** How often it was killed. */
  get restarts(): number {
    return this.#restarts;
  }

  run(): void {
    if (!this.#containerd.isRunning) this.#restarts++;
    const again = () => void systemClock.setTimer(COME_BACK_MS, () => this.run());
    if (!this.#isOver) this.#containerd.run().then(again, again); // killed while it started: it is tried again
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#containerd.kill();
  }
}

const isPause = (command: string) => command.startsWith('/busybox sleep ');
/**
 * Not those that containerd calls for a moment, to start or delete one: of a shim whose starter is killed behind its back it
 * never hears, and so nobody else does.
 */
const isShim = (command: string) => command.includes('containerd-shim-runc-v2') && command.includes(' -id ') && !/ (?:start|delete) ?$/.test(command);

function links(): string[] {
  return spawnSync('ip', ['-o', 'link', 'show', 'type', 'veth'], { encoding: 'utf8' }).stdout.trim().split('\n').filter((line) => line !== '');
}

/** What `ctr` lists, without its heading. */
function rows(args: readonly string[]): string[] {
  const { stdout } = spawnSync('ctr', ['-a', SOCKET, '-n', 'k8s.io', ...args], { encoding: 'utf8', timeout: 10_000 });
  return stdout.trim().split('\n').slice(1);
}

function pidsOf(isMeant: (command: string) => boolean): number[] {
  return processes().filter(({ command }) => isMeant(command)).map(({ pid }) => pid);
}

function processes(): Found[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const [, parent = '0'] = /\) \S (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'latin1')) ?? [];
      return [{ pid: Number(name), parent: Number(parent), command: readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ') }];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
