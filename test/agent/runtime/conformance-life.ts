/** How a container begins and ends, and that it outlives its agent. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { systemClock } from '../../../src/base/system-clock.ts';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { endNodes } from './leftovers.ts';
import { server, signalFile, WAIT, type Case, type World } from './conformance.ts';

const containerDirectory = ({ subject }: World, uid = 'pod-a') => join(subject.root, `pods/${uid}/containers/main/0`);

export const LIFE_CASES: readonly Case[] = [
  {
    name: 'a container runs with its environment and tells how it ended',
    needs: [],
    run: async (world) => {
      const heard: string[] = [];
      world.runtime.subscribe((id) => heard.push(id));
      const id = await world.run('echo "$GREETING from $HOSTNAME"; echo oops >&2; exit 7', { env: { GREETING: "it's \"hello\" $HOME `x`" } });
      const ended = await world.exited(id);
      equal(ended.exitCode, 7);
      ok(ended.finishedAtMs! >= ended.createdAtMs - 1);
      ok(heard.includes('pod-a'), 'the listener heard of it');
      // Of two streams the order is not kept everywhere.
      deepEqual((await world.log(id)).split('\n').sort(), ['', 'it\'s "hello" $HOME `x` from pod-a', 'oops']);
    },
  },
  {
    name: 'a program ended by a signal says so by 128 and more',
    needs: ['isolation'],
    run: async (world) => {
      const id = await world.run("sh -c 'kill -9 $$'; exit $?");
      equal((await world.exited(id)).exitCode, 137);
    },
  },
  {
    name: 'a program that does not exist is a container that could not start',
    needs: [],
    run: async (world) => {
      const id = await world.run('', { command: ['no-such-program'] });
      const { exitCode, reason, message } = await world.exited(id);
      deepEqual({ exitCode, reason }, { exitCode: 128, reason: 'StartError' });
      ok(message?.includes('no-such-program'), message);
    },
  },
  {
    name: 'stopContainer() asks first and lets the program finish',
    needs: [],
    run: async (world) => {
      const id = await world.run(`trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done 2>&-`);
      await world.said(id, 'up\n');
      await world.runtime.stopContainer(id, 5_000);
      const { state, exitCode } = await world.record(id);
      deepEqual({ state, exitCode }, { state: 'exited', exitCode: 3 });
      equal(await world.log(id), 'up\nbye\n');
    },
  },
  {
    name: 'stopContainer() ends what does not listen, and what let go of its parents',
    needs: [],
    run: async (world) => {
      const before = world.subject.census();
      const id = await world.run(`trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' & echo up; while :; do sleep 0.1; done`);
      await world.said(id, 'up\n');
      const start = systemClock.monotonic();
      await world.runtime.stopContainer(id, 100);
      ok(systemClock.monotonic() - start >= 95, 'after its grace');
      equal((await world.record(id)).exitCode, 137);
      await world.runtime.removePodSandbox('pod-a');
      await world.nothingLeft(before);
    },
  },
  {
    name: 'a later stop with a shorter grace shortens the first',
    needs: [],
    run: async (world) => {
      const id = await world.run(`trap '' TERM; echo up; while :; do sleep 0.1; done`);
      await world.said(id, 'up\n');
      const patient = world.runtime.stopContainer(id, 60_000);
      await world.runtime.stopContainer(id, 0);
      await patient;
      equal((await world.record(id)).exitCode, 137);
    },
  },
  {
    name: 'when a container ends, what it left in the background ends too',
    needs: [],
    run: async (world) => {
      const before = world.subject.census();
      const id = await world.run('sleep 1000 & setsid sleep 1000 & exit 0');
      equal((await world.exited(id)).exitCode, 0);
      await world.runtime.removePodSandbox('pod-a');
      await world.nothingLeft(before);
    },
  },
  {
    name: 'a new agent adopts what runs: same process, same log, its exit code',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`echo before; ${WAIT}; echo after; exit 9`, { mounts: signal.mounts });
      const { pid } = await world.record(id);
      const done = await world.run('exit 4', { name: 'quick' });
      await world.exited(done);
      await world.reopen();
      const adopted = await world.record(id);
      deepEqual({ state: adopted.state, pid: adopted.pid }, { state: 'running', pid });
      equal((await world.record(done)).exitCode, 4);
      signal.give();
      equal((await world.exited(id)).exitCode, 9);
      equal(await world.log(id), 'before\nafter\n');
    },
  },
  {
    name: 'a container that ended while there was no agent has its exit code and the time of its end',
    needs: [],
    run: async (world) => {
      const signal = signalFile(world);
      const id = await world.run(`${WAIT}; exit 5`, { mounts: signal.mounts });
      const { pid = 0 } = await world.record(id);
      let before = 0;
      let after = 0;
      await world.reopen({}, async () => {
        before = systemClock.wall();
        signal.give();
        await world.until('its end', () => (!world.subject.lacks.has('own-files') ? existsSync(join(containerDirectory(world), 'exit')) : !existsSync(`/proc/${pid}`)) || undefined);
        after = systemClock.wall();
      });
      const { exitCode, finishedAtMs = 0 } = await world.exited(id);
      equal(exitCode, 5);
      ok(finishedAtMs >= before - 20 && finishedAtMs <= after + 20, `${before} <= ${finishedAtMs} <= ${after}`);
    },
  },
  {
    name: 'a killed supervisor is noticed, and the exit code said to be unknown',
    needs: ['own-files'],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const { pid = 0 } = await world.record(id);
      for (const other of supervisorsOf(world)) sendSignal(other, 'SIGKILL');
      sendSignal(pid, 'SIGKILL');
      const { exitCode, reason } = await world.exited(id);
      deepEqual({ exitCode, reason }, { exitCode: 137, reason: 'ContainerStatusUnknown' });
    },
  },
  {
    name: 'on a full disk nothing new can be made, and who has ended says how; a log that fills it gives way',
    needs: ['small-disk'],
    run: async (world) => {
      const disk = join(dirname(world.subject.root), 'small');
      mkdirSync(disk, { recursive: true });
      equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'small', disk]).status, 0);
      try {
        await world.reopen({ node: 'small/node' });
        const signal = signalFile(world);
        const id = await world.run(`${WAIT}; exit 5`, { mounts: signal.mounts });
        const fill = () => equal(spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=4k', 'oflag=append', 'conv=notrunc']).status, 1, 'the disk is full');
        fill();
        await world.run('true', { name: 'late' }).then(
          () => ok(false, 'there was room for another one'),
          (error: Error) => ok(error.message.includes('ENOSPC'), error.message),
        );
        fill();
        signal.give();
        equal((await world.exited(id)).exitCode, 5);
        await world.reopen({ node: 'small/node' });
        equal((await world.record(id)).exitCode, 5);
        rmSync(join(disk, 'filler'));
        equal(await world.output('echo room', { name: 'late' }), 'room\n');
        const talker = await world.run('line=$(head -c 3000 /dev/zero | tr "\\0" x); while :; do echo "$line"; done 2>/dev/null', { name: 'talker' });
        const index = join(disk, 'node/pods/pod-a/containers/talker/0/log.idx');
        await world.until('a log that was cut', () => (existsSync(index) && readFileSync(index, 'utf8').startsWith('B')) || undefined);
        equal((await world.record(talker)).state, 'running');
        await world.runtime.removePodSandbox('pod-a');
        await world.reopen();
      } finally {
        await endNodes(disk);
        spawnSync('umount', ['-l', disk]);
      }
    },
  },
  {
    name: 'start() ends strays whose pod is not known any more',
    needs: ['own-files'],
    run: async (world) => {
      const before = world.subject.census();
      await world.run('exec sleep 1000');
      await world.reopen({}, () => writeFileSync(join(world.subject.root, 'pods/pod-a/sandbox.json'), '{ cut off'));
      deepEqual(await world.runtime.listPodSandboxes(), []);
      equal(existsSync(join(world.subject.root, 'pods/pod-a')), false);
      await world.nothingLeft(before);
    },
  },
  {
    name: 'a sandbox that cannot be made leaves nothing',
    needs: ['sandbox-process'],
    run: async (world) => {
      await world.pod('pod-b');
      const before = world.subject.census();
      const isRefused = await world.pod('pod-a', { sysctls: { 'net.no.such.setting': '1' } }).then(() => false, () => true);
      ok(isRefused, 'it cannot be made');
      equal(existsSync(join(world.subject.root, 'pods/pod-a')), false);
      await world.nothingLeft(before);
    },
  },
  {
    name: 'when the sandbox dies, all containers of the pod end, and none starts any more',
    needs: ['sandbox-process'],
    run: async (world) => {
      const id = await world.run('exec sleep 1000');
      const { pause } = JSON.parse(readFileSync(join(world.subject.root, 'pods/pod-a/sandbox.json'), 'utf8')) as { pause: { pid: number } };
      sendSignal(pause.pid, 'SIGKILL');
      equal((await world.exited(id)).exitCode, 137);
      await world.until('the sandbox is stopped', async () => (await world.runtime.listPodSandboxes()).some(({ state }) => state === 'stopped') || undefined);
      const late = { name: 'late', attempt: 0, backoffSteps: 0, init: false, image: 'podium.dev/host', command: ['true'], workingDir: '', env: {}, mounts: [] };
      await world.runtime.createContainer('pod-a', late).then(
        () => ok(false, 'a container was started in a dead sandbox'),
        (error: Error) => ok(error.message.includes('stopped'), error.message),
      );
    },
  },
  {
    name: 'when the holder of the network dies there is a new network, and the pods of the old one end',
    needs: ['sandbox-process'],
    run: async (world) => {
      const killHolder = () => {
        const { holder } = JSON.parse(readFileSync(join(world.subject.root, 'node.json'), 'utf8')) as { holder: { pid: number } };
        sendSignal(holder.pid, 'SIGKILL');
      };
      const early = await world.run('exec sleep 1000');
      await world.reopen({}, killHolder);
      equal((await world.exited(early)).exitCode, 137);
      const late = await world.run('exec sleep 1000', { uid: 'pod-b' });
      killHolder();
      equal((await world.exited(late)).exitCode, 137);
      await world.run('', { uid: 'pod-c', command: server(18_082) });
      const [ip = ''] = (await world.runtime.listPodSandboxes()).filter((one) => one.id === 'pod-c').map((one) => one.ip);
      equal(await world.ask(ip, 18_082), 'pod-c');
    },
  },
];

/** All processes that watch over the container: its supervisor and what stands between it and the program. */
function supervisorsOf(world: World): readonly number[] {
  const directory = containerDirectory(world);
  const read = (name: string) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8').trim().split(' ').map(Number) : []);
  const supervisor = read('supervisor')[0] ?? read('pid')[2] ?? 0;
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ').map(Number);
  return [supervisor, ...(world.subject.name === 'process' ? [] : children)].filter((pid) => pid > 1);
}
