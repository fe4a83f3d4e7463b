/** The one door of both faces: who is it, may he, and what is written down of it. */
import type { CallContext } from '../../proto/rpc.ts';
import { IN_PROCESS, requireAllowed, type Attributes, type Authorizer, type User } from '../access.ts';
import type { Audit } from '../audit.ts';
import { type Authenticator, type Credentials, userOfCertificate } from './authenticator.ts';

export interface GuardOptions {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** undefined: nothing is written down. */
  readonly audit: Audit | undefined;
}

export class Guard {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly audit: Audit | undefined;

  constructor({ authenticator, authorizer, audit }: GuardOptions) {
    this.authenticator = authenticator;
    this.authorizer = authorizer;
    this.audit = audit;
  }

  authenticate(credentials: Credentials): Promise<User> {
    return this.authenticator.authenticate(credentials);
  }

  /** Of a gRPC call: by its certificate; over a channel that has none, it comes from this process or this machine. */
  callerOf({ identity, organizations = [] }: CallContext): User {
    return identity === undefined ? IN_PROCESS : userOfCertificate({ commonName: identity, organizations });
  }

  async require(user: User, attributes: Attributes): Promise<void> {
    await requireAllowed(this.authorizer, user, attributes);
  }
}
