/** What runtimes owe while a pod goes on: another sandbox, other limits, other signals, last words. */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './conformance.ts';

const MIB = 1024 * 1024;

export const CHANGE_CASES: readonly Case[] = [
  {
    name: 'a sandbox that has stopped is made anew with another address, and what has ended in the old one keeps its log',
    needs: [],
    run: async (world) => {
      const first = await world.pod('pod-a');
      const old = await world.run('echo old; exec sleep 1000');
      await world.said(old, 'old');
      await world.runtime.stopPodSandbox('pod-a');
      const second = await world.pod('pod-a');
      notEqual(second, first);
      const fresh = await world.run('echo fresh; exec sleep 1000', { attempt: 1 });
      await world.said(fresh, 'fresh');
      const check = async () => {
        const records = await world.runtime.listContainers('pod-a');
        deepEqual(records.map(({ state, sandboxAttempt = 0 }) => [state, sandboxAttempt]), [['exited', 0], ['running', 1]]);
        equal(await world.log(old), 'old\n');
        const [sandbox] = await world.runtime.listPodSandboxes();
        deepEqual([sandbox?.ip, sandbox?.state, sandbox?.attempt], [second, 'ready', 1]);
      };
      await check();
      await world.reopen();
      await check();
    },
  },
  {
    name: 'stopContainer() asks by the signal that the container names',
    needs: ['stop-signal'],
    run: async (world) => {
      const script = `trap 'exit 1' TERM; trap 'exit 10' USR1; trap 'exit 37' 37; echo up; while :; do sleep 0.05; done 2>&-`;
      for (const [name, stopSignal, exitCode] of [['usual', undefined, 1], ['named', 'SIGUSR1', 10], ['real-time', 'SIGRTMIN+3', 37]] as const) {
        const id = await world.run(script, { name, stopSignal });
        await world.said(id, 'up');
        await world.runtime.stopContainer(id, 5_000);
        equal((await world.record(id)).exitCode, exitCode, name);
      }
    },
  },
  {
    name: 'a file is seen where containers leave their last words, and read when they have ended',
    needs: [],
    run: async (world) => {
      const directory = join(world.subject.root, 'last-words');
      mkdirSync(directory, { recursive: true });
      const hostPath = join(directory, 'main-0');
      writeFileSync(hostPath, '');
      const id = await world.run('echo nothing; printf "disk on fire" >dev/termination-log; exit 3', { mounts: [{ containerPath: '/dev/termination-log', hostPath, readOnly: false }] });
      equal((await world.exited(id)).exitCode, 3, await world.log(id));
      equal(readFileSync(hostPath, 'utf8'), 'disk on fire');
    },
  },
  {
    name: 'limits change while a container runs, and what they are outlives the agent',
    needs: ['limits', 'known-limits'],
    run: async (world) => {
      const script = `exec node -e 'process.on("SIGUSR2",()=>{const a=[];for(let i=0;i<128;i++)a.push(Buffer.alloc(1<<20,1));console.log("had",a.length)});console.log("up");setInterval(()=>0,1000)'`;
      const id = await world.run(script, { resources: { memoryLimitBytes: 100 * MIB, cpuRequestMilli: 100 } });
      await world.said(id, 'up');
      const resources = { memoryLimitBytes: 400 * MIB, cpuRequestMilli: 200, cpuLimitMilli: 900 };
      await world.runtime.updateContainerResources!(id, resources);
      deepEqual((await world.record(id)).resources, resources);
      await world.reopen();
      deepEqual((await world.record(id)).resources, resources);
      await world.runtime.exec(id, ['sh', '-c', 'kill -USR2 1'], 5_000);
      await world.said(id, 'had 128');
      const error = await world.runtime.updateContainerResources!(id, { memoryLimitBytes: MIB }).then(() => undefined, (failure: Error) => failure.message);
      ok(error?.includes('cannot be set') === true || (await world.endedFor(id)).reason === 'OOMKilled', error);
    },
  },
];
