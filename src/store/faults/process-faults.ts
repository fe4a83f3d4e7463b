/**
 * Faults of a process: they are armed by PODIUM_FAULTS at its start and, as gofail's are, over HTTP on an address of this
 * machine's own. Whoever reaches that address can end the member, so that no other address is taken.
 *
 *   GET /                every point with what is armed there      beforeCommit=1*panic
 *   GET /<point>         what is armed there
 *   GET /<point>/count   how often something was done there
 *   PUT /<point>         arms it with the term in the body
 *   DELETE /<point>      disarms it
 */
import { writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError, UserError } from '../../base/errors.ts';
import { sleep } from '../../base/clock.ts';
import { systemClock } from '../../base/system-clock.ts';
import { FAULT_POINTS } from './core/points.ts';
import { type FaultActions, FaultHooks } from './fault-hooks.ts';

export interface FaultAddress {
  readonly host: string;
  readonly port: number;
}

export interface ProcessFaults {
  readonly hooks: FaultHooks;
  close(): void;
}

const BODY_BYTES_MAX = 1024;

/** Without an address nothing can be armed later. */
export async function openProcessFaults(address: FaultAddress | undefined, armed = ''): Promise<ProcessFaults> {
  const hooks = new FaultHooks(processActions);
  try {
    hooks.armAll(armed);
  } catch (cause) {
    throw new UserError(`PODIUM_FAULTS: ${describeError(cause)}`);
  }
  if (address === undefined) return { hooks, close: () => undefined };
  const server = createServer((request, response) => void serve(hooks, request, response));
  await listen(server, address);
  return { hooks, close: () => server.close() };
}

const processActions: FaultActions = {
  panic: (point) => {
    // By hand and at once: a logger may write later, and there is no later.
    writeSync(2, `fault: panic at ${point}\n`);
    process.kill(process.pid, 'SIGKILL');
  },
  sleep: (ms) => sleep(systemClock, ms),
  block: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
};

async function serve(hooks: FaultHooks, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [point = '', detail] = (request.url ?? '/').slice(1).split('/');
  try {
    const answer = await answerTo(hooks, { method: request.method ?? '', point, detail, request });
    if (answer === undefined) response.writeHead(405, { allow: 'GET, PUT, DELETE' }).end('405: use GET, PUT or DELETE\n');
    else response.writeHead(answer === '' ? 204 : 200, { 'content-type': 'text/plain; charset=utf-8' }).end(answer);
  } catch (error) {
    const status = error instanceof UserError ? 400 : 500;
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${describeError(error)}\n`);
  }
}

type Asked = { readonly method: string; readonly point: string; readonly detail: string | undefined; readonly request: IncomingMessage };

async function answerTo(hooks: FaultHooks, { method, point, detail, request }: Asked): Promise<string | undefined> {
  if (method === 'GET' && point === '') return FAULT_POINTS.map((each) => `${each}=${hooks.state(each).term}\n`).join('');
  if (method === 'GET' && detail === 'count') return `${hooks.state(point).met}\n`;
  if (method === 'GET' && detail === undefined) return `${hooks.state(point).term}\n`;
  if (detail !== undefined) throw new UserError(`there is nothing at /${point}/${detail}`);
  if (method === 'PUT') hooks.arm(point, await bodyOf(request));
  else if (method === 'DELETE') hooks.disarm(point);
  else return undefined;
  return '';
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const part of request) {
    body += String(part);
    if (body.length > BODY_BYTES_MAX) throw new UserError(`a term has at most ${BODY_BYTES_MAX} characters`);
  }
  return body;
}

function listen(server: Server, { host, port }: FaultAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new UserError(`--experimental-fault-hooks: ${host}:${port} cannot be listened on: ${cause.message}`, { cause })));
    server.listen(port, host, resolve);
  });
}
