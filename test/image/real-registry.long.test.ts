/** The registry that Docker's own program is (apt's docker-registry), with and without a password: judge of the client. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { LocalImages } from '../../src/image/local-images.ts';
import { freePorts, requireTool } from '../processes.ts';
import { file, folder, imageOf, indexOf, type TestImage } from './images.ts';

let directory: string;
let server: ChildProcess | undefined;
let images: LocalImages;
beforeEach(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'podium-real-registry-'));
  const store = await ImageStore.open({ directory: join(directory, 'images'), clock: systemClock });
  images = new LocalImages({
    store,
    clock: systemClock,
    platform: { os: 'linux', architecture: 'amd64', variant: '' },
  });
});
afterEach(async () => {
  await images.close();
  if (server !== undefined) {
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  }
  server = undefined;
  fs.rmSync(directory, { recursive: true });
});

const USER = `Basic ${Buffer.from('user:secret').toString('base64')}`;
/** `user:secret`, bcrypt. */
const PASSWORDS = 'user:$2b$04$J/JutHxtwB6ryy8UBKKBRuiBnvM5rhpVZcY1yZAi6EttzGyC/Q4ga\n';

async function start(program: string, { hasPassword }: { readonly hasPassword: boolean }): Promise<string> {
  const [port = 0] = await freePorts(1);
  const host = `127.0.0.1:${port}`;
  fs.writeFileSync(join(directory, 'passwords'), PASSWORDS);
  const auth = hasPassword ? `auth: { htpasswd: { realm: test, path: ${join(directory, 'passwords')} } }\n` : '';
  fs.writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${join(directory, 'registry')} } }\nhttp: { addr: '${host}' }\n${auth}`,
  );
  server = spawn(program, ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
  await expect
    .poll(
      () =>
        fetch(`http://${host}/v2/`).then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 10_000 },
    )
    .toBe(hasPassword ? 401 : 200);
  return host;
}

/** As `docker push` does it. */
async function push(
  repository: string,
  tag: string,
  { image, index }: { readonly image: TestImage; readonly index?: Buffer },
): Promise<void> {
  const headers = { authorization: USER };
  for (const [digest, body] of image.blobs) {
    if (digest === image.manifestDigest) continue;
    const begun = await fetch(`http://${repository.replace('/', '/v2/')}/blobs/uploads/`, { method: 'POST', headers });
    const location = new URL(begun.headers.get('location') ?? '');
    location.searchParams.set('digest', digest);
    const put = await fetch(location, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(body),
    });
    expect(put.status).toBe(201);
  }
  const manifests: Array<readonly [string, Buffer]> =
    index === undefined
      ? [[tag, image.manifest]]
      : [
          [image.manifestDigest, image.manifest],
          [tag, index],
        ];
  for (const [name, bytes] of manifests) {
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string };
    const put = await fetch(`http://${repository.replace('/', '/v2/')}/manifests/${name}`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': mediaType },
      body: new Uint8Array(bytes),
    });
    expect([put.status, await put.text()]).toEqual([201, '']);
  }
}

const app = () =>
  imageOf([[folder('bin'), file('bin/app', 'x'.repeat(100_000), { mode: 0o755 })], [file('etc', '1')]], {
    config: { Cmd: ['/bin/app'] },
  });

test('an image and an index are pulled, found unchanged, and pulled by digest', async ({ skip }) => {
  const host = await start(requireTool('docker-registry', skip), { hasPassword: false });
  const image = app();
  await push(`${host}/app`, 'plain', { image });
  await push(`${host}/app`, 'index', { image, index: indexOf([[{ os: 'linux', architecture: 'amd64' }, image]]) });
  const pull = (name: string) => images.ensure({ image: `${host}/app${name}`, policy: 'Always' });
  const plain = await pull(':plain');
  expect(plain).toMatchObject({ wasPulled: true, image: { id: image.id, config: { cmd: ['/bin/app'] } } });
  expect(await pull(':plain')).toMatchObject({ wasPulled: false });
  expect(await pull(':index')).toMatchObject({ wasPulled: true, image: { id: image.id } });
  expect(await pull(`@${image.manifestDigest}`)).toMatchObject({ image: { id: image.id } });
  const { lowerDirs } = await images.mountable(`${host}/app:plain`, 'test');
  expect(fs.readdirSync(lowerDirs[0]!).sort()).toEqual(['bin', 'etc']);
  await expect(pull(':none')).rejects.toMatchObject({
    reason: 'ErrImagePull',
    message: expect.stringMatching(/not found on .*: manifest unknown$/),
  });
});

test('a password is asked for, and a secret that fits opens', async ({ skip }) => {
  const host = await start(requireTool('docker-registry', skip), { hasPassword: true });
  await push(`${host}/app`, '1', { image: app() });
  const pull = (password?: string) =>
    images.ensure({
      image: `${host}/app:1`,
      credentials: password === undefined ? [] : [{ registry: host, username: 'user', password }],
    });
  await expect(pull()).rejects.toThrow(/pull access denied by .* \(401\).*authentication required$/);
  await expect(pull('wrong')).rejects.toThrow(/pull access denied/);
  expect(await pull('secret')).toMatchObject({ wasPulled: true });
});
