/**
 * The profile `RuntimeDefault`: which calls of the kernel a container is refused. After the table of "significant calls
 * blocked" that the documentation of the well-known default profile prints, and the calls of the same kind that came later;
 * a capability that a container was given opens what it is for.
 *
 * A list of what is refused, where others list what is allowed: a call that the kernel will have next year is then allowed
 * until it is found dangerous, but no program of today breaks for a call that nobody thought of.
 */

/** As the OCI runtime specification has it, `linux.seccomp`. */
export interface OciSeccomp {
  readonly defaultAction: string;
  readonly architectures?: readonly string[] | undefined;
  readonly syscalls: readonly OciSyscallRule[];
}

interface OciSyscallRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | undefined;
  readonly args?: readonly { readonly index: number; readonly value: number; readonly valueTwo?: number | undefined; readonly op: string }[] | undefined;
}

const EPERM = 1;
const ENOSYS = 38;

/** What nobody needs in a container: other people's keys, other kernels, swap, interfaces with a past. */
const ALWAYS_REFUSED: readonly string[] = [
  'add_key', 'request_key', 'keyctl', 'kexec_load', 'kexec_file_load', 'swapon', 'swapoff', 'userfaultfd', 'uselib', 'ustat', 'sysfs', '_sysctl',
  'nfsservctl', 'create_module', 'get_kernel_syms', 'query_module', 'vm86', 'vm86old', 'io_uring_setup', 'io_uring_enter', 'io_uring_register',
];

/** Calls that are for who has one of the capabilities. */
const BY_CAPABILITY: readonly { readonly names: readonly string[]; readonly capabilities: readonly string[] }[] = [
  {
    names: [
      'mount', 'umount', 'umount2', 'move_mount', 'open_tree', 'fsopen', 'fsconfig', 'fsmount', 'fspick', 'mount_setattr', 'pivot_root', 'setns', 'unshare',
      'fanotify_init', 'lookup_dcookie', 'quotactl', 'quotactl_fd', 'setdomainname', 'sethostname',
    ],
    capabilities: ['SYS_ADMIN'],
  },
  { names: ['bpf'], capabilities: ['SYS_ADMIN', 'BPF'] },
  { names: ['perf_event_open'], capabilities: ['SYS_ADMIN', 'PERFMON'] },
  { names: ['syslog'], capabilities: ['SYS_ADMIN', 'SYSLOG'] },
  { names: ['open_by_handle_at'], capabilities: ['DAC_READ_SEARCH'] },
  { names: ['reboot'], capabilities: ['SYS_BOOT'] },
  { names: ['init_module', 'finit_module', 'delete_module'], capabilities: ['SYS_MODULE'] },
  { names: ['acct'], capabilities: ['SYS_PACCT'] },
  { names: ['kcmp', 'pidfd_getfd', 'process_madvise'], capabilities: ['SYS_PTRACE'] },
  { names: ['iopl', 'ioperm'], capabilities: ['SYS_RAWIO'] },
  { names: ['settimeofday', 'stime', 'clock_settime', 'clock_settime64', 'clock_adjtime', 'clock_adjtime64'], capabilities: ['SYS_TIME'] },
  { names: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node', 'move_pages', 'migrate_pages'], capabilities: ['SYS_NICE'] },
  { names: ['vhangup'], capabilities: ['SYS_TTY_CONFIG'] },
];

/** Of clone(2): NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS: readonly number[] = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000];

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

/** `machine` as Node.js calls it: programs of its older sibling run too. */
export function defaultSeccomp(capabilities: readonly string[], machine: string): OciSeccomp {
  const has = (wanted: readonly string[]) => wanted.some((name) => capabilities.includes(name));
  const refused = BY_CAPABILITY.filter(({ capabilities: wanted }) => !has(wanted)).flatMap(({ names }) => names);
  const rules: OciSyscallRule[] = [{ names: [...ALWAYS_REFUSED, ...refused], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM }];
  rules.push({ names: ['personality'], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [{ index: 0, value: 0, op: 'SCMP_CMP_NE' }] });
  if (!has(['SYS_ADMIN'])) rules.push(...namespaceRules());
  return { defaultAction: 'SCMP_ACT_ALLOW', architectures: ARCHITECTURES[machine], syscalls: rules };
}

/** The flags of clone3 are behind a pointer, which no filter sees: C libraries that hear of no such call take the older one. */
function namespaceRules(): OciSyscallRule[] {
  const rules = NAMESPACE_FLAGS.map((flag): OciSyscallRule => {
    return { names: ['clone'], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }] };
  });
  return [...rules, { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }];
}
