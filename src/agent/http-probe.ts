/**
 * A probe by HTTP, or by HTTPS whose certificate nobody checks, as the kubelet asks it: redirects within the host are
 * followed, one that leads elsewhere is an answer like any other, with a warning.
 */
import { request, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock, Millis } from '../base/clock.ts';
import { describeError, systemErrorCode } from '../base/errors.ts';
import type { HttpGetAction } from './core/pod-spec.ts';
import type { ProbeResult } from './probe.ts';

export interface HttpProbeOptions {
  readonly action: Pick<HttpGetAction, 'path' | 'scheme' | 'httpHeaders'>;
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly timeoutMs: Millis;
  /** Makes a connection; undefined: whoever needs one makes it, in this machine's network. */
  readonly socket: (host: string, port: number, timeoutMs: Millis) => Promise<Socket | undefined>;
}

const REDIRECTS_MAX = 10;
const BODY_SHOWN_MAX = 256;

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** Never rejects. */
export async function probeHttp(options: HttpProbeOptions): Promise<ProbeResult> {
  const { action, host, port, clock, timeoutMs } = options;
  const { path = '/', scheme = 'HTTP' } = action;
  const authority = host.includes(':') ? `[${host}]` : host;
  let url: URL;
  try {
    url = new URL(path.startsWith('/') ? path : `/${path}`, `${scheme.toLowerCase()}://${authority}:${port}`);
  } catch (error) {
    return { isSuccess: false, message: describeError(error) };
  }
  const headers = headersOf(action.httpHeaders ?? []);
  const untilMs = clock.monotonic() + timeoutMs;
  for (let redirects = 0; ; redirects++) {
    const asked = `Get "${url.href}"`;
    try {
      const answer = await ask(url, headers, { ...options, timeoutMs: untilMs - clock.monotonic() });
      const next = answer.status >= 300 && answer.status < 400 && answer.location !== undefined ? new URL(answer.location, url) : undefined;
      if (next === undefined) return verdict(answer);
      if (next.hostname !== url.hostname) return { isSuccess: true, message: '', warning: `Probe terminated redirects, Response body: ${answer.body.slice(0, BODY_SHOWN_MAX)}` };
      if (redirects >= REDIRECTS_MAX) return { isSuccess: false, message: `${asked}: stopped after ${REDIRECTS_MAX} redirects` };
      url = next;
    } catch (error) {
      return { isSuccess: false, message: `${asked}: ${describeFailure(error, url)}` };
    }
  }
}

function verdict({ status }: Answer): ProbeResult {
  const isSuccess = status >= 200 && status < 400;
  return { isSuccess, message: isSuccess ? '' : `HTTP probe failed with statuscode: ${status}` };
}

/** Those that are given go before our own; one that is given empty is left out. */
function headersOf(given: NonNullable<HttpGetAction['httpHeaders']>): OutgoingHttpHeaders {
  const headers = new Map<string, string[]>();
  for (const { name, value } of given) headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value]);
  if (!headers.has('user-agent')) headers.set('user-agent', ['kube-probe/podium']);
  if (!headers.has('accept')) headers.set('accept', ['*/*']);
  const kept = [...headers].filter(([name, values]) => !(['accept', 'user-agent'].includes(name) && values.join('') === ''));
  return { ...Object.fromEntries(kept.map(([name, values]) => [name, values.length === 1 ? values[0]! : values])), connection: 'close' };
}

async function ask(url: URL, headers: OutgoingHttpHeaders, { clock, timeoutMs, socket: open }: HttpProbeOptions): Promise<Answer> {
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  const socket = await open(host, port, timeoutMs);
  const shared: RequestOptions = { host, port, path: `${url.pathname}${url.search}`, headers };
  // An agent would make a connection of its own, in this machine's network.
  const options: RequestOptions = socket === undefined ? { ...shared, agent: false } : { ...shared, createConnection: () => (isSecure ? connectTls({ socket, rejectUnauthorized: false }) : socket) };
  return new Promise((resolve, reject) => {
    // A probe does not check certificates, as the kubelet does not.
    const call = isSecure ? secureRequest({ ...options, rejectUnauthorized: false }) : request(options);
    const timer = clock.setTimer(timeoutMs, () => {
      call.destroy();
      reject(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)'));
    });
    const finish = (end: () => void) => {
      timer.cancel();
      end();
      call.destroy();
    };
    call.on('error', (error) => finish(() => reject(error)));
    call.on('response', (response) => {
      void firstOf(response).then((body) => finish(() => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body })));
    });
    call.end();
  });
}

/** The first of its body: of a warning it is shown, nothing else wants it. */
function firstOf(response: IncomingMessage): Promise<string> {
  const isShown = (response.statusCode ?? 0) >= 300 && (response.statusCode ?? 0) < 400;
  response.on('error', () => undefined);
  if (!isShown) {
    response.resume();
    return Promise.resolve('');
  }
  return new Promise((done) => {
    let text = '';
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.length >= BODY_SHOWN_MAX) done(text);
    });
    response.on('end', () => done(text)).on('close', () => done(text));
  });
}

function describeFailure(error: unknown, url: URL): string {
  if (systemErrorCode(error) === 'ECONNREFUSED') return `dial tcp ${url.host}: connect: connection refused`;
  return describeError(error);
}
