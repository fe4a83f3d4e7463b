/** What a runtime makes of images: their files, their words, their users, their volumes, and that they stay while they are used. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig } from '../../../src/agent/runtime/runtime.ts';
import type { Case } from './conformance.ts';

export const IMAGE_CASES: readonly Case[] = [
  {
    name: "an image's files are the root, and what is written to them is the container's own",
    needs: ['images'],
    run: async (world) => {
      const { image, imageId } = await world.image({ name: 'example.org/motd:1', files: { 'etc/motd': 'the image\n', 'srv/': '' } });
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      const mounts = [{ containerPath: '/srv/data', hostPath: volume, readOnly: true }];
      const script = 'ls /; cat /etc/motd data/key; echo other >/etc/motd; cat /etc/motd /etc/hostname';
      const config = { image, imageId, mounts, workingDir: '/srv', command: ['/bin/sh', '-c', script] };
      const lines = (await world.output('', config)).trim().split('\n');
      deepEqual(lines, ['bin', 'dev', 'etc', 'proc', 'srv', 'sys', 'the image', 'value', 'other', 'pod-a']);
      equal(await world.output('', { ...config, name: 'again', command: ['/bin/cat', '/etc/motd'] }), 'the image\n');
      const readOnly = { ...config, name: 'sealed', command: ['/bin/sh', '-c', 'echo x >/etc/motd'], security: { readOnlyRoot: true } };
      ok((await world.exited(await world.run('', readOnly))).exitCode !== 0, 'a read-only root is not written');
    },
  },
  {
    name: "an image's program, arguments, variables and directory count where the pod is silent",
    needs: ['images'],
    run: async (world) => {
      const run = { entrypoint: ['/bin/sh', '-c', 'echo "$0 $*"; echo "$A $B"; pwd'], cmd: ['from', 'image'], env: ['A=1', 'B=2', 'PATH=/bin'], workingDir: '/work' };
      const { image, imageId } = await world.image({ name: 'example.org/run:1', run });
      const of = (config: Partial<ContainerConfig>) => world.output('', { image, imageId, command: [], ...config });
      equal(await of({ name: 'all' }), 'from image\n1 2\n/work\n');
      equal(await of({ name: 'args', args: ['from', 'the', 'pod'], env: { B: '3' }, workingDir: '/bin' }), 'from the pod\n1 3\n/bin\n');
      equal(await of({ name: 'command', command: ['sh', '-c', 'echo "[$*]"'] }), '[]\n');
      equal((await world.runtime.listContainers('pod-a'))[0]?.exitCode, 0);
      const { image: empty, imageId: emptyId } = await world.image({ name: 'example.org/nothing:1' });
      await world.run('', { name: 'nothing', image: empty, imageId: emptyId, command: [] }).then(
        () => ok(false, 'there is nothing to run'),
        (error: Error) => ok(error.message.includes('no command specified'), error.message),
      );
    },
  },
  {
    name: "an image's user is found in its own files, with his groups and his home, unless the pod names another",
    needs: ['images', 'many-users'],
    run: async (world) => {
      const files = { 'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n', 'etc/group': 'root:x:0:\napp:x:1002:\nextra:x:1003:x,app\n' };
      const command = ['/bin/sh', '-c', 'id -u; id -g; id -G; echo $HOME'];
      const named = await world.image({ name: 'example.org/user:1', files, run: { user: 'app' } });
      const of = (config: Partial<ContainerConfig>) => world.output('', { image: named.image, imageId: named.imageId, command, ...config });
      equal(await of({ name: 'image' }), '1001\n1002\n1002 1003\n/home/app\n');
      equal(await of({ name: 'pod', security: { user: 7, supplementalGroups: [9] } }), '7\n0\n0 9\n/\n');
      equal(await of({ name: 'same', security: { user: 1001, group: 5, supplementalGroupsPolicy: 'Strict' } }), '1001\n5\n5\n/home/app\n');
      const numbers = await world.image({ name: 'example.org/user:2', files, run: { user: '12:extra' } });
      equal(await of({ name: 'numbers', image: numbers.image, imageId: numbers.imageId }), '12\n1003\n1003\n/\n');
      const nobody = await world.image({ name: 'example.org/user:3', files, run: { user: 'nobody' } });
      await world.run('', { name: 'nobody', image: nobody.image, imageId: nobody.imageId, command }).then(
        () => ok(false, 'there is no such user'),
        (error: Error) => ok(error.message.includes('unable to find user nobody'), error.message),
      );
    },
  },
  {
    name: "an image's program has another number for its user, also where there is one user only, and so have commands beside it",
    needs: ['images'],
    run: async (world) => {
      const files = { 'etc/passwd': 'app:x:1000:1001::/:/bin/sh\n' };
      const { image, imageId } = await world.image({ name: 'example.org/number:1', files, run: { user: 'app', cmd: ['/bin/sh', '-c', 'id -u; id -g; cat /etc/hostname; exec sleep 1000'] } });
      const id = await world.run('', { image, imageId, command: [] });
      await world.said(id, 'pod-a');
      equal(await world.log(id), '1000\n1001\npod-a\n');
      equal((await world.runtime.exec(id, ['sh', '-c', 'id -u; id -g'], 5_000)).output, '1000\n1001\n');
      // What an ordinary user unpacks is all his own, so that a program is let near its own files; root keeps whose they are.
      const wrote = (await world.runtime.exec(id, ['sh', '-c', 'touch /etc/x 2>/dev/null && echo wrote || echo refused'], 5_000)).output;
      equal(wrote, world.subject.lacks.get('small-disk')?.includes('ordinary') === true ? 'wrote\n' : 'refused\n');
    },
  },
  {
    name: "an image's signal asks its program to end",
    needs: ['images'],
    run: async (world) => {
      const run = { cmd: ['/bin/sh', '-c', "trap 'echo asked; exit 4' USR1; trap '' TERM; echo up; while :; do sleep 0.02; done"], stopSignal: 'SIGUSR1' };
      const { image, imageId } = await world.image({ name: 'example.org/signal:1', run });
      const id = await world.run('', { image, imageId, command: [] });
      await world.said(id, 'up\n');
      await world.runtime.stopContainer(id, 5_000);
      equal((await world.record(id)).exitCode, 4);
      equal(await world.log(id), 'up\nasked\n');
    },
  },
  {
    name: "an image's volumes are fresh directories with what the image has there, and are written where the root is not",
    needs: ['images'],
    run: async (world) => {
      const files = { 'data/seed': 'seed\n', 'data/inner/link': '-> ../seed', 'etc/motd': 'x\n' };
      const { image, imageId } = await world.image({ name: 'example.org/volumes:1', files, run: { volumes: ['/data', '/cache', '/given'] } });
      const given = join(world.subject.root, 'given');
      mkdirSync(given, { recursive: true });
      const mounts = [{ containerPath: '/given', hostPath: given, readOnly: false }];
      const script = 'cat /data/inner/link; ls /data /cache; echo a >/data/new; echo b >/cache/new; echo c >/given/new; touch /etc/x 2>/dev/null || echo sealed';
      const config = { image, imageId, mounts, command: ['/bin/sh', '-c', script], security: { readOnlyRoot: true } };
      const wanted = 'seed\n/cache:\n\n/data:\ninner\nseed\nsealed\n';
      equal(await world.output('', config), wanted);
      equal(await world.output('', { ...config, attempt: 1 }), wanted);
      equal(readFileSync(join(given, 'new'), 'utf8'), 'c\n');
    },
  },
  {
    name: 'a volume is mounted where the links of an image lead, and never outside of it',
    needs: ['images'],
    run: async (world) => {
      const files = { 'run/': '', 'var/run': '-> /run', 'out': '-> ../../../../../../tmp' };
      const { image, imageId } = await world.image({ name: 'example.org/links:1', files });
      const volume = join(world.subject.root, 'a-volume');
      mkdirSync(volume, { recursive: true });
      writeFileSync(join(volume, 'key'), 'value\n');
      const mounts = ['/var/run/app', '/out/app'].map((containerPath) => ({ containerPath, hostPath: volume, readOnly: true }));
      const script = 'readlink /var/run; cat /run/app/key /var/run/app/key /tmp/app/key';
      equal(await world.output('', { image, imageId, mounts, command: ['/bin/sh', '-c', script] }), '/run\nvalue\nvalue\nvalue\n');
    },
  },
  {
    name: "an image on top of the machine's own programs brings its files along",
    needs: ['isolation', 'host-image'],
    run: async (world) => {
      const { image, imageId } = await world.image({ name: 'example.org/on-host:1', base: 'host', files: { 'app/main.js': "console.log('by node', process.argv[2])\n", 'etc/passwd': 'own:x:0:0::/:/bin/sh\n' }, run: { entrypoint: ['node', '/app/main.js'], workingDir: '/app' } });
      equal(await world.output('', { image, imageId, command: [], args: ['here'] }), 'by node here\n');
      equal(await world.output('', { image, imageId, name: 'users', command: ['cat', '/etc/passwd'] }), 'own:x:0:0::/:/bin/sh\n');
    },
  },
  {
    name: 'an image that a container runs on stays; with the container it is free, also when the agent was away',
    needs: ['images'],
    run: async (world) => {
      const build = (n: number) => world.image({ name: `example.org/used:${n}`, files: { 'etc/number': `${n}\n` } });
      const [one, two] = [await build(1), await build(2)];
      const sleeps = ['/bin/sleep', '1000'];
      const id = await world.run('', { image: one.image, imageId: one.imageId, command: sleeps });
      const lost = await world.run('', { uid: 'pod-b', image: two.image, imageId: two.imageId, command: sleeps });
      const isRefused = async (image: string) => await world.images.images.remove(image).then(() => false, (error: Error) => error.message.includes('is used by node-1@'));
      equal(await isRefused(one.image), true);
      await world.reopen({}, () => rmSync(join(world.subject.root, 'pods/pod-b/sandbox.json')));
      deepEqual((await world.images.images.status(two.image))?.consumers, [], `${lost} was lost, and its image is free`);
      equal(await isRefused(one.image), true);
      equal((await world.runtime.exec(id, ['cat', '/etc/number'], 5_000)).output, '1\n');
      await world.runtime.removePodSandbox('pod-a');
      for (const { image, imageId } of [one, two]) deepEqual((await world.images.images.remove(image))?.removed, [imageId]);
    },
  },
];
