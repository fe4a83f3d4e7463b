/**
 * Version 2 of cgroups on the machine's own kernel: where version 1 has all controllers, its hierarchy has none to give, and
 * yet processes join, are ended and are gone. The values of limits are in core/start.test.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { Cgroups } from '../../../../src/agent/runtime/linux/cgroups.ts';

const unified = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1];
const isRoot = process.getuid?.() === 0;

test.skipIf(unified === undefined || !isRoot)('a process joins a cgroup of version 2, and is gone with it', async () => {
  const node = `test-${process.pid}`;
  const cgroups = Cgroups.open(node, systemClock, `30 25 0:27 / ${unified} rw - cgroup2 cgroup2 rw\n`);
  if (cgroups === undefined) throw new Error('the hierarchy is there, and ours to write');
  expect(cgroups.version).toBe(2);
  cgroups.make('pod', { cpuRequestMilli: 100, memoryLimitBytes: 1 << 30 });
  const [procs = ''] = cgroups.make('pod/main-0', { cpuLimitMilli: 500, processesMax: 20 });
  const child = spawn('sh', ['-c', `echo 0 >${procs}; sleep 1000 & exec sleep 1000`], { stdio: 'ignore' });
  try {
    await expect.poll(() => readFileSync(procs, 'utf8').trim().split('\n').length).toBe(2);
    expect(cgroups.list()).toEqual(['pod']);
    expect(cgroups.oomKills('pod/main-0')).toBe(0);
    cgroups.update('pod/main-0', {});
    const ended = once(child, 'exit');
    await cgroups.remove('pod');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(cgroups.list()).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await cgroups.remove('');
  }
  expect(existsSync(join(unified ?? '', 'podium', node))).toBe(false);
});

/** No kernel: the files of a hierarchy with all controllers, as a directory, by Documentation/admin-guide/cgroup-v2.rst. What is written to them is seen. */
test('limits of pods and containers are written where version 2 has them', () => {
  const root = mkdtempSync(join(tmpdir(), 'podium-cgroup2-'));
  try {
    writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu io memory hugetlb pids rdma misc\n');
    const cgroups = Cgroups.open('node', systemClock, `30 25 0:27 / ${root} rw - cgroup2 cgroup2 rw\n`)!;
    expect(cgroups.controllers).toEqual(['memory', 'cpu', 'pids']);
    cgroups.make('pod', { cpuRequestMilli: 1_000, memoryLimitBytes: 1 << 20 });
    const main = join(root, 'podium/node/pod/main-0');
    mkdirSync(main);
    // Made by a kernel that has swap, with the cgroup; the pod's is one of a kernel that has none.
    writeFileSync(join(main, 'memory.swap.max'), 'max\n');
    cgroups.make('pod/main-0', { memoryLimitBytes: 1 << 20, processesMax: 64 });
    const read = (path: string) => readFileSync(join(root, 'podium/node', path), 'utf8');
    for (const path of ['', 'pod']) expect(read(join(path, 'cgroup.subtree_control'))).toBe('+memory +cpu +pids');
    expect(existsSync(join(root, 'podium/node/pod/main-0/cgroup.subtree_control'))).toBe(false);
    expect([read('pod/memory.max'), read('pod/cpu.weight')]).toEqual(['1048576', '39']);
    expect(existsSync(join(root, 'podium/node/pod/memory.oom.group'))).toBe(false);
    expect(existsSync(join(root, 'podium/node/pod/memory.swap.max'))).toBe(false);
    expect([read('pod/main-0/memory.oom.group'), read('pod/main-0/memory.swap.max'), read('pod/main-0/pids.max')]).toEqual(['1', '0', '64']);
    expect(existsSync(join(main, 'cpu.max'))).toBe(false);
    cgroups.update('pod/main-0', { cpuLimitMilli: 250 });
    expect([read('pod/main-0/memory.max'), read('pod/main-0/cpu.max')]).toEqual(['1048576', '25000 100000']);
    writeFileSync(join(main, 'memory.events'), 'low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n');
    expect(cgroups.oomKills('pod/main-0')).toBe(3);
    writeFileSync(join(main, 'memory.current'), '900000\n');
    writeFileSync(join(main, 'memory.stat'), 'anon 800000\ninactive_file 100000\n');
    writeFileSync(join(main, 'cpu.stat'), 'usage_usec 12500\nuser_usec 12000\n');
    expect(cgroups.usage('pod/main-0')).toEqual({ cpuMs: 12.5, memoryBytes: 800_000 });
    expect(() => cgroups.update('pod/main-0', { memoryLimitBytes: 700_000 })).toThrow('the limit memory.max of 700000 cannot be set: more than that is in use');
    cgroups.update('pod/main-0', { memoryLimitBytes: 850_000 });
    expect(read('pod/main-0/memory.max')).toBe('850000');
    mkdirSync(join(root, 'podium/node/other'));
    expect(cgroups.list()).toEqual(['other', 'pod']);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
