/** What is owed by the cri runtime alone, tried behind what all of them owe (../conformance.ts). */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sendSignal } from '../../../../src/agent/runtime/process-table.ts';
import { RuntimeError } from '../../../../src/agent/runtime/runtime.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { ImageError } from '../../../../src/image/image-service.ts';
import { TestRegistry } from '../../../image/registry.ts';
import { saidBy } from '../conformance-streams.ts';
import { signalFile, WAIT, type Case, type World } from '../conformance.ts';
import { BUSYBOX_IMAGE, MACHINE_IMAGE, machineImage } from './archive.ts';
import { ISOLATION_CASES } from './isolation-cases.ts';
import type { CriSubject } from './subject.ts';

/** With the other runtime below containerd: what depends on it. By parts of names. */
export const BRIEFLY: readonly string[] = [
  'runs with its environment', 'does not exist', 'lets the program finish', 'memory past the limit', 'stands in all namespaces', 'the user, the groups', 'has a terminal', 'is killed and comes back',
];

const healthOf = ({ runtime }: World) => runtime.health ?? { isReady: true, message: 'it says nothing' };
const isReady = (world: World) => world.until('the runtime is ready', () => healthOf(world).isReady || undefined);

async function refusal(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: Error) => error,
  );
}

function pidsOf(part: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').includes(part);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

export function criCases({ containerd }: Pick<CriSubject, 'containerd'>): readonly Case[] {
  return [
    {
      name: 'many pods at once are made, without a warning of Node.js',
      needs: [],
      run: async (world) => {
        const warnings: string[] = [];
        const hear = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
        process.on('warning', hear);
        try {
          const uids = Array.from({ length: 12 }, (_, i) => `many-${i}`);
          await Promise.all(uids.map((uid) => world.run('sleep 1000', { uid })));
          await Promise.all(uids.map((uid) => world.runtime.removePodSandbox(uid)));
        } finally {
          process.off('warning', hear);
        }
        deepEqual(warnings, []);
      },
    },
    {
      name: 'containerd is killed and comes back: pods go on meanwhile, and nothing is lost',
      needs: [],
      run: async (world) => {
        const signal = signalFile(world);
        const id = await world.run(`echo before; ${WAIT}; exit 9`, { mounts: signal.mounts });
        const stays = await world.run(`${WAIT}; echo meanwhile; while :; do sleep 0.1; done # stays`, { uid: 'pod-b', mounts: signal.mounts });
        await world.said(id, 'before');
        await containerd.kill();
        try {
          await world.until('its end is noticed', () => healthOf(world).message.startsWith('container runtime is down: ') || undefined);
          equal((await world.record(id)).state, 'running', 'what is known of its pods stays');
          const error = await refusal(world.run('true', { uid: 'pod-c' }));
          ok(error instanceof RuntimeError && error.code === 'unavailable', String(error));
          signal.give();
          await world.until('its end', () => pidsOf('exit 9').length === 0 || undefined);
        } finally {
          await containerd.run();
        }
        await isReady(world);
        equal((await world.exited(id)).exitCode, 9);
        equal(await world.log(id), 'before\n');
        equal((await world.record(stays)).state, 'running');
        await world.said(stays, 'meanwhile\n');
        equal(await world.output('echo on', { uid: 'pod-c' }), 'on\n');
      },
    },
    {
      name: 'an agent and containerd are killed at once: the next ones know all pods',
      needs: [],
      run: async (world) => {
        const id = await world.run('while :; do sleep 0.1; done', { env: { A: 'b' } });
        const made = await world.runtime.createContainer('pod-a', { name: 'second', attempt: 3, backoffSteps: 2, init: true, image: BUSYBOX_IMAGE, command: ['true'], workingDir: '', env: {}, mounts: [] });
        const [{ ip } = { ip: '' }] = await world.runtime.listPodSandboxes();
        await world.reopen({}, async () => {
          await containerd.kill();
          await containerd.run();
        });
        equal((await world.record(id)).state, 'running');
        deepEqual((await world.runtime.listPodSandboxes()).map((one) => ({ ip: one.ip, state: one.state })), [{ ip, state: 'ready' }]);
        const { attempt, backoffSteps, init, state } = await world.record(made);
        deepEqual({ attempt, backoffSteps, init, state }, { attempt: 3, backoffSteps: 2, init: true, state: 'created' });
        await world.runtime.startContainer(made);
        equal((await world.exited(made)).exitCode, 0);
      },
    },
    {
      name: 'containerd stands still: nobody waits for ever, and it is noticed',
      needs: [],
      run: async (world) => {
        await world.reopen({ cri: { lookDeadlineMs: 300 } });
        const id = await world.run('while :; do sleep 0.1; done');
        await containerd.pause();
        try {
          const error = await refusal(world.runtime.execStream(id, { command: ['true'], stdin: false, stdout: true, stderr: true, tty: false }));
          ok(error instanceof RuntimeError && error.code === 'unavailable', String(error));
          await world.until('it is noticed', () => !healthOf(world).isReady || undefined);
        } finally {
          containerd.resume();
        }
        await isReady(world);
        equal((await world.runtime.exec(id, ['echo', 'on'], 5_000)).output, 'on\n');
      },
    },
    {
      name: 'without a network pods wait, but for those on the network of their node',
      needs: [],
      run: async (world) => {
        await world.pod('pod-a');
        containerd.setNetwork(false);
        try {
          const error = await world.until('a refusal', async () => {
            const found = await world.pod('pod-b').then(() => world.runtime.removePodSandbox('pod-b').then(() => undefined), (refused: Error) => refused);
            return found instanceof RuntimeError && found.code === 'network-not-ready' ? found : undefined;
          });
          ok(error.message.includes('NetworkReady=false'), error.message);
          ok(healthOf(world).message.includes('NetworkReady=false'), healthOf(world).message);
          await world.pod('pod-c', { hostNetwork: true });
        } finally {
          containerd.setNetwork(true);
        }
        await world.until('a network', () => world.pod('pod-b').catch(() => undefined));
      },
    },
    {
      name: 'a sandbox whose process is killed takes its containers along, and none starts in it',
      needs: [],
      run: async (world) => {
        const others = pidsOf('busybox sleep 2147483647');
        const id = await world.run('while :; do sleep 0.1; done');
        const [pause = 0] = pidsOf('busybox sleep 2147483647').filter((pid) => !others.includes(pid));
        sendSignal(pause, 'SIGKILL');
        equal((await world.exited(id)).exitCode, 137);
        await world.until('the sandbox is stopped', async () => (await world.runtime.listPodSandboxes()).some(({ state }) => state === 'stopped') || undefined);
        ok((await refusal(world.runtime.createContainer('pod-a', { name: 'late', attempt: 0, backoffSteps: 0, init: false, image: BUSYBOX_IMAGE, command: ['true'], workingDir: '', env: {}, mounts: [] }))).message.includes('stopped'));
      },
    },
    {
      name: 'the shim of a pod is killed: its containers have ended, nobody knows how',
      needs: [],
      run: async (world) => {
        const others = pidsOf('containerd-shim');
        const id = await world.run('while :; do sleep 0.1; done');
        for (const pid of pidsOf('containerd-shim')) if (!others.includes(pid)) sendSignal(pid, 'SIGKILL');
        ok((await world.exited(id)).exitCode !== 0);
      },
    },
    {
      name: 'what somebody else removes from containerd is not there any more, and is told',
      needs: [],
      run: async (world) => {
        await world.reopen();
        const id = await world.run('exit 0');
        await world.exited(id);
        const heard: string[] = [];
        const other = await world.subject.open();
        world.runtime.subscribe((uid) => heard.push(uid));
        await other.runtime.removePodSandbox('pod-a');
        await other.runtime.close();
        await world.until('it is gone', async () => (await world.runtime.listPodSandboxes()).length === 0 || undefined);
        ok(heard.includes('pod-a'));
      },
    },
    {
      name: 'another node on the same containerd neither sees nor ends the pods of this one',
      needs: [],
      run: async (world) => {
        const id = await world.run('while :; do sleep 0.1; done');
        const other = await world.subject.open({ node: 'node-2' });
        deepEqual([await other.runtime.listPodSandboxes(), await other.runtime.listContainers()], [[], []]);
        await other.runtime.close();
        equal((await world.record(id)).state, 'running');
      },
    },
    {
      name: 'logs() has long lines whole, the last ones, times, and goes on over a rotation',
      needs: [],
      run: async (world) => {
        await world.reopen({ cri: { logBytesMax: 40_000, logLookMs: 50 } });
        const signal = signalFile(world);
        const script = `i=0; while [ $i -lt 30 ]; do i=$((i+1)); head -c 20000 /dev/zero | tr '\\0' x; echo " line $i"; sleep 0.03; done; ${WAIT}; echo last`;
        const id = await world.run(script, { mounts: signal.mounts });
        const followed = world.log(id, { follow: true });
        await world.said(id, 'line 30\n');
        const rotated = readdirSync(join(world.subject.root, 'pods/pod-a/logs/main'));
        ok(rotated.length > 2 && rotated.length <= 5, `rotated: ${rotated.join(' ')}`);
        signal.give();
        const lines = (await followed).split('\n');
        deepEqual(lines.map((line) => line.replace(/^x{20000} /, '')), [...Array.from({ length: 30 }, (_, i) => `line ${i + 1}`), 'last', '']);
        equal(await world.log(id, { tailLines: 2 }), `${'x'.repeat(20_000)} line 30\nlast\n`);
        ok(/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) last\n$/.test(await world.log(id, { tailLines: 1, timestamps: true })));
        equal(await world.log(id, { sinceMs: systemClock.wall() + 60_000 }), '');
        equal((await world.log(id, { limitBytes: 100 })).length, 100);
      },
    },
    {
      name: 'attachStream() writes to the container, and its end is the end of the input',
      needs: [],
      run: async (world) => {
        const id = await world.run('echo up; cat; echo done', { stdin: true, stdinOnce: true });
        await world.said(id, 'up');
        const stream = await world.runtime.attachStream(id, { stdin: true, stdout: true, stderr: true, tty: false });
        const said = saidBy(stream);
        await stream.write(Buffer.from('hello\n'));
        stream.endInput();
        equal((await said).stdout, 'hello\ndone\n');
        equal((await world.exited(id)).exitCode, 0);
      },
    },
    {
      name: 'a container with a terminal is attached to, typed into and resized',
      needs: [],
      run: async (world) => {
        const id = await world.run('read line; stty size; echo "has read $line"', { stdin: true, tty: true });
        const stream = await world.runtime.attachStream(id, { stdin: true, stdout: true, stderr: true, tty: true });
        stream.resize({ width: 101, height: 41 });
        const said = saidBy(stream);
        // Beside the data, and maybe after it.
        await new Promise<void>((go) => systemClock.setTimer(300, go));
        await stream.write(Buffer.from('on\r'));
        equal((await said).stdout, 'on\r\n41 101\r\nhas read on\r\n');
      },
    },
    {
      name: 'portForward() reaches what listens on the loopback of the pod alone',
      needs: [],
      run: async (world) => {
        const id = await world.run('', { command: ['node', '-e', "require('net').createServer((s)=>s.end('inside')).listen(18087,'127.0.0.1',()=>console.log('up'))"] });
        await world.said(id, 'up');
        const port = await world.runtime.portForward('pod-a', 18_087);
        let text = '';
        for await (const bytes of port.output) text += Buffer.from(bytes).toString();
        equal(text, 'inside');
      },
    },
    {
      name: 'updateContainerResources() changes the limits of what runs',
      needs: ['limits'],
      run: async (world) => {
        const id = await world.run('while :; do sleep 0.1; done', { resources: { memoryLimitBytes: 64 * 1024 * 1024 } });
        const limit = async () => (await world.runtime.exec(id, ['sh', '-c', 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'], 5_000)).output.trim();
        equal(await limit(), String(64 * 1024 * 1024));
        await world.runtime.updateContainerResources?.(id, { memoryLimitBytes: 128 * 1024 * 1024 });
        equal(await limit(), String(128 * 1024 * 1024));
      },
    },
    ...ISOLATION_CASES,
    { name: 'images are pulled with their secrets, found, refused and removed by the rules', needs: [], run: images },
  ];
}

async function images(world: World): Promise<void> {
  const { images: kept } = world.runtime;
  ok(kept);
  const registry = await TestRegistry.start();
  try {
    registry.credentials = 'me:secret';
    registry.push('team/app', '1', machineImage('pulled'));
    const image = `${registry.host}/team/app:1`;
    const reason = async (request: Parameters<typeof kept.ensure>[0]) => {
      const error = await refusal(kept.ensure(request));
      ok(error instanceof ImageError, String(error));
      return error.reason;
    };
    equal(await reason({ image: 'Not A Name' }), 'InvalidImageName');
    equal(await reason({ image, policy: 'Never' }), 'ErrImageNeverPull');
    equal(await reason({ image }), 'ErrImagePull');
    equal(await reason({ image: `${registry.host}/team/none:1` }), 'ErrImagePull');
    equal(await reason({ image: 'podium.dev/host' }), 'ErrImagePull');
    const credentials = [{ registry: registry.host, username: 'me', password: 'secret' }];
    const pulled = await kept.ensure({ image, credentials });
    ok(pulled.wasPulled && pulled.image.repoTags.includes(image), JSON.stringify(pulled));
    ok(pulled.image.config.env.some((entry) => entry.startsWith('PATH=')), 'its config is known');
    const asked = registry.seen.length;
    equal((await kept.ensure({ image })).wasPulled, false);
    equal(registry.seen.length, asked, 'nothing was asked for again');
    equal(await world.output('echo from it', { image, imageId: pulled.image.id }), 'from it\n');
    const listed = (await kept.list()).find(({ id }) => id === pulled.image.id);
    ok(listed !== undefined && listed.consumers.length > 0, JSON.stringify(listed));
    await world.runtime.removePodSandbox('pod-a');
    deepEqual((await kept.remove(image))?.removed, [pulled.image.id]);
    equal(await kept.remove(image), undefined);
    ok((await kept.list()).some(({ repoTags }) => repoTags.includes(MACHINE_IMAGE)));
    const { removed } = await kept.collectGarbage({ highPercent: 100, lowPercent: 99, minAgeMs: 0 });
    deepEqual(removed, []);
  } finally {
    await registry.stop();
  }
}
