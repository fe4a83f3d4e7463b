/** Runs the commands of transcripts: in bash, with kubectl at hand, in a folder and a namespace of their own. */
import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/system-clock.ts';
import { ROOT } from '../processes.ts';
import { masked } from './mask.ts';

export interface ShellOptions {
  readonly kubectl: string;
  readonly kubeconfig: string;
  readonly namespace: string;
}

const COMMAND_DEADLINE_MS = 60_000;

/**
 * `eventually PATTERN COMMAND...` repeats a command until what it prints matches, and prints that. `stops N COMMAND...`
 * ends a command that would go on for ever as soon as it has printed N lines, and prints those. `watching N CHANGE ARGS...`
 * does so with a kubectl that watches: as soon as the watch stands, the change is made. `typed TEXT COMMAND...` types it
 * in a terminal of 33 rows and 111 columns; shown is what differs from what was typed. `forwarding POD PORT SCRIPT` and
 * `proxied SCRIPT` have $port of this machine.
 */
const FUNCTIONS = String.raw`
eventually() {
  local pattern=$1 output; shift
  local end=$((SECONDS + 30))
  until output=$("$@" 2>&1); grep -Eq -- "$pattern" <<<"$output"; do
    if [ $SECONDS -ge $end ]; then echo "not within 30 s: $pattern"; echo "$output"; return 1; fi
    sleep 0.1
  done
  echo "$output"
}
stops() {
  local lines=$1; shift
  coproc OUT { exec "$@" 2>&1; }
  local pid=$OUT_PID line from; exec {from}<&"$OUT"
  while [ $lines -gt 0 ] && IFS= read -r -t 30 line <&$from; do echo "$line"; lines=$((lines - 1)); done
  [ $lines -eq 0 ] || echo "ended, or silent for 30 s, before it had printed all lines"
  kill $pid 2>/dev/null; wait $pid 2>/dev/null; true
}
watching() {
  local lines=$1 change=$2; shift 2; rm -f .home/watch
  coproc OUT { exec kubectl "$@" -v=6 2>.home/watch; }
  local pid=$OUT_PID line from; exec {from}<&"$OUT"
  local end=$((SECONDS + 30))
  until grep -sq 'watch=true.* 200\|watch=true.*"200' .home/watch || [ $SECONDS -ge $end ]; do sleep 0.05; done
  eval "$change" > /dev/null
  while [ $lines -gt 0 ] && IFS= read -r -t 30 line <&$from; do echo "$line"; lines=$((lines - 1)); done
  if [ $lines -gt 0 ]; then wait $pid; echo "[ended with $?]"; fi
  kill $pid 2>/dev/null; wait $pid 2>/dev/null; true
}
typed() {
  local text=$1 code holder; shift
  rm -f .typing; mkfifo .typing; { echo "$text"; exec sleep 30; } > .typing & holder=$!
  script -qec "stty rows 33 cols 111; exec $(printf '%q ' "$@")" /dev/null < .typing > .typed; code=$?
  kill $holder
  tr -d '\r\0\004' < .typed | grep -vF "$text" | sed 's/^[#$] //'
  return $code
}
listens() {
  local file=$1 script=$2 pid=$!; local got=()
  eventually '127.0.0.1:[0-9]' cat $file > /dev/null
  local port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' $file | head -1)
  eval "$script"
  kill $pid 2>/dev/null; wait $pid 2>/dev/null; true
}
forwarding() {
  rm -f .forwarding; kubectl port-forward pod/$1 :$2 -v=6 > .forwarding 2> .forwarding.log &
  listens .forwarding "$3"
}
proxied() {
  rm -f .proxy; kubectl proxy --port=0 --disable-filter > .proxy 2>&1 &
  listens .proxy "$1"
}
`;

export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), 'podium-kubectl-'));
  readonly #server: string;

  constructor({ kubectl, kubeconfig, namespace }: ShellOptions) {
    cpSync(join(ROOT, 'test', 'kubectl', 'files'), this.folder, { recursive: true });
    mkdirSync(join(this.folder, '.home', 'bin'), { recursive: true });
    symlinkSync(kubectl, join(this.folder, '.home', 'bin', 'kubectl'));
    writeFileSync(join(this.folder, '.home', 'functions'), FUNCTIONS);
    const config = readFileSync(kubeconfig, 'utf8').replace(/("?namespace"?: ?"?)default/, `$1${namespace}`);
    const own = join(this.folder, '.home', 'kubeconfig');
    writeFileSync(own, config, { mode: 0o600 });
    chmodSync(own, 0o600);
    this.#server = /"?server"?: ?"?(https:[^"\s,}]+)/.exec(config)?.[1] ?? '';
  }

  /** What it printed, masked, with its exit code where it failed. */
  async run(line: string): Promise<string> {
    const { output, exitCode } = await this.#spawn(line);
    const text = masked(output, { server: this.#server, folder: this.folder }).replace(/\n+$/, '');
    return [text, ...(exitCode === 0 ? [] : [`[exit ${exitCode}]`])].filter((part) => part !== '').join('\n');
  }

  #spawn(line: string): Promise<{ readonly output: string; readonly exitCode: number | string }> {
    const home = join(this.folder, '.home');
    const env = {
      PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`,
      HOME: home,
      KUBECONFIG: join(home, 'kubeconfig'),
      BASH_ENV: join(home, 'functions'),
      TZ: 'UTC',
      LANG: 'C.UTF-8',
    };
    return new Promise((resolve, reject) => {
      // A group of its own, so that whatever it started in the background ends with it.
      const child = spawn('bash', ['-c', `exec 2>&1; ${line}`], { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      let output = '';
      const end = () => {
        try {
          process.kill(-child.pid!, 'SIGKILL');
        } catch {
          // Nothing of it is left.
        }
      };
      const timer = systemClock.setTimer(COMMAND_DEADLINE_MS, () => {
        output += `\nnot within ${COMMAND_DEADLINE_MS / 1000} s\n`;
        end();
      });
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.once('error', reject);
      child.once('exit', end);
      child.once('close', (code, signal) => {
        timer.cancel();
        resolve({ output, exitCode: code ?? signal ?? '' });
      });
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
