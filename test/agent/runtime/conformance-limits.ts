/** What a container may use, and what it has used. */
import { deepEqual, ok } from 'node:assert/strict';
import type { Case } from './conformance.ts';

export const LIMIT_CASES: readonly Case[] = [
  {
    name: 'memory past the limit ends the container, and the reason is named',
    needs: ['limits'],
    run: async (world) => {
      const id = await world.run(`exec node -e 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))'`, { resources: { memoryLimitBytes: 64 * 1024 * 1024 } });
      const { exitCode, reason } = await world.exited(id);
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
      const { reason } = await world.exited(id);
      ok(reason === 'StartError' || reason === 'OOMKilled', reason);
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
