/** Layers into a directory: what they ask for, and that nothing gets out of it. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fc } from '../base/property.ts';
import { TarError } from '../../src/image/core/tar-header.ts';
import { TarReader } from '../../src/image/core/tar-reader.ts';
import { tarHeader, TAR_END } from '../../src/image/core/tar-writer.ts';
import { LayerUnpacker, maySetOwners } from '../../src/image/unpack.ts';
import { file, folder, hardLink, makeTestFolder, symlink, tarOf, type TestEntry } from './images.ts';

let directory: string;
let root: string;
beforeEach(() => {
  directory = makeTestFolder('unpack');
  root = join(directory, 'root');
  fs.mkdirSync(root);
  fs.mkdirSync(join(directory, 'outside'));
  fs.writeFileSync(join(directory, 'outside/secret'), 'secret');
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const isRoot = process.getuid?.() === 0;

function unpack(layers: ReadonlyArray<readonly TestEntry[] | Buffer>, { keepsOwners = false } = {}): string[] {
  const warnings: string[] = [];
  const unpacker = new LayerUnpacker(root, { keepsOwners, onWarning: (message) => warnings.push(message) });
  try {
    for (const layer of layers) {
      unpacker.beginLayer();
      const reader = new TarReader(unpacker);
      reader.push(Buffer.isBuffer(layer) ? layer : tarOf(layer));
      reader.finish();
    }
    unpacker.finish();
  } finally {
    unpacker.close();
  }
  return warnings;
}

const refusal = (...layers: Array<readonly TestEntry[] | Buffer>) => {
  try {
    unpack(layers);
    return 'unpacked';
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    return error.message;
  }
};

/** Path to what is there: a file's content, `-> target`, `dir`. */
function tree(at = root, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isSymbolicLink()) found[path] = `-> ${fs.readlinkSync(join(at, entry.name))}`;
    else if (entry.isDirectory()) Object.assign(found, { [path]: 'dir' }, tree(join(at, entry.name), `${path}/`));
    else found[path] = fs.readFileSync(join(at, entry.name), 'utf8');
  }
  return found;
}

const outside = () => tree(join(directory, 'outside'));

describe('LayerUnpacker', () => {
  test('files, directories, links, modes, times; later entries take the place of earlier ones', () => {
    unpack([
      [
        folder('bin', { mode: 0o711, mtime: 1_000 }),
        file('bin/sh', 'one', { mode: 0o4755, mtime: 2_000 }),
        hardLink('bin/ash', 'bin/sh'),
        symlink('sh', '/bin/sh'),
        file('a/b/c', 'implied'),
      ],
      [file('bin/sh', 'two'), folder('sh'), file('a/b', 'was a directory'), file('sh/x', 'x')],
    ]);
    expect(tree()).toEqual({
      bin: 'dir',
      'bin/sh': 'two',
      'bin/ash': 'one',
      sh: 'dir',
      'sh/x': 'x',
      a: 'dir',
      'a/b': 'was a directory',
    });
    const ash = fs.statSync(join(root, 'bin/ash'));
    expect([ash.mode & 0o7777, ash.mtimeMs, ash.nlink]).toEqual([0o4755, 2_000_000, 1]);
    expect(fs.statSync(join(root, 'bin')).mtimeMs).toBe(1_000_000);
  });

  test('names as they count in the container: / and . before them mean nothing', () => {
    unpack([[file('/abs', '1'), file('./dot', '2'), file('x/../up', '3'), folder('./', { mode: 0o711 }), folder('/')]]);
    expect(tree()).toEqual({ abs: '1', dot: '2', up: '3' });
  });

  test('whiteouts take what was before, not what the layer itself brings', () => {
    unpack([
      [
        file('d/old', '1'),
        file('d/both', '1'),
        file('d/sub/deep', '1'),
        file('e/x', '1'),
        file('f', '1'),
        file('g/h/i', '1'),
      ],
      [
        file('d/new', '2'),
        file('d/sub/new', '2'),
        file('d/both', '2'),
        file('d/.wh..wh..opq'),
        file('.wh.f'),
        file('e/.wh.x'),
        file('e/.wh.never-there'),
        file('g/.wh.h'),
        file('none/.wh.x'),
        file('.wh..wh.plnk/1.2', 'aufs'),
      ],
    ]);
    expect(tree()).toEqual({
      d: 'dir',
      'd/new': '2',
      'd/sub': 'dir',
      'd/sub/new': '2',
      'd/both': '2',
      e: 'dir',
      g: 'dir',
    });
  });

  test('an opaque directory before what it holds', () => {
    unpack([
      [file('d/old', '1'), file('d/s/old', '1')],
      [file('d/.wh..wh..opq'), file('d/s/new', '2')],
    ]);
    expect(tree()).toEqual({ d: 'dir', 'd/s': 'dir', 'd/s/new': '2' });
  });

  test('an opaque directory stays, whether the whiteout of its name comes before or after', () => {
    const whiteout = file('.wh.d');
    const opaque = file('d/.wh..wh..opq');
    for (const [root, layer] of [
      [whiteout, opaque],
      [opaque, whiteout],
    ].entries()) {
      unpack([[file(`${root}/d/old`, '1')], layer.map((entry) => ({ ...entry, path: `${root}/${entry.path}` }))]);
    }
    expect(tree()).toEqual({ 0: 'dir', '0/d': 'dir', 1: 'dir', '1/d': 'dir' });
  });

  test('links of lower layers count as in the container', () => {
    unpack([
      [folder('usr/lib'), symlink('lib', 'usr/lib'), symlink('abs', '/usr'), symlink('rel', 'usr/../usr/lib')],
      [file('lib/a', 'a'), file('abs/lib/b', 'b'), file('rel/c', 'c'), hardLink('h', 'lib/a')],
      [file('lib/.wh.b')],
    ]);
    expect(tree()).toEqual({
      usr: 'dir',
      'usr/lib': 'dir',
      'usr/lib/a': 'a',
      'usr/lib/c': 'c',
      lib: '-> usr/lib',
      abs: '-> /usr',
      rel: '-> usr/../usr/lib',
      h: 'a',
    });
  });

  test('a name that is no UTF-8 stays so', () => {
    const name = Buffer.from([0x66, 0xff, 0x6f]);
    unpack([[file(name.toString('latin1'), 'x')]]);
    expect(fs.readdirSync(root, { encoding: 'buffer' })).toEqual([name]);
  });

  test('devices and FIFOs are left out, and told', () => {
    const device = (flag: string, path: string) => {
      const header = Buffer.from(tarHeader({ path, type: 'file' }));
      header.write(flag, 156, 'latin1');
      header.write('        ', 148, 'latin1');
      header.write(
        `${header
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
        'latin1',
      );
      return header;
    };
    const warnings = unpack([
      Buffer.concat([
        device('3', 'dev/null'),
        device('4', 'dev/sda'),
        device('6', 'pipe'),
        device('Z', 'odd'),
        TAR_END,
      ]),
    ]);
    expect(warnings).toEqual([
      'dev/null is a device, and was left out',
      'dev/sda is a device, and was left out',
      'pipe is a FIFO, and was left out',
      'odd is of an unknown type, and was left out',
    ]);
    expect(tree()).toEqual({});
  });

  test.each<[string, TestEntry[], RegExp]>([
    ['..', [file('../outside/x', 'x')], /^\.\.\/outside\/x climbs out of the root$/],
    ['.. within', [file('a/../../outside/x', 'x')], /^a\/\.\.\/\.\.\/outside\/x climbs out/],
    ['absolute ..', [file('/../outside/x', 'x')], /climbs out/],
    ['a link with ..', [symlink('up', '../outside'), file('up/x', 'x')], /^up\/x climbs out of the root over a link$/],
    [
      'links one after the other',
      [symlink('a', 'b/..'), symlink('b', '.'), symlink('c', 'a/../outside'), file('c/x', 'x')],
      /climbs out/,
    ],
    [
      'a hard link with ..',
      [hardLink('x', '../outside/secret')],
      /^x is a hard link to \.\.\/outside\/secret, which climbs out/,
    ],
    [
      'a hard link over a link',
      [symlink('up', '../outside'), hardLink('x', 'up/secret')],
      /^x climbs out of the root over a link$/,
    ],
    ['a hard link to nothing', [hardLink('x', 'none/y')], /^x is a hard link to none\/y, which is not there$/],
    ['a hard link to a directory', [folder('d'), hardLink('x', 'd')], /which is a directory/],
    ['a whiteout of ..', [file('d/.wh...')], /^d\/\.wh\.\.\. climbs out/],
    ['a whiteout of .', [file('d/.wh..')], /climbs out/],
    ['a whiteout of nothing', [file('d/.wh.')], /climbs out/],
    ['a whiteout over ..', [file('../.wh.outside')], /climbs out/],
    ['a whiteout over a link', [symlink('up', '..'), file('up/.wh.outside')], /climbs out/],
    ['an opaque over a link', [symlink('up', '../outside'), file('up/.wh..wh..opq')], /climbs out/],
    ['a directory over a link', [symlink('up', '../outside'), folder('up/d')], /climbs out/],
    ['links in a circle', [symlink('a', 'b'), symlink('b', 'a'), file('a/x', 'x')], /more than 40 links/],
    ['a file as a directory', [file('f', 'x'), file('f/x', 'x')], /^f\/x lies below f, which is no directory$/],
    ['a file as the root', [file('.', 'x')], /place of the root/],
    ['a link as the root', [symlink('./', '/tmp')], /place of the root/],
  ])('refuses %s, and names the entry', (_, entries, expected) => {
    expect(refusal(entries)).toMatch(expected);
    expect(outside()).toEqual({ secret: 'secret' });
  });

  test('absolute links lead to places of the root, never of the machine', () => {
    unpack([
      [
        symlink('abs', join(directory, 'outside')),
        file('abs/x', 'x'),
        symlink('file', join(directory, 'outside/secret')),
        hardLink('h', 'file'),
      ],
      [file('file', 'new'), file('abs/.wh.secret')],
    ]);
    expect(outside()).toEqual({ secret: 'secret' });
    expect(fs.readFileSync(join(root, directory, 'outside/x'), 'utf8')).toBe('x');
    expect(fs.lstatSync(join(root, 'h')).isSymbolicLink()).toBe(true);
    expect(fs.readFileSync(join(root, 'file'), 'utf8')).toBe('new');
  });

  test('a link takes the place of a directory, and nothing follows it out', () => {
    expect(
      refusal([folder('d'), file('d/x', '1')], [file('.wh.d'), symlink('d', '../outside'), file('d/x', '2')]),
    ).toMatch(/^d\/x climbs out/);
    expect(outside()).toEqual({ secret: 'secret' });
  });

  test.runIf(isRoot)('as root owners are kept, with setuid', () => {
    unpack(
      [
        [
          folder('d', { uid: 7, gid: 8, mode: 0o500 }),
          file('d/f', 'x', { uid: 1_000, gid: 1_001, mode: 0o6755 }),
          { ...symlink('l', 'd'), uid: 9, gid: 9 },
          file('d/.wh.none'),
        ],
      ],
      { keepsOwners: true },
    );
    const of = (path: string) => {
      const { uid, gid, mode } = fs.lstatSync(join(root, path));
      return [uid, gid, mode & 0o7777];
    };
    expect([of('d'), of('d/f'), of('l').slice(0, 2)]).toEqual([
      [7, 8, 0o500],
      [1_000, 1_001, 0o6755],
      [9, 9],
    ]);
  });

  test('without owners all is ours, and directories stay open to us', () => {
    const warnings = unpack([
      [file('root'), folder('d', { uid: 7, mode: 0o500 }), file('d/f', 'x', { uid: 1_000, mode: 0o4711 })],
    ]);
    expect(warnings).toEqual([
      'owners of files, such as 7:0 of d, are not kept: this user may not give files to others',
    ]);
    expect(fs.statSync(join(root, 'd')).mode & 0o7777).toBe(0o700);
    expect([fs.statSync(join(root, 'd/f')).uid, fs.statSync(join(root, 'd/f')).mode & 0o7777]).toEqual([
      process.getuid?.(),
      0o4711,
    ]);
  });

  /** The same by a map of paths, which knows neither links nor a file system. */
  test('comes to the same as a model, whatever layers do', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const entry = fc.oneof(
      { weight: 4, arbitrary: path.map((one) => ({ kind: 'file' as const, path: one })) },
      { weight: 2, arbitrary: path.map((one) => ({ kind: 'folder' as const, path: one })) },
      { weight: 2, arbitrary: path.map((one) => ({ kind: 'whiteout' as const, path: one })) },
      { weight: 1, arbitrary: path.map((one) => ({ kind: 'opaque' as const, path: one })) },
    );
    fc.assert(
      fc.property(fc.array(fc.array(entry, { maxLength: 6 }), { maxLength: 4 }), (layers) => {
        fs.rmSync(root, { recursive: true });
        fs.mkdirSync(root);
        const model = new Map<string, string>();
        const made: TestEntry[][] = [];
        for (const [number, layer] of layers.entries()) {
          const own = new Set<string>();
          const entries: TestEntry[] = [];
          for (const one of layer)
            if (applyToModel(model, own, one, `${number}`)) entries.push(entryOf(one, `${number}`));
          made.push(entries);
        }
        unpack(made);
        expect(tree()).toEqual(Object.fromEntries(model));
      }),
      { numRuns: 120 },
    );
  });
});

interface ModelStep {
  readonly kind: 'file' | 'folder' | 'whiteout' | 'opaque';
  readonly path: string;
}

const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const isBelow = (path: string, above: string) => path.startsWith(`${above}/`);

/** False: a directory on the way is a file, which is refused elsewhere. */
function applyToModel(model: Map<string, string>, own: Set<string>, { kind, path }: ModelStep, data: string): boolean {
  const parents = kind === 'opaque' ? path : parentOf(path);
  const ways: string[] = [];
  for (let at = parents; at !== ''; at = parentOf(at)) ways.unshift(at);
  const isBlocked = ways.some((way) => model.has(way) && model.get(way) !== 'dir');
  if (isBlocked) return false;
  const removeOlder = (at: string) => {
    for (const one of [...model.keys()]) if ((one === at || isBelow(one, at)) && !own.has(one)) model.delete(one);
  };
  if (kind === 'whiteout') {
    removeOlder(path);
    return true;
  }
  for (const way of ways) {
    model.set(way, 'dir');
    own.add(way);
  }
  if (kind === 'opaque')
    for (const one of [...model.keys()]) if (isBelow(one, path) && !own.has(one)) model.delete(one);
  if (kind === 'opaque') return true;
  if (kind === 'file' || model.get(path) !== 'dir')
    for (const one of [...model.keys()]) if (one === path || isBelow(one, path)) model.delete(one);
  model.set(path, kind === 'folder' ? 'dir' : data);
  own.add(path);
  return true;
}

function entryOf({ kind, path }: ModelStep, data: string): TestEntry {
  if (kind === 'folder') return folder(path);
  if (kind === 'file') return file(path, data);
  const parent = kind === 'opaque' ? path : parentOf(path);
  const name = kind === 'opaque' ? '.wh..wh..opq' : `.wh.${path.slice(path.lastIndexOf('/') + 1)}`;
  return file(parent === '' ? name : `${parent}/${name}`);
}

test('maySetOwners() wants the right, and a namespace that knows more than one user', () => {
  const status = (capabilities: string) => `Name:\tx\nCapEff:\t${capabilities}\n`;
  expect(maySetOwners(status('000001fffeffffff'), '         0          0 4294967295\n')).toBe(true);
  expect(maySetOwners(status('000001fffeffffff'), '         0       1000          1\n')).toBe(false);
  expect(
    maySetOwners(status('000001fffeffffff'), '         0       1000          1\n         1     100000      65536\n'),
  ).toBe(true);
  expect(maySetOwners(status('0000000000000000'), '         0          0 4294967295\n')).toBe(false);
});
