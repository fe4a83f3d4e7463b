/**
 * From what a caller shows to who he is: a client certificate that the cluster's authority signed (its common name is the
 * user, its organizations are his groups), or a bearer token. A certificate goes first; a token that nobody knows is
 * refused, even where no token would have been needed.
 */
import { ANONYMOUS, AUTHENTICATED, unauthorized, type User } from '../access.ts';

/** Of a certificate that has been verified. */
export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export interface Credentials {
  readonly certificate: CertificateSubject | undefined;
  /** What follows `Bearer` in the header; undefined: no such header. */
  readonly token: string | undefined;
}

/** Undefined: the token is not of this kind, or no longer good. */
export interface TokenAuthenticator {
  authenticateToken(token: string, audiences?: readonly string[]): User | undefined | Promise<User | undefined>;
}

export class Authenticator {
  readonly #tokens: readonly TokenAuthenticator[];

  constructor(tokens: readonly TokenAuthenticator[]) {
    this.#tokens = tokens;
  }

  /** Throws Unauthorized for a token that is no good; nothing shown is anonymous. */
  async authenticate({ certificate, token }: Credentials): Promise<User> {
    if (certificate !== undefined) return userOfCertificate(certificate);
    if (token === undefined) return ANONYMOUS;
    const user = await this.authenticateToken(token);
    if (user === undefined) throw unauthorized();
    return user;
  }

  async authenticateToken(token: string, audiences?: readonly string[]): Promise<User | undefined> {
    for (const authenticator of this.#tokens) {
      const user = await authenticator.authenticateToken(token, audiences);
      if (user !== undefined) return user;
    }
    return undefined;
  }
}

export function userOfCertificate({ commonName, organizations }: CertificateSubject): User {
  return { name: commonName, uid: '', groups: withAuthenticated(organizations), extra: {} };
}

export function withAuthenticated(groups: readonly string[]): readonly string[] {
  return groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED];
}

/** A name may stand once or several times in a subject. */
export function subjectOf(subject: Readonly<Record<string, string | readonly string[] | undefined>> | undefined): CertificateSubject | undefined {
  const texts = (value: string | readonly string[] | undefined) => (value === undefined ? [] : typeof value === 'string' ? [value] : value);
  const [commonName] = texts(subject?.['CN']);
  if (commonName === undefined || commonName === '') return undefined;
  return { commonName, organizations: texts(subject?.['O']) };
}

/** `Authorization: Bearer <token>`. */
export function bearerOf(header: string | undefined): string | undefined {
  const match = /^bearer +(\S+) *$/i.exec(header ?? '');
  if (match !== null) return match[1];
  return header !== undefined && /^bearer\b/i.test(header) ? '' : undefined;
}
