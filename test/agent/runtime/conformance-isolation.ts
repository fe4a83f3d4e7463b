/** What a container sees of its machine, its volumes, its image and its pod, and whom it runs as. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deepEqual, equal, ok } from 'node:assert/strict';
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
      deepEqual(mounted.filter((path) => !/^\/($|usr$|s?bin$|lib\w*$|etc\/|dev\/|proc($|\/)|sys$)/.test(path)), [], 'nothing else is mounted, such as what was the root before');
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
];
