/**
 * Limits of a container as files of a cgroup, for both of the kernel's interfaces, and what the kernel writes there as
 * numbers. Requests become shares: they count only while a processor is scarce.
 */
import type { ContainerResources } from '../../runtime.ts';

/** Where controllers are mounted: in version 1 each by itself, in version 2 all in one place. */
export type CgroupLayout =
  | { readonly version: 1; readonly roots: Readonly<Record<string, string>> }
  | { readonly version: 2; readonly root: string };

export interface CgroupSetting {
  /** `memory`, `cpu`, `pids`. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** Left out where the kernel has no such file. */
  readonly isOptional?: boolean;
}

export const CONTROLLERS = ['memory', 'cpu', 'cpuacct', 'pids'] as const;
const PERIOD_US = 100_000;
/** The kernel refuses less. */
const QUOTA_US_MIN = 1_000;
const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

/** Of a new cgroup, in which nothing is limited yet. */
export function planCgroup(version: 1 | 2, resources: ContainerResources): readonly CgroupSetting[] {
  const { cpuRequestMilli, cpuLimitMilli, memoryLimitBytes, processesMax } = resources;
  const settings: CgroupSetting[] = [];
  const add = (controller: string, file: string, value: number | string) => settings.push({ controller, file: `${controller}.${file}`, value: String(value) });
  const quotaUs = cpuLimitMilli === undefined ? undefined : Math.max(QUOTA_US_MIN, Math.round((cpuLimitMilli * PERIOD_US) / 1_000));
  const shares = sharesOf(cpuRequestMilli ?? 0);
  if (version === 1) {
    if (memoryLimitBytes !== undefined) add('memory', 'limit_in_bytes', memoryLimitBytes);
    add('cpu', 'shares', shares);
    if (quotaUs !== undefined) {
      add('cpu', 'cfs_period_us', PERIOD_US);
      add('cpu', 'cfs_quota_us', quotaUs);
    }
  } else {
    if (memoryLimitBytes !== undefined) {
      add('memory', 'max', memoryLimitBytes);
      // As with the kubelet a limit is one of memory, which swap does not stretch. A kernel without swap has no such file.
      settings.push({ controller: 'memory', file: 'memory.swap.max', value: '0', isOptional: true });
    }
    add('cpu', 'weight', weightOf(shares));
    if (quotaUs !== undefined) add('cpu', 'max', `${quotaUs} ${PERIOD_US}`);
  }
  if (processesMax !== undefined) add('pids', 'max', processesMax);
  return settings;
}

/** Of one that has limits already: what is not named stays. */
export function planUpdate(version: 1 | 2, resources: ContainerResources): readonly CgroupSetting[] {
  const isShare = ({ file }: CgroupSetting) => file === 'cpu.shares' || file === 'cpu.weight';
  return planCgroup(version, resources).filter((setting) => resources.cpuRequestMilli !== undefined || !isShare(setting));
}

/** Of version 2: who is ended for want of memory takes the rest of its container along, as it does elsewhere by itself. */
export const END_WHOLE: CgroupSetting = { controller: 'memory', file: 'memory.oom.group', value: '1' };

export function sharesOf(requestMilli: number): number {
  return Math.min(SHARES_MAX, Math.max(SHARES_MIN, Math.floor((requestMilli * 1_024) / 1_000)));
}

/** As container runtimes translate shares (2 … 262144) to weights (1 … 10000). */
export function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - SHARES_MIN) * 9_999) / (SHARES_MAX - SHARES_MIN));
}

/** How often the kernel ended a process for want of memory: `memory.oom_control` or `memory.events`. */
export function parseOomKills(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** A line of `name number`, as memory.stat and cpu.stat have them. */
export function parseStat(text: string, name: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/** From /proc/self/mountinfo; undefined: no controller that this runtime needs is mounted. */
export function readLayout(mountinfo: string): CgroupLayout | undefined {
  const roots: Record<string, string> = {};
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4] ?? '';
    const [type = '', , options = ''] = after.split(' ');
    if (type === 'cgroup2') unified ??= path;
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) if (option === 'devices' || CONTROLLERS.some((controller) => controller === option)) roots[option] ??= path;
  }
  if (Object.keys(roots).length > 0) return { version: 1, roots };
  return unified === undefined ? undefined : { version: 2, root: unified };
}
