/**
 * What happens to every request, in this order: it is understood, its caller is known, it is let in, it is allowed, it is
 * done; and whatever comes of it is answered, counted and, where that is wanted, audited. It has no sockets: those are
 * `server.ts`'s.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { sleep, withDeadline, type Clock } from '../../base/clock.ts';
import { DeadlineError, describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { ApiError, badRequest, methodNotAllowed, unknownResource } from '../../kube/errors.ts';
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import { ANONYMOUS, requireAllowed, unauthorized, type Attributes, type Decision, type User } from '../access.ts';
import { bearerOf, type CertificateSubject } from '../access/authenticator.ts';
import type { Guard } from '../access/guard.ts';
import { impersonated } from '../access/impersonation.ts';
import type { AuditEntry } from '../audit.ts';
import { readBody } from './body.ts';
import { connectKind } from './connect.ts';
import { acceptsGzip, formatOrJson } from './core/negotiation.ts';
import { durationMs, flag } from './core/query.ts';
import { parsePath, verbOf, type Route, type Verb } from './core/routes.ts';
import type { Documents } from './documents.ts';
import type { Exchange } from './exchange.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { InFlight, RequestClass } from '../in-flight.ts';
import type { RestLimits } from './limits.ts';
import { RestMetrics, type RequestLabels } from './metrics.ts';
import { Reply } from './reply.ts';
import { isProxy } from './proxy.ts';
import type { ResourceFace } from './resources.ts';

export interface HandlerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: RestLimits;
  readonly guard: Guard;
  readonly inFlight: InFlight;
  readonly metrics: RestMetrics;
  readonly resources: ResourceFace;
  readonly documents: Documents;
}

/** Programs that people type: they read what they get. As kube-apiserver. */
const PRETTY_AGENTS = /^(?:curl|Wget|Mozilla\/5\.0)/;

/** A client may bring its own. */
const AUDIT_ID_LENGTH_MAX = 64;

interface Understood {
  readonly route: Exclude<Route, { kind: 'none' }>;
  readonly verb: Verb;
  readonly attributes: Attributes;
  readonly isLongRunning: boolean;
}

export class RestHandler {
  readonly #options: HandlerOptions;
  /** How to end what would go on for ever. */
  readonly #ends = new Set<() => void>();
  #isStopping = false;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** `subject` is of the client's certificate, if the connection has one that was verified. */
  async handle(request: HttpRequest, response: HttpResponse, subject: CertificateSubject | undefined): Promise<void> {
    const { headers, url } = request;
    const { path, query } = splitUrl(url);
    const agent = headers['user-agent'] ?? '';
    const reply = new Reply(response, {
      auditId: headers['audit-id']?.toString().slice(0, AUDIT_ID_LENGTH_MAX) ?? this.#options.guard.newAuditId(),
      acceptsGzip: acceptsGzip(headers['accept-encoding']?.toString()),
      isPretty: query.has('pretty') ? flag(query, 'pretty') : PRETTY_AGENTS.test(agent),
    });
    const outcome: Outcome = { labels: labelsOfPath(path), isLongRunning: false, entry: undefined, error: undefined };
    let counted: ((code: number) => void) | undefined;
    try {
      const understood = understand(request.method, path, query);
      outcome.labels = labelsOf(understood, { isApply: headers['content-type']?.startsWith(APPLY) === true, dryRun: query.get('dryRun') === 'All' ? 'All' : '' });
      outcome.isLongRunning = understood.isLongRunning;
      counted = this.#options.metrics.begin(outcome.labels, understood.isLongRunning);
      const user = await this.#callerOf(understood, headers, subject);
      await this.#admitted({ request, reply, path, query, url, user, understood, outcome });
    } catch (error) {
      await this.#refuse(reply, error, headers['accept'], outcome);
    } finally {
      counted ??= this.#options.metrics.begin(outcome.labels, false);
      counted(reply.code);
      outcome.entry?.write('ResponseComplete', { code: reply.code, reason: outcome.error?.reason, message: outcome.error?.message });
    }
  }

  /** Watches end at once, and none begins any more. */
  stop(): void {
    this.#isStopping = true;
    for (const end of [...this.#ends]) end();
  }

  async #callerOf(understood: Understood, headers: IncomingHttpHeaders, certificate: CertificateSubject | undefined): Promise<User> {
    const isOpen = isOpenToAll(understood);
    try {
      const { guard } = this.#options;
      const user = await guard.authenticate({ certificate, token: bearerOf(headers.authorization) });
      if (user === ANONYMOUS) {
        if (isOpen) return user;
        throw unauthorized();
      }
      return await impersonated(user, headers, guard.authorizer);
    } catch (error) {
      // Whoever looks whether the server lives need not be known.
      if (isOpen && error instanceof ApiError && error.reason === 'Unauthorized') return ANONYMOUS;
      throw error;
    }
  }

  async #admitted(work: Work): Promise<void> {
    const { request, reply, understood, user, url, outcome } = work;
    const { clock, guard, inFlight } = this.#options;
    const { attributes } = understood;
    const isOpen = isOpenToAll(understood);
    const leave = isOpen ? undefined : inFlight.enter(classOf(understood), user);
    try {
      let decision: Decision = { allowed: true, reason: 'open to all' };
      const audited = () =>
        guard.begin({
          auditId: reply.auditId,
          requestUri: url,
          user,
          attributes,
          sourceIp: request.remoteAddress,
          userAgent: request.headers['user-agent'] ?? '',
          decision,
        });
      if (!isOpen) {
        try {
          decision = await requireAllowed(guard.authorizer, user, attributes);
        } catch (error) {
          decision = { allowed: false, reason: '' };
          throw error;
        } finally {
          outcome.entry = audited();
        }
      }
      const exchange = this.#exchange(work);
      const done = this.#dispatch(exchange, understood);
      if (understood.isLongRunning) {
        outcome.entry?.write('ResponseStarted', { code: request.upgrade === undefined ? 200 : 101 });
        return await this.#longRunning(exchange, done);
      }
      const deadlineMs = Math.min(durationMs(work.query, 'timeout') ?? Infinity, this.#options.limits.requestTimeoutMs);
      await withDeadline(done, { clock, deadlineMs, what: 'the request' });
    } finally {
      leave?.();
    }
  }

  #exchange({ request, reply, path, query, url, user, understood }: Work): Exchange {
    const { clock, limits } = this.#options;
    return {
      method: request.method,
      path,
      url,
      remoteAddress: request.remoteAddress,
      query,
      headers: request.headers,
      user,
      reply,
      isLongRunning: understood.isLongRunning,
      upgrade: request.upgrade,
      get signal() {
        return reply.signal;
      },
      body: () => readBody(request, { clock, bytesMax: limits.bodyBytesMax, timeoutMs: limits.bodyTimeoutMs }),
      after: (delayMs) => sleep(clock, delayMs, reply.signal).catch(() => undefined),
    };
  }

  #dispatch(exchange: Exchange, { route, verb }: Understood): Promise<void> {
    if (route.kind === 'resource') return this.#options.resources.serve(exchange, route, verb);
    return this.#options.documents.serve(exchange, route);
  }

  async #longRunning({ reply }: Exchange, done: Promise<void>): Promise<void> {
    const end = () => reply.end();
    this.#ends.add(end);
    if (this.#isStopping) end();
    try {
      await done;
    } finally {
      this.#ends.delete(end);
    }
  }

  async #refuse(reply: Reply, error: unknown, accept: string | undefined, outcome: Outcome): Promise<void> {
    const known = this.#known(error);
    outcome.error = known;
    if (reply.isOver) return;
    // Past the head there is no other way to say that the rest is missing.
    if (reply.code !== 0) return reply.destroy();
    const retryAfter = retryAfterOf(known);
    await reply.send(known.code, known.toStatus(), formatOrJson(accept), {
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
      'X-Content-Type-Options': 'nosniff',
    });
  }

  #known(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof DeadlineError) {
      const message = 'Timeout: request did not complete within the allotted timeout; a write may have been done';
      return new ApiError('Timeout', message, { cause: error });
    }
    const known = error instanceof RpcError ? ofCall(error) : undefined;
    if (known !== undefined) return known;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.log.error({ error: describeError(error), stack }, 'rest: a handler failed');
    return new ApiError('InternalError', 'Internal error occurred: the log of the API server says more');
  }
}

interface Work {
  readonly request: HttpRequest;
  readonly reply: Reply;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly url: string;
  readonly user: User;
  readonly understood: Understood;
  readonly outcome: Outcome;
}

interface Outcome {
  labels: RequestLabels;
  isLongRunning: boolean;
  entry: AuditEntry | undefined;
  error: ApiError | undefined;
}

function understand(method: string, path: string, query: URLSearchParams): Understood {
  const route = parsePath(path);
  if (route === undefined) throw badRequest(`the path ${JSON.stringify(path)} has an escape sequence that is none`);
  if (route.kind === 'none') throw unknownResource();
  if (route.kind !== 'resource') return { route, verb: 'get', attributes: { verb: method.toLowerCase(), path }, isLongRunning: false };
  const verb = verbOf(method, route, flag(query, 'watch'));
  if (verb === undefined) throw methodNotAllowed();
  const { ref } = route;
  // Kubernetes counts a namespace as being in itself.
  const namespace = ref.group === '' && ref.resource === 'namespaces' ? ref.name : ref.namespace;
  const { group, version, resource, subresource, name } = ref;
  const isConnection = connectKind(ref) !== undefined || isProxy(ref);
  const isLog = subresource === 'log' && flag(query, 'follow');
  return { route, verb, attributes: { verb, group, version, resource, subresource, namespace, name }, isLongRunning: verb === 'watch' || isLog || isConnection };
}

/** Whoever looks whether the server lives, and which one it is, need not be known. */
function isOpenToAll({ route, attributes }: Understood): boolean {
  return (route.kind === 'health' || route.kind === 'version') && (attributes.verb === 'get' || attributes.verb === 'head');
}

function classOf({ verb, isLongRunning }: Understood): RequestClass {
  if (isLongRunning) return 'longRunning';
  return verb === 'get' || verb === 'list' ? 'readOnly' : 'mutating';
}

const APPLY = 'application/apply-patch';

function labelsOf({ attributes, verb }: Understood, { isApply, dryRun }: { readonly isApply: boolean; readonly dryRun: string }): RequestLabels {
  if ('path' in attributes) return labelsOfPath(attributes.path);
  const { group, version, resource, subresource, namespace, name } = attributes;
  const names: Readonly<Record<Verb, string>> = {
    get: 'GET', list: 'LIST', watch: 'WATCH', create: 'POST', update: 'PUT', patch: 'PATCH', delete: 'DELETE', deletecollection: 'DELETECOLLECTION',
  };
  const scope = name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster';
  const shown = verb === 'patch' && isApply ? 'APPLY' : names[verb];
  return { verb: shown, group, version, resource, subresource, scope, dry_run: dryRun };
}

/** Paths are many, and most of them nobody's: they count as one. */
function labelsOfPath(path: string): RequestLabels {
  const [, first = ''] = path.split('/');
  const known = ['api', 'apis', 'openapi', 'healthz', 'livez', 'readyz', 'version', 'metrics', 'openid', '.well-known', ''];
  return { verb: 'GET', group: '', version: '', resource: '', subresource: known.includes(first) ? `/${first}` : 'other', scope: '', dry_run: '' };
}

function retryAfterOf({ reason, details }: ApiError): number | undefined {
  const asked = details?.retryAfterSeconds;
  if (asked !== undefined) return asked;
  // A refusal that says why, such as a budget's, is the client's to wait for.
  if (reason === 'TooManyRequests' && details !== undefined) return undefined;
  return reason === 'TooManyRequests' || reason === 'ServiceUnavailable' ? 1 : undefined;
}

/** What a node agent answers, as the API server says it. */
function ofCall(error: RpcError): ApiError | undefined {
  switch (error.code) {
    case RpcCode.INVALID_ARGUMENT:
    case RpcCode.FAILED_PRECONDITION:
      return badRequest(error.message);
    case RpcCode.NOT_FOUND:
      return new ApiError('NotFound', error.message);
    case RpcCode.UNAVAILABLE:
      return new ApiError('ServiceUnavailable', error.message, { cause: error });
    case RpcCode.DEADLINE_EXCEEDED:
      return new ApiError('Timeout', error.message, { cause: error });
    case RpcCode.CANCELLED:
      return new ApiError('Timeout', 'the request was given up', { cause: error });
    default:
      return undefined;
  }
}

function splitUrl(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const at = url.indexOf('?');
  return { path: at < 0 ? url : url.slice(0, at), query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)) };
}

