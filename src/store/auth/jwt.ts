/**
 * JSON Web Tokens as etcd makes and takes them: `username`, `revision` of the rules, and `exp`, in the compact form of
 * RFC 7515. The algorithm is the one that the member was started with; what a token says of itself is only compared, so
 * that nobody passes a public key off as the secret of an HMAC.
 */
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import { toUtf8 } from '../../base/bytes.ts';
import type { Millis } from '../../base/clock.ts';

export interface JwtClaims {
  readonly username: string;
  readonly revision: number;
}

export interface JwtOptions {
  /** `RS256`, `PS384`, `ES512`, `EdDSA`, `HS256`, … */
  readonly method: string;
  /** PEM; of an HMAC the secret itself. */
  readonly privateKey?: Uint8Array | undefined;
  /** PEM; by default it is taken from the private key. */
  readonly publicKey?: Uint8Array | undefined;
  readonly ttlMs: Millis;
}

export interface Jwt {
  /** Undefined: there is no private key, this member only verifies. */
  issue(claims: JwtClaims, nowMs: Millis): string | undefined;
  /** Undefined: it is not ours, or its time is over. */
  verify(token: string, nowMs: Millis): JwtClaims | undefined;
}

interface Signer {
  readonly sign: ((data: Buffer) => Buffer) | undefined;
  verify(data: Buffer, signature: Buffer): boolean;
}

const METHOD = /^(?:(HS|RS|PS|ES)(256|384|512)|(EdDSA))$/;

/** Throws where the keys are not such as the method wants. */
export function createJwt(options: JwtOptions): Jwt {
  const { method, ttlMs } = options;
  const signer = signerOf(options);
  const header = encode({ alg: method, typ: 'JWT' });
  return {
    issue({ username, revision }, nowMs) {
      if (signer.sign === undefined) return undefined;
      const exp = Math.floor((nowMs + ttlMs) / 1000);
      const signed = `${header}.${encode({ exp, revision, username })}`;
      return `${signed}.${signer.sign(Buffer.from(signed)).toString('base64url')}`;
    },
    verify(token, nowMs) {
      const [head, body, signature, ...rest] = token.split('.');
      if (head === undefined || body === undefined || signature === undefined || rest.length > 0) return undefined;
      if (decode(head)?.['alg'] !== method) return undefined;
      if (!signer.verify(Buffer.from(`${head}.${body}`), Buffer.from(signature, 'base64url'))) return undefined;
      const { username, revision, exp } = decode(body) ?? {};
      if (typeof username !== 'string' || typeof revision !== 'number' || typeof exp !== 'number') return undefined;
      return exp * 1000 > nowMs ? { username, revision } : undefined;
    },
  };
}

function signerOf({ method, privateKey, publicKey }: JwtOptions): Signer {
  const [, family, bits, edwards] = METHOD.exec(method) ?? [];
  if (family === undefined && edwards === undefined)
    throw new Error(`there is no sign-method ${JSON.stringify(method)}`);
  if (family === 'HS') return hmacSigner(`sha${bits}`, privateKey);
  const secret = privateKey === undefined ? undefined : createPrivateKey(Buffer.from(privateKey));
  const material = publicKey ?? privateKey;
  if (material === undefined) throw new Error('a pub-key or a priv-key is needed');
  const open = createPublicKey(Buffer.from(material));
  checkKind(method, open);
  const algorithm = edwards === undefined ? `sha${bits}` : null;
  const details: Omit<SignKeyObjectInput, 'key'> =
    family === 'PS'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { dsaEncoding: 'ieee-p1363' };
  return {
    sign: secret === undefined ? undefined : (data) => sign(algorithm, data, { key: secret, ...details }),
    verify: (data, signature) => verify(algorithm, data, { key: open, ...details }, signature),
  };
}

function hmacSigner(algorithm: string, secret: Uint8Array | undefined): Signer {
  if (secret === undefined) throw new Error('an HMAC needs its secret as priv-key');
  const mac = (data: Buffer): Buffer => createHmac(algorithm, secret).update(data).digest();
  return {
    sign: mac,
    verify(data, signature) {
      const expected = mac(data);
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    },
  };
}

/** RFC 7518 §3.4: a curve to each size. */
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' };

function checkKind(method: string, { asymmetricKeyType, asymmetricKeyDetails }: KeyObject): void {
  const wanted = method === 'EdDSA' ? 'ed25519' : method.startsWith('ES') ? 'ec' : 'rsa';
  if (asymmetricKeyType !== wanted) throw new Error(`${method} needs a key of the type ${wanted}`);
  const curve = CURVES[method];
  if (curve !== undefined && asymmetricKeyDetails?.namedCurve !== curve)
    throw new Error(`${method} needs the curve ${curve}`);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(toUtf8(Buffer.from(part, 'base64url')));
    // An object with any fields is a record of unknowns.
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
