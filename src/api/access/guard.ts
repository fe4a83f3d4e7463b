/** The one door of both faces: who is it, may he, and what is written down of it. */
import type { Random } from '../../base/random.ts';
import type { Authorizer, User } from '../access.ts';
import type { Audit, AuditedRequest, AuditEntry } from '../audit.ts';
import type { Authenticator, Credentials } from './authenticator.ts';

export interface GuardOptions {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** undefined: nothing is written down. */
  readonly audit: Audit | undefined;
  readonly random: Random;
}

export class Guard {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly #audit: Audit | undefined;
  readonly #ids: Random;

  constructor({ authenticator, authorizer, audit, random }: GuardOptions) {
    this.authenticator = authenticator;
    this.authorizer = authorizer;
    this.#audit = audit;
    this.#ids = random.fork('audit');
  }

  authenticate(credentials: Credentials): Promise<User> {
    return this.authenticator.authenticate(credentials);
  }

  newAuditId(): string {
    return this.#ids.uuid();
  }

  /** undefined: nothing is written down. Without an id of the client's own it is given one. */
  begin(request: Omit<AuditedRequest, 'auditId'> & { readonly auditId?: string }): AuditEntry | undefined {
    return this.#audit?.begin({ ...request, auditId: request.auditId ?? this.newAuditId() });
  }
}
