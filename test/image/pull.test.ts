/** Images from a registry on loopback into a store: what comes, what is refused, and what a bad line or a bad server does. */
import * as fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AbortedError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { Credentials } from '../../src/image/core/credentials.ts';
import { MEDIA } from '../../src/image/core/manifest.ts';
import type { RegistrySettings } from '../../src/image/core/registries.ts';
import { ImageError, type PullPolicy, type PullProgress } from '../../src/image/image-service.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { LocalImages } from '../../src/image/local-images.ts';
import { digestOf, file, folder, imageOf, indexOf, makeTestFolder, symlink, tarOf, type TestImage } from './images.ts';
import { TestRegistry } from './registry.ts';

let directory: string;
let registry: TestRegistry;
let store: ImageStore;
let images: LocalImages;
const opened: LocalImages[] = [];
beforeEach(async () => {
  directory = makeTestFolder('pull');
  registry = await TestRegistry.start();
  images = await openImages();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await registry.stop();
  fs.rmSync(directory, { recursive: true });
});

const retry = { attempts: 3, firstMs: 1, maxMs: 20 };

async function openImages(registries: readonly RegistrySettings[] = [], idleMs = 5_000): Promise<LocalImages> {
  store = await ImageStore.open({ directory: join(directory, 'images'), clock: systemClock });
  const platform = { os: 'linux', architecture: 'amd64', variant: '' };
  const made = new LocalImages({ store, clock: systemClock, platform, registries, retry, idleMs });
  opened.push(made);
  return made;
}

const name = (path = 'app', tag = '1') => `${registry.host}/${path}:${tag}`;
const pull = (image = name(), policy: PullPolicy = 'Always', credentials: readonly Credentials[] = []) =>
  images.ensure({ image, policy, credentials });

async function failure(work: Promise<unknown>): Promise<ImageError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ImageError))
    throw new Error(`an ImageError was expected, not ${String(error)}`, { cause: error });
  return error;
}

const app = () =>
  imageOf(
    [
      [folder('bin'), file('bin/app', 'one', { mode: 0o755 })],
      [file('bin/app', 'two'), symlink('app', 'bin/app')],
    ],
    { config: { Cmd: ['/app'], Env: ['A=1'] } },
  );
const bigLayer = (bytes = 600_000) => tarOf([file('big', randomFillSync(Buffer.alloc(bytes)))]);
const noise = (bytes?: number): TestImage => imageOf([bigLayer(bytes)]);

const rootOf = async (image = name()) => (await images.mountable(image, 'test')).lowerDirs[0]!;
async function left() {
  await store.close();
  return {
    partial: fs.readdirSync(join(directory, 'images/partial')),
    tmp: fs.readdirSync(join(directory, 'images/tmp')),
  };
}

describe('ensure()', () => {
  test('fetches, verifies, unpacks, names', async () => {
    const image = app();
    registry.push('app', '1', image);
    const told: PullProgress[] = [];
    const { image: status, wasPulled } = await images.ensure({ image: name(), onProgress: (one) => told.push(one) });
    expect(wasPulled).toBe(true);
    expect(status).toMatchObject({
      id: image.id,
      repoTags: [name()],
      repoDigests: [`${registry.host}/app@${image.manifestDigest}`],
      isPinned: false,
      architecture: 'amd64',
      config: { cmd: ['/app'], env: ['A=1'] },
    });
    expect(told.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['resolved', 'downloading', 'unpacking']));
    const root = await rootOf();
    expect(fs.readFileSync(join(root, 'bin/app'), 'utf8')).toBe('two');
    expect(await left()).toEqual({ partial: [], tmp: [] });
  });

  test('policies: what is there is not asked for, but by Always, and then only its digest', async () => {
    const never = await failure(pull(name(), 'Never'));
    expect([never.reason, never.message]).toEqual([
      'ErrImageNeverPull',
      `Container image "${name()}" is not present with pull policy of Never`,
    ]);
    registry.push('app', '1', app());
    await pull(name(), 'IfNotPresent');
    const before = registry.seen.length;
    expect([(await pull(name(), 'IfNotPresent')).wasPulled, (await pull(name(), 'Never')).wasPulled]).toEqual([
      false,
      false,
    ]);
    expect(registry.seen.length).toBe(before);
    expect((await pull(name(), 'Always')).wasPulled).toBe(false);
    expect(registry.seen.slice(before).map(({ method }) => method)).toEqual(['HEAD']);
    const newer = imageOf([[file('x', 'newer')]]);
    registry.push('app', '1', newer);
    expect(await pull(name(), 'Always')).toMatchObject({ wasPulled: true, image: { id: newer.id } });
    expect((await images.list()).map(({ repoTags }) => repoTags)).toEqual(expect.arrayContaining([[name()], []]));
  });

  test('by digest, and by an index the one of this platform', async () => {
    const [amd, arm] = [app(), imageOf([[file('x', 'arm')]], { architecture: 'arm64' })];
    registry.push('app', 'amd', amd);
    registry.push('app', 'arm', arm);
    const index = indexOf([
      [{ os: 'linux', architecture: 'arm64', variant: 'v8' }, arm],
      [{ os: 'linux', architecture: 'amd64' }, amd],
    ]);
    const digest = registry.pushManifest('app', '1', index);
    expect((await pull(`${registry.host}/app@${digest}`)).image).toMatchObject({
      id: amd.id,
      repoTags: [],
      repoDigests: [`${registry.host}/app@${digest}`],
    });
    expect((await pull()).image.repoDigests).toEqual([`${registry.host}/app@${digest}`]);
    expect(registry.count('arm')).toBe(0);
    const wrong = await failure(pull(name('app', 'arm')));
    expect(wrong.message).toBe(
      `failed to pull image "${name('app', 'arm')}": no match for platform linux/amd64: the image is for linux/arm64`,
    );
    registry.pushManifest('app', '2', indexOf([[{ os: 'linux', architecture: 's390x' }, arm]]));
    expect((await failure(pull(name('app', '2')))).message).toMatch(
      /no match for platform linux\/amd64: the image is for linux\/s390x$/,
    );
  });

  test('layers that are not packed, or packed with zstd, whatever their type says', async ({ skip }) => {
    registry.push('plain', '1', imageOf([[file('x', 'plain')]], { pack: (tar) => tar }));
    await pull(name('plain'));
    expect(fs.readFileSync(join(await rootOf(name('plain')), 'x'), 'utf8')).toBe('plain');
    const hasZstd = spawnSync('zstd', ['--version']).status === 0;
    if (!hasZstd && process.env['CI'] === undefined) return skip('zstd is not installed');
    registry.push(
      'zstd',
      '1',
      imageOf([[file('x', 'zstd')]], { pack: (tar) => spawnSync('zstd', ['-c', '-q'], { input: tar }).stdout }),
    );
    await pull(name('zstd'));
    expect(fs.readFileSync(join(await rootOf(name('zstd')), 'x'), 'utf8')).toBe('zstd');
    registry.push(
      'zstd',
      '2',
      imageOf([[file('x', 'y'.repeat(10_000))]], {
        pack: (tar) => spawnSync('zstd', ['-c', '-q'], { input: tar }).stdout.subarray(0, -9),
      }),
    );
    expect((await failure(pull(name('zstd', '2')))).message).toMatch(/layer [0-9a-f]{12} cannot be unpacked/);
  });

  test('layers packed in several pieces', async ({ skip }) => {
    const inPieces = (pack: (part: Buffer) => Buffer) => (tar: Buffer) => Buffer.concat([pack(tar.subarray(0, 700)), pack(tar.subarray(700))]);
    registry.push('gzip', '1', imageOf([[file('x', 'gzip')]], { pack: inPieces((part) => gzipSync(part)) }));
    await pull(name('gzip'));
    expect(fs.readFileSync(join(await rootOf(name('gzip')), 'x'), 'utf8')).toBe('gzip');
    if (spawnSync('zstd', ['--version']).status !== 0 && process.env['CI'] === undefined) return skip('zstd is not installed');
    // Before each frame one that is to be passed over.
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const zstd = (part: Buffer) => Buffer.concat([skipped, spawnSync('zstd', ['-c', '-q'], { input: part }).stdout]);
    registry.push('zstd', '1', imageOf([[file('x', 'zstd')]], { pack: inPieces(zstd) }));
    await pull(name('zstd'));
    expect(fs.readFileSync(join(await rootOf(name('zstd')), 'x'), 'utf8')).toBe('zstd');
  });

  test('same image at the same time: one pull; the last who waits may end it', async () => {
    registry.push('app', '1', noise());
    await Promise.all([pull(), pull(), pull()]);
    expect(registry.count('/blobs/')).toBe(2);
    registry.push('app', '2', noise());
    registry.misbehave({ path: '/blobs/', times: 2, stallAfter: 100 });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [first, second].map(({ signal }) => images.ensure({ image: name('app', '2'), signal }));
    for (const one of waiting) one.catch(() => undefined);
    await expect
      .poll(() => registry.seen.some(({ path }) => path.includes('/manifests/2')), { timeout: 5_000 })
      .toBe(true);
    first.abort();
    await expect(waiting[0]).rejects.toThrow(AbortedError);
    second.abort();
    await expect(waiting[1]).rejects.toThrow(AbortedError);
    registry.misbehaviours.length = 0;
    expect((await pull(name('app', '2'))).wasPulled).toBe(true);
  });

  test('two processes that pull one image fetch each blob once', async () => {
    const image = imageOf([bigLayer(), bigLayer()]);
    registry.push('app', '1', image);
    const other = await openImages();
    await Promise.all([pull(), other.ensure({ image: name() })]);
    for (const layer of image.layers) expect(registry.count(layer)).toBe(1);
  });
});

describe('credentials', () => {
  const secret = (more: Partial<Credentials> = {}): Credentials => ({
    registry: registry.host,
    username: 'user',
    password: 'secret',
    ...more,
  });

  test.each(['basic', 'bearer'] as const)('%s: those that fit are tried one after the other', async (scheme) => {
    registry.scheme = scheme;
    registry.credentials = 'user:secret';
    registry.push('team/app', '1', app());
    const none = await failure(pull(name('team/app')));
    expect([none.reason, none.message]).toEqual([
      'ErrImagePull',
      expect.stringMatching(
        /pull access denied by .* \(401\): the repository does not exist, or needs an image pull secret that fits: authentication required$/,
      ),
    ]);
    expect((await failure(pull(name('team/app'), 'Always', [secret({ password: 'wrong' })]))).reason).toBe(
      'ErrImagePull',
    );
    expect((await failure(pull(name('team/app'), 'Always', [secret({ registry: 'elsewhere' })]))).reason).toBe(
      'ErrImagePull',
    );
    await pull(name('team/app'), 'Always', [secret({ password: 'wrong' }), secret()]);
  });

  test('a public image needs a token for nobody, and no secret spoils that', async () => {
    registry.credentials = 'user:secret';
    registry.publicRepositories.add('app');
    registry.push('app', '1', app());
    await pull();
    registry.push('app', '1', imageOf([[file('y', 'y')]]));
    await pull(name(), 'Always', [secret({ password: 'wrong' })]);
  });

  test('a token that is over is fetched anew', async () => {
    registry.credentials = 'user:secret';
    registry.tokenUses = 2;
    registry.push('app', '1', imageOf([[file('a', '1')], [file('b', '2')], [file('c', '3')], [file('d', '4')]]));
    await pull(name(), 'Always', [secret()]);
    expect(registry.count('/token')).toBeGreaterThan(1);
  });

  test('a pull with one secret is not shared with another', async () => {
    registry.credentials = 'user:secret';
    registry.push('app', '1', app());
    const [first, second] = await Promise.allSettled([
      pull(name(), 'Always', [secret()]),
      pull(name(), 'Always', [secret({ password: 'wrong' })]),
    ]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('are not sent on to where a redirect leads', async () => {
    const storage = await TestRegistry.start();
    try {
      const image = app();
      for (const [digest, bytes] of image.blobs) storage.setBlob(digest, bytes);
      registry.scheme = 'basic';
      registry.credentials = 'user:secret';
      registry.storage = `http://${storage.host}`;
      registry.push('app', '1', image);
      await pull(name(), 'Always', [secret()]);
      expect(storage.count('/storage/')).toBe(3);
      expect(storage.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    } finally {
      await storage.stop();
    }
  });
});

test('where a redirect leads to cannot ask for them: nobody that it names is shown any', async () => {
  const [storage, thief] = [await TestRegistry.start(), await TestRegistry.start()];
  try {
    registry.scheme = 'basic';
    registry.credentials = 'user:secret';
    registry.storage = `http://${storage.host}`;
    registry.push('app', '1', app());
    storage.misbehave({ path: '/storage/', times: 9, status: 401, headers: { 'www-authenticate': `Bearer realm="http://${thief.host}/token",service="x"` } });
    const credentials = [{ registry: registry.host, username: 'user', password: 'secret' }];
    expect((await failure(pull(name(), 'Always', credentials))).message).toMatch(new RegExp(`pull access denied by ${storage.host.replaceAll('.', '\\.')}`));
    expect(storage.seen.length).toBeGreaterThan(0);
    expect(thief.seen).toEqual([]);
  } finally {
    await Promise.all([storage.stop(), thief.stop()]);
  }
});

describe('a bad line', () => {
  test('cut connections are gone on with, at the byte where they broke', async () => {
    const image = noise();
    registry.push('app', '1', image);
    registry.misbehave({ path: image.layers[0]!, times: 4, cutAfter: 150_000 });
    const told: PullProgress[] = [];
    await images.ensure({ image: name(), onProgress: (one) => told.push(one) });
    const ranges = registry.seen.filter(({ path }) => path.includes(image.layers[0]!)).map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
    expect(told.filter(({ kind }) => kind === 'retrying').length).toBeGreaterThan(0);
  });

  test('a server that knows no ranges sends it anew', async () => {
    const image = noise();
    registry.push('app', '1', image);
    registry.misbehave({ path: image.layers[0]!, times: 1, cutAfter: 150_000 });
    registry.misbehave({ path: image.layers[0]!, times: 1, ignoresRange: true });
    await pull();
    expect(registry.count(image.layers[0]!)).toBe(2);
  });

  test('what came before a failure is kept for the next pull', async () => {
    const image = noise();
    registry.push('app', '1', image);
    registry.misbehave({ path: image.layers[0]!, times: 1, cutAfter: 200_000 });
    registry.misbehave({ path: image.layers[0]!, times: 9, status: 503 });
    const error = await failure(pull());
    expect([error.reason, error.message]).toEqual([
      'ErrImagePull',
      `failed to pull image "${name()}": ${registry.host} answers 503: made to fail`,
    ]);
    registry.misbehaviours.length = 0;
    images = await openImages();
    await pull();
    expect(registry.seen.at(-1)?.range).toMatch(/^bytes=[1-9]/);
    expect(await left()).toEqual({ partial: [], tmp: [] });
  });

  test('errors that pass are waited for, so many times; others are not', async () => {
    registry.push('app', '1', app());
    registry.misbehave({ path: '/manifests/', times: 1, status: 500 });
    registry.misbehave({ path: '/manifests/', times: 1, status: 429, headers: { 'retry-after': '1000' } });
    await pull();
    registry.misbehave({ path: '/manifests/2', times: 99, status: 502 });
    expect((await failure(pull(name('app', '2')))).reason).toBe('ErrImagePull');
    expect(registry.seen.filter(({ path }) => path.includes('/manifests/2')).length).toBe(retry.attempts);
    const missing = await failure(pull(name('app', '3')));
    expect([missing.reason, missing.message]).toEqual([
      'ErrImagePull',
      `failed to pull image "${name('app', '3')}": not found on ${registry.host}: manifest unknown`,
    ]);
    expect(registry.seen.filter(({ path }) => path.includes('/manifests/3')).length).toBe(1);
  });

  test('a server that falls silent is given up', async () => {
    images = await openImages([], 200);
    registry.push('app', '1', noise());
    registry.misbehave({ path: '/blobs/', times: 99, stallAfter: 0 });
    const error = await failure(pull());
    expect([error.reason, error.message]).toEqual([
      'ErrImagePull',
      expect.stringMatching(/has said nothing for 200 ms/),
    ]);
  });

  test('nobody there', async () => {
    const { host } = registry;
    await registry.stop();
    const retried: string[] = [];
    const onProgress = (progress: PullProgress) => void (progress.kind === 'retrying' && retried.push(progress.what));
    const error = await failure(images.ensure({ image: `${host}/app:1`, onProgress }));
    expect(retried).toEqual([]);
    expect([error.reason, error.message]).toEqual([
      'ErrImagePull',
      expect.stringMatching(/no answer from .*ECONNREFUSED/),
    ]);
    registry = await TestRegistry.start();
  });
});

describe('a bad server', () => {
  test('a layer of another digest is thrown away, asked for once more, and refused', async () => {
    const image = app();
    registry.push('app', '1', image);
    const [layer = ''] = image.layers;
    const right = image.blobs.get(layer)!;
    const wrong = Buffer.from(right);
    wrong[20]! ^= 1;
    registry.setBlob(layer, wrong);
    const error = await failure(pull());
    expect([error.reason, error.message]).toEqual([
      'ErrImagePull',
      `failed to pull image "${name()}": ${layer} was announced, ${digestOf(wrong)} is what came`,
    ]);
    expect(registry.count(layer)).toBe(2);
    expect(await images.status(name())).toBeUndefined();
    registry.setBlob(layer, Buffer.concat([right, Buffer.alloc(9)]));
    expect((await failure(pull())).message).toMatch(/has more than the \d+ bytes that were announced/);
    registry.setBlob(layer, right);
    await pull();
  });

  test.each<[string, () => TestImage, RegExp]>([
    [
      'a layer that unpacks to something else than the config says',
      () => imageOf([[file('x', 'x')]], { diffIds: [digestOf('other')] }),
      /layer [0-9a-f]{12} unpacks to sha256:[0-9a-f]{64}, not to sha256:[0-9a-f]{64} as the config says/,
    ],
    [
      'a layer that climbs out',
      () => imageOf([[file('../../evil', 'x')]]),
      /cannot be unpacked: \.\.\/\.\.\/evil climbs out of the root/,
    ],
    [
      'a layer that climbs out over a link',
      () => imageOf([[symlink('up', '../..')], [file('up/evil', 'x')]]),
      /up\/evil climbs out of the root over a link/,
    ],
    ['a layer that is no tar', () => imageOf([Buffer.from('no tar at all'.repeat(100))]), /this is no tar/],
    [
      'a layer that is cut',
      () => imageOf([tarOf([file('x', 'y'.repeat(5_000))]).subarray(0, 2_000)]),
      /x: the archive is cut off here/,
    ],
    [
      'a layer whose packing is damaged',
      () => imageOf([[file('x', 'y'.repeat(5_000))]], { pack: (tar) => gzipSync(tar).subarray(0, -12) }),
      /cannot be unpacked: unexpected end of file/,
    ],
    [
      'a config with fewer layers',
      () => imageOf([[file('x', 'x')]], { diffIds: [] }),
      /its config names 0 layers, its manifest 1/,
    ],
    [
      'a config that is none',
      () => imageOf([[file('x', 'x')]], { config: { Cmd: 7 } }),
      /its config cannot be read: config\.Cmd is no list/,
    ],
  ])('%s is refused, and nothing is left', async (_, make, expected) => {
    registry.push('app', '1', make());
    const error = await failure(pull());
    expect(error.reason).toBe('ErrImagePull');
    expect(error.message).toMatch(expected);
    expect(await images.status(name())).toBeUndefined();
    expect(await left()).toEqual({ partial: [], tmp: [] });
    expect(fs.existsSync(join(directory, 'evil'))).toBe(false);
    await store.sweep(0);
    expect(fs.readdirSync(join(directory, 'images/blobs/sha256'))).toEqual([]);
  });

  test.each<[string, Buffer, RegExp]>([
    [
      'schema 1',
      Buffer.from('{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}'),
      /is of schema 1/,
    ],
    [
      'a chart',
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.cncf.helm.x+json', config: {}, layers: [] }),
      ),
      /which is no image/,
    ],
    [
      'a manifest past its limit',
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, x: 'x'.repeat(5_000_000) })),
      /more than 4194304 bytes/,
    ],
    [
      'an index of itself',
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [] })),
      /the image is for none/,
    ],
  ])('%s is refused', async (_, manifest, expected) => {
    registry.pushManifest('app', '1', manifest);
    expect((await failure(pull())).message).toMatch(expected);
  });

  test('a manifest of another digest than was asked for', async () => {
    const digest = digestOf('x');
    registry.misbehave({ path: '/manifests/', times: 9, body: app().manifest });
    expect((await failure(pull(`${registry.host}/app@${digest}`))).message).toMatch(
      /sent a manifest of digest sha256:[0-9a-f]{64} for sha256:/,
    );
  });

  test('redirects without end, and to where plain http may not be', async () => {
    registry.push('app', '1', app());
    registry.misbehave({ path: '/manifests/1', times: 99, status: 302, headers: { location: '/v2/app/manifests/1' } });
    expect((await failure(pull())).message).toMatch(/redirects more than 5 times/);
    registry.misbehaviours.length = 0;
    registry.misbehave({ path: '/manifests/1', times: 99, status: 302, headers: { location: 'http://192.0.2.1/x' } });
    expect((await failure(pull())).message).toMatch(/http:\/\/192\.0\.2\.1 is neither loopback nor allowed/);
    registry.misbehaviours.length = 0;
    registry.misbehave({ path: '/manifests/1', times: 99, status: 302, headers: { location: 'file:///etc/passwd' } });
    expect((await failure(pull())).message).toMatch(/file: is not spoken/);
  });

  test('a name that is none', async () => {
    const error = await failure(pull('Not/A/Name:'));
    expect([error.reason, error.message]).toEqual([
      'InvalidImageName',
      expect.stringMatching(
        /^Failed to apply default image tag "Not\/A\/Name:": couldn't parse image name "Not\/A\/Name:": invalid reference format/,
      ),
    ]);
  });
});

test('mirrors are asked first, without credentials; who has it not is passed over', async () => {
  const mirror = await TestRegistry.start();
  try {
    images = await openImages([
      { host: registry.host, mirrors: [`http://${mirror.host}`], plainHttp: true, caFile: '' },
    ]);
    const image = app();
    mirror.push('app', '1', image);
    await pull(name(), 'Always', [{ registry: registry.host, username: 'user', password: 'secret' }]);
    expect(registry.seen).toEqual([]);
    expect(
      mirror.seen.every(
        ({ path, authorization }) =>
          path.includes(`ns=${encodeURIComponent(registry.host)}`) && authorization === undefined,
      ),
    ).toBe(true);
    // A mirror that asks for them does not get them.
    mirror.scheme = 'basic';
    mirror.credentials = 'user:secret';
    registry.push('app', '2', app());
    await pull(name('app', '2'), 'Always', [{ registry: registry.host, username: 'user', password: 'secret' }]);
    expect(mirror.seen.some(({ status }) => status === 401)).toBe(true);
    expect(mirror.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    mirror.credentials = undefined;
    // A layer that the mirror does not have, or has damaged, comes from the registry.
    const split = noise();
    registry.push('app', '3', split);
    mirror.push('app', '3', split);
    mirror.setBlob(split.layers[0]!, Buffer.from('damaged'));
    await pull(name('app', '3'));
    // Once from where the mirror's ended; that is wrong from its first byte, and so once more.
    expect(registry.seen.filter(({ path }) => path.includes(split.layers[0]!)).map(({ range }) => range)).toEqual([
      'bytes=7-',
      undefined,
    ]);
  } finally {
    await mirror.stop();
  }
});

test('a full disk is told as such, and gives back what has come', async () => {
  // A device that is always full stands where the layer is to go.
  const image = imageOf([[file('came', 'whole')], bigLayer()]);
  registry.push('app', '1', image);
  fs.symlinkSync('/dev/full', join(directory, 'images/partial', image.layers[1]!.slice(7)));
  const error = await failure(pull());
  expect([error.reason, error.message]).toEqual([
    'ErrImagePull',
    expect.stringMatching(/ENOSPC: no space left on device/),
  ]);
  expect(await left()).toEqual({ partial: [], tmp: [] });
  expect(fs.readdirSync(join(directory, 'images/blobs/sha256'))).toEqual([]);
  expect((await pull()).wasPulled).toBe(true);
});
