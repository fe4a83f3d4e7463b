/**
 * The store's HTTP side, as etcd has it: /health, /livez, /readyz, /version, /metrics and the JSON gateway below /v3/.
 * https://etcd.io/docs/v3.6/op-guide/monitoring/
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Member } from '../member.ts';
import { alarmName, ETCD_VERSION } from '../rpc/maintenance.ts';
import type { Gateway } from './gateway.ts';
import type { StoreMetrics } from './metrics.ts';

export interface StoreHttpOptions {
  readonly member: Member;
  readonly metrics: StoreMetrics;
  /** Absent on --listen-metrics-urls. */
  readonly gateway?: Gateway | undefined;
  readonly log: Log;
}

/** Undefined: it is well. */
type Check = () => Promise<string | undefined>;

export function storeHttp(options: StoreHttpOptions): RequestListener {
  const checks = checksOf(options);
  return (request, response) => {
    route(options, checks, { request, response }).catch((error: unknown) => {
      options.log.error({ error: describeError(error), address: request.url }, 'http: a request failed');
      if (response.headersSent) response.destroy();
      else text(response, 500, 'internal error\n');
    });
  };
}

type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };

async function route(options: StoreHttpOptions, checks: Checks, { request, response }: Exchange): Promise<void> {
  const url = URL.canParse(request.url ?? '', 'http://store') ? new URL(request.url!, 'http://store') : undefined;
  const path = url?.pathname ?? '';
  if (url === undefined) return text(response, 400, '400 Bad Request');
  if (path.startsWith('/v3/') && options.gateway !== undefined) return options.gateway.serve(path.slice('/v3/'.length), request, response);
  const answer = answerOf(options, checks, url);
  if (answer === undefined) return text(response, 404, '404 page not found\n');
  if (request.method !== 'GET') {
    response.setHeader('allow', 'GET');
    return text(response, 405, 'Method Not Allowed\n');
  }
  await answer(response);
}

function answerOf(options: StoreHttpOptions, checks: Checks, url: URL): ((response: ServerResponse) => Promise<void>) | undefined {
  const path = url.pathname;
  if (path === '/version') return async (response) => json(response, 200, { etcdserver: ETCD_VERSION, etcdcluster: ETCD_VERSION, storage: ETCD_VERSION });
  if (path === '/health') return (response) => health(options, checks, { url, response });
  if (path === '/metrics') return (response) => metrics(options, response);
  const [, root, name] = /^\/(livez|readyz)(?:\/([a-z_]+))?$/.exec(path) ?? [];
  if (root !== 'livez' && root !== 'readyz') return undefined;
  const all = checks[root];
  if (name === undefined) return (response) => probe(root, all, { url, response });
  const one = all.get(name);
  return one === undefined ? undefined : (response) => probe(name, new Map([[name, one]]), { url, response });
}

type Checks = Readonly<Record<'livez' | 'readyz', ReadonlyMap<string, Check>>> & { readonly linearizable: Check };

function checksOf({ member }: StoreHttpOptions): Checks {
  const serializable: Check = async () => (member.isStopped ? 'etcdserver: server stopped' : undefined);
  const linearizable: Check = () => member.linearizable().then(() => undefined, (error: unknown) => describeError(error));
  const voter: Check = async () => (member.membership.isLearner ? 'this member is a learner' : undefined);
  const corruption: Check = async () => (alarmsOf(member).includes('CORRUPT') ? 'alarm activated: CORRUPT' : undefined);
  return {
    linearizable,
    livez: new Map([['serializable_read', serializable]]),
    readyz: new Map([
      ['data_corruption', corruption],
      ['serializable_read', serializable],
      ['linearizable_read', linearizable],
      ['non_learner', voter],
    ]),
  };
}

/** Such as NOSPACE. */
function alarmsOf({ machine }: Member): string[] {
  return machine.alarms.list().map(({ alarm }) => alarmName(alarm));
}

async function probe(root: string, checks: ReadonlyMap<string, Check>, { url, response }: { url: URL; response: ServerResponse }): Promise<void> {
  const excluded = new Set(url.searchParams.getAll('exclude'));
  const asked = [...checks].filter(([name]) => !excluded.has(name));
  const results = await Promise.all(asked.map(async ([name, check]) => ({ name, why: await check() })));
  const lines = results.map(({ name, why }) => (why === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${why}\n`)).join('');
  if (results.some(({ why }) => why !== undefined)) return text(response, 503, `${lines}${root} check failed\n`);
  text(response, 200, url.searchParams.has('verbose') ? `${lines}ok\n` : 'ok\n');
}

async function health({ member }: StoreHttpOptions, checks: Checks, { url, response }: { url: URL; response: ServerResponse }) {
  const excluded = url.searchParams.getAll('exclude');
  const alarm = alarmsOf(member).find((name) => !excluded.includes(name));
  const isSerializable = url.searchParams.get('serializable') === 'true';
  let reason = alarm === undefined ? '' : `ALARM ${alarm}`;
  if (reason === '' && member.leader === 0n && !isSerializable) reason = 'RAFT NO LEADER';
  const read = isSerializable ? checks.livez.get('serializable_read')! : checks.linearizable;
  if (reason === '') {
    const why = await read();
    if (why !== undefined) reason = `RANGE ERROR:${why}`;
  }
  json(response, reason === '' ? 200 : 503, { health: reason === '' ? 'true' : 'false', reason });
}

async function metrics({ metrics: { registry } }: StoreHttpOptions, response: ServerResponse): Promise<void> {
  const body = await registry.text();
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }).end(body);
}
