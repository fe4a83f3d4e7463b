import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../src/image/core/challenge.ts';
import { credentialsFor, parseCredentials } from '../../../src/image/core/credentials.ts';
import { planGarbage } from '../../../src/image/core/garbage.ts';
import { parseReference, type ImageReference } from '../../../src/image/core/reference.ts';
import { endpointsOf, mayBePlain, readRegistries } from '../../../src/image/core/registries.ts';

const reference = (text: string): ImageReference => {
  const parsed = parseReference(text);
  if (!parsed.ok) throw new Error(parsed.why);
  return parsed.value;
};

describe('parseChallenges()', () => {
  const parse = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

  test.each<[string, unknown]>([
    [
      'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull"',
      [['bearer', { realm: 'https://auth.example/token', service: 'reg', scope: 'repository:a/b:pull' }]],
    ],
    ['Basic realm="x y"', [['basic', { realm: 'x y' }]]],
    [
      'Basic realm="a, b", Bearer realm="c" , service=d',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c', service: 'd' }],
      ],
    ],
    ['BEARER Realm = "a\\"b"', [['bearer', { realm: 'a"b' }]]],
    [
      'Negotiate, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate YWJj==, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Bearer realm="never closed, service="x"',
      [
        ['bearer', { realm: 'never closed, service=' }],
        ['x', {}],
      ],
    ],
    ['Bearer realm="never closed', [['bearer', {}]]],
    ['Bearer scope="a",scope="b"', [['bearer', { scope: 'a' }]]],
    ['', []],
    [',,,', []],
    ['"', []],
  ])('%s', (header, expected) => expect(parse(header)).toEqual(expected));

  test('ends, whatever comes', () => {
    const startedAt = performance.now();
    for (const text of [
      'a='.repeat(20_000),
      '"'.repeat(40_000),
      `Bearer ${'\\'.repeat(40_000)}`,
      `Bearer a="${'\\'.repeat(40_000)}`,
      ', '.repeat(40_000),
    ])
      parseChallenges(text);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('parseCredentials()', () => {
  const auth = Buffer.from('user:pass:word').toString('base64');

  test('reads both formats', () => {
    const read = parseCredentials(
      JSON.stringify({
        auths: {
          'https://index.docker.io/v1/': { auth },
          'ghcr.io': { username: 'u', password: 'p' },
          'r.io': { identitytoken: 'i' },
        },
      }),
      'dockerconfigjson',
    );
    expect(read).toEqual({
      ok: true,
      value: [
        { registry: 'docker.io', username: 'user', password: 'pass:word' },
        { registry: 'ghcr.io', username: 'u', password: 'p' },
        { registry: 'r.io', username: '', password: '', identityToken: 'i' },
      ],
    });
    expect(parseCredentials(JSON.stringify({ 'ghcr.io': { auth } }), 'dockercfg')).toMatchObject({
      ok: true,
      value: [{ registry: 'ghcr.io', username: 'user' }],
    });
    expect(parseCredentials('{"credsStore":"desktop"}', 'dockerconfigjson')).toEqual({ ok: true, value: [] });
  });

  test.each([
    '',
    '[]',
    '{"auths":1}',
    '{"auths":{"a":1}}',
    '{"auths":{"a":{"auth":"eA=="}}}',
    '{"auths":{"a":{"auth":1}}}',
  ])('refuses %s', (text) => {
    expect(parseCredentials(text, 'dockerconfigjson').ok).toBe(false);
  });
});

describe('credentialsFor()', () => {
  const chosen = (image: string, ...registries: string[]) =>
    credentialsFor(
      reference(image),
      registries.map((registry) => ({ registry, username: '', password: '' })),
    ).map(({ registry }) => registry);

  test('the host must fit, the longest path comes first', () => {
    expect(chosen('busybox', 'docker.io', 'ghcr.io')).toEqual(['docker.io']);
    expect(chosen('ghcr.io/team/app', 'ghcr.io', 'ghcr.io/team', 'ghcr.io/tea', 'ghcr.io/team/app/x')).toEqual([
      'ghcr.io/team',
      'ghcr.io',
    ]);
    expect(chosen('r.lan:5000/app', 'r.lan', 'r.lan:5000', 'r.lan:5001')).toEqual(['r.lan:5000']);
    expect(
      chosen('a.b.example.com/x', '*.example.com', '*.*.example.com', 'a.*.example.com', 'a.b*.example.com', '*'),
    ).toEqual(['a.b*.example.com', '*.*.example.com', 'a.*.example.com']);
    expect(chosen('evil-docker.io/x/y', 'docker.io')).toEqual([]);
  });
});

describe('readRegistries()', () => {
  test('mirrors come first; http is for loopback and for those that are named', () => {
    const read = readRegistries({
      registries: [
        { host: 'docker.io', mirrors: ['http://127.0.0.1:5000/', 'https://m.lan/hub'] },
        { host: 'r.lan:5000', plainHttp: true },
      ],
    });
    if (!read.ok) throw new Error(read.why);
    const urls = (image: string) => endpointsOf(reference(image), read.value).map(({ baseUrl }) => baseUrl);
    expect(urls('busybox')).toEqual(['http://127.0.0.1:5000', 'https://m.lan/hub', 'https://registry-1.docker.io']);
    expect(urls('r.lan:5000/x')).toEqual(['http://r.lan:5000']);
    expect(urls('other.lan/x')).toEqual(['https://other.lan']);
    expect(['localhost:1/x', '127.0.0.1:5/x', '[::1]:5/x'].map(urls)).toEqual([
      ['http://localhost:1'],
      ['http://127.0.0.1:5'],
      ['http://[::1]:5'],
    ]);
    const plain = (url: string) => mayBePlain(new URL(url), read.value);
    expect(
      [
        'http://localhost',
        'http://127.0.0.1:5000/v2',
        'http://r.lan:5000',
        'http://r.lan',
        'http://other.lan',
        'http://127.evil.lan',
      ].map(plain),
    ).toEqual([true, true, true, false, false, false]);
  });

  test.each<[unknown, RegExp]>([
    [{ registry: [] }, /registry is no field/],
    [{ registries: {} }, /no list/],
    [{ registries: [{ host: 'a', mirror: 'b' }] }, /registries\[0\]\.mirror is no field/],
    [{ registries: [{}] }, /host is no host/],
    [{ registries: [{ host: 'a/b' }] }, /host is no host/],
    [{ registries: [{ host: 'a', mirrors: ['m.lan'] }] }, /no http or https URL/],
    [{ registries: [{ host: 'a', mirrors: ['http://'] }] }, /no http or https URL/],
    [{ registries: [{ host: 'a', plainHttp: 'yes' }] }, /neither true nor false/],
  ])('refuses %j', (value, expected) => {
    const read = readRegistries(value);
    expect(read.ok ? 'read' : read.why).toMatch(expected);
  });
});

describe('planGarbage()', () => {
  const image = (id: string, lastUsedMs: number, more: { isPinned?: boolean; consumers?: string[] } = {}) => ({
    id,
    lastUsedMs,
    isPinned: false,
    consumers: [],
    ...more,
  });
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).join('');

  test('the longest unused first; none that is mounted, pinned or young', () => {
    const images = [
      image('c', 300),
      image('a', 100),
      image('m', 50, { consumers: ['x'] }),
      image('p', 10, { isPinned: true }),
      image('b', 200),
      image('y', 950),
      image('f', 5_000),
    ];
    const plan = planGarbage(images, { nowMs: 1_000, minAgeMs: 100 });
    expect([ids(plan.expired), ids(plan.whileShort)]).toEqual(['', 'abc']);
    const aged = planGarbage(images, { nowMs: 1_000, minAgeMs: 100, maxAgeMs: 800 });
    expect([ids(aged.expired), ids(aged.whileShort)]).toEqual(['ab', 'c']);
  });
});
