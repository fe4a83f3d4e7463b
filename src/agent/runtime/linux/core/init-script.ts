/**
 * How a container begins where there is no container runtime: a shell script, made for this one container, that runs as
 * the first process of its pid and mount namespaces. It joins the cgroup, mounts, changes the root, gives up what the
 * container must not have, and becomes the program.
 *
 * Its own tools are the machine's, run before the container's environment is in force: an LD_PRELOAD of a pod must never
 * be read by a process that can still do everything.
 */
import type { ProcessPlan } from './container-run.ts';
import { fstabField, quote, quoteAll } from './shell-words.ts';
import type { PlannedRoot } from './root-layout.ts';

/** A cgroup of a container, and what it is called below /sys/fs/cgroup. */
export interface ShownCgroup {
  readonly name: string;
  readonly directory: string;
}

/** Absolute paths of this machine's tools. */
export interface Tools {
  readonly sh: string;
  readonly mount: string;
  readonly umount: string;
  readonly pivotRoot: string;
  readonly setpriv: string;
  readonly unshare: string;
  readonly nsenter: string;
  readonly env: string;
  readonly ip: string;
  /** Absent: a program does not control the terminal that it is started in. */
  readonly setsid?: string | undefined;
  /** Of `env`, see `defaultSignalFlags`. */
  readonly signalFlags?: readonly string[] | undefined;
}

export interface InitInput {
  readonly tools: Tools;
  /** The container's own directory, absolute; its root is `root` in it. */
  readonly directory: string;
  readonly process: ProcessPlan;
  /** Where its root is mounted. */
  readonly rootPath: string;
  /** Its mounts are the machine's too, and so would be what is unmounted; but for what is below this mount, on which its root is. */
  readonly privateMount?: string | undefined;
  /** What it does first (`joinLines`). */
  readonly joins: readonly string[];
}

/** The mounts of a container as one `mount --all` does them: a process for each would take longer than all the rest. */
export function fstabOf(directory: string, planned: PlannedRoot, how: { readonly rootPath: string; readonly cgroups?: readonly ShownCgroup[]; readonly isReadOnly: boolean; readonly inUserNamespace: boolean }): string {
  const { rootPath: root } = how;
  const access = how.isReadOnly ? 'ro' : 'rw';
  const line = (source: string, target: string, type: string, options: readonly string[]) =>
    `${[source, target, type, options.join(',')].map(fstabField).join(' ')} 0 0\n`;
  const overlay = overlayOptions(directory, planned, how.inUserNamespace);
  const lines = [...cgroupMounts(root, how.cgroups ?? []), overlay.length === 0 ? line(`${directory}/root`, root, 'none', ['bind', access]) : line('overlay', root, 'overlay', [...overlay, access])];
  for (const { type, source, target, options } of planned.mounts) {
    // What is bound from /proc is the container's own, mounted a few lines before.
    const from = type === 'bind' && source.startsWith('/proc/') ? `${root}${source}` : source;
    lines.push(line(from, `${root}${target}`, type === 'bind' ? 'none' : type, options));
  }
  return lines.join('');
}

/** Where the cgroups that a container is shown are bound first, beside its root: some of who mounts it sees no others. */
export function cgroupsBeside(rootPath: string): string {
  return `${rootPath}-cgroup`;
}

/** Lines of an fstab. */
export function cgroupMounts(rootPath: string, cgroups: readonly ShownCgroup[]): readonly string[] {
  return cgroups.map(({ name, directory }) => `${fstabField(directory)} ${fstabField(`${cgroupsBeside(rootPath)}/${name}`)} none bind,ro,nosuid,nodev,noexec 0 0\n`);
}

/** Of an image's root; none: it is no overlay. */
export function overlayOptions(directory: string, { lowerDirs }: Pick<PlannedRoot, 'lowerDirs'>, inUserNamespace: boolean): readonly string[] {
  if (lowerDirs.length === 0) return [];
  const lower = lowerDirs.map((path) => path.replace(/[\\:,]/g, '\\$&')).join(':');
  return [`lowerdir=${lower}`, `upperdir=${directory}/upper`, `workdir=${directory}/work`, ...(inUserNamespace ? ['userxattr'] : [])];
}

/**
 * Descriptor 3 is a file for complaints and 4 one that says how far it has come: the agent reads both, and the program
 * has neither.
 */
export function initScript({ tools, directory, rootPath, privateMount, process, joins }: InitInput): string {
  const { command, env, workingDir } = process;
  const path = env['PATH'] ?? '';
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [
    '#!/bin/sh',
    'set -e',
    'exec 5>&2 2>&3',
    // That of /proc counts, which is still the machine's, not the one of its own namespace.
    'read -r stat </proc/self/stat',
    'set -- ${stat##*) }',
    `echo "\${stat%% *} \${20} $PODIUM_SUPERVISOR" >${quote(`${directory}/pid`)}`,
    ...joins,
    ...(privateMount === undefined ? [] : [`${tools.mount} --make-private ${quote(privateMount)}`]),
    `${tools.mount} --all --fstab ${quote(`${directory}/fstab`)}`,
    `cd ${quote(rootPath)}`,
    `${tools.pivotRoot} . tmp`,
    ...(privateMount === undefined ? [] : [`${tools.mount} --make-rslave /tmp`]),
    `${tools.umount} -l /tmp`,
    ...changeDirectory(workingDir === '' ? '/' : workingDir),
    ...requireProgram(command[0] ?? '', path),
    'echo started >&4',
    'exec 2>&5 3>&- 4>&- 5>&-',
    `exec ${quoteAll([...privileges(tools, process), tools.env, ...(tools.signalFlags ?? []), '-i', ...words, ...command])}`,
    '',
  ].join('\n');
}

/** In words of ours: a shell names itself and its line, and says less. */
function changeDirectory(directory: string): readonly string[] {
  const [to, failed] = [quote(directory), quote(`chdir to ${directory}`)];
  return [`cd ${to} 2>/dev/null || { why='No such file or directory'; if [ -d ${to} ]; then why='Permission denied'; elif [ -e ${to} ]; then why='Not a directory'; fi; echo ${failed}": $why" >&2; exit 128; }`];
}

/** Before it is said to have started. Behind a path `command` finds what may not be run, too. */
function requireProgram(program: string, path: string): readonly string[] {
  const name = quote(program);
  const refused = (why: string) => `{ echo ${quote(`exec: "${program}": ${why}`)} >&2; exit 127; }`;
  const find = `(PATH=${quote(path)}; command -v -- ${name}) >/dev/null || ${refused('executable file not found in $PATH')}`;
  if (!program.includes('/')) return [find];
  return [find, `[ -e ${name} ] || ${refused('no such file or directory')}`, `[ ! -d ${name} ] || ${refused('is a directory')}`, `[ -x ${name} ] || ${refused('permission denied')}`];
}

/** A shell's lines by which a process takes its place in the kernel's accounts. */
export function joinLines(cgroupProcs: readonly string[], oomScoreAdjust: number | undefined): readonly string[] {
  // 0 is whoever writes it.
  const joins = cgroupProcs.map((file) => `echo 0 >${quote(file)}`);
  // Only who has the right to may be spared longer than others.
  return oomScoreAdjust === undefined ? joins : [...joins, `{ echo ${oomScoreAdjust} >/proc/self/oom_score_adj; } 2>/dev/null || :`];
}

/** The prefix of a command that gives up what its container must not have. */
export function privileges(tools: Tools, process: ProcessPlan): readonly string[] {
  const { terminal } = process;
  const controlled = terminal && tools.setsid !== undefined ? [tools.setsid, '--ctty'] : [];
  return [...controlled, ...reduced(tools, process)];
}

function reduced(tools: Tools, process: ProcessPlan): readonly string[] {
  const { user, group, supplementalGroups, becomesUser, capabilities, noNewPrivileges } = process;
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
  const limits = ['--inh-caps=-all', `--bounding-set=${bounding}`, ...(noNewPrivileges ? ['--no-new-privs'] : [])];
  if (becomesUser !== 'real') {
    const other = user === 0 && group === 0 ? [] : [tools.unshare, '--user', `--map-user=${user}`, `--map-group=${group}`, '--'];
    const own = user === 0 ? [] : ['--ambient-caps=-all'];
    return [...other, tools.setpriv, ...limits, ...own, '--'];
  }
  const groups = supplementalGroups.length === 0 ? '--clear-groups' : `--groups=${supplementalGroups.join(',')}`;
  return [tools.setpriv, `--reuid=${user}`, `--regid=${group}`, groups, ...limits, '--'];
}
