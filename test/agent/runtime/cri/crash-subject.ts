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

interface Found {
  readonly pid: number;
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
      pause: pidsOf((command) => isPause(command)),
      program: pidsOf((command) => /^(?:sh -c|nc) /.test(command)),
      any: pidsOf((command) => isShim(command) || isPause(command) || /^(?:sh -c|nc |sleep |.*crun )/.test(command)),
    }),
    surplus: () => wrongCounts({
      'sandboxes of containerd': rows(['containers', 'ls', 'labels."io.cri-containerd.kind"==sandbox']).length,
      'containers of containerd, twice': rows(['containers', 'ls', 'labels."io.cri-containerd.kind"==container']).length / 2,
      'shims': pidsOf(isShim).length,
      'tasks of three': rows(['tasks', 'ls']).length / 3,
      links: links().length,
      directories: existsSync(join(node, 'pods')) ? readdirSync(join(node, 'pods')).length : 0,
    }),
    census: () => census([node]).filter((line) => !line.includes(UNIFIED) && !line.includes('dev cni0') && !/process \d+ containerd -c /.test(line)),
    end: () => keeper.end(),
  };
}

/** Brings containerd back, as a machine's init does. */
class Keeper {
  readonly #containerd: Containerd;
  #isOver = false;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  run(): void {
    const again = () => void systemClock.setTimer(COME_BACK_MS, () => this.run());
    if (!this.#isOver) this.#containerd.run().then(again, again); // killed while it started: it is tried again
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#containerd.kill();
  }
}

const isPause = (command: string) => command.startsWith('/busybox sleep ');
const isShim = (command: string) => command.includes('containerd-shim-runc-v2') && command.includes(' -id ');

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
      return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ') }];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
