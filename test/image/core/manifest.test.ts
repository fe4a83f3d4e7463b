import { describe, expect, test } from 'vitest';
import { formatImageConfig, parseImageConfig } from '../../../src/image/core/image-config.ts';
import { formatManifest, isAttestation, MEDIA, parseManifest } from '../../../src/image/core/manifest.ts';
import { choosePlatform, formatPlatform, parsePlatform, platformOf } from '../../../src/image/core/platform.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const config = { mediaType: MEDIA.config, digest: digest('a'), size: 7 };
const layer = { mediaType: MEDIA.layerGzip, digest: digest('b'), size: 9 };
const why = (value: unknown, type?: string) => {
  const read = parseManifest(typeof value === 'string' ? value : JSON.stringify(value), type);
  return read.ok ? 'read' : read.why;
};

describe('parseManifest()', () => {
  test('reads an image of OCI and of Docker, and writes what it reads', () => {
    for (const mediaType of [MEDIA.manifest, MEDIA.dockerManifest]) {
      const read = parseManifest(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] }));
      expect(read).toMatchObject({ ok: true, value: { kind: 'image', mediaType, config, layers: [layer] } });
    }
    expect(parseManifest(formatManifest(config, [layer]))).toMatchObject({
      ok: true,
      value: { kind: 'image', config, layers: [layer] },
    });
  });

  test('reads an index, and its type from outside where it says none', () => {
    const manifests = [
      { ...layer, mediaType: MEDIA.manifest, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ];
    expect(
      parseManifest(JSON.stringify({ schemaVersion: 2, manifests }), `${MEDIA.index}; charset=utf-8`),
    ).toMatchObject({ ok: true, value: { kind: 'index', mediaType: MEDIA.index, manifests } });
    expect(parseManifest(JSON.stringify({ schemaVersion: 2, manifests }))).toMatchObject({
      ok: true,
      value: { kind: 'index' },
    });
  });

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /no JSON/],
    ['a list', [], /no object/],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, /schema 1/],
    ['no version', { config, layers: [] }, /schemaVersion is absent/],
    ['both at once', { schemaVersion: 2, config, layers: [], manifests: [] }, /both/],
    ['an index by type with layers', { schemaVersion: 2, mediaType: MEDIA.index, config, layers: [] }, /has layers/],
    [
      'an image by type with manifests',
      { schemaVersion: 2, mediaType: MEDIA.manifest, manifests: [] },
      /has manifests/,
    ],
    ['something else', { schemaVersion: 2, mediaType: 'application/vnd.x+json', config, layers: [] }, /no image/],
    ['no config', { schemaVersion: 2, layers: [] }, /config is no object/],
    [
      'a digest that is none',
      { schemaVersion: 2, config: { ...config, digest: 'sha256:../../x' }, layers: [] },
      /config\.digest/,
    ],
    [
      'another algorithm',
      { schemaVersion: 2, config: { ...config, digest: `sha512:${'a'.repeat(128)}` }, layers: [] },
      /config\.digest/,
    ],
    ['a size below zero', { schemaVersion: 2, config, layers: [{ ...layer, size: -1 }] }, /layers\[0\]\.size/],
    ['a size with a fraction', { schemaVersion: 2, config, layers: [{ ...layer, size: 1.5 }] }, /layers\[0\]\.size/],
    ['layers that are none', { schemaVersion: 2, config, layers: 'x' }, /layers is no list/],
    [
      'too many layers',
      { schemaVersion: 2, config, layers: Array.from({ length: 1_001 }, () => layer) },
      /more than 1000/,
    ],
  ])('refuses %s', (_, value, expected) => expect(why(value)).toMatch(expected));

  test('isAttestation() knows what is no image', () => {
    const read = parseManifest(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ ...layer, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }, layer],
      }),
    );
    expect(read.ok && read.value.kind === 'index' && read.value.manifests.map(isAttestation)).toEqual([true, false]);
  });
});

describe('choosePlatform()', () => {
  const offer = (text: string) => ({
    platform: parsePlatform(text) ?? { os: 'unknown', architecture: 'unknown', variant: '' },
    text,
  });
  const choose = (wanted: string, ...offers: string[]) =>
    choosePlatform(offers.map(offer), parsePlatform(wanted)!)?.text;

  test('takes the same, or a variant before it, the highest first', () => {
    expect(choose('linux/amd64', 'linux/arm64', 'linux/amd64', 'windows/amd64')).toBe('linux/amd64');
    expect(choose('linux/arm64', 'linux/amd64', 'linux/arm64/v8')).toBe('linux/arm64/v8');
    expect(choose('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64')).toBe('linux/arm/v6');
    expect(choose('linux/arm/v6', 'linux/arm/v7', 'linux/arm/v5')).toBe('linux/arm/v5');
    expect(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64')).toBe('linux/amd64');
    expect(choose('linux/amd64', 'linux/arm64', 'linux/s390x', 'unknown')).toBeUndefined();
  });

  test("platformOf() has Go's names", () => {
    expect(['x64', 'arm64', 'arm', 'ia32'].map((name) => formatPlatform(platformOf(name)))).toEqual([
      'linux/amd64',
      'linux/arm64',
      'linux/arm/v7',
      'linux/386',
    ]);
  });
});

describe('parseImageConfig()', () => {
  const rootfs = { type: 'layers', diff_ids: [digest('c')] };
  const parse = (value: object) =>
    parseImageConfig(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, ...value }));

  test('takes what a container needs', () => {
    const read = parse({
      config: {
        Entrypoint: ['/app'],
        Cmd: ['-v'],
        Env: ['A=1', 'B=2'],
        WorkingDir: '/srv',
        User: '1000:1000',
        StopSignal: 'SIGQUIT',
        ExposedPorts: { '9090/tcp': {}, '53/udp': {} },
        Volumes: { '/data': {} },
        Labels: { a: 'b', __proto__: 'x' },
      },
      unknown: 1,
    });
    expect(read).toMatchObject({
      ok: true,
      value: {
        diffIds: [digest('c')],
        run: {
          entrypoint: ['/app'],
          cmd: ['-v'],
          env: ['A=1', 'B=2'],
          workingDir: '/srv',
          user: '1000:1000',
          stopSignal: 'SIGQUIT',
          exposedPorts: ['53/udp', '9090/tcp'],
          volumes: ['/data'],
          labels: { a: 'b' },
        },
      },
    });
  });

  test('what Go leaves null or out is empty', () => {
    expect(parse({ config: { Entrypoint: null, Env: null, Volumes: null, Labels: null } })).toMatchObject({
      ok: true,
      value: { run: { entrypoint: [], env: [], volumes: [], labels: {} } },
    });
    expect(parse({})).toMatchObject({ ok: true, value: { run: { user: '' } } });
  });

  test.each<[string, object, RegExp]>([
    ['what is no image', { rootfs: undefined }, /something else than an image/],
    ['other roots', { rootfs: { type: 'squashfs', diff_ids: [] } }, /rootfs\.type/],
    ['a diff id that is none', { rootfs: { type: 'layers', diff_ids: ['x'] } }, /diff_ids\[0\]/],
    ['a command that is a string', { config: { Cmd: 'run' } }, /Cmd is no list/],
    ['a variable that is a number', { config: { Env: [1] } }, /Env\[0\]/],
    ['a NUL', { config: { Cmd: ['a\0b'] } }, /NUL/],
    ['ports that are a list', { config: { ExposedPorts: [80] } }, /ExposedPorts is no object/],
  ])('refuses %s', (_, value, expected) => {
    const read = parse(value);
    expect(read.ok ? 'read' : read.why).toMatch(expected);
  });

  test('formatImageConfig() writes what it reads', () => {
    const read = parse({
      created: '2020-01-01T00:00:00Z',
      config: { Cmd: ['x'], Env: ['A=1'], ExposedPorts: { '80/tcp': {} }, Labels: { b: '2', a: '1' } },
    });
    if (!read.ok) throw new Error(read.why);
    const text = formatImageConfig(read.value);
    expect(parseImageConfig(text)).toEqual(read);
  });
});
