/**
 * A cluster of two nodes whose pods have images of a registry on loopback, from `podium up` to `podium down --purge`, in
 * namespaces of its own:
 *   node dist/test/agent/runtime/images-main.js DIRECTORY
 * Prints one line of JSON a step, as cluster-main.ts does.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeError } from '../../../src/base/errors.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { findTool } from '../../../src/cluster/isolation.ts';
import { file, imageOf, symlink, tarOf, type TestImage } from '../../image/images.ts';
import { TestRegistry } from '../../image/registry.ts';
import { census, missing } from './census.ts';
import { must, until, type Step } from './cluster-main.ts';
import { ClusterReader, type ShownStatus } from './cluster-reader.ts';
import { makeFolder } from './test-images.ts';

export const IMAGE_STEPS = [
  'podium up starts two nodes that share their images',
  'a node pulls an image and runs it by its own words; for the other one it is there',
  'what cannot be had says why, as Kubernetes users know it, and is tried again later each time',
  'what has been mended runs: a secret, a missing tag, an image that is not pulled',
  'a program that is not in its image, and a user that must not be root',
  'nodes tell of their images; one that runs stays, and goes with its pod',
  'a full disk is told as such, gives back what had come, and other pods go on',
  'podium down --purge leaves nothing behind',
] as const;

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes:
  - { name: node-1, port: 10250, runtime: linux }
  - { name: node-2, port: 10251, runtime: linux }
network: { egress: none }
timings: { nodeGraceSeconds: 60 }
`;
const COMMAND_TIMEOUT_MS = 60_000;
/** Of the disk for images, in the step that fills it. */
const ROOM_BYTES = 24 << 20;

const execute = promisify(execFile);

class ImageCluster {
  readonly dataDir: string;
  readonly registry: TestRegistry;
  readonly api: ClusterReader;
  readonly #directory: string;

  constructor(directory: string, registry: TestRegistry) {
    this.#directory = directory;
    this.dataDir = join(directory, 'c');
    this.registry = registry;
    this.api = new ClusterReader(this.dataDir);
  }

  /** Beside this process, for it is the registry. */
  async podium(...args: readonly string[]): Promise<string> {
    const { stdout } = await execute(process.execPath, ['dist/src/main.js', ...args, '--data-dir', this.dataDir], { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 64 << 20 });
    return stdout;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const path = join(this.#directory, 'objects.json');
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await this.podium('apply', '-f', path);
  }

  /** `name`: of the pod; the rest of its one container. */
  pod(name: string, container: object, spec: object = {}): object {
    return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', ...container }], ...spec } };
  }

  image(path: string): string {
    return `${this.registry.host}/${path}`;
  }

  async status(name: string): Promise<ShownStatus | undefined> {
    return (await this.api.pods()).get(name)?.status.containerStatuses?.[0];
  }

  /** Waits for all of them to be running. */
  async running(...names: readonly string[]): Promise<void> {
    let last = '';
    await until(`${names.join(', ')} run`, async () => {
      const pods = await this.api.pods();
      last = JSON.stringify(names.map((name) => pods.get(name)?.status.containerStatuses?.[0]?.state));
      return names.every((name) => pods.get(name)?.status.containerStatuses?.[0]?.state.running !== undefined);
    }).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${last}`);
    });
  }

  async events(pod: string): Promise<readonly string[]> {
    return (await this.api.events()).get(pod) ?? [];
  }
}

const unpacked = (tar: Buffer) => tar;
const busybox = tarOf([file('bin/busybox', readFileSync(findTool('busybox') ?? '/dev/null'), { mode: 0o755 }), ...['sh', 'sleep', 'echo', 'cat'].map((name) => symlink(`bin/${name}`, 'busybox'))]);
const sleeper = (says: string, more: object = {}): TestImage =>
  imageOf([busybox, [file('says', says)]], { pack: unpacked, config: { Cmd: ['/bin/sh', '-c', 'echo "$(cat /says) $WHO"; exec sleep 1000'], Env: ['PATH=/bin', 'WHO=image'], ...more } });

/** What the registry has, and what is wrong with it. */
function fill(registry: TestRegistry): void {
  registry.credentials = 'robot:right';
  for (const name of ['app', 'late', 'arm', 'lied', 'escape', 'root', 'big', 'small']) registry.publicRepositories.add(name);
  registry.push('app', '1', imageOf([busybox, [file('says', 'one')]], { config: { Entrypoint: ['/bin/sh', '-c'], Cmd: ['echo "$(cat /says) $WHO"; exec sleep 1000'], Env: ['PATH=/bin', 'WHO=image'] } }));
  registry.push('private', '1', sleeper('private'));
  registry.push('arm', '1', imageOf([busybox], { pack: unpacked, architecture: 's390x' }));
  const lied = sleeper('lied');
  registry.push('lied', '1', lied);
  registry.setBlob(lied.layers[1]!, Buffer.alloc(lied.blobs.get(lied.layers[1]!)!.length, 'x'));
  registry.push('escape', '1', imageOf([busybox, [file('../../../etc/evil', 'evil')]], { pack: unpacked }));
  registry.push('root', '1', sleeper('root', { User: 'root' }));
  registry.push('big', '1', imageOf([tarOf([file('big', randomFillSync(Buffer.alloc(2 * ROOM_BYTES)))])], { pack: unpacked }));
  registry.push('small', '1', sleeper('small'));
}

/** By pod: what its message says; its reasons are ErrImagePull and then ImagePullBackOff, but for those that say another. */
const REFUSALS: Readonly<Record<string, { readonly image: string; readonly says: RegExp; readonly reason?: string; readonly policy?: string }>> = {
  missing: { image: 'late:1', says: /not found on .*manifest unknown/ },
  denied: { image: 'private:1', says: /pull access denied by .*\(401\)/ },
  'other-machine': { image: 'arm:1', says: /no match for platform linux\/\w+: the image is for linux\/s390x/ },
  'wrong-digest': { image: `app@sha256:${'0'.repeat(64)}`, says: /not found/ },
  'wrong-layer': { image: 'lied:1', says: /digest|sha256/ },
  escape: { image: 'escape:1', says: /etc\/evil climbs out of the root/ },
  never: { image: 'never:1', says: /is not present with pull policy of Never/, reason: 'ErrImageNeverPull', policy: 'Never' },
  'no-name': { image: 'Capitals:1', says: /couldn't parse image name/, reason: 'InvalidImageName' },
};

async function refused(cluster: ImageCluster): Promise<void> {
  const pods = Object.entries(REFUSALS).map(([name, { image, policy = 'IfNotPresent' }]) =>
    cluster.pod(name, { image: cluster.image(image), imagePullPolicy: policy }, { imagePullSecrets: [{ name: 'pull' }] }),
  );
  await cluster.apply(secret('robot:wrong', cluster), ...pods);
  for (const [name, { says, reason = 'ImagePullBackOff' }] of Object.entries(REFUSALS)) {
    let last: ShownStatus | undefined;
    await until(`${name} is refused`, async () => (last = await cluster.status(name))?.state.waiting?.reason === reason).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${JSON.stringify(last)}`);
    });
    must(says.test(last?.state.waiting?.message ?? ''), `${name}: ${last?.state.waiting?.message}`);
    must(last?.imageID === '', `${name} has no image yet`);
    if (reason !== 'ImagePullBackOff') continue;
    const events = (await cluster.events(name)).join('\n');
    const wanted = [/^Pulling: Pulling image "/m, /^Failed: Failed to pull image "/m, /^Failed: Error: ErrImagePull$/m, /^BackOff: Back-off pulling image "/m, /^Failed: Error: ImagePullBackOff$/m];
    for (const one of wanted) must(one.test(events), `${name}: ${String(one)} in ${events}`);
  }
  must(!existsSync(join(cluster.dataDir, 'images/etc')) && !existsSync('/etc/evil'), 'nothing was written outside of a root');
}

function secret(credentials: string, { registry }: ImageCluster): object {
  const config = { auths: { [registry.host]: { auth: Buffer.from(credentials).toString('base64') } } };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pull' }, type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') } };
}

async function imagesOf(cluster: ImageCluster, node: string): Promise<readonly string[]> {
  const { status } = await cluster.api.read<{ status: { images?: { names: string[] }[] } }>(`nodes/${node}`);
  return (status.images ?? []).flatMap(({ names }) => names);
}

async function fullDisk(cluster: ImageCluster): Promise<void> {
  const images = join(cluster.dataDir, 'images');
  await cluster.podium('delete', 'pod', '--all', '--grace-period', '0');
  // What is there stays there, and is hidden.
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOM_BYTES},mode=700`, 'images', images], { encoding: 'utf8' });
  must(mounted.status === 0, mounted.stderr);
  for (const name of ['blobs/sha256', 'partial', 'references', 'snapshots', 'consumers', 'used', 'locks', 'tmp']) mkdirSync(join(images, name), { recursive: true });
  try {
    await cluster.apply(cluster.pod('big', { image: cluster.image('big:1') }));
    await until('big is refused', async () => /ENOSPC: no space left on device/.test((await cluster.status('big'))?.state.waiting?.message ?? ''));
    await cluster.apply(cluster.pod('small', { image: cluster.image('small:1') }));
    await cluster.running('small');
    // Tried again it comes again, and goes again.
    let left: readonly string[] = [];
    const look = (...folders: readonly string[]) => (left = folders.flatMap((name) => readdirSync(join(images, name)).map((one) => `${name}/${one}`))).length === 0;
    const nothingIn = (...folders: readonly string[]) =>
      until('nothing half made is left', () => look(...folders)).catch((error: unknown) => {
        throw new Error(`${describeError(error)}: ${left.join(' ')}`);
      });
    await nothingIn('partial', 'tmp');
    await cluster.podium('delete', 'pod', 'big', 'small', '--grace-period', '0');
    await nothingIn('tmp', 'consumers');
  } finally {
    spawnSync('umount', ['-l', images]);
  }
}

async function run(directory: string): Promise<void> {
  const registry = await TestRegistry.start();
  fill(registry);
  const cluster = new ImageCluster(directory, registry);
  const nodes = ['node-1', 'node-2'].map((name) => join(cluster.dataDir, name));
  const before = census(nodes);
  const step = async (index: number, work: () => Promise<void>): Promise<void> => {
    const start = systemClock.monotonic();
    const failure = await work().then(() => undefined, (error: unknown) => describeError(error));
    const ms = Math.round(systemClock.monotonic() - start);
    process.stdout.write(`${JSON.stringify({ step: IMAGE_STEPS[index]!, ms, ...(failure === undefined ? {} : { failure }) } satisfies Step)}\n`);
  };
  writeFileSync(join(directory, 'config.yaml'), CONFIG);
  await step(0, async () => {
    await cluster.podium('up', '--detach', '--config', join(directory, 'config.yaml'));
    must((await imagesOf(cluster, 'node-1')).includes('podium.dev/host:latest'), 'the built-in image is told of');
  });
  await step(1, async () => {
    await cluster.apply(cluster.pod('first', { image: cluster.image('app:1') }, { nodeName: 'node-1' }));
    await cluster.running('first');
    await cluster.apply(cluster.pod('second', { image: cluster.image('app:1'), args: ['echo "from the pod $WHO"; exec sleep 1000'], env: [{ name: 'WHO', value: 'pod' }] }, { nodeName: 'node-2' }));
    await cluster.running('second');
    await until('what they say', async () => (await cluster.podium('logs', 'first')) === 'one image\n' && (await cluster.podium('logs', 'second')) === 'from the pod pod\n');
    const [first, second] = [await cluster.events('first'), await cluster.events('second')];
    must(first.some((event) => /^Pulled: Successfully pulled image ".*" in [\d.ms]+ \([\d.ms]+ including waiting\)\. Image size: \d+ bytes\.$/.test(event)), first.join('\n'));
    must(second.some((event) => /^Pulled: Container image ".*" already present on machine$/.test(event)), second.join('\n'));
    const { image, imageID } = (await cluster.status('first'))!;
    must(image === cluster.image('app:1') && imageID.startsWith(cluster.image('app@sha256:')), `${image} ${imageID}`);
  });
  await step(2, () => refused(cluster));
  await step(3, async () => {
    registry.push('late', '1', sleeper('late'));
    await cluster.apply(secret('robot:right', cluster));
    const folder = makeFolder(join(directory, 'never'), {});
    await cluster.podium('image', 'build', folder, '--tag', cluster.image('never:1'), '--cmd', '["/bin/sleep","1000"]');
    await cluster.running('missing', 'denied', 'never');
    must((await cluster.podium('logs', 'denied')) === 'private image\n', 'what needs a secret runs');
  });
  await step(4, async () => {
    const image = cluster.image('app:1');
    const rootless = { securityContext: { runAsNonRoot: true } };
    await cluster.apply(cluster.pod('nothing', { image, command: ['no-such-program'] }), cluster.pod('named', { image: cluster.image('root:1') }, rootless), cluster.pod('root', { image }, rootless));
    await until('RunContainerError', async () => (await cluster.events('nothing')).some((event) => /^Failed: Error: .*no-such-program/.test(event)));
    await until('CrashLoopBackOff', async () => (await cluster.status('nothing'))?.state.waiting?.reason === 'CrashLoopBackOff');
    for (const [name, says] of [['named', 'container has runAsNonRoot and image has non-numeric user (root), cannot verify user is non-root'], ['root', 'container has runAsNonRoot and image will run as root']] as const) {
      await until(`${name} is refused`, async () => {
        const waiting = (await cluster.status(name))?.state.waiting;
        return waiting?.reason === 'CreateContainerConfigError' && waiting.message?.startsWith(says) === true;
      });
    }
  });
  await step(5, async () => {
    const image = cluster.image('never:1');
    for (const node of ['node-1', 'node-2']) await until(`${node} tells of it`, async () => (await imagesOf(cluster, node)).includes(image));
    const removal = await cluster.podium('image', 'rm', image).catch((error: unknown) => describeError(error));
    must(/is used by node-[12]@/.test(removal), removal);
    await cluster.podium('delete', 'pod', 'never', '--grace-period', '0');
    await until('it is free', async () => (await cluster.podium('image', 'rm', image).catch(() => '')).includes('removed'));
  });
  await step(6, () => fullDisk(cluster));
  await step(7, async () => {
    await cluster.podium('down', '--purge');
    await registry.stop();
    let left: readonly string[] = [];
    await until('nothing is left', () => (left = missing(census(nodes), before)).length === 0 && !existsSync(cluster.dataDir)).catch((error: unknown) => {
      throw new Error(`${describeError(error)}: ${left.join('\n')}`);
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2] ?? '');
