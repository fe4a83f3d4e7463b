/** What containers of the cri runtime share and what confines them: tried by what the kernel says of their processes. */
import { equal, ok } from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, World } from '../conformance.ts';

const RUNS = 'while :; do sleep 0.1; done';

/** As the machine sees it. */
async function pidOf(world: World, id: string): Promise<number> {
  return world.until('its pid', async () => (await world.record(id)).pid);
}

/** Of a controller of version 1, or of all. */
async function cgroupOf(world: World, id: string, controller: string): Promise<string> {
  const lines = readFileSync(`/proc/${await pidOf(world, id)}/cgroup`, 'utf8').split('\n');
  const line = lines.find((one) => one.split(':')[1]?.split(',').includes(controller)) ?? lines.find((one) => one.startsWith('0::')) ?? '';
  return line.split(':')[2] ?? '';
}

function fileOf(path: string, v1: string, v2: string): string {
  const [controller = ''] = v1.split('.');
  const old = join('/sys/fs/cgroup', controller, path, v1);
  return readFileSync(existsSync(old) ? old : join('/sys/fs/cgroup', path, v2), 'utf8').trim();
}

export const ISOLATION_CASES: readonly Case[] = [
  {
    name: 'containers of a pod share their processes, or those of the machine, or those of the container that they are to look into',
    needs: ['isolation'],
    run: async (world) => {
      const seen = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "';
      await world.pod('pod-a', { processes: 'of-the-pod' });
      await world.run('exec sleep 1111', { name: 'first' });
      const second = await world.run(`until ${seen} | grep -q "sleep 1111"; do sleep 0.02; done; echo met; ${RUNS}`, { name: 'second' });
      await world.said(second, 'met');
      await world.pod('pod-b');
      const target = await world.run('exec sleep 2222', { uid: 'pod-b', name: 'target' });
      const alone = await world.run(RUNS, { uid: 'pod-b', name: 'alone' });
      const looks = await world.run(RUNS, { uid: 'pod-b', name: 'looks', processesOf: target });
      const sees = async (id: string) => (await world.runtime.exec(id, ['sh', '-c', seen], 5_000)).output.includes('sleep 2222');
      equal(await sees(alone), false);
      equal(await sees(looks), true);
      equal(readlinkSync(`/proc/${await pidOf(world, looks)}/ns/pid`), readlinkSync(`/proc/${await pidOf(world, target)}/ns/pid`));
      await world.pod('pod-c', { processes: 'of-the-machine', hostIpc: true });
      const id = await world.run(RUNS, { uid: 'pod-c' });
      for (const space of ['pid', 'ipc']) equal(readlinkSync(`/proc/${await pidOf(world, id)}/ns/${space}`), readlinkSync(`/proc/self/ns/${space}`), space);
    },
  },
  {
    name: 'calls of the kernel are refused by the profile that the pod names; nobody else is confined, and nothing of /proc is hidden if it says so',
    needs: ['isolation'],
    run: async (world) => {
      const script = 'unshare --user true 2>/dev/null && echo made || echo refused; grep -c " /proc/sys " /proc/self/mountinfo; mkdir /tmp/x 2>/dev/null && echo made || echo refused';
      equal(await world.output(script, { name: 'free' }), 'made\n1\nmade\n');
      equal(await world.output(script, { name: 'usual', security: { seccomp: { kind: 'runtime-default' } } }), 'refused\n1\nmade\n');
      mkdirSync(join(world.subject.root, 'seccomp/own'), { recursive: true });
      const profile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }] };
      writeFileSync(join(world.subject.root, 'seccomp/own/no-mkdir.json'), JSON.stringify(profile));
      equal(await world.output(script, { name: 'own', security: { seccomp: { kind: 'localhost', path: 'own/no-mkdir.json' }, unmaskedProc: true } }), 'made\n0\nrefused\n');
      const lost = await world.run('true', { name: 'lost', security: { seccomp: { kind: 'localhost', path: 'none.json' } } }).then(() => '', (error: Error) => error.message);
      ok(lost.includes('none.json'), lost);
    },
  },
  {
    name: 'cgroups of pods are in those of their class, with its share and their own limits, and go with them',
    needs: ['isolation', 'limits'],
    run: async (world) => {
      await world.pod('pod-a', { qosClass: 'Guaranteed', resources: { cpuRequestMilli: 500, memoryLimitBytes: 64 << 20 } });
      await world.pod('pod-b', { qosClass: 'Burstable', resources: { cpuRequestMilli: 250 } });
      await world.pod('pod-c', { qosClass: 'BestEffort' });
      const [a, b, c] = await Promise.all(['pod-a', 'pod-b', 'pod-c'].map(async (uid) => cgroupOf(world, await world.run(RUNS, { uid }), 'cpu')));
      ok(/^\/podium\/\w+\/podpod-a\//.test(a!) && /^\/podium\/\w+\/burstable\/podpod-b\//.test(b!) && /^\/podium\/\w+\/besteffort\/podpod-c\//.test(c!), [a, b, c].join(' '));
      const [, node = ''] = /^(\/podium\/\w+)\//.exec(a!) ?? [];
      equal(fileOf(`${node}/podpod-a`, 'memory.limit_in_bytes', 'memory.max'), String(64 << 20));
      equal(fileOf(`${node}/podpod-a`, 'cpu.shares', 'cpu.weight'), existsSync('/sys/fs/cgroup/cpu') ? '512' : '20');
      equal(fileOf(`${node}/burstable`, 'cpu.shares', 'cpu.weight'), existsSync('/sys/fs/cgroup/cpu') ? '256' : '10');
      equal(fileOf(`${node}/besteffort`, 'cpu.shares', 'cpu.weight'), existsSync('/sys/fs/cgroup/cpu') ? '2' : '1');
      await world.runtime.updatePodSandboxResources?.('pod-b', { cpuRequestMilli: 1_000 });
      equal(fileOf(`${node}/burstable`, 'cpu.shares', 'cpu.weight'), existsSync('/sys/fs/cgroup/cpu') ? '1024' : '39');
      await world.runtime.removePodSandbox('pod-b');
      const isThere = () => world.subject.census().some((line) => line.includes('podpod-b'));
      await world.until('its cgroups are gone', () => !isThere() || undefined);
    },
  },
  {
    name: 'who is ended first for want of memory is as the pod says, as far as the agent may',
    needs: ['isolation', 'limits'],
    run: async (world) => {
      const id = await world.run(RUNS, { resources: { oomScoreAdjust: 987 } });
      equal(readFileSync(`/proc/${await pidOf(world, id)}/oom_score_adj`, 'utf8').trim(), '987');
    },
  },
];
