/**
 * The audit log: a line of JSON a request, `audit.k8s.io/v1 Event` at the level Metadata: who asked for what, and what
 * came of it. Bodies are never in it. Where the lines go is the caller's business.
 */
import { formatMicroTime, type Clock } from '../base/clock.ts';
import type { Attributes, User } from './access.ts';
import { userInfo } from './reviews.ts';

export interface AuditedRequest {
  readonly auditId: string;
  readonly requestUri: string;
  readonly user: User;
  readonly attributes: Attributes;
  readonly sourceIp: string;
  readonly userAgent: string;
  readonly decision: { readonly allowed: boolean; readonly reason: string };
}

export type AuditStage = 'ResponseStarted' | 'ResponseComplete';

export interface AuditOutcome {
  /** HTTP's number. */
  readonly code: number;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/** One request's place in the log; what it was is known when it begins, and what came of it at its end. */
export interface AuditEntry {
  write(stage: AuditStage, outcome: AuditOutcome): void;
}

export class Audit {
  readonly #clock: Clock;
  readonly #write: (line: string) => void;

  constructor(clock: Clock, write: (line: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  begin(request: AuditedRequest): AuditEntry {
    const receivedAt = formatMicroTime(this.#clock.wall());
    return {
      write: (stage, outcome) => this.#write(`${JSON.stringify(eventOf(request, { stage, outcome, receivedAt, now: formatMicroTime(this.#clock.wall()) }))}\n`),
    };
  }
}

interface When {
  readonly stage: AuditStage;
  readonly outcome: AuditOutcome;
  readonly receivedAt: string;
  readonly now: string;
}

function eventOf({ auditId, requestUri, user, attributes, sourceIp, userAgent, decision }: AuditedRequest, { stage, outcome, receivedAt, now }: When): object {
  const { code, reason, message } = outcome;
  const failure = code >= 400 ? { status: 'Failure', ...(message === undefined ? {} : { message }), ...(reason === undefined ? {} : { reason }) } : {};
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: auditId,
    stage,
    requestURI: requestUri,
    verb: attributes.verb,
    user: userInfo(user),
    sourceIPs: [sourceIp],
    ...(userAgent === '' ? {} : { userAgent }),
    ...('path' in attributes ? {} : { objectRef: objectRef(attributes) }),
    responseStatus: { metadata: {}, ...failure, code },
    requestReceivedTimestamp: receivedAt,
    stageTimestamp: now,
    annotations: { 'authorization.k8s.io/decision': decision.allowed ? 'allow' : 'forbid', 'authorization.k8s.io/reason': decision.reason },
  };
}

function objectRef({ group, version, resource, subresource, namespace, name }: Exclude<Attributes, { readonly path: string }>): object {
  const texts = { resource, namespace, name, apiGroup: group, apiVersion: version, subresource };
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));
}
