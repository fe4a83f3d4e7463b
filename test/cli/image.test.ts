/** What `podium image` says of what a person typed wrong. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { imageRows, progressText } from '../../src/cli/core/image-table.ts';
import { imageBuild, imageList, imageLoad, imagePull, imageSave, type BuildFlags } from '../../src/cli/image.ts';
import { progressLines } from '../../src/cli/image-progress.ts';
import { EMPTY_RUN_CONFIG } from '../../src/image/core/image-config.ts';
import { openImages } from '../../src/image/open-images.ts';
import type { ImageStatus } from '../../src/image/image-service.ts';

let dataDir: string;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podium-image-'));
  dataDir = join(folder, '.podium');
  mkdirSync(dataDir);
});
afterEach(() => rmSync(folder, { recursive: true }));

const why = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};
const build = (more: Partial<BuildFlags>, from = folder) => why(imageBuild({ dataDir, to: '/', ...more }, [from]));

describe('what is wrong is said', () => {
  test.each<[Partial<BuildFlags>, RegExp]>([
    [{}, /--tag is missing/],
    [{ tag: 'A B' }, /"A B" is no name of an image/],
    [{ tag: 'a', env: ['A'] }, /--env "A" is not NAME=value/],
    [{ tag: 'a', port: ['70000'] }, /--port 70000 is none/],
    [{ tag: 'a', port: ['80/http'] }, /--port 80\/http is none/],
    [{ tag: 'a', cmd: '[1]' }, /--cmd \[1\] is no JSON list of strings/],
    [{ tag: 'a', entrypoint: '["x"' }, /--entrypoint .* is no JSON list of strings/],
    [{ tag: 'a', workdir: 'x' }, /--workdir "x" does not begin with \//],
    [{ tag: 'a', platform: 'amd64' }, /--platform "amd64" is none/],
    [{ tag: 'a', to: '../x' }, /--to \.\.\/x climbs out of the root/],
    [{ tag: 'a', from: 'Not:A:Name' }, /couldn't parse image name/],
    [{ tag: 'a', output: 'yaml' }, /allowed formats are: json/],
  ])('build %j', async (flags, expected) => expect(await build(flags)).toMatch(expected));

  test('the data directory goes into no image', async () => {
    expect(await build({ tag: 'a' }, dataDir)).toMatch(/is the data directory: an image of it would hold its keys/);
    writeFileSync(join(folder, 'file'), 'x');
    expect(await imageBuild({ dataDir, to: '/', tag: 'a:1' }, [folder])).toBe(0);
    const { images } = await openImages({ dataDir, clock: systemClock });
    expect(readdirSync((await images.mountable('a:1', 'test')).lowerDirs[0]!)).toEqual(['file']);
    await images.close();
  });

  test('folders, archives and files that are not there', async () => {
    writeFileSync(join(dataDir, 'file'), 'x');
    expect(await build({ tag: 'a' }, join(dataDir, 'none'))).toMatch(/none cannot be read$/);
    expect(await build({ tag: 'a' }, join(dataDir, 'file'))).toMatch(/file is no directory/);
    expect(await why(imageLoad({ dataDir }, [join(dataDir, 'none.tar')]))).toMatch(/none\.tar cannot be read/);
    expect(await why(imagePull({ dataDir, authfile: join(dataDir, 'none') }, ['a']))).toMatch(/none cannot be read/);
    expect(await why(imagePull({ dataDir, authfile: join(dataDir, 'file') }, ['a']))).toMatch(/file: it is no JSON/);
    expect(await why(imagePull({ dataDir, registries: join(dataDir, 'none') }, ['a']))).toMatch(
      /none cannot be read: ENOENT/,
    );
    expect(await why(imageSave({ dataDir, output: join(dataDir, 'x.tar') }, ['podium.dev/host']))).toMatch(
      /built in, and has nothing to save/,
    );
    expect(await why(imageSave({ dataDir, output: join(dataDir, 'x.tar') }, ['a:1']))).toMatch(/no image "a:1"/);
    expect(await why(imageList({ dataDir, output: 'wide' }))).toMatch(/"wide", allowed formats are: json/);
    writeFileSync(join(dataDir, 'registries.yaml'), 'registries: [\n');
    expect(await why(imageList({ dataDir }))).toMatch(/registries\.yaml cannot be read/);
  });
});

const status = (more: Partial<ImageStatus>): ImageStatus => ({
  id: `sha256:${'ab'.repeat(32)}`,
  repoTags: [],
  repoDigests: [],
  sizeBytes: 1_234_567,
  config: EMPTY_RUN_CONFIG,
  architecture: 'amd64',
  created: '',
  lastUsedMs: 1_000,
  consumers: [],
  isPinned: false,
  ...more,
});

test('imageRows() has a row for each tag, and one for what has none', () => {
  const rows = imageRows(
    [
      status({ repoTags: ['r.lan:5000/a:1', 'r.lan:5000/a:2'], consumers: ['x', 'y'] }),
      status({ repoDigests: [`q.io/b@sha256:${'c'.repeat(64)}`], sizeBytes: 2_345_678_901 }),
      status({ lastUsedMs: 0, sizeBytes: 999 }),
    ],
    181_000,
  );
  expect(rows.slice(1)).toEqual([
    ['r.lan:5000/a', '1', 'abababababab', '1.2 MB', '3m ago', '2'],
    ['r.lan:5000/a', '2', 'abababababab', '1.2 MB', '3m ago', '2'],
    ['q.io/b', '<none>', 'abababababab', '2.35 GB', '3m ago', '0'],
    ['<none>', '<none>', 'abababababab', '1.0 kB', '-', '0'],
  ]);
});

describe('progressLines()', () => {
  const told = (isTTY: boolean) => {
    let text = '';
    const progress = progressLines('app:1', { isTTY, columns: 60, write: (piece) => (text += piece) });
    progress.tell({ kind: 'resolved', digest: 'sha256:x', layers: 2, bytes: 3_000_000 });
    progress.tell({ kind: 'downloading', layer: 'a', done: 1_000_000, bytes: 2_000_000 });
    progress.tell({ kind: 'retrying', what: 'layer a', why: 'cut', delayMs: 500 });
    progress.tell({ kind: 'unpacking', layer: 'a', number: 1, layers: 2 });
    progress.tell({ kind: 'warning', message: 'dev/null is a device, and was left out' });
    progress.end();
    return text;
  };

  test('elsewhere than on a terminal a line for what begins and what goes wrong', () => {
    expect(told(false)).toBe(
      'app:1: 2 layers, 3.0 MB\napp:1: layer a: cut; again in 0.5 s\napp:1: dev/null is a device, and was left out\n',
    );
  });

  test('on a terminal one line, written over, and gone at the end', () => {
    const shown = told(true).split('\r\x1b[K');
    expect(shown).toContain('app:1: 2 layers, 1.0 MB of 3.0 MB');
    expect(shown).toContain('app:1: 2 layers, 1.0 MB of 3.0 MB, unpacking 1 of 2');
    expect(shown).toContain('app:1: layer a: cut; again in 0.5 s\n');
    expect(shown.at(-1)).toBe('');
    expect(progressText({ layers: 1, bytes: 500, done: new Map(), unpacking: 0 })).toBe('1 layer, 0.5 kB');
  });
});
