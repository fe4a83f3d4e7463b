/** What a container may use, and what it has used. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { ContainerResources } from '../../../src/agent/runtime/runtime.ts';
import { signalFile, type Case } from './conformance.ts';

export const LIMIT_CASES: readonly Case[] = [
  {
    name: 'a program finds its own limit where programs look for it, and cannot change it',
    needs: ['limits', 'own-files'],
    run: async (world) => {
      const script = 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; { echo 1 >memory/memory.limit_in_bytes; } 2>/dev/null || { echo 1 >memory.max; } 2>/dev/null || echo refused; node -p "process.constrainedMemory()"';
      equal(await world.output(script, { resources: { memoryLimitBytes: 256 << 20 } }), `${256 << 20}\nrefused\n${256 << 20}\n`);
    },
  },
  {
    name: 'memory past the limit ends the container, and the reason is named',
    needs: ['limits'],
    run: async (world) => {
      const id = await world.run(`exec node -e 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))'`, { resources: { memoryLimitBytes: 64 * 1024 * 1024 } });
      const { exitCode, reason } = await world.endedFor(id);
      deepEqual({ exitCode, reason }, { exitCode: 137, reason: 'OOMKilled' });
    },
  },
  {
    name: 'processor time and processes are limited',
    needs: ['limits'],
    run: async (world) => {
      const resources = { cpuLimitMilli: 200, cpuRequestMilli: 100, ...(world.subject.lacks.has('process-limits') ? {} : { processesMax: 20 }) };
      if (resources.processesMax !== undefined) {
        const id = await world.run('n=0; for i in $(seq 40); do sleep 1000 & n=$i; done 2>/dev/null; echo all', { resources });
        const { exitCode } = await world.exited(id);
        ok(exitCode !== 0 && !(await world.log(id)).includes('all'), `no more than 20 processes: ${exitCode}`);
      }
      const busy = await world.run(`exec node -e 'const end=process.hrtime.bigint()+1500000000n;while(process.hrtime.bigint()<end);console.log(Math.round(process.cpuUsage().user/1000))'`, { resources, name: 'busy' });
      await world.exited(busy);
      const usedMs = Number(await world.log(busy));
      ok(usedMs > 0 && usedMs < 700, `a fifth of a core for 1.5 s: ${usedMs} ms`);
    },
  },
  {
    name: 'a limit below what can start is a container that could not start, or was ended for it',
    needs: ['limits'],
    run: async (world) => {
      const id = await world.run('exec node -e 0', { resources: { memoryLimitBytes: 256 * 1024 } });
      const { reason = 'Error', exitCode, message } = await world.exited(id);
      // containerd hears of it only if it was killed after its start.
      const isUnexplained = world.subject.lacks.has('own-files') && exitCode === 137 && reason === 'Error';
      ok(reason === 'StartError' || reason === 'OOMKilled' || isUnexplained, `${reason} ${exitCode} ${message}`);
    },
  },
  {
    name: 'what a running container may use is changed, and refused where it uses more',
    needs: ['limits', 'pod-limits'],
    run: async (world) => {
      const signal = signalFile(world);
      const hungry = `const fs=require('fs');const kept=[Buffer.alloc(60<<20,1)];console.log('fed');const t=setInterval(()=>{if(fs.existsSync('/signals/go')){clearInterval(t);for(;;)kept.push(Buffer.alloc(1<<20,1))}},20)`;
      const id = await world.run('', { command: ['node', '-e', hungry], mounts: signal.mounts });
      await world.said(id, 'fed');
      const change = (resources: ContainerResources) => world.runtime.updateContainerResources?.(id, resources) ?? Promise.reject(new Error('it cannot'));
      await change({ memoryLimitBytes: 512 << 20, cpuLimitMilli: 1_500 });
      await change({ memoryLimitBytes: 1 << 20 }).then(
        () => ok(false, 'it uses more than that'),
        (error: Error) => ok(error.message.includes('in use'), error.message),
      );
      await change({ memoryLimitBytes: 200 << 20 });
      signal.give();
      const { exitCode, reason } = await world.endedFor(id);
      deepEqual({ exitCode, reason }, { exitCode: 137, reason: 'OOMKilled' });
    },
  },
  {
    name: 'a pod has limits of its own, for all of its containers together',
    needs: ['limits', 'pod-limits'],
    run: async (world) => {
      await world.pod('pod-a', { resources: { memoryLimitBytes: 512 << 20, cpuLimitMilli: 300 } });
      const busy = 'const end=process.hrtime.bigint()+1000000000n;while(process.hrtime.bigint()<end);console.log(Math.round(process.cpuUsage().user/1000))';
      const ids = await Promise.all(['one', 'two'].map((name) => world.run('', { name, command: ['node', '-e', busy] })));
      let usedMs = 0;
      for (const id of ids) usedMs += Number((await world.exited(id)) && (await world.log(id)));
      ok(usedMs > 0 && usedMs < 900, `three tenths of a core for about a second: ${usedMs} ms`);
      await world.runtime.updatePodSandboxResources?.('pod-a', { memoryLimitBytes: 100 << 20 });
      const hungry = await world.run('', { name: 'hungry', command: ['node', '-e', 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))'] });
      equal((await world.endedFor(hungry)).reason, 'OOMKilled');
    },
  },
  {
    name: 'what a container uses is measured',
    needs: [],
    run: async (world) => {
      const id = await world.run(`exec node -e 'const a=Buffer.alloc(40<<20,1);while(process.cpuUsage().user<200000);console.log("done",a.length);setInterval(()=>0,1000)'`);
      await world.said(id, 'done');
      const usage = (await world.runtime.listContainerUsages()).find((one) => one.id === id);
      ok(usage !== undefined && usage.cpuMs > 150 && usage.memoryBytes > 40 * 1024 * 1024, JSON.stringify(usage));
    },
  },
];
