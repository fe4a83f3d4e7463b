/** What a container sees of its machine, its volumes, its image and its pod, and whom it runs as. */
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import type { Case } from './conformance.ts';

export const ISOLATION_CASES: readonly Case[] = [
  {
    name: 'a volume appears where it is mounted, and cannot be written when it is read-only',
    needs: [],
    run: async (world) => {
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(join(volume, 'inner'), { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      const mounts = [
        { containerPath: '/data/config', hostPath: volume, readOnly: true },
        { containerPath: '/data/out', hostPath: volume, readOnly: false },
      ];
      equal(await world.output('cat data/config/key; echo more >data/out/new; cat data/config/new', { mounts }), 'value\nmore\n');
      equal(readFileSync(join(volume, 'new'), 'utf8'), 'more\n');
      if (world.subject.lacks.has('isolation')) return;
      const file = { containerPath: '/etc/one.conf', hostPath: join(volume, 'key'), readOnly: true };
      const script = 'cat /etc/one.conf; touch /data/config/x 2>/dev/null || echo refused; cat /data/out/inner/key; cat ../../out/key';
      const climbing = { containerPath: '/data/../../out', hostPath: volume, readOnly: true };
      const nested = { containerPath: '/data/out/inner', hostPath: volume, readOnly: true };
      equal(await world.output(script, { name: 'more', mounts: [...mounts, nested, file, climbing] }), 'value\nrefused\nvalue\nvalue\n');
    },
  },
  {
    name: 'an image that is not here is refused, and the machine\'s programs need a command',
    needs: ['isolation', 'host-image'],
    run: async (world) => {
      for (const [extra, what] of [[{ image: 'busybox:1.35' }, 'busybox'], [{ command: [] }, 'command']] as const) {
        await world.run('true', extra).then(
          () => ok(false, `${what}: it was made`),
          (error: Error) => ok(error.message.includes(what), error.message),
        );
      }
    },
  },
  {
    name: "a container sees the machine's programs, and nothing else of the machine",
    needs: ['isolation', 'host-image'],
    run: async (world) => {
      const text = await world.output(`ls / | tr '\\n' ' '; echo; ls -d /home /root /var ${world.subject.root} 2>/dev/null; cat /proc/1/comm; hostname;
        touch /usr/x 2>/dev/null || echo no usr; { echo 1 >/proc/sys/vm/drop_caches; } 2>/dev/null || echo no sysctl; echo ok >/tmp/x && cat /tmp/x; head -c 1 /dev/zero | wc -c; ls /sys/fs/cgroup | wc -l; [ -w /sys/kernel ] || touch /sys/kernel/x 2>/dev/null || echo no sys`);
      const lines = text.trim().split('\n');
      ok(/^bin dev etc lib (lib32 )?(lib64 )?(libx32 )?proc run sbin sys tmp usr $/.test(lines[0]!), lines[0]);
      deepEqual(lines.slice(1, 7), ['sh', 'pod-a', 'no usr', 'no sysctl', 'ok', '1']);
      equal(lines.at(-1), 'no sys');
      const mounted = (await world.output("cut -d' ' -f5 /proc/self/mountinfo", { name: 'mounts' })).trim().split('\n');
      deepEqual(mounted.filter((path) => !/^\/($|usr$|s?bin$|lib\w*$|etc\/|dev\/|proc($|\/)|sys($|\/))/.test(path)), [], 'nothing else is mounted, such as what was the root before');
    },
  },
  {
    name: 'a privileged container has the devices of its machine, and no other one has',
    needs: ['isolation'],
    run: async (world) => {
      const isRoot = process.getuid?.() === 0;
      const list = 'cd /dev && find . \\( -name pts -o -name shm -o -name mqueue \\) -prune -o \\( -type c -o -type b \\) -print';
      const here = spawnSync('sh', ['-c', `${list} | while read -r one; do [ -r $one ] && echo $one; done`], { encoding: 'utf8' }).stdout.trim().split('\n');
      const own = ['console', 'full', 'null', 'ptmx', 'random', 'tty', 'urandom', 'zero'].map((name) => `./${name}`);
      const others = here.filter((path) => !own.includes(path));
      ok(others.length > 0, 'this machine has devices');
      await world.pod('pod-a', { privileged: true });
      const security = { privileged: true };
      const script = (paths: readonly string[]) => `cd /dev; for one in ${paths.join(' ')}; do [ -c $one ] || [ -b $one ] || echo no $one; done; ${isRoot ? 'dd if=/dev/kmsg of=/dev/null count=0 && ' : ''}echo done`;
      equal(await world.output(`(${script(others)}) 2>/dev/null`, { security }), 'done\n');
      equal((await world.output(list, { name: 'plain' })).split('\n').filter((path) => others.includes(path)).join(' '), '');
    },
  },
  {
    name: 'a read-only root is read-only but for its volumes',
    needs: ['isolation'],
    run: async (world) => {
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      const mounts = [{ containerPath: '/data', hostPath: volume, readOnly: false }];
      equal(await world.output('touch /x 2>/dev/null || echo no; touch /etc/x 2>/dev/null || echo no; touch /data/x && echo yes', { mounts, security: { readOnlyRoot: true } }), 'no\nno\nyes\n');
    },
  },
  {
    name: 'names, addresses and settings of the pod are as it asks',
    needs: ['isolation'],
    run: async (world) => {
      const dns = { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local', 'svc.cluster.local'], options: ['ndots:5'] };
      const ip = await world.pod('pod-a', { dns, hostAliases: [{ ip: '10.1.2.3', hostnames: ['far', 'away'] }], sysctls: { 'net.ipv4.ip_local_port_range': '20000 30000' } });
      const resolvConf = (await world.output('sort /etc/resolv.conf', { name: 'names' })).trim();
      equal(resolvConf, 'nameserver 10.96.0.10\noptions ndots:5\nsearch default.svc.cluster.local svc.cluster.local');
      const text = await world.output(`grep -E 'far|pod-a' /etc/hosts; cat /etc/hostname /proc/sys/net/ipv4/ip_local_port_range | tr '\\t' ' '; ip -4 -o addr show eth0 | grep -o '10[0-9./]*' | head -1`);
      equal(text, `${ip}\tpod-a\n10.1.2.3\tfar\taway\n`.replaceAll('\t', '\t') + `pod-a\n20000 30000\n${ip}/24\n`);
    },
  },
  {
    name: 'a program has the user, the groups and the rights that it was given',
    needs: ['many-users'],
    run: async (world) => {
      const security = { user: 1234, group: 1235, supplementalGroups: [7, 8], noNewPrivileges: true };
      equal(await world.output('id -u; id -g; id -G; grep -E "CapEff|NoNewPrivs" /proc/self/status', { security }), '1234\n1235\n1235 7 8\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n');
    },
  },
  {
    name: 'a program has another number for its user, also where there is one user only',
    needs: ['isolation'],
    run: async (world) => {
      equal(await world.output('id -u; id -g; echo x >/tmp/x && cat /tmp/x; grep CapEff /proc/self/status', { security: { user: 1234, group: 1235 } }), '1234\n1235\nx\nCapEff:\t0000000000000000\n');
    },
  },
  {
    name: 'containers of a pod that share their processes see each other, and each ends by itself',
    needs: ['isolation', 'shared-processes'],
    run: async (world) => {
      await world.pod('pod-a', { processes: 'of-the-pod' });
      const first = await world.run('exec sleep 1111', { name: 'first' });
      const seen = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "';
      const second = await world.run(`setsid sleep 2222 & until ${seen} | grep -q "sleep 1111"; do sleep 0.02; done; cat /proc/1/comm; exec sleep 3333`, { name: 'second' });
      await world.said(second, '\n');
      ok(['sh', 'sleep'].includes((await world.log(second)).trim()), 'the first process of the pod is not one of its containers');
      ok((await world.runtime.exec(first, ['sh', '-c', seen], 5_000)).output.includes('sleep 3333'), 'both ways');
      await world.runtime.stopContainer(second, 0);
      equal((await world.record(first)).state, 'running');
      if (!world.subject.lacks.has('limits')) await world.until('the end of what it left', async () => !(await world.runtime.exec(first, ['sh', '-c', seen], 5_000)).output.includes('sleep 2222') || undefined);
      const { pause } = JSON.parse(readFileSync(join(world.subject.root, 'pods/pod-a/sandbox.json'), 'utf8')) as { pause: { pid: number } };
      sendSignal(pause.pid, 'SIGKILL');
      equal((await world.exited(first)).exitCode, 137);
    },
  },
  {
    name: 'a container sees the processes and the shared memory of the machine where its pod says so',
    needs: ['isolation', 'limits', 'shared-processes'],
    run: async (world) => {
      await world.pod('pod-a', { processes: 'of-the-machine', hostIpc: true });
      const id = await world.run(`tr '\\0' ' ' </proc/${process.pid}/cmdline; readlink /proc/self/ns/ipc; setsid sleep 4444 & exec sleep 5555`);
      await world.said(id, 'ipc');
      const text = await world.log(id);
      ok(text.includes('conformance-main') && text.includes(readlinkSync('/proc/self/ns/ipc')), text);
      await world.runtime.stopContainer(id, 0);
      await world.until('the end of what it left', () => !world.subject.census().some((line) => line.includes('sleep 4444')) || undefined);
    },
  },
  {
    name: 'containers of a pod share their memory, as much as container runtimes give, and no other pod sees it',
    needs: ['isolation'],
    run: async (world) => {
      await world.output('echo kept >/dev/shm/a; stat -f -c %T /dev/shm', { name: 'first' });
      equal(await world.output("cat /dev/shm/a; echo $(($(stat -f -c '%b * %S' /dev/shm) / 1048576)); stat -c %a /dev/shm", { name: 'second' }), 'kept\n64\n1777\n');
      equal(await world.output('ls /dev/shm | wc -l', { uid: 'pod-b' }), '0\n');
    },
  },
  {
    name: 'a container that is added to look at another one sees its processes, and ends with them',
    needs: ['isolation', 'shared-processes'],
    run: async (world) => {
      const target = await world.run('exec sleep 1111', { name: 'target', security: { user: 1234 } });
      const alone = await world.output('cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l', { name: 'alone' });
      ok(!alone.includes('sleep'), alone);
      const script = 'tr "\\0" " " </proc/1/cmdline; echo; setsid sleep 2222 & sleep 3333; echo ended';
      const beside = await world.run(script, { name: 'beside', processesOf: target });
      await world.said(beside, 'sleep 1111');
      equal((await world.runtime.exec(beside, ['sh', '-c', 'tr "\\0" " " </proc/1/cmdline'], 5_000)).output.trim(), 'sleep 1111');
      const second = await world.run('exec sleep 4444', { name: 'second', processesOf: target });
      await world.runtime.stopContainer(second, 0);
      equal((await world.record(target)).state, 'running', 'it ends by itself');
      await world.runtime.stopContainer(target, 0);
      equal((await world.exited(beside)).exitCode, 137);
      await world.until('the end of what it left', () => !world.subject.census().some((line) => /sleep [1-4]{4}/.test(line)) || undefined);
      const late = await world.exited(await world.run('true', { name: 'late', processesOf: target }));
      deepEqual([late.reason, late.message?.includes('does not run')], ['StartError', true]);
    },
  },
  {
    name: 'calls of the kernel are refused by the profile that the pod names, and nothing of /proc is hidden if it says so',
    needs: ['filters'],
    run: async (world) => {
      const script = 'unshare --user true 2>/dev/null && echo made || echo refused; grep -c " /proc/sys " /proc/self/mountinfo; mkdir /tmp/x 2>/dev/null && echo made || echo refused';
      equal(await world.output(script, { name: 'free' }), 'made\n1\nmade\n');
      equal(await world.output(script, { name: 'usual', security: { seccomp: { kind: 'runtime-default' } } }), 'refused\n1\nmade\n');
      const profile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }] };
      mkdirSync(join(world.subject.root, 'seccomp/own'), { recursive: true });
      writeFileSync(join(world.subject.root, 'seccomp/own/no-mkdir.json'), JSON.stringify(profile));
      const own = { seccomp: { kind: 'localhost', path: 'own/no-mkdir.json' }, unmaskedProc: true } as const;
      equal(await world.output(script, { name: 'own', security: own }), 'made\n0\nrefused\n');
      const lost = await world.exited(await world.run('true', { name: 'lost', security: { seccomp: { kind: 'localhost', path: '../none.json' } } }));
      deepEqual([lost.reason, lost.message?.includes('../none.json cannot be read')], ['StartError', true]);
    },
  },
];
