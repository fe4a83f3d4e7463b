/** The cases of volumes: in memory, on a full disk, and what is refused. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VolumeContent } from '../../../src/agent/core/volume-files.ts';
import { FileVolumes } from '../../../src/agent/volumes.ts';
import { LinuxRuntime } from '../../../src/agent/runtime/linux/linux.ts';
import type { Case } from './conformance.ts';

export const VOLUME_CASES: readonly Case[] = [
  {
    name: 'a volume in memory is shared by its pod, takes no more than it may, outlives the agent, and is nowhere on disk',
    needs: ['isolation'],
    run: async (world) => {
      const path = join(world.subject.root, 'memory of a pod');
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      await world.pod('pod-a', { memoryVolumes: [{ path, sizeBytes: 1 << 20, group: 4242 }] });
      const cache = { containerPath: '/cache', hostPath: path, readOnly: false };
      const script = 'stat -f -c %T /cache; echo kept >/cache/a; head -c 2000000 /dev/zero 2>/dev/null >/cache/big || echo full; rm /cache/big';
      equal(await world.output(script, { mounts: [cache] }), 'tmpfs\nfull\n');
      await world.reopen();
      const [{ memoryAt = '' } = {}] = await world.runtime.listPodSandboxes();
      if (memoryAt !== '') deepEqual(readdirSync(path), [], 'on disk there is only its place');
      deepEqual(readdirSync(`${memoryAt}${path}`), ['a'], 'seen from outside');
      const part = await new FileVolumes(world.subject.root).part({ uid: 'pod-a', container: 'main', index: 0, path, outside: memoryAt, subPath: 'part', isFrozen: false });
      deepEqual([part, readdirSync(`${memoryAt}${path}`)], [`${path}/part`, ['a', 'part']]);
      if (memoryAt !== '') deepEqual(readdirSync(path), [], 'still only its place');
      const mounts = [{ ...cache, readOnly: true }, { containerPath: '/part', hostPath: `${path}/part`, readOnly: false }, { containerPath: '/rw', hostPath: path, readOnly: false }, { containerPath: '/rw/in', hostPath: volume, readOnly: true }];
      equal(await world.output('cat cache/a; cat rw/in/key; echo b >part/b; cat rw/part/b; touch cache/x 2>/dev/null || echo refused', { name: 'other', mounts }), 'kept\nvalue\nb\nrefused\n');
      const beside = await world.run('exec sleep 1000', { name: 'beside', mounts: [cache] });
      equal((await world.runtime.exec(beside, ['cat', '/cache/a'], 5_000)).output, 'kept\n');
      if (!world.subject.lacks.has('many-users')) equal(await world.output('stat -c "%g %a" cache', { name: 'third', mounts: [cache] }), '4242 2777\n');
    },
  },
  {
    name: 'files that must not reach a disk are in memory, change, outlive the agent, and go with their pod',
    needs: ['isolation', 'own-files'],
    run: async (world) => {
      const volumes = new FileVolumes(join(world.subject.root, 'volumes'), { memory: () => world.runtime.memory });
      const secret = (text: string): VolumeContent => ({ name: 'token', kind: 'files', isSecret: true, files: [{ path: 'token', content: Buffer.from(text), mode: 0o644 }] });
      const path = await volumes.put('pod-a', secret('one'));
      const frozen = await volumes.part({ uid: 'pod-a', container: 'main', index: 0, path, outside: '', subPath: 'token', isFrozen: true });
      const mounts = [{ containerPath: '/var/run/token', hostPath: path, readOnly: true }, { containerPath: '/frozen', hostPath: frozen, readOnly: true }];
      const id = await world.run('stat -f -c %T /var/run/token /frozen; exec sleep 1000', { mounts });
      await world.said(id, 'tmpfs\ntmpfs\n');
      await volumes.put('pod-a', secret('swordfish'));
      equal((await world.runtime.exec(id, ['cat', '/var/run/token/token', '/frozen'], 5_000)).output, 'swordfishone');
      await world.reopen();
      equal(await volumes.has('pod-a', secret('swordfish')), true, 'what was mounted stays');
      equal(await world.output('cat /var/run/token/token', { name: 'late', mounts }), 'swordfish');
      const found = spawnSync('grep', ['-rls', '--exclude-dir=memory', 'swordfish', join(world.subject.root, 'volumes'), join(world.subject.root, 'pods')], { encoding: 'utf8' }).stdout;
      deepEqual(found.split('\n').filter((line) => !/\/(config\.json|log)$/.test(line) && line !== ''), [], 'on no disk');
      await volumes.remove('pod-a');
      deepEqual([await volumes.has('pod-a', secret('swordfish')), await volumes.list()], [false, []]);
    },
  },
  {
    name: 'files are given to the users and groups of a pod, are written by any of them, and are gone with it',
    needs: ['many-users', 'own-files'],
    run: async (world) => {
      const { runtime, subject } = world;
      const asRootOfPods = runtime instanceof LinuxRuntime ? runtime.asRootOfPods.bind(runtime) : undefined;
      const refused: string[] = [];
      const volumes = new FileVolumes(join(subject.root, 'volumes'), { memory: () => runtime.memory, asRootOfPods, onNotGiven: () => refused.push('refused') });
      const file = (path: string, mode: number, user?: number) => ({ path, content: Buffer.from(path), mode, user });
      const token: VolumeContent = { name: 'token', kind: 'files', isSecret: true, group: 4242, files: [file('of/group', 0o600), file('own', 0o600, 1000)] };
      const [data, files] = [await volumes.put('pod-a', { name: 'data', kind: 'empty', group: 4242 }), await volumes.put('pod-a', token)];
      const mounts = [{ containerPath: '/data', hostPath: data, readOnly: false }, { containerPath: '/token', hostPath: files, readOnly: true }];
      const script = 'stat -L -c "%g %a" /data /token/of /token/of/group; cat /token/of/group /token/own; echo; mkdir -m 700 /data/x; stat -c "%u %g" /data/x';
      const seen = '4242 2777\n4242 2755\n4242 640\nof/groupown\n1000 4242\n';
      equal(await world.output(script, { mounts, security: { user: 1000, group: 1001, supplementalGroups: [4242] } }), seen);
      equal(await world.output('mkdir -m 700 /tmp/d; touch /tmp/d/f; chown -R 33:34 /tmp/d; stat -c "%u %g" /tmp/d/f /data/x', { name: 'root', mounts }), '33 34\n1000 4242\n');
      await volumes.put('pod-a', { ...token, files: [...token.files, file('late', 0o604)] });
      equal(await world.output('cat /token/own /token/late; stat -L -c "%u %a" /token/own', { name: 'later', mounts, security: { user: 1000, group: 4242 } }), 'ownlate1000 640\n');
      await volumes.remove('pod-a');
      await runtime.removePodSandbox('pod-a');
      deepEqual([refused, await volumes.list(), readdirSync(join(subject.root, 'pods'))], [[], [], []]);
    },
  },
  {
    name: 'files that find no room on the disk name their volume, and nothing of them is seen',
    needs: ['many-users'],
    run: async (world) => {
      const disk = join(world.subject.root, 'small-disk');
      mkdirSync(disk, { recursive: true });
      equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status, 0, 'a small disk');
      try {
        const volumes = new FileVolumes(disk);
        const put = (texts: readonly string[]) => volumes.put('u', { name: 'v', kind: 'files', isSecret: false, files: texts.map((text, index) => ({ path: `f${index}`, content: Buffer.from(text), mode: 0o644 })) });
        const path = await put(['one']);
        const failure = await put(['two', 'x'.repeat(300_000)]).then(() => 'written', (error: unknown) => String(error));
        ok(failure.includes('MountVolume.SetUp failed for volume "v" : ENOSPC: no space left on device'), failure);
        deepEqual([readFileSync(join(path, 'f0'), 'utf8'), readdirSync(path).sort()], ['one', ['..1', '..data', 'f0']]);
        equal(readFileSync(join(await put(['three']), 'f0'), 'utf8'), 'three');
      } finally {
        spawnSync('umount', [disk]);
      }
    },
  },
  {
    name: 'a volume whose mounts nobody shares is not mounted to follow them, and that is said',
    needs: ['isolation'],
    run: async (world) => {
      const mounts = [{ containerPath: '/data', hostPath: world.subject.root, readOnly: true, propagation: 'HostToContainer' as const }];
      const refused = await world.run('true', { mounts }).then(() => 'made', (error: unknown) => String(error));
      // Of an ordinary user's namespace all that is the machine's is followed.
      const isSaid = refused.includes('is mounted on') && refused.includes('but it is not a shared or slave mount');
      ok(isSaid || (world.subject.lacks.has('own-files') && refused !== 'made'), refused);
    },
  },
  {
    name: 'mounts that are made below a volume are seen in its container, and the other way round, as the pod says',
    needs: ['small-disk', 'own-files'],
    run: async (world) => {
      const disk = join(world.subject.root, 'shared-disk');
      mkdirSync(disk, { recursive: true });
      const run = (command: string, ...args: string[]) => equal(spawnSync(command, args).status, 0, [command, ...args].join(' '));
      run('mount', '-t', 'tmpfs', 'tmpfs', disk);
      try {
        // As most machines have it.
        run('mount', '--make-rshared', '/');
        const mountsHere = () => readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map((line) => line.split(' ')[4] ?? '');
        const before = mountsHere();
        for (const name of ['early', 'late', 'own']) mkdirSync(join(disk, name));
        const mountedIn = async (id: string) => (await world.runtime.exec(id, ['sh', '-c', "cut -d' ' -f5 /proc/self/mountinfo | grep /data/ | tr '\\n' ' '"], 5_000)).output;
        const start = (name: string, propagation?: 'HostToContainer' | 'Bidirectional') =>
          world.run(`${propagation === 'Bidirectional' ? 'mount -t tmpfs own /data/own;' : ''} echo up; exec sleep 1000`, {
            name, security: { privileged: propagation === 'Bidirectional' }, mounts: [{ containerPath: '/data', hostPath: disk, readOnly: false, ...(propagation === undefined ? {} : { propagation }) }],
          });
        const ids = [await start('none'), await start('follows', 'HostToContainer'), await start('both', 'Bidirectional')] as const;
        for (const id of ids) await world.said(id, 'up');
        run('mount', '-t', 'tmpfs', 'tmpfs', join(disk, 'late'));
        deepEqual([await mountedIn(ids[0]), (await mountedIn(ids[1])).split(' ').sort().join(' ').trim(), (await mountedIn(ids[2])).split(' ').sort().join(' ').trim()], ['', '/data/late /data/own', '/data/late /data/own']);
        deepEqual(mountsHere(), [...before, join(disk, 'own'), join(disk, 'late')], 'nothing else of the containers is mounted here, and nothing of the machine is gone');
        run('umount', join(disk, 'late'));
        equal((await mountedIn(ids[1])).trim(), '/data/own');
        await world.runtime.removePodSandbox('pod-a');
      } finally {
        spawnSync('mount', ['--make-rprivate', '/']);
        spawnSync('umount', ['-R', '-l', disk]);
      }
    },
  },
];
