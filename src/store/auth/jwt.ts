/** JSON Web Tokens as etcd makes and takes them: `username`, `revision` of the rules, and `exp`. */
import type { Millis } from '../../base/clock.ts';
import { createJwsKey } from '../../base/jws.ts';

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

/** Throws where the keys are not such as the method wants. */
export function createJwt(options: JwtOptions): Jwt {
  const { ttlMs } = options;
  const key = createJwsKey(options);
  return {
    issue({ username, revision }, nowMs) {
      const exp = Math.floor((nowMs + ttlMs) / 1000);
      return key.sign?.({ exp, revision, username });
    },
    verify(token, nowMs) {
      const { username, revision, exp } = key.verify(token) ?? {};
      if (typeof username !== 'string' || typeof revision !== 'number' || typeof exp !== 'number') return undefined;
      return exp * 1000 > nowMs ? { username, revision } : undefined;
    },
  };
}
