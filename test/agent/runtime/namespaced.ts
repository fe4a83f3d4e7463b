/**
 * Runs a program of the tests in network, mount and process namespaces of its own, without a route out; nothing survives
 * it. As root, or as the ordinary user `nobody`; who is no root is an ordinary user anyway. If asked for, there is a way
 * out of its network into one more namespace, and no further (outside-main.ts).
 */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { probeIsolation } from '../../../src/cluster/isolation.ts';
import { MACHINE_ADDRESS, OUTSIDE_ADDRESS } from './outside-main.ts';

export interface NamespacedOptions {
  readonly asUser: boolean;
  /** Below dist/. */
  readonly program: string;
  /** Handed to the program, with a directory of its own as the last one. */
  readonly args: readonly string[];
  readonly hasOutside?: boolean;
  readonly deadlineMs?: number;
  /** The ordinary user has users of his own in /etc/subuid. */
  readonly hasSubids?: boolean | undefined;
}

export interface Namespaced<Line> {
  readonly lines: readonly Line[];
  /** What it complained of. */
  readonly said: string;
}

const NOBODY = { uid: 65_534, gid: 65_534 };
/** `$node`, which is where the sources are. Whoever waits for the server's word has its network too. */
const OUTSIDE = `
mkfifo "$data/outside"; chmod 666 "$data/outside"
unshare --net sh -c 'ip link set lo up; echo up; until ip addr add ${OUTSIDE_ADDRESS}/24 dev eth0 2>/dev/null; do sleep 0.01; done; ip link set eth0 up; exec "$0" dist/test/agent/runtime/outside-main.js' "$node" >"$data/outside" &
pid=$!
exec 9<"$data/outside"
read -r word <&9
ip link add up0 type veth peer name eth0 netns $pid
ip addr add ${MACHINE_ADDRESS}/24 dev up0
ip link set up0 up
ip route add default via ${OUTSIDE_ADDRESS}
read -r word <&9
exec 9<&-
echo 'nameserver ${OUTSIDE_ADDRESS}' >"$data/resolv.conf"
mount --bind "$data/resolv.conf" /etc/resolv.conf
# Any user may have a tap device where people work; here perhaps root alone.
if [ "$(stat -c %a /dev/net/tun 2>/dev/null)" != 666 ]; then
  mount -t tmpfs none /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun
fi
rm "$data/outside"
`;
/** Seen in the namespace alone. */
const SUBIDS = `
echo '${NOBODY.uid}:100000:65536' >"$data/subids"; chmod 644 "$data/subids"
for one in subuid subgid; do [ -e /etc/$one ] || touch /etc/$one; mount --bind "$data/subids" /etc/$one; done
`;
const isRoot = process.getuid?.() === 0;
/** A suite takes a quarter of it on a machine that is busy. */
const DEADLINE_MS = 300_000;

/** Undefined: it can be run here. */
export function whyNotNamespaced({ asUser }: Pick<NamespacedOptions, 'asUser'>): string | undefined {
  const isolation = probeIsolation();
  if (!isolation.ok) return isolation.why;
  return asUser && !isRoot ? 'only root can be another user; the others are an ordinary user already' : undefined;
}

/** Each line of its output is JSON. */
export async function runNamespaced<Line>({ asUser, program, args, hasOutside = false, hasSubids = false, deadlineMs = DEADLINE_MS }: NamespacedOptions): Promise<Namespaced<Line>> {
  const directory = mkdtempSync(join(tmpdir(), 'podium-ns-'));
  const data = join(directory, 'data');
  const repository = join(directory, 'repo');
  for (const path of [data, repository]) mkdirSync(path);
  chmodSync(directory, 0o755);
  if (asUser) chownSync(data, NOBODY.uid, NOBODY.gid);
  const user = isRoot ? [] : ['--user', '--map-root-user'];
  const as = asUser ? `setpriv --reuid=${NOBODY.uid} --regid=${NOBODY.gid} --clear-groups` : '';
  // Where another user may read it, wherever the sources are. The shell stays: as the first process it takes up orphans.
  const script = `mount --bind "$1" "$2"; ip link set lo up; cd "$2"; data=$3; node=$4; shift 3
${hasSubids && isRoot ? SUBIDS : ''}
${hasOutside ? OUTSIDE : ''}
${as} "$@" || exit $?`;
  const namespaces = [...user, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  const command = [process.cwd(), repository, directory, process.execPath, join('dist', program), ...args, data];
  const child = spawn('unshare', [...namespaces, 'sh', '-ec', script, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  const lines: Line[] = [];
  let said = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line)); // the tests' own program
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise<void>((done) => child.once('close', () => done()));
  clearTimeout(timer);
  rmSync(directory, { recursive: true, force: true });
  return { lines, said };
}
