/**
 * Capabilities by name. A container begins with what every container runtime gives one, less what its pod drops, with
 * what it adds; a privileged one has all. Never more than this machine has to give (its bounding set), since a program
 * that asks the kernel for more does not start at all.
 */
import type { ContainerSecurity } from '../../runtime.ts';

/** By their numbers in the kernel. */
const NAMES = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT',
  'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE',
  'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ',
  'PERFMON', 'BPF', 'CHECKPOINT_RESTORE',
] as const;

const USUAL: readonly string[] = [
  'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'NET_BIND_SERVICE', 'NET_RAW', 'SYS_CHROOT',
  'MKNOD', 'AUDIT_WRITE', 'SETFCAP',
];

/** The set that /proc/PID/status writes as a hexadecimal mask. */
export function parseCapabilities(mask: string): readonly string[] {
  const bits = BigInt(`0x${mask.trim()}`);
  return NAMES.filter((_, number) => ((bits >> BigInt(number)) & 1n) === 1n);
}

/** What a container's programs may have, in the kernel's order. */
export function capabilitiesOf(security: ContainerSecurity, available: readonly string[]): readonly string[] {
  const { privileged = false, addCapabilities = [], dropCapabilities = [] } = security;
  if (privileged) return NAMES.filter((name) => available.includes(name));
  const added = new Set(addCapabilities.map(bare));
  const dropped = new Set(dropCapabilities.map(bare));
  return NAMES.filter((name) => {
    if (!available.includes(name)) return false;
    if (added.has(name) || added.has('ALL')) return true;
    return USUAL.includes(name) && !dropped.has(name) && !dropped.has('ALL');
  });
}

function bare(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}
