import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { parseAuthToken } from '../../../src/store/auth/auth-token.ts';
import { createJwt } from '../../../src/store/auth/jwt.ts';

const pem = (key: KeyObject, type: 'spki' | 'pkcs8') => Buffer.from(key.export({ type, format: 'pem' }));
const keys = ({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }) => ({
  publicKey: pem(publicKey, 'spki'),
  privateKey: pem(privateKey, 'pkcs8'),
});
const rsa = keys(generateKeyPairSync('rsa', { modulusLength: 2048 }));
const ec = (namedCurve: string) => keys(generateKeyPairSync('ec', { namedCurve }));
const claims = { username: 'u', revision: 7 };

describe('createJwt()', () => {
  test.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['PS384', rsa],
    ['ES256', ec('prime256v1')],
    ['ES384', ec('secp384r1')],
    ['ES512', ec('secp521r1')],
    ['EdDSA', keys(generateKeyPairSync('ed25519'))],
    ['HS256', { privateKey: Buffer.from('secret'), publicKey: undefined }],
  ])(
    '%s: what was issued verifies until its time is over, and not when a letter changes',
    (method, { privateKey, publicKey }) => {
      const jwt = createJwt({ method, privateKey, publicKey, ttlMs: 1000 });
      const token = jwt.issue(claims, 5000)!;
      expect(jwt.verify(token, 5500)).toEqual(claims);
      expect(jwt.verify(token, 6000)).toBeUndefined();
      const [head, body, signature] = token.split('.');
      const forged = Buffer.from(JSON.stringify({ exp: 1e9, username: 'root', revision: 7 })).toString('base64url');
      expect(jwt.verify(`${head}.${forged}.${signature}`, 5500)).toBeUndefined();
      expect(jwt.verify(`${head}.${body}.`, 5500)).toBeUndefined();
      expect(jwt.verify('nonsense', 5500)).toBeUndefined();
    },
  );

  test("a token that names another algorithm is refused: the public key is nobody's secret", () => {
    const jwt = createJwt({ method: 'RS256', ...rsa, ttlMs: 1000 });
    const forged = createJwt({ method: 'HS256', privateKey: rsa.publicKey, ttlMs: 1000 }).issue(claims, 0)!;
    expect(jwt.verify(forged, 0)).toBeUndefined();
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${forged.split('.')[1]}.`;
    expect(jwt.verify(none, 0)).toBeUndefined();
  });

  test('nor is one with a good signature under a header that names another', () => {
    const jwt = createJwt({ method: 'HS256', privateKey: Buffer.from('secret'), ttlMs: 1000 });
    const body = jwt.issue(claims, 0)!.split('.')[1]!;
    const signed = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}`;
    const mac = createHmac('sha256', 'secret').update(signed).digest('base64url');
    expect(jwt.verify(`${signed}.${mac}`, 0)).toBeUndefined();
  });

  test('with a public key alone it verifies and issues nothing', () => {
    const both = createJwt({ method: 'RS256', ...rsa, ttlMs: 1000 });
    const open = createJwt({ method: 'RS256', publicKey: rsa.publicKey, ttlMs: 1000 });
    expect(open.issue(claims, 0)).toBeUndefined();
    expect(open.verify(both.issue(claims, 0)!, 0)).toEqual(claims);
  });

  test('a key of another kind is refused', () => {
    expect(() => createJwt({ method: 'ES256', ...rsa, ttlMs: 1 })).toThrow('ES256 needs a key of the type ec');
    expect(() => createJwt({ method: 'ES256', ...ec('secp384r1'), ttlMs: 1 })).toThrow('needs the curve prime256v1');
  });
});

describe('parseAuthToken()', () => {
  const parse = (text: string, ttlSeconds = 300) =>
    parseAuthToken({ text, ttlSeconds, readFile: (path) => (path === 'pub' ? rsa.publicKey : rsa.privateKey) });

  test('simple: sixteen letters, other ones each time', () => {
    const scheme = parse('simple', 60);
    if (scheme.kind !== 'simple') throw new Error('it is another');
    expect(scheme.ttlMs).toBe(60_000);
    expect(scheme.letters()).toMatch(/^[A-Za-z]{16}$/);
    expect(scheme.letters()).not.toBe(scheme.letters());
  });

  test('jwt with its keys and a duration as Go writes it', () => {
    const scheme = parse('jwt,pub-key=pub,priv-key=key,sign-method=RS256,ttl=1m30s');
    if (scheme.kind !== 'jwt') throw new Error('it is another');
    const token = scheme.jwt.issue(claims, 0)!;
    expect(scheme.jwt.verify(token, 89_000)).toEqual(claims);
    expect(scheme.jwt.verify(token, 90_000)).toBeUndefined();
  });

  test.each([
    'oauth',
    'simple,ttl=5m',
    'jwt',
    'jwt,sign-method=XX1,priv-key=k',
    'jwt,sign-method=RS256',
    'jwt,colour=red,sign-method=RS256',
    'jwt,priv-key=k,sign-method=RS256,ttl=soon',
  ])('%s is refused', (text) => expect(() => parse(text)).toThrow(UserError));
});
