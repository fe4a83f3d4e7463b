/** How a container is started: scripts, specifications, rights, limits, networks. What they do is tried in the conformance suite. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { fc } from '../../../../base/property.ts';
import { capabilitiesOf, parseCapabilities } from '../../../../../src/agent/runtime/linux/core/capabilities.ts';
import {
  parseOomKills,
  parseStat,
  planCgroup,
  planUpdate,
  readLayout,
  sharesOf,
  weightOf,
} from '../../../../../src/agent/runtime/linux/core/cgroup-plan.ts';
import { readComplaint, readExecComplaint } from '../../../../../src/agent/runtime/linux/core/complaint.ts';
import type { ProcessPlan } from '../../../../../src/agent/runtime/linux/core/container-run.ts';
import { fstabOf, initScript, joinLines, type Tools } from '../../../../../src/agent/runtime/linux/core/init-script.ts';
import {
  neighbourRouteBatch,
  nodeBatch,
  nodeNetworkOf,
  podBatch,
  podLinkName,
} from '../../../../../src/agent/runtime/linux/core/node-network.ts';
import { ociProcess } from '../../../../../src/agent/runtime/linux/core/oci-spec.ts';
import type { ContainerResources } from '../../../../../src/agent/runtime/runtime.ts';
import { hostsFile, resolvConf } from '../../../../../src/agent/runtime/linux/core/pod-files.ts';
import { defaultSeccomp } from '../../../../../src/agent/runtime/linux/core/seccomp-profile.ts';
import { fstabField, quote, quoteAll } from '../../../../../src/agent/runtime/linux/core/shell-words.ts';

const tools: Tools = {
  sh: '/bin/sh',
  mount: '/bin/mount',
  umount: '/bin/umount',
  pivotRoot: '/sbin/pivot_root',
  setpriv: '/bin/setpriv',
  unshare: '/bin/unshare',
  nsenter: '/bin/nsenter',
  env: '/bin/env',
  ip: '/sbin/ip',
};
const plan: ProcessPlan = {
  command: ['node', "it's", '$HOME'],
  env: { PATH: '/bin', LD_PRELOAD: '/evil.so' },
  workingDir: '',
  user: 0,
  group: 0,
  supplementalGroups: [],
  becomesUser: 'real',
  capabilities: ['CHOWN', 'KILL'],
  noNewPrivileges: false,
  terminal: false,
};
const script = (extra: Partial<ProcessPlan> = {}) =>
  initScript({
    tools,
    directory: '/c d',
    rootPath: '/c d/root',
    process: { ...plan, ...extra },
    joins: joinLines(['/cg/cgroup.procs'], 300),
  });

test('quote() is one word of a shell, whatever it holds', () => {
  const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (words) => {
      const { stdout } = spawnSync('sh', ['-c', `for word in ${quoteAll(words)}; do printf '%s\\0' "$word"; done`], {
        encoding: 'utf8',
      });
      expect(stdout).toBe(words.map((one) => `${one}\0`).join(''));
    }),
    { numRuns: 50 },
  );
  expect(quote('')).toBe("''");
});

test('fstabField() has no blank, comment or escape of its own', () => {
  expect(fstabField('/a b\tc\\d#e')).toBe('/a\\040b\\011c\\134d\\043e');
});

test('initScript() changes the root before it gives up rights, and gives them up before the container has a say', () => {
  const lines = script().trim().split('\n');
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  expect(at('cgroup.procs')).toBeLessThan(at('mount --all'));
  expect(at('mount --all')).toBeLessThan(at('pivot_root'));
  expect(at('pivot_root')).toBeLessThan(at('umount -l'));
  expect(at('umount -l')).toBeLessThan(at('setpriv'));
  // Nothing of the container's environment is read by a tool that can still do everything.
  expect(lines.filter((line) => line.includes('LD_PRELOAD'))).toEqual([lines.at(-1)]);
  expect(lines.at(-1)).toMatch(
    /^exec \/bin\/setpriv .*--bounding-set=-all,\+chown,\+kill -- \/bin\/env -i PATH=\/bin LD_PRELOAD=\/evil.so node 'it'\\''s' '\$HOME'$/,
  );
});

test('initScript() gives an ordinary user another number in a namespace within', () => {
  expect(script({ user: 7, group: 8, supplementalGroups: [9], becomesUser: 'only' })).toContain(
    'exec /bin/unshare --user --map-user=7 --map-group=8 -- /bin/setpriv --inh-caps=-all',
  );
  expect(script({ becomesUser: 'only' })).not.toContain('--map-user');
  expect(script({ user: 7, group: 8, supplementalGroups: [9, 10] })).toContain('--reuid=7 --regid=8 --groups=9,10');
});

test('fstabOf() mounts the root first, and what is of /proc from the container', () => {
  const mounts = [
    { type: 'bind' as const, source: '/proc/sys', target: '/proc/sys', options: ['bind', 'ro'] },
    { type: 'tmpfs' as const, source: 'shm', target: '/dev/shm', options: ['size=1m'] },
  ];
  expect(
    fstabOf(
      '/c d',
      { lowerDirs: [], entries: [], mounts },
      { rootPath: '/c d/root', isReadOnly: true, inUserNamespace: false },
    ),
  ).toBe(
    '/c\\040d/root /c\\040d/root none bind,ro 0 0\n/c\\040d/root/proc/sys /c\\040d/root/proc/sys none bind,ro 0 0\nshm /c\\040d/root/dev/shm tmpfs size=1m 0 0\n',
  );
});

test('fstabOf() makes the root of an image an overlay', () => {
  const image = { lowerDirs: ['/i/a:b', '/i/c'], entries: [], mounts: [] };
  expect(fstabOf('/c', image, { rootPath: '/c/root', isReadOnly: false, inUserNamespace: true })).toBe(
    'overlay /c/root overlay lowerdir=/i/a\\134:b:/i/c,upperdir=/c/upper,workdir=/c/work,userxattr,rw 0 0\n',
  );
});

test('capabilitiesOf() drops, adds, and never has what the machine has not', () => {
  const all = parseCapabilities('1ffffffffff');
  expect(all.length).toBe(41);
  expect(parseCapabilities('5')).toEqual(['CHOWN', 'DAC_READ_SEARCH']);
  expect(capabilitiesOf({}, all)).toContain('NET_BIND_SERVICE');
  expect(capabilitiesOf({}, all)).not.toContain('SYS_ADMIN');
  expect(capabilitiesOf({ dropCapabilities: ['ALL'], addCapabilities: ['net_admin', 'CAP_KILL'] }, all)).toEqual([
    'KILL',
    'NET_ADMIN',
  ]);
  expect(capabilitiesOf({ dropCapabilities: ['CHOWN'] }, all)).not.toContain('CHOWN');
  expect(capabilitiesOf({ addCapabilities: ['ALL'] }, ['CHOWN', 'BPF'])).toEqual(['CHOWN', 'BPF']);
  expect(capabilitiesOf({ privileged: true, dropCapabilities: ['ALL'] }, ['CHOWN', 'BPF'])).toEqual(['CHOWN', 'BPF']);
});

test("planCgroup() writes limits for both of the kernel's interfaces", () => {
  const resources = { cpuRequestMilli: 250, cpuLimitMilli: 500, memoryLimitBytes: 64 << 20, processesMax: 9 };
  const text = (version: 1 | 2, given = resources) =>
    planCgroup(version, given).map(({ file, value }) => `${file}=${value}`);
  expect(text(1)).toEqual([
    'memory.limit_in_bytes=67108864',
    'cpu.shares=256',
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=50000',
    'pids.max=9',
  ]);
  expect(text(2)).toEqual([
    'memory.max=67108864',
    'memory.swap.max=0',
    'cpu.weight=10',
    'cpu.max=50000 100000',
    'pids.max=9',
  ]);
  // The kernel refuses a quota below a thousandth of a second.
  expect(planCgroup(1, { cpuLimitMilli: 1 }).at(-1)).toEqual({
    controller: 'cpu',
    file: 'cpu.cfs_quota_us',
    value: '1000',
  });
  expect([sharesOf(0), sharesOf(1_000_000)]).toEqual([2, 262_144]);
  expect([weightOf(2), weightOf(1_024), weightOf(262_144)]).toEqual([1, 39, 10_000]);
});

test('planUpdate() leaves alone what is not named', () => {
  const text = (version: 1 | 2, given: ContainerResources) =>
    planUpdate(version, given).map(({ file, value }) => `${file}=${value}`);
  expect(text(1, { memoryLimitBytes: 4_096 })).toEqual(['memory.limit_in_bytes=4096']);
  expect(text(2, { cpuRequestMilli: 100, cpuLimitMilli: 200 })).toEqual(['cpu.weight=4', 'cpu.max=20000 100000']);
});

test('defaultSeccomp() refuses what a container has no capability for', () => {
  const refused = (capabilities: readonly string[]) =>
    defaultSeccomp(capabilities, 'x64')
      .syscalls.filter(({ args }) => args === undefined)
      .flatMap(({ names }) => names);
  const usual = refused(capabilitiesOf({}, ['CHOWN', 'SYS_CHROOT', 'SYS_ADMIN', 'SYS_TIME']));
  for (const name of ['mount', 'setns', 'bpf', 'keyctl', 'clock_settime', 'clone3', 'open_by_handle_at'])
    expect(usual).toContain(name);
  for (const name of ['ptrace', 'clone', 'socket', 'chroot']) expect(usual).not.toContain(name);
  const administrator = refused(['SYS_ADMIN']);
  for (const name of ['mount', 'bpf', 'clone3']) expect(administrator).not.toContain(name);
  expect(administrator).toContain('keyctl');
  expect(defaultSeccomp([], 'riscv64').architectures).toBeUndefined();
});

test('what the kernel says of cgroups is read', () => {
  const v1 =
    '26 25 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n30 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n';
  expect(readLayout(v1)).toEqual({
    version: 1,
    roots: {
      memory: '/sys/fs/cgroup/memory',
      cpu: '/sys/fs/cgroup/cpu,cpuacct',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
    },
  });
  expect(readLayout('30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n')).toEqual({
    version: 2,
    root: '/sys/fs/cgroup',
  });
  expect(readLayout('25 24 0:5 / /dev rw - devtmpfs devtmpfs rw\n')).toBeUndefined();
  expect(parseOomKills('oom_kill_disable 0\nunder_oom 0\noom_kill 3\n')).toBe(3);
  expect(parseOomKills('low 0\noom 2\noom_kill 1\noom_group_kill 0\n')).toBe(1);
  expect(parseStat('cache 5\ntotal_inactive_file 7\n', 'total_inactive_file')).toBe(7);
});

test('readExecComplaint() names the program that is not there in the same words, whoever says it', () => {
  const missing = 'exec: "no": executable file not found in $PATH';
  expect(readExecComplaint('executable file `no` not found in $PATH: No such file or directory\n')).toBe(missing);
  expect(
    readExecComplaint(
      'time="…" level=error msg="exec failed: unable to start container process: exec: \\"no\\": executable file not found in $PATH"\n',
    ),
  ).toBe(missing);
  expect(readExecComplaint('open `/proc/self`: Permission denied\n')).toBe('open `/proc/self`: Permission denied');
  expect(readExecComplaint('\n')).toBeUndefined();
});

test('readComplaint() takes the last word, and the message out of a log', () => {
  expect(readComplaint('mount: first\nexec: "x": executable file not found in $PATH\n')).toBe(
    'exec: "x": executable file not found in $PATH',
  );
  expect(
    readComplaint(
      'time="2026" level=warning msg="no"\ntime="2026" level=error msg="runc run failed: exec: \\"x\\": not found"\n',
    ),
  ).toBe('runc run failed: exec: "x": not found');
  expect(readComplaint('')).toBe('');
});

test('the network of a node begins with its own address', () => {
  const network = nodeNetworkOf('10.244.3.0/24')!;
  expect(network).toEqual({ podCidr: '10.244.3.0/24', gateway: '10.244.3.1', prefixBits: 24, linkName: 'n244.3.1' });
  expect(nodeNetworkOf('10.244.3.0')).toBeUndefined();
  expect(nodeBatch(network, '10.96.0.0/16')).toContain('route add 10.96.0.0/16 dev lo\n');
  expect(podBatch('pod8', '10.244.3.9', network, 77)).toBe(
    'link set lo up\nlink add eth0 type veth peer name pod8 netns 77\naddr add 10.244.3.9/24 dev eth0\nlink set eth0 up\nroute add default via 10.244.3.1\n',
  );
  expect(podLinkName('10.244.3.9', '10.244.3.0/24')).toBe('pod8');
  // The kernel's limit for the name of a link is 15.
  expect(nodeNetworkOf('10.255.255.0/24')!.linkName.length).toBeLessThan(16);
  const other = nodeNetworkOf('10.244.4.0/24')!;
  expect(neighbourRouteBatch(network, other)).toContain(
    'route replace 10.244.4.0/24 via 10.244.4.1 dev n244.4.1 src 10.244.3.1\n',
  );
});

test('ociProcess() leaves a program of another user nothing of its rights but their bounds', () => {
  const { capabilities, user } = ociProcess({ ...plan, user: 5, group: 6, supplementalGroups: [7] });
  expect(capabilities).toEqual({
    bounding: ['CAP_CHOWN', 'CAP_KILL'],
    effective: [],
    permitted: [],
    inheritable: [],
    ambient: [],
  });
  expect(user).toEqual({ uid: 5, gid: 6, additionalGids: [7] });
});

test('the files of a pod below /etc', () => {
  expect(resolvConf({ servers: ['10.96.0.10'], searches: ['a', 'b'], options: ['ndots:5'] })).toBe(
    'nameserver 10.96.0.10\nsearch a b\noptions ndots:5\n',
  );
  expect(resolvConf({ servers: [], searches: [], options: [] })).toBe('');
  expect(
    hostsFile({ ip: '10.1.1.1', hostnames: ['p'], aliases: [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }] }),
  ).toContain('10.1.1.1\tp\n1.2.3.4\tx\ty\n');
});
