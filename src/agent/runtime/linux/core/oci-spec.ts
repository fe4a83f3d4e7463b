/**
 * A container as the OCI runtime specification writes it, for crun and runc. Its network, ipc and uts namespaces are
 * those that the runtime is started in, the pod's; its cgroup is joined before, since a runtime that removes it would take
 * with it how the container ended.
 */
import type { ProcessPlan } from './container-run.ts';
import type { HostFacts, PlannedRoot, RootMount } from './root-layout.ts';
import { mappingsOf } from './users.ts';
import type { OciSeccomp } from './seccomp-profile.ts';

export interface OciInput {
  readonly root: PlannedRoot;
  /** Where it is mounted. */
  readonly rootPath: string;
  readonly propagation: 'private' | 'slave' | 'shared';
  readonly isRootReadOnly: boolean;
  readonly process: ProcessPlan;
  readonly facts: HostFacts;
  /** Nothing of /proc is hidden or read-only. */
  readonly isProcUnmasked: boolean;
  /** Any that it finds or makes; absent: those that every container has. */
  readonly mayUseDevices?: boolean | undefined;
  /** A namespace of its own where it is undefined, none where it is null. */
  readonly pidNamespace: string | null | undefined;
  readonly seccomp?: OciSeccomp | undefined;
  /** How many there are. */
  readonly users: number;
  /** For a runtime that will not do without. */
  readonly cgroupsPath?: string | undefined;
}

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The text of `config.json`. */
export function ociSpec(input: OciInput): string {
  const { root, isRootReadOnly, process, facts, isProcUnmasked, pidNamespace, seccomp } = input;
  const { user, group, becomesUser } = process;
  const mappings = user === 0 && group === 0 ? undefined : mappingsOf(becomesUser, process, input.users);
  const spec = {
    ociVersion: '1.0.2',
    process: ociProcess(process),
    root: { path: input.rootPath, readonly: isRootReadOnly },
    mounts: root.mounts.filter((mount) => !isBelowProc(mount)).map(ociMount),
    linux: {
      namespaces: [...(pidNamespace === null ? [] : [{ type: 'pid', path: pidNamespace }]), { type: 'mount' }, ...(mappings === undefined ? [] : [{ type: 'user' }])],
      ...mappings,
      cgroupsPath: input.cgroupsPath,
      rootfsPropagation: input.propagation,
      maskedPaths: isProcUnmasked ? [] : facts.procHidden.map(({ path }) => `/proc/${path}`),
      readonlyPaths: isProcUnmasked ? [] : facts.procReadOnly.map((path) => `/proc/${path}`),
      seccomp,
      ...(input.mayUseDevices === true ? { resources: { devices: [{ allow: true, access: 'rwm' }] } } : {}),
    },
  };
  return JSON.stringify(spec);
}

/** Also the text that `exec --process` reads. */
export function ociProcess(process: ProcessPlan) {
  const { command, env, workingDir, user, group, supplementalGroups, becomesUser, capabilities, noNewPrivileges, terminal } = process;
  const names = capabilities.map((name) => `CAP_${name}`);
  const isRoot = user === 0;
  return {
    // The runtime makes it, so that the program controls it, with the size of the one that the runtime stands in.
    terminal,
    // Where there is one group only, nobody may ask for others.
    user: { uid: user, gid: group, ...(becomesUser === 'only' ? {} : { additionalGids: supplementalGroups }) },
    args: command,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    cwd: workingDir === '' ? '/' : workingDir,
    // A program of another user has what it may have only through a file's rights, as with every container runtime.
    capabilities: { bounding: names, effective: isRoot ? names : [], permitted: isRoot ? names : [], inheritable: [], ambient: [] },
    noNewPrivileges,
  };
}

function ociMount({ type, source, target, options }: RootMount): OciMount {
  return { destination: target, type: type === 'bind' ? 'none' : type, source, options };
}

/** The runtime has words of its own for what is hidden there. */
function isBelowProc({ target }: RootMount): boolean {
  return target.startsWith('/proc/');
}
