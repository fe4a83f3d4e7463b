/** Archives in and out, and images built of folders. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { loadArchive } from '../../src/image/archive-load.ts';
import { saveArchive } from '../../src/image/archive-save.ts';
import { MEDIA } from '../../src/image/core/manifest.ts';
import { buildImage, type BuildOptions } from '../../src/image/image-build.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { LocalImages } from '../../src/image/local-images.ts';
import {
  digestOf,
  file,
  folder,
  hardLink,
  imageOf,
  makeTestFolder,
  symlink,
  tarOf,
  type TestEntry,
  type TestImage,
} from './images.ts';

let directory: string;
let store: ImageStore;
let images: LocalImages;
const platform = { os: 'linux', architecture: 'amd64', variant: '' };
beforeEach(async () => {
  directory = makeTestFolder('archive');
  store = await ImageStore.open({ directory: join(directory, 'images'), clock: systemClock });
  images = new LocalImages({ store, clock: systemClock, platform });
});
afterEach(async () => {
  await images.close();
  fs.rmSync(directory, { recursive: true });
});

const app = (more: object = {}) => imageOf([[file('x', '1')], [file('y', '2')]], { config: { Cmd: ['/x'] }, ...more });
const layout = '{"imageLayoutVersion":"1.0.0"}';
const blobEntries = (image: TestImage) =>
  [...image.blobs].map(([digest, bytes]) => file(`blobs/sha256/${digest.slice(7)}`, bytes));
const descriptorOf = (image: TestImage, annotations: Record<string, string> = {}) => ({
  mediaType: MEDIA.manifest,
  digest: image.manifestDigest,
  size: image.manifest.length,
  annotations,
});
const index = (manifests: readonly object[]) =>
  file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
const named = (name: string) => ({ 'io.containerd.image.name': name });

async function load(entries: readonly TestEntry[] | Buffer, name?: string) {
  const path = join(directory, 'archive.tar');
  fs.writeFileSync(path, Buffer.isBuffer(entries) ? entries : tarOf(entries));
  return loadArchive({ store, platform, path, name });
}

const read = async (name: string, path: string) =>
  fs.readFileSync(join((await images.mountable(name, 'test')).lowerDirs[0]!, path), 'utf8');
const tmp = () => fs.readdirSync(join(directory, 'images/tmp'));

describe('loadArchive()', () => {
  test('an OCI archive, packed or not; a layout directory', async () => {
    const image = app();
    const entries = [
      file('oci-layout', layout),
      index([descriptorOf(image, named('docker.io/library/app:1'))]),
      ...blobEntries(image),
    ];
    expect(await load(entries)).toEqual([{ name: 'docker.io/library/app:1', id: image.id }]);
    expect(await load(gzipSync(tarOf(entries)), 'other:2')).toEqual([
      { name: 'docker.io/library/other:2', id: image.id },
    ]);
    expect(await images.status(image.id)).toMatchObject({
      repoTags: ['docker.io/library/app:1', 'docker.io/library/other:2'],
      isPinned: true,
    });
    expect(await read('app:1', 'y')).toBe('2');
    await images.release('test');
    await images.remove(image.id);
    for (const { path, data = '' } of entries) {
      fs.mkdirSync(join(directory, 'layout', path, '..'), { recursive: true });
      fs.writeFileSync(join(directory, 'layout', path), data);
    }
    expect(await loadArchive({ store, platform, path: join(directory, 'layout') })).toEqual([
      { name: 'docker.io/library/app:1', id: image.id },
    ]);
    expect(fs.existsSync(join(directory, 'layout/blobs/sha256', image.id.slice(7)))).toBe(true);
    await images.close();
    expect(tmp()).toEqual([]);
  });

  test("of several platforms this one's, by an index within or beside one another", async () => {
    const [amd, arm] = [app(), app({ architecture: 'arm64' })];
    const manifests = [
      [arm, 'arm64'],
      [amd, 'amd64'],
    ].map(([image, architecture]) => ({
      ...descriptorOf(image as TestImage),
      platform: { os: 'linux', architecture },
    }));
    const inner = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
    const outer = index([
      {
        mediaType: MEDIA.index,
        digest: digestOf(inner),
        size: inner.length,
        annotations: { 'org.opencontainers.image.ref.name': 'ghcr.io/o/app:3' },
      },
    ]);
    // As some tools make it, without the blobs of other platforms.
    const entries = [outer, file(`blobs/sha256/${digestOf(inner).slice(7)}`, inner), ...blobEntries(amd)];
    expect(await load(entries)).toEqual([{ name: 'ghcr.io/o/app:3', id: amd.id }]);
    const flat = manifests.map((one) => ({ ...one, annotations: named('flat:1') }));
    expect(await load([index(flat), ...blobEntries(amd), ...blobEntries(arm)])).toEqual([
      { name: 'docker.io/library/flat:1', id: amd.id },
    ]);
  });

  test('what docker save wrote: layers by name, shared ones by links', async () => {
    const tars = [tarOf([file('x', '1')]), tarOf([file('y', '2')])];
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: ['/y'] },
        rootfs: { type: 'layers', diff_ids: [tars[0]!, tars[1]!].map(digestOf) },
      }),
    );
    const entries = [
      folder('aaa'),
      file('aaa/layer.tar', tars[0]),
      file('aaa/VERSION', '1.0'),
      folder('bbb'),
      symlink('bbb/layer.tar', '../ccc/layer.tar'),
      file('ccc/layer.tar', tars[1]),
      file('cfg.json', config),
      hardLink('again.json', 'cfg.json'),
      file(
        'manifest.json',
        JSON.stringify([
          { Config: 'cfg.json', RepoTags: ['app:1', 'app:latest'], Layers: ['aaa/layer.tar', 'bbb/layer.tar'] },
          { Config: 'again.json', RepoTags: ['same:1'], Layers: ['aaa/layer.tar', 'ccc/layer.tar'] },
        ]),
      ),
    ];
    const names = ['app:1', 'app:latest', 'same:1'].map((name) => ({
      name: `docker.io/library/${name}`,
      id: digestOf(config),
    }));
    expect(await load(entries)).toEqual(names);
    expect([await read('same:1', 'y'), (await images.status('app:1'))?.config.cmd]).toEqual(['2', ['/y']]);
  });

  const image = app();
  const whole = () => [index([descriptorOf(image, named('a:1'))]), ...blobEntries(image)];
  test.each<[string, () => readonly TestEntry[] | Buffer, RegExp, string?]>([
    ['no archive', () => Buffer.from('what is this?'.repeat(100)), /archive\.tar cannot be loaded: this is no tar/],
    [
      'a tar of something else',
      () => [file('readme', 'x')],
      /is no archive of images: it has neither an index\.json nor a manifest\.json/,
    ],
    ['an archive that is cut', () => tarOf(whole()).subarray(0, -2_000), /cut off/],
    [
      'a packed one that is cut',
      () => gzipSync(tarOf(whole())).subarray(0, -20),
      /cannot be loaded: unexpected end of file/,
    ],
    [
      'an index that is none',
      () => [file('index.json', '{"schemaVersion":2,"config":{}}')],
      /index\.json cannot be read: it is called .* and has layers/,
    ],
    ['an empty index', () => [index([])], /holds no image: its index is empty/],
    [
      'an image without a name',
      () => [index([descriptorOf(image)]), ...blobEntries(image)],
      /does not say what the image is called: name it with --tag/,
    ],
    [
      'a name that is none',
      () => [index([descriptorOf(image, named('A B'))]), ...blobEntries(image)],
      /does not say|is no name of an image/,
    ],
    [
      'a tag for many',
      () => [index([descriptorOf(image, named('a:1')), descriptorOf(image, named('b:1'))]), ...blobEntries(image)],
      /holds 2 images: --tag is for an archive of one/,
      'x:1',
    ],
    [
      'a layer that is not there',
      () => whole().filter(({ path }) => !path.endsWith(image.layers[1]!.slice(7))),
      /lacks the blob sha256:/,
    ],
    [
      'a layer of another digest',
      () =>
        whole().map((entry) =>
          entry.path.endsWith(image.layers[1]!.slice(7))
            ? { ...entry, data: Buffer.alloc((entry.data as Buffer).length) }
            : entry,
        ),
      /was announced, sha256:[0-9a-f]{64} is what came/,
    ],
    [
      'another architecture',
      () => {
        const arm = app({ architecture: 'arm64' });
        return [index([descriptorOf(arm, named('a:1'))]), ...blobEntries(arm)];
      },
      /no match for platform linux\/amd64: the image is for linux\/arm64/,
    ],
    [
      'a layer that climbs out',
      () => {
        const evil = imageOf([[symlink('d', '../../..'), file('d/evil', 'x')]]);
        return [index([descriptorOf(evil, named('a:1'))]), ...blobEntries(evil)];
      },
      /d\/evil climbs out of the root over a link/,
    ],
    ['files that climb out of the archive', () => [file('../index.json', 'x')], /climbs out of the archive/],
    [
      'a manifest.json that is none',
      () => [file('manifest.json', '{}')],
      /manifest\.json cannot be read: manifest\.json is no list/,
    ],
    [
      'a config that is not there',
      () => [file('manifest.json', '[{"Config":"x","RepoTags":["a:1"],"Layers":[]}]')],
      /lacks x/,
    ],
    [
      'a config that leads out',
      () => [file('manifest.json', '[{"Config":"../../../etc/passwd","RepoTags":["a:1"],"Layers":[]}]')],
      /lacks \.\.\/\.\.\/\.\.\/etc\/passwd/,
    ],
    [
      'links in a circle',
      () => [
        file('manifest.json', '[{"Config":"a","RepoTags":["a:1"],"Layers":[]}]'),
        symlink('a', 'b'),
        symlink('b', 'a'),
      ],
      /lacks a/,
    ],
  ])('%s is refused, and nothing is left', async (_, make, expected, name) => {
    await expect(load(make(), name)).rejects.toThrow(expected);
    expect((await images.list()).length).toBe(1);
    await images.close();
    expect(tmp()).toEqual([]);
  });

  test('a path that is not there is told', async () => {
    await expect(loadArchive({ store, platform, path: join(directory, 'none') })).rejects.toThrow(
      /none cannot be read/,
    );
  });
});

describe('saveArchive()', () => {
  test('is loaded again as the same image, and the same bytes each time', async () => {
    const image = app();
    await load([index([descriptorOf(image, named('a:1'))]), ...blobEntries(image)]);
    const [stored] = await store.images();
    const save = async (path: string) => {
      await pipeline(
        Readable.from(saveArchive(store, [{ image: stored!, names: ['docker.io/library/a:1'] }])),
        fs.createWriteStream(join(directory, path)),
      );
      return fs.readFileSync(join(directory, path));
    };
    const bytes = await save('one.tar');
    expect((await save('two.tar')).equals(bytes)).toBe(true);
    await images.remove('a:1');
    expect(await load(bytes)).toEqual([{ name: 'docker.io/library/a:1', id: image.id }]);
    await images.remove('a:1');
    // By its other index, the one that `docker load` reads.
    const withoutIndex = Buffer.from(bytes);
    withoutIndex.write('index.jsoN', withoutIndex.indexOf('index.json'), 'latin1');
    const at = withoutIndex.indexOf('index.jsoN');
    withoutIndex.write('        ', at + 148, 'latin1');
    withoutIndex.write(
      `${withoutIndex
        .subarray(at, at + 512)
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      at + 148,
      'latin1',
    );
    expect(await load(withoutIndex)).toEqual([{ name: 'docker.io/library/a:1', id: image.id }]);
  });
});

describe('buildImage()', () => {
  const build = (more: Partial<BuildOptions> = {}) =>
    buildImage({
      store,
      folder: join(directory, 'app'),
      to: '/',
      name: 'built:1',
      platform,
      base: undefined,
      run: {},
      ...more,
    });

  function makeFolder(path = 'app', umask = 0o022): void {
    const before = process.umask(umask);
    fs.mkdirSync(join(directory, path, 'bin'), { recursive: true });
    fs.writeFileSync(join(directory, path, 'bin/run'), '#!/bin/sh\n');
    fs.chmodSync(join(directory, path, 'bin/run'), umask === 0o022 ? 0o755 : 0o700);
    fs.writeFileSync(join(directory, path, 'ünï'), 'text');
    fs.symlinkSync('bin/run', join(directory, path, 'link'));
    process.umask(before);
  }

  test('the same folder gives the same digest, whoever made its files and when', async () => {
    makeFolder();
    const first = await build({ run: { cmd: ['/bin/run'], env: ['A=1'] } });
    makeFolder('app2', 0o077);
    fs.utimesSync(join(directory, 'app2/bin'), 5, 5);
    const second = await build({
      folder: join(directory, 'app2'),
      name: 'built:2',
      run: { cmd: ['/bin/run'], env: ['A=1'] },
    });
    expect(second.manifestDigest).toBe(first.manifestDigest);
    // Written down: another digest is another image for everybody who has this one.
    expect(first.manifestDigest).toBe('sha256:7e3765d05c650d6013aaa8d199a908bfc908411b023b0470173c8edac85170f4');
    expect(await read('built:1', 'ünï')).toBe('text');
    const stats = fs.statSync(join((await images.mountable('built:1', 'test')).lowerDirs[0]!, 'bin/run'));
    expect([stats.mode & 0o7777, stats.mtimeMs]).toEqual([0o755, 0]);
  });

  test('on another image: its layers, and its settings where none are given', async () => {
    makeFolder();
    const base = await build({
      name: 'base:1',
      run: { entrypoint: ['/bin/run'], cmd: ['-x'], env: ['A=1', 'B=2'], user: '5', exposedPorts: ['80/tcp'] },
    });
    fs.writeFileSync(join(directory, 'app/more'), 'more');
    const top = await build({
      name: 'top:1',
      base,
      to: '/srv/app',
      run: { cmd: ['-y'], env: ['B=3'], exposedPorts: ['81/tcp'] },
    });
    expect(top.config.run).toMatchObject({
      entrypoint: ['/bin/run'],
      cmd: ['-y'],
      env: ['A=1', 'B=3'],
      user: '5',
      exposedPorts: ['80/tcp', '81/tcp'],
    });
    expect(top.config.diffIds).toHaveLength(2);
    expect([await read('top:1', 'ünï'), await read('top:1', 'srv/app/more')]).toEqual(['text', 'more']);
    expect((await build({ name: 'other:1', base, run: { entrypoint: ['/other'] } })).config.run).toMatchObject({
      entrypoint: ['/other'],
      cmd: [],
    });
  });

  test("on the machine's own programs", async () => {
    makeFolder();
    await build({ base: 'host', to: '/app', run: { cmd: ['node', '/app/server.mjs'] } });
    const mount = await images.mountable('built:1', 'c');
    expect([mount.hasHostPrograms, fs.readdirSync(mount.lowerDirs[0]!)]).toEqual([true, ['app']]);
  });

  test('what was built under a name before goes with the next sweep', async () => {
    makeFolder();
    const before = await build();
    fs.writeFileSync(join(directory, 'app/more'), 'more');
    await build();
    await store.sweep(5);
    expect(await store.image(before.manifestDigest)).toBeUndefined();
    expect((await images.list()).length).toBe(2);
  });

  test.each<[string, () => void, Partial<BuildOptions>, RegExp]>([
    ['a name that is none', () => {}, { name: 'Not a name' }, /"Not a name" is no name of an image/],
    ['a place above the root', () => {}, { to: '/../x' }, /climbs out of the root/],
    [
      'a whiteout',
      () => fs.writeFileSync(join(directory, 'app/.wh.x'), ''),
      {},
      /\.wh\.x would be taken for a whiteout/,
    ],
  ])('%s is refused', async (_, spoil, more, expected) => {
    makeFolder();
    spoil();
    await expect(build(more)).rejects.toThrow(expected);
    expect((await images.list()).length).toBe(1);
  });
});
