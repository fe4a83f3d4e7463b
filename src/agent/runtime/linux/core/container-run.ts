/**
 * What a container runs: what its pod says and what its image says, put together as Kubernetes does it. Pure: the image's files
 * that tell of users are handed in.
 *
 *   command      instead of the image's entrypoint and its cmd, both; args alone instead of its cmd
 *   env          the image's below the pod's
 *   user         runAsUser before the image's; its group and the groups it is a member of by the image's own files
 */
import type { ImageRunConfig } from '../../../../image/core/image-config.ts';
import type { ContainerConfig, ContainerSecurity } from '../../runtime.ts';
import { findAccount, findGroup, groupsWith, isId, type Accounts } from './accounts.ts';
import { relative, type Planned } from './root-layout.ts';
import { stopSignalOf } from './stop-signal.ts';
import type { BecomesUser } from './users.ts';

export interface RunInput {
  readonly config: Pick<ContainerConfig, 'command' | 'args' | 'env' | 'workingDir' | 'mounts' | 'security'>;
  readonly image: ImageRunConfig;
  readonly accounts: Accounts;
  readonly hostname: string;
}

/** One process of a container, its program or a command beside it: all that an engine has to know to start it. */
export interface ProcessPlan {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly user: number;
  readonly group: number;
  readonly supplementalGroups: readonly number[];
  readonly becomesUser: BecomesUser;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Its descriptors are a terminal's. */
  readonly terminal: boolean;
}

/** Its working directory is absolute. */
export interface ContainerRun extends Pick<ProcessPlan, 'command' | 'env' | 'workingDir' | 'user' | 'group' | 'supplementalGroups'> {
  readonly stopSignal: number;
  /** Absolute paths that the image wants to be volumes, and the pod mounts nothing at. */
  readonly volumes: readonly string[];
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function planRun({ config, image, accounts, hostname }: RunInput): Planned<ContainerRun> {
  const command = commandOf(config, image);
  if (command.length === 0) return { ok: false, message: 'no command specified' };
  const who = userOf(config.security ?? {}, image.user, accounts);
  if (!who.ok) return who;
  const { home, ...ids } = who.value;
  const ofImage = Object.fromEntries(image.env.map(splitVariable));
  const mounted = new Set(config.mounts.map(({ containerPath }) => relative(containerPath)));
  return {
    ok: true,
    value: {
      command,
      env: { PATH: DEFAULT_PATH, HOME: home, HOSTNAME: hostname, ...ofImage, ...config.env },
      workingDir: `/${relative(config.workingDir === '' ? image.workingDir : config.workingDir)}`,
      ...ids,
      stopSignal: stopSignalOf(image.stopSignal),
      volumes: image.volumes.map(relative).filter((path) => path !== '' && !mounted.has(path)).map((path) => `/${path}`),
    },
  };
}

function commandOf({ command, args = [] }: RunInput['config'], { entrypoint, cmd }: ImageRunConfig): readonly string[] {
  if (command.length > 0) return [...command, ...args];
  return [...entrypoint, ...(args.length > 0 ? args : cmd)];
}

/** `NAME` alone is an empty variable, as with every container runtime. */
function splitVariable(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}

interface Who extends Pick<ContainerRun, 'user' | 'group' | 'supplementalGroups'> {
  readonly home: string;
}

function userOf(security: ContainerSecurity, ofImage: string, accounts: Accounts): Planned<Who> {
  const [name = '', groupName = ''] = security.user === undefined ? ofImage.split(':') : [String(security.user)];
  const account = findAccount(accounts, name === '' ? 0 : isId(name) ? Number(name) : name);
  const user = name === '' ? 0 : isId(name) ? Number(name) : account?.user;
  // As container runtimes say it.
  if (user === undefined) return { ok: false, message: `unable to find user ${name}: no matching entries in passwd file` };
  const named = groupName === '' ? (account?.group ?? 0) : isId(groupName) ? Number(groupName) : findGroup(accounts, groupName);
  if (named === undefined) return { ok: false, message: `unable to find group ${groupName}: no matching entries in group file` };
  const own = security.supplementalGroups ?? [];
  const member = security.supplementalGroupsPolicy === 'Strict' || account === undefined ? [] : groupsWith(accounts, account.name);
  return {
    ok: true,
    value: {
      user,
      group: security.group ?? named,
      supplementalGroups: [...new Set([...own, ...member])].sort((a, b) => a - b),
      home: account?.home || '/',
    },
  };
}
