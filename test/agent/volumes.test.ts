/** Volumes as files of this machine. */
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { VolumeContent } from '../../src/agent/core/volume-files.ts';
import { FileVolumes } from '../../src/agent/volumes.ts';
import { VolumeError } from '../../src/agent/volumes/volume-error.ts';

let root = '';
let volumes: FileVolumes;
let notGiven = 0;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podium-volumes-'));
  notGiven = 0;
  volumes = new FileVolumes(join(root, 'volumes'), { onNotGiven: () => notGiven++ });
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const filesOf = (texts: Readonly<Record<string, string>>, extra: { readonly mode?: number; readonly group?: number; readonly user?: number } = {}): VolumeContent => ({
  name: 'v',
  kind: 'files',
  group: extra.group,
  isSecret: false,
  files: Object.entries(texts).map(([path, text]) => ({ path, content: Buffer.from(text), mode: extra.mode ?? 0o644, user: extra.user })),
});
const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);
const part = (path: string, subPath: string, isFrozen = false) => volumes.part({ uid: 'u', container: 'main', index: 0, path, outside: '', subPath, isFrozen });

describe('volumes of files', () => {
  test('are readable by every user of the container, and have the modes that they are given', async () => {
    const path = await volumes.put('u', filesOf({ a: '1', 'x/y/b': '2' }, { mode: 0o604 }));
    expect([modeOf(path), modeOf(join(path, '..data/')), modeOf(join(path, '..data/x/y')), modeOf(join(path, '..data/a'))]).toEqual(['755', '755', '755', '604']);
    expect(readFileSync(join(path, 'x/y/b'), 'utf8')).toBe('2');
  });

  test('change all at once: who holds on to ..data sees old or new', async () => {
    const path = await volumes.put('u', filesOf({ a: '1', b: '1', gone: '1' }));
    const before = realpathSync(join(path, '..data'));
    await volumes.put('u', filesOf({ a: '2', b: '2' }));
    expect([readFileSync(join(path, 'a'), 'utf8'), readFileSync(join(path, 'b'), 'utf8')]).toEqual(['2', '2']);
    expect(realpathSync(join(path, '..data'))).not.toBe(before);
    expect(readdirSync(path).sort()).toEqual(['..2', '..data', 'a', 'b']);
    expect(lstatSync(join(path, 'a')).isSymbolicLink() && readlinkSync(join(path, '..data'))).toBe('..2');
  });

  test('that do not change are not touched', async () => {
    const path = await volumes.put('u', filesOf({ a: '1' }));
    const { ino } = statSync(join(path, 'a'));
    await volumes.put('u', filesOf({ a: '1' }));
    expect(statSync(join(path, 'a')).ino).toBe(ino);
    await volumes.put('u', filesOf({ a: '1' }, { mode: 0o600 }));
    expect([modeOf(join(path, '..data/a')), statSync(join(path, 'a')).ino === ino]).toEqual(['600', false]);
  });

  test('that a crash left half written are made whole', async () => {
    const path = await volumes.put('u', filesOf({ a: '1' }));
    mkdirSync(join(path, '..7'));
    symlinkSync('..7', join(path, '..data.tmp'));
    await volumes.put('u', filesOf({ a: '2', b: '2' }));
    expect([readFileSync(join(path, 'b'), 'utf8'), readdirSync(path).sort()]).toEqual(['2', ['..8', '..data', 'a', 'b']]);
  });

  test('that cannot be written name the volume, and nothing of them is seen', async () => {
    const path = await volumes.put('u', filesOf({ a: '1' }));
    // The name of a file is longer than any disk takes: the second of two fails.
    const error = await volumes.put('u', filesOf({ a: '2', ['b'.repeat(300)]: '2' })).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VolumeError);
    expect(String(error)).toContain('MountVolume.SetUp failed for volume "v" : ENAMETOOLONG');
    expect([readFileSync(join(path, 'a'), 'utf8'), readdirSync(path).sort()]).toEqual(['1', ['..1', '..data', 'a']]);
  });

  test('belong to the group and the user that the pod names, where that can be', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('only root gives files away');
    const path = await volumes.put('u', filesOf({ 'd/a': '1' }, { mode: 0o600, group: 4242, user: 4243 }));
    const { uid, gid } = statSync(join(path, 'd/a'));
    expect([uid, gid, modeOf(join(path, '..data/d/a')), modeOf(join(path, '..data/d')), notGiven]).toEqual([4243, 4242, '640', '2755', 0]);
    const empty = await volumes.put('u', { name: 'e', kind: 'empty', group: 4242 });
    expect([statSync(empty).gid, modeOf(empty)]).toEqual([4242, '2777']);
  });
});

describe('parts of volumes', () => {
  test('are made if they are not there, with the rights of the volume', async () => {
    const path = await volumes.put('u', { name: 'e', kind: 'empty' });
    expect(await part(path, 'a/./b')).toBe(join(path, 'a/b'));
    expect([modeOf(path), modeOf(join(path, 'a/b'))]).toEqual(['777', '777']);
    writeFileSync(join(path, 'file'), '');
    expect(await part(path, 'file')).toBe(join(path, 'file'));
  });

  test('do not lead out by links', async () => {
    const path = await volumes.put('u', { name: 'e', kind: 'empty' });
    mkdirSync(join(root, 'secret'));
    mkdirSync(join(path, 'real'));
    symlinkSync('real', join(path, 'good'));
    symlinkSync(join(root, 'secret'), join(path, 'bad'));
    symlinkSync('../../..', join(path, 'up'));
    symlinkSync('nowhere', join(path, 'dangling'));
    symlinkSync(join(path, 'real'), join(path, 'absolute'));
    symlinkSync('../good', join(path, 'real/back'));
    symlinkSync('round', join(path, 'round'));
    expect(await part(path, 'good/inner')).toBe(join(path, 'real/inner'));
    expect(await part(path, 'absolute/back/again')).toBe(join(path, 'real/again'));
    await expect(part(path, 'round')).rejects.toThrow('leads out of the volume');
    await expect(part(path, 'bad')).rejects.toThrow('bad leads out of the volume');
    await expect(part(path, 'bad/made')).rejects.toThrow(VolumeError);
    await expect(part(path, 'up/secret')).rejects.toThrow('leads out of the volume');
    expect(await part(path, 'dangling')).toBe(join(path, 'nowhere'));
    expect(readdirSync(join(root, 'secret'))).toEqual([]);
  });

  test('of files stay as they are when the volume changes', async () => {
    const path = await volumes.put('u', filesOf({ a: '1', 'd/b': '1' }));
    const [file, directory] = [await part(path, 'a', true), await volumes.part({ uid: 'u', container: 'main', index: 1, path, outside: '', subPath: 'd', isFrozen: true })];
    await volumes.put('u', filesOf({ a: '2', 'd/b': '2' }));
    expect([readFileSync(file, 'utf8'), readFileSync(join(directory, 'b'), 'utf8')]).toEqual(['1', '1']);
    // The next start of the container sees them as they are then.
    expect(readFileSync(await part(path, 'a', true), 'utf8')).toBe('2');
    expect(readdirSync(await part(path, 'none', true))).toEqual([]);
  });
});

describe('paths of the machine', () => {
  const at = (name: string) => join(root, name);
  const put = (path: string, type: string) => volumes.put('u', { name: 'v', kind: 'host', path, type }).then(
    (found) => (found === path ? 'there' : found),
    (error: unknown) => String(error instanceof Error ? error.message : error),
  );
  const failed = (name: string, what: string) => `MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${at(name)} is not ${what}`;

  test.each<[string, string, (name: string) => string]>([
    ['', 'dir', () => 'there'],
    ['Directory', 'dir', () => 'there'],
    ['Directory', 'file', (name) => failed(name, 'a directory')],
    ['Directory', 'none', (name) => failed(name, 'a directory')],
    ['DirectoryOrCreate', 'file', (name) => failed(name, 'a directory')],
    ['File', 'file', () => 'there'],
    ['File', 'dir', (name) => failed(name, 'a file')],
    ['FileOrCreate', 'dir', (name) => failed(name, 'a file')],
    ['Socket', 'socket', () => 'there'],
    ['Socket', 'file', (name) => failed(name, 'a socket file')],
    ['CharDevice', 'file', (name) => failed(name, 'a character device')],
    ['BlockDevice', 'dir', (name) => failed(name, 'a block device')],
  ])('%s, and there is a %s', async (type, name, outcome) => {
    mkdirSync(at('dir'));
    writeFileSync(at('file'), '');
    const server = createServer();
    await new Promise<void>((done) => server.listen(at('socket'), done));
    expect(await put(at(name), type)).toBe(outcome(name));
    await new Promise((done) => server.close(done));
  });

  test('are made where that is asked for', async () => {
    expect([await put(at('a/b'), 'DirectoryOrCreate'), modeOf(at('a/b'))]).toEqual(['there', '755']);
    expect([await put(at('f'), 'FileOrCreate'), modeOf(at('f'))]).toEqual(['there', '644']);
    expect([await put(at('c'), ''), statSync(at('c')).isDirectory()]).toEqual(['there', true]);
    expect(await put(at('no/f'), 'FileOrCreate')).toContain('ENOENT');
    expect(await put('/dev/null', 'CharDevice')).toBe('there');
  });
});

test('a volume that a crash left half made is made again', async () => {
  mkdirSync(join(root, 'volumes/u/.new-e/x'), { recursive: true });
  const path = await volumes.put('u', { name: 'e', kind: 'empty' });
  expect([readdirSync(path), modeOf(path), readdirSync(join(root, 'volumes/u'))]).toEqual([[], '777', ['e']]);
});

test('usage() counts blocks, a file of two names once, and no further than it must', async () => {
  const path = await volumes.put('u', { name: 'e', kind: 'empty' });
  const empty = await volumes.usage('u', 'e', Infinity);
  mkdirSync(join(path, 'd'));
  writeFileSync(join(path, 'd/a'), Buffer.alloc(1 << 20, 1));
  linkSync(join(path, 'd/a'), join(path, 'b'));
  symlinkSync('/usr', join(path, 'link'));
  const used = await volumes.usage('u', 'e', Infinity);
  expect(used - empty).toBeGreaterThanOrEqual(1 << 20);
  expect(used - empty).toBeLessThan((1 << 20) + 65_536);
  expect(await volumes.usage('u', 'none', Infinity)).toBe(0);
});

test('remove() takes all of a pod, also what its programs have locked; list() tells who has something', async () => {
  const path = await volumes.put('u', { name: 'e', kind: 'empty' });
  await volumes.put('other', filesOf({ a: '1' }));
  mkdirSync(join(path, 'locked/in'), { recursive: true });
  chmodSync(join(path, 'locked'), 0);
  expect(await volumes.list()).toEqual(['other', 'u']);
  await volumes.remove('u');
  await volumes.remove('u');
  expect([await volumes.list(), existsSync(path)]).toEqual([['other'], false]);
});
