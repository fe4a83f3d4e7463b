/**
 * JSON Web Signatures in the compact form of RFC 7515. The algorithm is the one that the key was made for; what a token
 * says of itself is only compared, so that nobody passes a public key off as the secret of an HMAC.
 */
import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import { toUtf8 } from './bytes.ts';

export interface JwsKeyOptions {
  /** `RS256`, `PS384`, `ES512`, `EdDSA`, `HS256`, …; undefined: what suits the key. */
  readonly method?: string | undefined;
  /** PEM; of an HMAC the secret itself. */
  readonly privateKey?: Uint8Array | undefined;
  /** PEM; by default it is taken from the private key. */
  readonly publicKey?: Uint8Array | undefined;
}

export interface JwsKey {
  readonly method: string;
  /** Absent: there is no private key, it only verifies. `header` is added to `alg` and `typ`. */
  readonly sign: ((payload: object, header?: object) => string) | undefined;
  /** The payload; undefined: the token is not of this key. */
  verify(token: string): Readonly<Record<string, unknown>> | undefined;
  /** The public key as RFC 7517 has it, with a `kid` that is its digest; undefined of an HMAC. */
  readonly publicJwk: (Readonly<Record<string, unknown>> & { readonly kid: string }) | undefined;
}

interface Signer {
  readonly sign: ((data: Buffer) => Buffer) | undefined;
  verify(data: Buffer, signature: Buffer): boolean;
  readonly publicKey: KeyObject | undefined;
}

const METHOD = /^(?:(HS|RS|PS|ES)(256|384|512)|(EdDSA))$/;

/** Throws where the keys are not such as the method wants. */
export function createJwsKey(options: JwsKeyOptions): JwsKey {
  const method = options.method ?? suitableMethod(options);
  const signer = signerOf(method, options);
  const header = encode({ alg: method, typ: 'JWT' });
  const { sign: signBytes } = signer;
  return {
    method,
    publicJwk: signer.publicKey === undefined ? undefined : jwkOf(signer.publicKey, method),
    sign:
      signBytes === undefined
        ? undefined
        : (payload, more) => {
            const signed = `${more === undefined ? header : encode({ alg: method, typ: 'JWT', ...more })}.${encode(payload)}`;
            return `${signed}.${signBytes(Buffer.from(signed)).toString('base64url')}`;
          },
    verify(token) {
      const [head, body, signature, ...rest] = token.split('.');
      if (head === undefined || body === undefined || signature === undefined || rest.length > 0) return undefined;
      if (decodeJwsPart(head)?.['alg'] !== method) return undefined;
      if (!signer.verify(Buffer.from(`${head}.${body}`), Buffer.from(signature, 'base64url'))) return undefined;
      return decodeJwsPart(body);
    },
  };
}

function suitableMethod({ privateKey, publicKey }: JwsKeyOptions): string {
  const { asymmetricKeyType, asymmetricKeyDetails } = openKey(publicKey, privateKey);
  if (asymmetricKeyType === 'rsa') return 'RS256';
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  const method = Object.keys(CURVES).find((name) => CURVES[name] === asymmetricKeyDetails?.namedCurve);
  if (method === undefined) throw new Error(`tokens cannot be signed with a key of the type ${asymmetricKeyType}`);
  return method;
}

function openKey(publicKey: Uint8Array | undefined, privateKey: Uint8Array | undefined): KeyObject {
  const material = publicKey ?? privateKey;
  if (material === undefined) throw new Error('a pub-key or a priv-key is needed');
  return createPublicKey(Buffer.from(material));
}

function signerOf(method: string, { privateKey, publicKey }: JwsKeyOptions): Signer {
  const [, family, bits, edwards] = METHOD.exec(method) ?? [];
  if (family === undefined && edwards === undefined)
    throw new Error(`there is no sign-method ${JSON.stringify(method)}`);
  if (family === 'HS') return hmacSigner(`sha${bits}`, privateKey);
  const secret = privateKey === undefined ? undefined : createPrivateKey(Buffer.from(privateKey));
  const open = openKey(publicKey, privateKey);
  checkKind(method, open);
  const algorithm = edwards === undefined ? `sha${bits}` : null;
  const details: Omit<SignKeyObjectInput, 'key'> =
    family === 'PS'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { dsaEncoding: 'ieee-p1363' };
  return {
    publicKey: open,
    sign: secret === undefined ? undefined : (data) => sign(algorithm, data, { key: secret, ...details }),
    verify: (data, signature) => verify(algorithm, data, { key: open, ...details }, signature),
  };
}

function hmacSigner(algorithm: string, secret: Uint8Array | undefined): Signer {
  if (secret === undefined) throw new Error('an HMAC needs its secret as priv-key');
  const mac = (data: Buffer): Buffer => createHmac(algorithm, secret).update(data).digest();
  return {
    publicKey: undefined,
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

function jwkOf(key: KeyObject, alg: string) {
  const kid = createHash('sha256').update(key.export({ type: 'spki', format: 'der' })).digest('base64url');
  return { ...key.export({ format: 'jwk' }), use: 'sig', alg, kid };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A header or a payload, whoever signed it. */
export function decodeJwsPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(toUtf8(Buffer.from(part, 'base64url')));
    // An object with any fields is a record of unknowns.
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
