/** The content store: what is mounted stays, what nobody uses goes, two that share it do one another no harm, a crash leaves nothing. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { loadArchive } from '../../src/image/archive-load.ts';
import { ImageError, ImageInUseError } from '../../src/image/image-service.ts';
import { ImageStore, type DiskUsage } from '../../src/image/image-store.ts';
import { LocalImages } from '../../src/image/local-images.ts';
import { Locks } from '../../src/image/locks.ts';
import { chainIds } from '../../src/image/snapshots.ts';
import { digestOf, file, folder, imageOf, makeTestFolder, tarOf, type TestEntry, type TestImage } from './images.ts';
import { TestRegistry } from './registry.ts';

let directory: string;
let usage: DiskUsage;
let wallMs: number;
const opened: LocalImages[] = [];
beforeEach(() => {
  directory = makeTestFolder('images');
  usage = { capacityBytes: 100, usedBytes: 0 };
  wallMs = 1_700_000_000_000;
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  fs.rmSync(directory, { recursive: true });
});

const platform = { os: 'linux', architecture: 'amd64', variant: '' };
/** Real timers, a wall that the test sets. */
const clock = { ...systemClock, wall: () => wallMs };

async function open(): Promise<{ store: ImageStore; images: LocalImages }> {
  const store = await ImageStore.open({ directory: join(directory, 'images'), clock });
  const images = new LocalImages({ store, clock, platform, diskUsage: async () => usage });
  opened.push(images);
  return { store, images };
}

/** An OCI layout directory of an image. */
function layoutOf(image: TestImage, name: string): string {
  const folderPath = fs.mkdtempSync(join(directory, 'layout-'));
  fs.mkdirSync(join(folderPath, 'blobs/sha256'), { recursive: true });
  for (const [digest, bytes] of image.blobs) fs.writeFileSync(join(folderPath, 'blobs/sha256', digest.slice(7)), bytes);
  const descriptor = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: image.manifestDigest,
    size: image.manifest.length,
  };
  fs.writeFileSync(
    join(folderPath, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...descriptor, annotations: { 'io.containerd.image.name': name } }],
    }),
  );
  return folderPath;
}

const load = (store: ImageStore, image: TestImage, name: string) =>
  loadArchive({ store, platform, path: layoutOf(image, name) });
const list = (name: string) => fs.readdirSync(join(directory, 'images', name)).sort();
const simple = (text: string) => imageOf([[folder('d'), file('d/f', text)]]);

describe('mountable()', () => {
  test('gives the root, its config, and keeps the image', async () => {
    const { store, images } = await open();
    await load(store, imageOf([[file('x', '1')], [file('y', '2')]], { config: { Cmd: ['/x'], User: '7' } }), 'a:1');
    const mount = await images.mountable('a:1', 'node-1/c1');
    expect(mount).toMatchObject({ hasHostPrograms: false, config: { cmd: ['/x'], user: '7' } });
    expect(mount.lowerDirs).toHaveLength(1);
    expect(fs.readdirSync(mount.lowerDirs[0]!).sort()).toEqual(['x', 'y']);
    expect((await images.status('a:1'))?.consumers).toEqual(['node-1/c1']);
    await expect(images.remove('a:1')).rejects.toThrow(ImageInUseError);
    await expect(images.remove('a:1')).rejects.toThrow('image a:1 is used by node-1/c1');
    expect(await images.status('a:1')).toBeDefined();
    await images.release('node-1/c1');
    await images.release('node-1/c1');
    expect(await images.remove('a:1')).toMatchObject({ untagged: ['docker.io/library/a:1'] });
    expect(await images.status('a:1')).toBeUndefined();
    await store.close();
    expect(['blobs/sha256', 'snapshots', 'references', 'consumers', 'used', 'tmp', 'partial'].flatMap(list)).toEqual(
      [],
    );
  });

  test('the built-in image has no layers and is always there', async () => {
    const { images } = await open();
    expect(await images.mountable('podium.dev/host', 'c')).toMatchObject({ lowerDirs: [], hasHostPrograms: true });
    expect(await images.ensure({ image: 'podium.dev/host:latest', policy: 'Always' })).toMatchObject({
      wasPulled: false,
      image: { id: 'podium.dev/host' },
    });
    await expect(images.remove('podium.dev/host')).rejects.toThrow('built in');
    expect((await images.list()).map(({ id }) => id)).toEqual(['podium.dev/host']);
    const other = await images.ensure({ image: 'podium.dev/host:2', policy: 'Never' }).catch((error: unknown) => error);
    expect(other).toMatchObject({ reason: 'ErrImageNeverPull' });
  });

  test('what is not here, and what is damaged', async () => {
    const { store, images } = await open();
    const absent = await images.mountable('a:1', 'c').catch((error: unknown) => error);
    expect(absent).toBeInstanceOf(ImageError);
    expect(list('consumers')).toEqual([]);
    const image = simple('x');
    await load(store, image, 'a:1');
    fs.truncateSync(store.blobs.path(image.layers[0]!), 5);
    expect(await images.status('a:1')).toBeUndefined();
    await expect(images.mountable('a:1', 'c')).rejects.toThrow('not present');
    expect(list('consumers')).toEqual([]);
  });

  test('unpacks anew what an earlier boot left unsettled', async () => {
    const { store, images } = await open();
    await load(store, simple('x'), 'a:1');
    await store.close();
    const [chain = ''] = list('snapshots');
    const record = join(directory, 'images/snapshots', chain, 'snapshot.json');
    expect(JSON.parse(fs.readFileSync(record, 'utf8'))).toMatchObject({ bootId: '' });
    fs.writeFileSync(record, JSON.stringify({ bytes: 1, isOwnerless: false, bootId: 'another boot' }));
    fs.writeFileSync(join(directory, 'images/snapshots', chain, 'root/d/f'), '');
    const { lowerDirs } = await images.mountable('a:1', 'c');
    expect(fs.readFileSync(join(lowerDirs[0]!, 'd/f'), 'utf8')).toBe('x');
  });

  test('keepOnly() releases what is not adopted, of one agent', async () => {
    const { store, images } = await open();
    await load(store, simple('x'), 'a:1');
    for (const consumer of ['node-1/a', 'node-1/b', 'node-10/a', 'node-2/../x'])
      await images.mountable('a:1', consumer);
    await images.keepOnly('node-1/', ['node-1/b']);
    expect((await images.status('a:1'))?.consumers).toEqual(['node-1/b', 'node-10/a', 'node-2/../x']);
  });

  test('a name that moves on leaves the mounted image', async () => {
    const { store, images } = await open();
    await load(store, simple('one'), 'a:1');
    const { lowerDirs, id } = await images.mountable('a:1', 'c');
    await load(store, simple('two'), 'a:1');
    await store.sweep(5);
    expect(fs.readFileSync(join(lowerDirs[0]!, 'd/f'), 'utf8')).toBe('one');
    expect(await images.status(id)).toMatchObject({ repoTags: [], consumers: ['c'] });
    await images.release('c');
    await store.sweep(5);
    expect(fs.existsSync(lowerDirs[0]!)).toBe(false);
    expect(await images.status('a:1')).toBeDefined();
  });

  test('a name that goes while somebody notes that he mounts its image is put back', async () => {
    const { store } = await open();
    await load(store, simple('x'), 'a:1');
    const [reference] = await store.references.list();
    const comesNow = async () => {
      expect(await store.references.list()).toEqual([]);
      await store.references.addConsumer('c', reference!.manifest);
      return (await store.references.consumers()).length > 0;
    };
    expect(await store.references.removeUnless([reference!], comesNow)).toBe(false);
    expect(await store.references.list()).toEqual([reference]);
    expect(await store.references.removeUnless([reference!], async () => false)).toBe(true);
    expect([await store.references.list(), list('tmp')]).toEqual([[], []]);
  });

  test('mounting and removing at the same time: either it is mounted, or it is gone', async () => {
    const one = await open();
    const two = await open();
    const image = simple('x');
    for (let round = 0; round < 10; round++) {
      await load(one.store, image, 'a:1');
      const [mounted, removed] = await Promise.allSettled([one.images.mountable('a:1', 'c'), two.images.remove('a:1')]);
      if (mounted.status === 'fulfilled') {
        expect(removed.status).toBe('rejected');
        expect(fs.readFileSync(join(mounted.value.lowerDirs[0]!, 'd/f'), 'utf8')).toBe('x');
        expect(await one.images.status('a:1')).toBeDefined();
        await one.images.release('c');
      } else {
        expect(removed).toMatchObject({ status: 'fulfilled' });
      }
    }
  });
});

describe('snapshots', () => {
  const inode = (chain: string, path: string) =>
    fs.statSync(join(directory, 'images/snapshots', chain.slice(7), 'root', path)).ino;

  test('what images have in common is there once, and neither sees what the other changed', async () => {
    const { store, images } = await open();
    const base: TestEntry[] = [
      folder('lib', { mode: 0o755, mtime: 5_000 }),
      file('lib/big', 'b'.repeat(10_000)),
      file('etc', 'base'),
    ];
    const [one, two, three] = [
      [file('app', 'one'), file('etc', 'one')],
      [file('app', 'two'), file('lib/.wh.big')],
      [file('app', 'three')],
    ].map((layer) => imageOf([base, layer])) as [TestImage, TestImage, TestImage];
    await load(store, one, 'one:1');
    expect(list('snapshots')).toHaveLength(1);
    await load(store, two, 'two:1');
    await load(store, three, 'three:1');
    const chains = (layers: readonly TestEntry[][]) => chainIds(layers.map((layer) => digestOf(tarOf(layer))));
    const [common = '', third = ''] = chains([base, [file('app', 'three')]]);
    // The first, which knew of no other; the layers in common, from the second on; two on top of those.
    expect(list('snapshots')).toHaveLength(4);
    expect(inode(third, 'lib/big')).toBe(inode(common, 'lib/big'));
    const read = async (name: string, path: string) =>
      fs.readFileSync(join((await images.mountable(name, name)).lowerDirs[0]!, path), 'utf8');
    expect([
      await read('one:1', 'etc'),
      await read('two:1', 'etc'),
      await read('three:1', 'etc'),
      await read('three:1', 'app'),
    ]).toEqual(['one', 'base', 'base', 'three']);
    await expect(read('two:1', 'lib/big')).rejects.toThrow('ENOENT');
    expect((await read('three:1', 'lib/big')).length).toBe(10_000);
    expect(fs.statSync(join(directory, 'images/snapshots', third.slice(7), 'root/lib')).mtimeMs).toBe(5_000_000);
    for (const name of ['one:1', 'two:1', 'three:1']) await images.release(name);
    for (const name of ['one:1', 'two:1']) await images.remove(name);
    expect(list('snapshots')).toEqual([common.slice(7), third.slice(7)].sort());
    await images.remove('three:1');
    expect(list('snapshots')).toEqual([]);
  });

  test('two that unpack the same do it once', async () => {
    const [one, two] = [await open(), await open()];
    const image = imageOf([[file('x', 'x'.repeat(100_000))]]);
    await Promise.all([load(one.store, image, 'a:1'), load(two.store, image, 'a:1')]);
    expect(list('snapshots')).toHaveLength(1);
    expect(await one.images.status('a:1')).toEqual(await two.images.status('a:1'));
  });
});

describe('collectGarbage()', () => {
  const options = { highPercent: 85, lowPercent: 80, minAgeMs: 1_000 };

  /** Pulled: what is loaded by hand is pinned. */
  async function pulled(
    names: readonly string[],
  ): Promise<{ store: ImageStore; images: LocalImages; name: (short: string) => string }> {
    const registry = await TestRegistry.start();
    const { host } = registry;
    const name = (short: string) => `${host}/${short}:1`;
    const { store, images } = await open();
    for (const short of names) {
      registry.push(short, '1', simple(short));
      wallMs += 10_000;
      await images.ensure({ image: name(short) });
    }
    wallMs += 10_000;
    await registry.stop();
    return { store, images, name };
  }

  const left = async (images: LocalImages) =>
    (await images.list()).flatMap(({ repoTags }) => repoTags.map((tag) => /([a-z]+):[^:]*$/.exec(tag)?.[1]));

  test('while the disk is too full the longest unused go, until it is low', async () => {
    const { images, name } = await pulled(['a', 'b', 'c', 'd']);
    await images.mountable(name('b'), 'c');
    await images.release('c'); // used last
    await images.mountable(name('c'), 'mounted');
    usage = { capacityBytes: 100, usedBytes: 85 };
    expect(await images.collectGarbage(options)).toMatchObject({ removed: [], isShort: false });
    // Each image that goes gives back 5.
    usage = {
      capacityBytes: 100,
      get usedBytes() {
        return 70 + 5 * list('snapshots').length;
      },
    } as DiskUsage;
    const report = await images.collectGarbage(options);
    expect(report.removed.map(({ repoTags }) => repoTags)).toEqual([[name('a')], [name('d')]]);
    expect(report.freedBytes).toBeGreaterThan(0);
    expect(await left(images)).toEqual(['host', 'b', 'c']);
  });

  test('what is pinned, mounted or young stays, and that is told', async () => {
    const { store, images, name } = await pulled(['a', 'b']);
    await load(store, simple('loaded'), 'loaded:1');
    await images.mountable(name('a'), 'mounted');
    wallMs += 10_000;
    usage = { capacityBytes: 100, usedBytes: 99 };
    expect(await images.collectGarbage({ ...options, minAgeMs: 1e9 })).toMatchObject({ removed: [], isShort: true });
    expect(await images.collectGarbage(options)).toMatchObject({ isShort: true, removed: [{ repoTags: [name('b')] }] });
    expect((await left(images)).sort()).toEqual(['a', 'host', 'loaded']);
  });

  test('what is unused for too long goes, however empty the disk', async () => {
    const { images, name } = await pulled(['a', 'b']);
    wallMs += 100_000;
    await images.mountable(name('b'), 'c');
    await images.release('c');
    const report = await images.collectGarbage({ ...options, maxAgeMs: 60_000, minAgeMs: 0 });
    expect(report.removed.map(({ repoTags }) => repoTags)).toEqual([[name('a')]]);
  });
});

describe('after a crash', () => {
  test('what was half made is removed at the start, unless somebody is at work', async () => {
    const { store } = await open();
    const tmp = join(directory, 'images/tmp');
    fs.mkdirSync(join(tmp, 'snapshot-dead/root/deep'), { recursive: true });
    fs.writeFileSync(join(tmp, 'rubbish'), 'x');
    const held = await holdStore(store);
    await open();
    expect(list('tmp')).toEqual(['rubbish', 'snapshot-dead']);
    await held.release();
    await open();
    expect(list('tmp')).toEqual([]);
  });

  test('blobs and snapshots that no name leads to go with the next sweep, an old download too', async () => {
    const { store, images } = await open();
    await store.blobs.addText('nobody knows me');
    fs.writeFileSync(join(directory, 'images/partial/old'), 'x');
    fs.utimesSync(join(directory, 'images/partial/old'), 1_000, 1_000);
    fs.writeFileSync(join(directory, 'images/partial/young'), 'x');
    wallMs = Date.now();
    const held = await holdStore(store);
    expect(await store.sweep(0)).toBeUndefined();
    expect(list('blobs/sha256')).toHaveLength(1);
    await held.release();
    await images.collectGarbage({ highPercent: 85, lowPercent: 80, minAgeMs: 0 });
    expect([list('blobs/sha256'), list('partial')]).toEqual([[], ['young']]);
  });

  test('a note that is torn counts as none', async () => {
    const { store, images } = await open();
    await load(store, simple('x'), 'a:1');
    await images.mountable('a:1', 'c');
    fs.writeFileSync(join(directory, 'images/consumers', list('consumers')[0]!), '{"na');
    expect((await images.status('a:1'))?.consumers).toEqual([]);
    fs.truncateSync(join(directory, 'images/references', list('references')[0]!), 4);
    expect(await images.status('a:1')).toBeUndefined();
    await load(store, simple('x'), 'a:1');
    expect(await images.status('a:1')).toBeDefined();
  });

  async function holdStore(store: ImageStore): Promise<{ release: () => Promise<void> }> {
    let release = () => {};
    const finished = new Promise<void>((resolve) => (release = resolve));
    let work: Promise<void> | undefined;
    await new Promise<void>((begun) => {
      work = store.working(() => (begun(), finished));
    });
    return { release: () => (release(), work!) };
  }
});

describe('Locks', () => {
  const locks = () => {
    fs.mkdirSync(join(directory, 'locks'), { recursive: true });
    return new Locks(join(directory, 'locks'));
  };

  test('one at a time, over all that share the folder', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const [one, two] = [locks(), locks()];
    await Promise.all(Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? one : two).exclusively('x', work)));
    expect([most, inside]).toEqual([1, 0]);
  });

  test('what fails frees it; who gives up waits no more; another lock is another', async () => {
    const [one, two] = [locks(), locks()];
    await expect(one.exclusively('x', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    let end = () => {};
    const held = one.exclusively('x', () => new Promise<void>((resolve) => (end = resolve)));
    await expect.poll(() => two.tryExclusively('x', 0, async () => 'free'), { timeout: 5_000 }).toBeUndefined();
    const stop = new AbortController();
    const waiting = two.exclusively('x', async () => 'never', stop.signal);
    expect(await two.exclusively('y', async () => 'other')).toBe('other');
    stop.abort();
    await expect(waiting).rejects.toThrow('aborted');
    end();
    await held;
    expect(await two.tryExclusively('x', 0, async () => 'free')).toBe('free');
  });

  test('sharing goes together, and not with who has it alone', async () => {
    const [one, two] = [locks(), locks()];
    await one.sharing('x', () =>
      two.sharing('x', () =>
        one.sharing('x', async () => expect(await two.tryExclusively('x', 0, async () => 1)).toBeUndefined()),
      ),
    );
    expect(await two.tryExclusively('x', 0, async () => 1)).toBe(1);
  });

  test('a folder that is not there is told', async () => {
    await expect(new Locks(join(directory, 'none')).exclusively('x', async () => 1)).rejects.toThrow(/ENOENT/);
  });
});

test('a DrivenClock is enough for what needs no registry', async () => {
  const driven = new DrivenClock();
  const store = await ImageStore.open({ directory: join(directory, 'driven'), clock: driven });
  const images = new LocalImages({ store, clock: driven, platform });
  opened.push(images);
  await loadArchive({ store, platform, path: layoutOf(imageOf([[file('x', 'x')]], { pack: gzipSync }), 'a:1') });
  expect((await images.mountable('a:1', 'c')).lowerDirs).toHaveLength(1);
});
