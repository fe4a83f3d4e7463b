/** The command line as a process: what a person types; killed at any instant; as root and without rights; below a real overlay. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { openImages } from '../../src/image/open-images.ts';
import { ROOT } from '../processes.ts';
import { file, folder, imageOf, symlink, tarOf, type TestEntry } from './images.ts';
import { TestRegistry } from './registry.ts';

let directory: string;
let dataDir: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'podium-image-cli-'));
  dataDir = join(directory, 'data');
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const MAIN = join(ROOT, 'dist/src/main.js');
const env = () => ({ ...process.env, PODIUM_DATA_DIR: dataDir, HOME: directory, DOCKER_CONFIG: undefined });

async function podium(
  args: readonly string[],
  { input, prefix = [] }: { readonly input?: Buffer; readonly prefix?: readonly string[] } = {},
) {
  const [program = '', ...rest] = [...prefix, process.execPath, MAIN, 'image', ...args];
  const child = spawn(program, rest, { env: env(), cwd: directory });
  const output = { out: '', err: '' };
  child.stdout.on('data', (text: Buffer) => (output.out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output.err += text.toString()));
  child.stdin.on('error', () => undefined); // who refuses reads nothing
  child.stdin.end(input);
  await once(child, 'close');
  return { code: child.exitCode, ...output };
}

const ok = (out: string | RegExp) => ({
  code: 0,
  out: typeof out === 'string' ? out : expect.stringMatching(out),
  err: '',
});
const refused = (err: RegExp) => ({ code: 1, out: '', err: expect.stringMatching(err) });
const tmp = () => fs.readdirSync(join(dataDir, 'images/tmp'));

function makeFolder(): void {
  fs.mkdirSync(join(directory, 'app'));
  fs.writeFileSync(join(directory, 'app/server.mjs'), 'console.log(1)\n');
}

describe('podium image', () => {
  test('build, ls, save, rm, load', async () => {
    makeFolder();
    expect(
      await podium([
        'build',
        'app',
        '--tag',
        'app:1',
        '--to',
        '/app',
        '--from',
        'podium.dev/host',
        '--cmd',
        'node server.mjs',
        '--workdir',
        '/app',
        '--port',
        '8080,53/udp',
        '--env',
        'A=x,y',
        '--user',
        '1000',
      ]),
    ).toEqual(ok(/^docker\.io\/library\/app:1: built, [0-9a-f]{12}\n$/));
    const listed = JSON.parse((await podium(['ls', '-o', 'json'])).out) as Array<{ id: string; config: unknown }>;
    expect(listed[1]?.config).toMatchObject({
      cmd: ['node', 'server.mjs'],
      workingDir: '/app',
      exposedPorts: ['53/udp', '8080/tcp'],
      env: [expect.stringMatching(/^PATH=/), 'A=x,y'],
      user: '1000',
    });
    const table = await podium(['ls']);
    const short = listed[1]!.id.slice(7, 19);
    expect(table.out.replace(/\d+s ago +/, '<age> ')).toBe(
      [
        'REPOSITORY              TAG      IMAGE ID       SIZE     LAST USED   CONTAINERS',
        'podium.dev/host         latest   <built-in>     -        -           0',
        `docker.io/library/app   1        ${short}   3.0 kB   <age> 0`,
        '',
      ].join('\n'),
    );
    expect(await podium(['save', 'app:1', '-o', 'app.tar'])).toEqual(ok(''));
    expect(await podium(['rm', short.slice(0, 6)])).toEqual(ok(`untagged docker.io/library/app:1\nremoved ${short}\n`));
    expect(await podium(['load', 'app.tar'])).toEqual(ok(`docker.io/library/app:1: loaded, ${short}\n`));
    expect(
      await podium(['load', '-', '-t', 'again:2'], { input: fs.readFileSync(join(directory, 'app.tar')) }),
    ).toEqual(ok(`docker.io/library/again:2: loaded, ${short}\n`));
    expect(await podium(['rm', 'app:1', 'again:2', 'never:3'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: no image "never:3": podium image ls shows/),
    });
    expect([tmp(), fs.readdirSync(join(dataDir, 'images/blobs/sha256'))]).toEqual([[], []]);
  });

  test('pull: progress, a second time, mirrors by registries.yaml, credentials as docker login writes them', async () => {
    const registry = await TestRegistry.start();
    try {
      registry.credentials = 'user:secret';
      registry.push('library/app', '1', imageOf([[file('x', 'x')]]));
      fs.mkdirSync(dataDir);
      const name = `${registry.host}/library/app:1`;
      expect(await podium(['pull', name])).toEqual(refused(/^error: failed to pull image ".*": pull access denied/));
      fs.mkdirSync(join(directory, '.docker'));
      fs.writeFileSync(
        join(directory, '.docker/config.json'),
        JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('user:secret').toString('base64') } } }),
      );
      const pulled = await podium(['pull', name]);
      expect(pulled).toMatchObject({
        code: 0,
        out: expect.stringMatching(/:1: pulled, [0-9a-f]{12}\n$/),
        err: expect.stringMatching(/: 1 layer, /),
      });
      expect((await podium(['pull', name])).out).toMatch(/: up to date, /);
      registry.credentials = undefined;
      fs.writeFileSync(
        join(dataDir, 'registries.yaml'),
        `registries:\n  - host: docker.io\n    mirrors: ["http://${registry.host}"]\n`,
      );
      expect(await podium(['pull', 'app:1'])).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^docker\.io\/library\/app:1: pulled/),
      });
      fs.writeFileSync(join(dataDir, 'registries.yaml'), 'registries:\n  - hots: docker.io\n');
      expect(await podium(['ls'])).toEqual(
        refused(/registries\.yaml: registries\[0\]\.hots is no field; there are host, mirrors, plainHttp, caFile/),
      );
    } finally {
      await registry.stop();
    }
  });

  test('what is wrong is said in a line', async () => {
    for (const [args, expected] of [
      [['build', '.'], /^error: --tag is missing/],
      [['load', '-'], /archive is no archive of images/],
    ] as const) {
      expect(await podium(args)).toEqual(refused(expected));
    }
  });
});

describe('kill -9', () => {
  const SEED = 7;
  const noise = (random: ReturnType<typeof seededRandom>): TestEntry[] => {
    return [
      folder('d'),
      ...Array.from({ length: 200 }, (_, at) => file(`d/${at}`, random.suffix(2_000))),
      file('big', Buffer.alloc(4_000_000, random.suffix(50))),
    ];
  };

  /** Kills the command after a time that is drawn; then what is there must be whole, and the same command must do. */
  async function killed(args: readonly string[], delayMs: number): Promise<void> {
    const child = spawn(process.execPath, [MAIN, 'image', ...args], { env: env(), cwd: directory, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await wait(delayMs);
    child.kill('SIGKILL');
    await ended;
  }

  test(
    'of loads and pulls, at any instant: whole or not there, and nothing is left',
    { timeout: 120_000 },
    async () => {
      const random = seededRandom(SEED);
      const registry = await TestRegistry.start();
      try {
        const name = `${registry.host}/app:1`;
        registry.push(
          'app',
          '1',
          imageOf([noise(random), [file('d/0', 'other')], noise(random)], { pack: (tar) => tar }),
        );
        await podium(['pull', name]);
        expect(await podium(['save', name, '-o', 'app.tar'])).toMatchObject({ code: 0 });
        await podium(['rm', name]);
        for (let round = 0; round < 6; round++) {
          const args = round % 2 === 0 ? ['load', 'app.tar'] : ['pull', name];
          await killed(args, random.between(120, 700));
          await isWholeOrGone(name, `round ${round} of seed ${SEED}`);
          if (round % 3 === 2) await podium(['rm', name]);
        }
        const { code, err } = await podium(['load', 'app.tar']);
        expect([code, err]).toEqual([0, '']);
        await podium(['rm', name]);
        expect(tmp()).toEqual([]);
        for (const left of ['blobs/sha256', 'snapshots', 'references', 'used'])
          expect(fs.readdirSync(join(dataDir, 'images', left))).toEqual([]);
      } finally {
        await registry.stop();
      }
    },
  );

  async function isWholeOrGone(name: string, round: string): Promise<void> {
    const { images, store } = await openImages({ dataDir, clock: systemClock });
    try {
      // Whoever was killed holds no lock any more, so that its rubbish is gone once its helpers have seen it end.
      await expect.poll(() => store.sweep(5), { message: round, timeout: 10_000 }).toBeDefined();
      await store.close();
      expect(tmp(), round).toEqual([]);
      if ((await images.status(name)) === undefined) return;
      const { lowerDirs } = await images.mountable(name, 'test');
      expect(fs.readFileSync(join(lowerDirs[0]!, 'big')).length, round).toBe(4_000_000);
      expect(fs.readdirSync(join(lowerDirs[0]!, 'd')).length, round).toBe(200);
      await images.release('test');
    } finally {
      await images.close();
    }
  }
});

describe('what is unpacked lies below an overlay', () => {
  const image = imageOf([
    [folder('d', { mode: 0o500, uid: 5 }), file('d/f', 'lower'), file('gone', 'x')],
    [file('.wh.gone'), file('d/g', 'upper'), symlink('l', 'd/f')],
  ]);
  const script = `set -e
    mkdir -p "$1/up" "$1/work" "$1/merged"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work$3" "$1/merged"
    cd "$1/merged"
    cat l d/g; test ! -e gone
    echo changed >d/f; rm d/g; cat l; ls d
    umount -l "$1/merged" 2>/dev/null || true`;

  test.each([
    ['as root', ['unshare', '--mount'], ''],
    ['in a user namespace', ['unshare', '--user', '--map-root-user', '--mount'], ',userxattr'],
  ])('%s', async (_, prefix, options) => {
    if (process.env['CI'] === undefined && spawnSync(prefix[0]!, [...prefix.slice(1), 'true']).status !== 0) return;
    const archive = join(directory, 'a.tar');
    fs.writeFileSync(archive, dockerArchive());
    const loaded = await podium(['load', archive, '--tag', 'a:1'], { prefix: prefix.includes('--user') ? prefix : [] });
    expect(loaded).toMatchObject({
      code: 0,
      err: prefix.includes('--user')
        ? expect.stringMatching(/^warning: owners of files, such as 5:0 of d, are not kept/)
        : '',
    });
    const [chain = ''] = fs.readdirSync(join(dataDir, 'images/snapshots'));
    const root = join(dataDir, 'images/snapshots', chain, 'root');
    const { status, stdout, stderr } = spawnSync(
      prefix[0]!,
      [...prefix.slice(1), 'sh', '-c', script, 'sh', directory, root, options],
      { encoding: 'utf8' },
    );
    expect([status, stdout, stderr]).toEqual([0, 'lowerupperchanged\nf\n', '']);
    expect(fs.readFileSync(join(root, 'd/f'), 'utf8')).toBe('lower');
    expect(await podium(['rm', 'a:1'], { prefix: prefix.includes('--user') ? prefix : [] })).toMatchObject({ code: 0 });
    expect(fs.readdirSync(join(dataDir, 'images/snapshots'))).toEqual([]);
  });

  function dockerArchive(): Buffer {
    const config = image.blobs.get(image.id)!;
    const layers = image.layers.map((digest, at) => file(`${at}.tar`, image.blobs.get(digest)!));
    const manifest = JSON.stringify([
      { Config: 'config.json', RepoTags: null, Layers: layers.map(({ path }) => path) },
    ]);
    return tarOf([file('config.json', config), ...layers, file('manifest.json', manifest)]);
  }
});
