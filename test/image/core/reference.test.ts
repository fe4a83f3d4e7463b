import { describe, expect, test } from 'vitest';
import { fc } from '../../base/property.ts';
import { defaultPullPolicy, formatReference, isHostImage, parseReference } from '../../../src/image/core/reference.ts';

const whole = (text: string) => {
  const parsed = parseReference(text);
  return parsed.ok ? formatReference(parsed.value) : `refused: ${parsed.why}`;
};
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('parseReference()', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.35', 'docker.io/library/busybox:1.35'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox:2', 'docker.io/library/busybox:2'],
    ['localhost/app:1', 'localhost/app:1'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.lan:5000/a/b/c:v1.2-rc_3', 'registry.lan:5000/a/b/c:v1.2-rc_3'],
    ['127.0.0.1:22000/x', '127.0.0.1:22000/x:latest'],
    ['[::1]:5000/x:1', '[::1]:5000/x:1'],
    ['UPPER.host/x', 'UPPER.host/x:latest'],
    ['Upper/x', 'Upper/x:latest'],
    ['a__b/c-d--e.f', 'docker.io/a__b/c-d--e.f:latest'],
    [`busybox@${digest}`, `docker.io/library/busybox@${digest}`],
    [`ghcr.io/o/app:1@${digest}`, `ghcr.io/o/app@${digest}`],
    [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`],
  ])('%s is %s', (text, expected) => expect(whole(text)).toBe(expected));

  test.each([
    '',
    ' ',
    'Busybox',
    'library/Busybox',
    'busybox:',
    ':1',
    'busybox:-1',
    `x:${'t'.repeat(129)}`,
    'a//b',
    '/a',
    'a/',
    'a..b',
    'a_-b',
    '-a',
    'a-',
    'bu sybox',
    'busybox\n',
    'http://registry/x',
    'x@sha256:abc',
    `x@sha256:${'A'.repeat(64)}`,
    `x@md5:${'a'.repeat(32)}`,
    `x@sha512:${'a'.repeat(128)}`,
    `x@${digest}:1`,
    digest.slice(7),
    `a/${'b'.repeat(256)}`,
    'x'.repeat(2_000),
    'host_name:5000/x',
    'host:port/x',
    '../x',
    'x:../y',
    'x/../y',
  ])('%j is refused', (text) => expect(whole(text)).toMatch(/^refused: ./));

  test('what it answers is read again as the same', () => {
    const part = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+)*$/);
    const host = fc.constantFrom('', 'docker.io/', 'localhost:5000/', 'ghcr.io/', '10.0.0.1/');
    const suffix = fc.oneof(fc.constant(''), fc.stringMatching(/^:[\w][\w.-]{0,20}$/), fc.constant(`@${digest}`));
    fc.assert(
      fc.property(host, fc.array(part, { minLength: 1, maxLength: 4 }), suffix, (start, parts, end) => {
        const text = whole(`${start}${parts.join('/')}${end}`);
        fc.pre(!text.startsWith('refused'));
        expect(whole(text)).toBe(text);
      }),
    );
  });

  test('takes no time for long names made to be slow', () => {
    const startedAt = performance.now();
    for (const text of ['a-'.repeat(500), `${'a.'.repeat(500)}!`, `${'a'.repeat(1_000)}!`, `x:${'.'.repeat(1_000)}`])
      parseReference(text);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});

test('defaultPullPolicy() is Always for latest', () => {
  const policy = (text: string) => {
    const parsed = parseReference(text);
    return parsed.ok ? defaultPullPolicy(parsed.value) : undefined;
  };
  expect([policy('x'), policy('x:latest'), policy('x:1'), policy(`x@${digest}`)]).toEqual([
    'Always',
    'Always',
    'IfNotPresent',
    'IfNotPresent',
  ]);
});

test('isHostImage() knows it without a tag and with latest', () => {
  const isHost = (text: string) => {
    const parsed = parseReference(text);
    return parsed.ok && isHostImage(parsed.value);
  };
  expect(
    ['podium.dev/host', 'podium.dev/host:latest', 'podium.dev/host:1', 'podium.dev/hosts', 'host'].map(isHost),
  ).toEqual([true, true, false, false, false]);
});
