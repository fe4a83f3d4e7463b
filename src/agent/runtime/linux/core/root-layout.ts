/**
 * What the programs of a container see as their files: entries that are made on disk below the container's own
 * directory, and mounts that exist in its mount namespace alone. Pure: what this machine has is handed in.
 *
 *   DIR/root          a directory of this container, bound onto itself: its root, writable unless the pod says otherwise
 *     usr bin sbin lib*   podium.dev/host: the machine's programs, read-only
 *     etc                 a few files of the machine, and resolv.conf, hosts, hostname of the pod
 *     dev proc sys        of the container's namespaces
 *     …                   the pod's volumes
 *
 * An image is an overlay on DIR/root instead, whose upper directory holds the entries.
 *
 * The machine's /home, /root, /var and everything else are not there, and after the root is changed there is no path that
 * leads to them.
 */
import type { ImageRoot } from '../../../../image/image-service.ts';
import type { Mount } from '../../runtime.ts';

export type EntryKind = 'directory' | 'file';

/** What is there before anything is mounted; paths begin at the container's root, without a slash. */
export type RootEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

export interface RootMount {
  readonly type: 'bind' | 'proc' | 'sysfs' | 'devpts' | 'tmpfs' | 'mqueue';
  readonly source: string;
  /** Absolute in the container. */
  readonly target: string;
  readonly options: readonly string[];
}

/** Read from this machine once. */
export interface HostFacts {
  /** The directories of programs, as the machine has them: a directory, or a link to one (`bin` to `usr/bin`). */
  readonly programs: readonly { readonly name: string; readonly link?: string | undefined }[];
  /** Of the short list of /etc, what there is. */
  readonly etc: readonly { readonly path: string; readonly kind: EntryKind }[];
  /** Paths of /proc that nobody in a container may write, and that nobody may read. */
  readonly procReadOnly: readonly string[];
  readonly procHidden: readonly { readonly path: string; readonly kind: EntryKind }[];
  /** Directories of /sys that nobody may read. */
  readonly sysHidden: readonly string[];
}

export interface RootInput {
  /** Absent: podium.dev/host. */
  readonly image?: ImageRoot | undefined;
  /** It knows users of its own: its /etc/passwd and /etc/group are not ours to make. */
  readonly hasAccounts?: boolean | undefined;
  readonly facts: HostFacts;
  /** Absolute paths of the pod's own files, bound below /etc. */
  readonly podFiles: { readonly hosts: string; readonly resolvConf: string; readonly hostname: string };
  /** The pod's volumes, outer ones first, and what is at each one's `hostPath`. */
  readonly mounts: readonly (Mount & { readonly kind: EntryKind })[];
  readonly workingDir: string;
  readonly privileged: boolean;
  /** Of the machine, below /dev, beside those that every container has. */
  readonly devices?: readonly string[] | undefined;
  /** What is to be at /sys/fs/cgroup: programs read their limits there; absent: nothing. */
  readonly cgroups?: string | undefined;
  /** What all containers of the pod have at /dev/shm. */
  readonly sharedMemory: string;
  /** Nothing of /proc is hidden or read-only. */
  readonly unmaskedProc?: boolean | undefined;
  /** In a user namespace what is mounted below a directory comes along or not at all. */
  readonly inUserNamespace: boolean;
}

export interface PlannedRoot {
  /** Of the overlay, topmost first; none: the root is a directory of its own. */
  readonly lowerDirs: readonly string[];
  readonly entries: readonly RootEntry[];
  readonly mounts: readonly RootMount[];
}

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const;
const DEVICE_LINKS: readonly (readonly [string, string])[] = [
  ['dev/ptmx', 'pts/ptmx'],
  ['dev/fd', '/proc/self/fd'],
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/proc/self/fd/1'],
  ['dev/stderr', '/proc/self/fd/2'],
];
/** What a machine's programs look for in /etc and that tells nothing of the machine. */
export const HOST_ETC: readonly string[] = ['ld.so.cache', 'ssl/certs', 'ssl/openssl.cnf', 'alternatives', 'nsswitch.conf', 'services', 'protocols', 'localtime'];
export const HOST_PROGRAMS: readonly string[] = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
export const PROC_READ_ONLY: readonly string[] = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
export const PROC_HIDDEN: readonly string[] = ['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'scsi'];

export const SYS_HIDDEN: readonly string[] = ['firmware', 'devices/virtual/powercap'];

/** Of the machine's own programs. */
export const HOST_PASSWD = 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n';
export const HOST_GROUP = 'root:x:0:\nnogroup:x:65534:\n';
/** What a volume has to do with mounts that are made below it while its container runs. */
const PROPAGATIONS = { None: 'rprivate', HostToContainer: 'rslave', Bidirectional: 'rshared' } as const;

/** Undefined: the volume cannot be mounted there, for the reason given. */
export type Planned<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export function planRoot(whole: RootInput): Planned<PlannedRoot> {
  const hasHostPrograms = whole.image?.hasHostPrograms ?? true;
  const input = hasHostPrograms ? whole : { ...whole, facts: { ...whole.facts, programs: [] } };
  const { podFiles, mounts, workingDir, image } = input;
  const entries = new Entries();
  const planned: RootMount[] = hasHostPrograms ? planHostPrograms(input, entries) : [];
  planned.push(...planKernelMounts(input, entries));
  for (const [name, source] of [['hosts', podFiles.hosts], ['resolv.conf', podFiles.resolvConf], ['hostname', podFiles.hostname]] as const) {
    if (mounts.some(({ containerPath }) => containerPath === `/etc/${name}`)) continue;
    entries.file(`etc/${name}`, '');
    planned.push(bound({ source, target: `/etc/${name}`, options: ['bind', 'nosuid', 'nodev'] }));
  }
  const volumes = planVolumeMounts(input, entries);
  if (!volumes.ok) return volumes;
  planned.push(...volumes.value);
  const inside = relative(workingDir);
  if (inside !== '' && !isBelowMount(inside, input)) entries.directory(inside);
  return { ok: true, value: { lowerDirs: image?.lowerDirs ?? [], entries: entries.all, mounts: planned } };
}

function planHostPrograms({ facts, inUserNamespace, hasAccounts = false }: RootInput, entries: Entries): RootMount[] {
  const bind = inUserNamespace ? 'rbind' : 'bind';
  const planned: RootMount[] = [];
  for (const { name, link } of facts.programs) {
    if (link === undefined) entries.directory(name);
    else entries.link(name, link);
    if (link === undefined) planned.push(bound({ source: `/${name}`, target: `/${name}`, options: [bind, 'ro', 'nosuid'] }));
  }
  for (const { path, kind } of facts.etc) {
    entries.add(kind, `etc/${path}`);
    planned.push(bound({ source: `/etc/${path}`, target: `/etc/${path}`, options: [bind, 'ro', 'nosuid', 'nodev'] }));
  }
  if (!hasAccounts) entries.file('etc/passwd', HOST_PASSWD);
  if (!hasAccounts) entries.file('etc/group', HOST_GROUP);
  entries.directory('tmp', 0o1777);
  entries.directory('run');
  return planned;
}

/** /dev, /proc and /sys. */
function planKernelMounts({ facts, mounts, privileged, devices = [], sharedMemory, cgroups, unmaskedProc = false }: RootInput, entries: Entries): RootMount[] {
  for (const path of ['dev/pts', 'dev/shm', 'proc', 'sys']) entries.directory(path);
  const shown = [...new Set([...DEVICES, ...devices])];
  for (const device of shown) entries.file(`dev/${device}`, '');
  for (const [path, target] of DEVICE_LINKS) entries.link(path, target);
  const planned: RootMount[] = [
    { type: 'proc', source: 'proc', target: '/proc', options: ['nosuid', 'nodev', 'noexec'] },
    { type: 'sysfs', source: 'sysfs', target: '/sys', options: [privileged ? 'rw' : 'ro', 'nosuid', 'nodev', 'noexec'] },
    ...shown.map((device) => bound({ source: `/dev/${device}`, target: `/dev/${device}`, options: ['bind', 'nosuid', 'noexec'] })),
    { type: 'devpts', source: 'devpts', target: '/dev/pts', options: ['newinstance', 'ptmxmode=0666', 'mode=620', 'nosuid', 'noexec'] },
  ];
  if (!mounts.some(({ containerPath }) => containerPath === '/dev/shm')) {
    planned.push(bound({ source: sharedMemory, target: '/dev/shm', options: ['bind', 'nosuid', 'nodev', 'noexec'] }));
  }
  if (cgroups !== undefined) planned.push(bound({ source: cgroups, target: '/sys/fs/cgroup', options: ['rbind', 'ro', 'nosuid', 'nodev', 'noexec'] }));
  if (privileged || unmaskedProc) return planned;
  for (const path of facts.procReadOnly) planned.push(bound({ source: `/proc/${path}`, target: `/proc/${path}`, options: ['bind', 'ro'] }));
  for (const path of facts.sysHidden) planned.push(hidden(`/sys/${path}`, 'directory'));
  for (const { path, kind } of facts.procHidden) planned.push(hidden(`/proc/${path}`, kind));
  return planned;
}

function hidden(target: string, kind: EntryKind): RootMount {
  if (kind === 'file') return bound({ source: '/dev/null', target, options: ['bind'] });
  return { type: 'tmpfs', source: 'tmpfs', target, options: ['ro', 'size=0', 'nosuid', 'nodev', 'noexec'] };
}

function planVolumeMounts(input: RootInput, entries: Entries): Planned<RootMount[]> {
  const { facts, mounts } = input;
  const planned: RootMount[] = [];
  for (const { containerPath, hostPath, readOnly, kind, propagation } of mounts) {
    const inside = relative(containerPath);
    const top = inside.split('/')[0] ?? '';
    if (inside === '') return { ok: false, message: 'a volume cannot be mounted at /' };
    if (['proc', 'sys'].includes(top)) return { ok: false, message: `a volume cannot be mounted at ${containerPath}` };
    if (facts.programs.some(({ name }) => name === top)) {
      return { ok: false, message: `a volume cannot be mounted at ${containerPath}: it belongs to the machine's own programs` };
    }
    // Within another volume the place is made in that volume, by the shell; elsewhere it is a part of the root.
    if (!isBelowMount(inside, { ...input, mounts: mounts.filter((other) => other.containerPath !== containerPath) })) entries.add(kind, inside);
    planned.push(bound({ source: hostPath, target: `/${inside}`, options: ['rbind', readOnly ? 'ro' : 'rw', 'nodev', PROPAGATIONS[propagation ?? 'None']] }));
  }
  return { ok: true, value: planned };
}

function isBelowMount(inside: string, { mounts, facts }: Pick<RootInput, 'mounts' | 'facts'>): boolean {
  const isBelow = (outer: string) => inside === outer || inside.startsWith(`${outer}/`);
  return mounts.some(({ containerPath }) => isBelow(relative(containerPath))) || facts.programs.some(({ name }) => isBelow(name));
}

function bound(mount: Omit<RootMount, 'type'>): RootMount {
  return { type: 'bind', ...mount };
}

/** Without slashes at its ends, and without steps: `..` does not lead out. */
export function relative(path: string): string {
  const steps: string[] = [];
  for (const step of path.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '' && step !== '.') steps.push(step);
  }
  return steps.join('/');
}

/** In order, parents before what is in them, nothing twice. */
class Entries {
  readonly #byPath = new Map<string, RootEntry>();

  get all(): readonly RootEntry[] {
    return [...this.#byPath.values()];
  }

  add(kind: EntryKind, path: string): void {
    if (kind === 'directory') this.directory(path);
    else this.file(path, '');
  }

  directory(path: string, mode = 0o755): void {
    this.#parents(path);
    if (!this.#byPath.has(path)) this.#byPath.set(path, { kind: 'directory', path, mode });
  }

  file(path: string, content: string): void {
    this.#parents(path);
    if (!this.#byPath.has(path)) this.#byPath.set(path, { kind: 'file', path, content });
  }

  link(path: string, target: string): void {
    this.#parents(path);
    this.#byPath.set(path, { kind: 'link', path, target });
  }

  #parents(path: string): void {
    const at = path.lastIndexOf('/');
    if (at > 0) this.directory(path.slice(0, at));
  }
}
