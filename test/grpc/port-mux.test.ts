/** gRPC and HTTP/1.1 on one port: each gets its own, with its certificate, and whoever is slow or broken hurts nobody. */
import { once } from 'node:events';
import { request as httpRequest, type RequestListener } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { deferred } from '../../src/base/deferred.ts';
import { silentLog } from '../../src/base/log.ts';
import { connect } from '../../src/grpc/channel.ts';
import { connectionsMax } from '../../src/grpc/connections-max.ts';
import { PortMux } from '../../src/grpc/port-mux.ts';
import type { RunningServer } from '../../src/grpc/server-options.ts';
import { SERVERS } from './transports.ts';
import { KV } from '../../src/proto/etcd.ts';
import { bind, RpcError, type CallContext } from '../../src/proto/rpc.ts';
import { BROKEN_HTTP2, BROKEN_REQUESTS, goawayCode, grpcFrame, handshake, nodeCode, overTcp, overTls, PING_FLOOD, rfcCode, randomBytes, rawGrpc } from '../bad-input/hostile.ts';
import { authority } from './authority.ts';

const host = '127.0.0.1';
const identities: (string | undefined)[] = [];
const services = [
  bind(KV, {
    range: (_, { identity }) => {
      identities.push(identity);
      return { count: 1 };
    },
  }),
];

/** Answers what it was asked, and by whom. */
const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const name = request.socket instanceof TLSSocket ? request.socket.getPeerCertificate().subject.CN : 'nobody';
    response.end(`${request.method} ${request.url} by ${String(name)}: ${Buffer.concat(chunks).length}`);
  });
};

type Tls = { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } | undefined;

function ask(port: number, tls: Tls, { path = '/', body = '' as string | Buffer, ALPNProtocols = ['http/1.1'] } = {}): Promise<string> {
  const to = { host, port, path, method: body.length > 0 ? 'POST' : 'GET' };
  return new Promise((resolve, reject) => {
    const request =
      tls === undefined ? httpRequest(to) : httpsRequest({ ...to, agent: new Agent({ ...tls, ALPNProtocols, maxCachedSessions: 0 }) });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => resolve(text));
    });
    request.end(body);
  });
}

async function callGrpc(port: number, tls: Tls): Promise<number> {
  const channel = connect({ addresses: [`${host}:${port}`], ...(tls === undefined ? {} : { tls }) });
  const { count } = await channel.unary(KV.methods.range, {}, { timeoutMs: 5_000 }).finally(() => channel.close());
  return count;
}

const KINDS = SERVERS.flatMap((each) => (['plain text', 'TLS'] as const).map((kind) => ({ ...each, kind })));

describe.each(KINDS)('$name: listen() with http, $kind', ({ name, Server, kind }) => {
  let server: RunningServer;
  let port: number;
  let tls: Tls;
  let codes: number[];

  beforeAll(async () => {
    let serverTls;
    if (kind === 'TLS') {
      const { ca, issue } = await authority();
      serverTls = { ca, ...(await issue('server')), requireClientCertificate: true };
      const { cert, key } = await issue('alice');
      tls = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
    }
    codes = [];
    const observer = { bytes: { received: 0, sent: 0 }, started: () => 0, ended: (code: number) => void codes.push(code) };
    server = new Server({ log: silentLog, services, tls: serverTls, http: echo, observe: () => observer });
    [port] = (await server.listen([`${host}:0`])) as [number];
  });
  afterAll(() => server.stop(0));

  async function expectServing(): Promise<void> {
    const who = kind === 'TLS' ? 'alice' : 'nobody';
    expect(await ask(port, tls)).toBe(`GET / by ${who}: 0`);
    expect(await callGrpc(port, tls)).toBe(1);
  }

  test('serves both, and both know the certificate', async () => {
    await expectServing();
    expect(identities.at(-1)).toBe(kind === 'TLS' ? 'alice' : undefined);
    expect(codes.at(-1)).toBe(0);
    const large = Buffer.alloc(1024 * 1024);
    expect(await ask(port, tls, { path: '/v3/x', body: large })).toContain(`POST /v3/x by ${kind === 'TLS' ? 'alice' : 'nobody'}: 1048576`);
  });

  test('HTTP/1.1 byte by byte is HTTP all the same', async () => {
    if (tls !== undefined) return;
    const socket = connectTcp({ host, port });
    for (const letter of 'GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n') {
      await new Promise<void>((resolve) => socket.write(letter, () => setImmediate(resolve)));
    }
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain('GET /slow by nobody: 0');
  });

  test('a TLS client that does not say what it speaks is looked at', async () => {
    if (tls === undefined) return;
    expect(await ask(port, tls, { ALPNProtocols: [] })).toBe('GET / by alice: 0');
  });

  test('a TLS client that speaks both does not come for gRPC', async () => {
    if (tls === undefined) return;
    expect(await ask(port, tls, { ALPNProtocols: ['h2', 'http/1.1'] })).toBe('GET / by alice: 0');
  });

  test('who shows no certificate reaches neither', async () => {
    if (tls === undefined) return;
    expect(await handshake({ host, port, tls: { ca: tls.ca } })).toBe('tlsv13 alert certificate required');
    await expect(callGrpc(port, undefined)).rejects.toThrow(RpcError);
    await expect(ask(port, undefined)).rejects.toThrow();
    await expectServing();
  });

  test('noise and broken HTTP/2 end their own connection only', async () => {
    const send = (bytes: Buffer) => (tls === undefined ? overTcp({ host, port }, bytes) : overTls({ host, port, tls }, bytes));
    const codeOf = (what: string, code: number | undefined, bytes?: Buffer) => {
      if (name === 'lean') return rfcCode(what, code);
      return bytes === undefined ? code : nodeCode(code, bytes);
    };
    for (const [what, code, bytes] of BROKEN_HTTP2) {
      expect([what, goawayCode(await send(bytes))]).toEqual([what, codeOf(what, code, bytes)]);
    }
    expect(goawayCode(await send(randomBytes('noise', 64 * 1024)))).toBe(codeOf('noise', 2));
    await send(PING_FLOOD);
    for (const [what, request, answer] of BROKEN_REQUESTS) {
      expect({ what, ...(await rawGrpc({ host, port, tls }, request(KV.methods.range.path))) }).toMatchObject({ what, ...answer });
    }
    await expectServing();
  });

  test('a taken port is told with what to do', async () => {
    const second = new Server({ log: silentLog, services: [], http: echo });
    await expect(second.listen([`${host}:${port}`])).rejects.toThrow(
      `cannot listen on ${host}:${port}: another process listens there (EADDRINUSE): stop it, or choose another port`,
    );
  });
});

test.each(SERVERS)('$name: stop() ends what HTTP has open, and the port is free', async ({ Server }) => {
  const server = new Server({ log: silentLog, services, http: (_, response) => response.write('…') });
  const [port] = (await server.listen([`${host}:0`])) as [number];
  const cut = ask(port, undefined).catch((error: NodeJS.ErrnoException) => error.code);
  expect(await callGrpc(port, undefined)).toBe(1);
  await server.stop(0);
  expect(await cut).toBe('ECONNRESET');
  const next = new Server({ log: silentLog, services });
  expect(await next.listen([`${host}:${port}`])).toEqual([port]);
  await next.stop(0);
});

test.each(SERVERS)('$name: without http nobody is answered in HTTP/1.1', async ({ Server }) => {
  const { ca, issue } = await authority();
  const serverTls = { ca, ...(await issue('server')), requireClientCertificate: true };
  const { cert, key } = await issue('alice');
  const tls = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
  const servers = [new Server({ log: silentLog, services }), new Server({ log: silentLog, services, tls: serverTls })];
  const [plain, secure] = (await Promise.all(servers.map((server) => server.listen([`${host}:0`])))).flat();
  const get = Buffer.from('GET / HTTP/1.1\r\nhost: podium\r\nconnection: close\r\n\r\n');
  const said = await overTcp({ host, port: plain! }, get);
  expect(said.toString('latin1')).not.toContain('HTTP/1.1');
  expect(await overTls({ host, port: secure!, tls }, get, 'http/1.1')).toHaveLength(0);
  expect(await callGrpc(plain!, undefined)).toBe(1);
  expect(await callGrpc(secure!, tls)).toBe(1);
  await Promise.all(servers.map((server) => server.stop(0)));
});

test.each(SERVERS)('$name: who has gone is nobody, for a handler that asks late', async ({ Server }) => {
  const { ca, issue } = await authority();
  const { cert, key } = await issue('alice');
  const asked: unknown[] = [];
  const gone = deferred<void>();
  const range = async (_: unknown, context: CallContext) => {
    await gone.promise;
    asked.push(context.identity, context.organizations);
    return {};
  };
  const tls = { ca, ...(await issue('server')), requireClientCertificate: true };
  const server = new Server({ log: silentLog, services: [bind(KV, { range })], tls });
  const [port] = await server.listen([`${host}:0`]);
  const wire = connectTcp({ host, port: port! });
  const socket = connectTls({ socket: wire, host, ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key), ALPNProtocols: ['h2'] });
  const session = connectHttp2(`https://${host}:${port}`, { createConnection: () => socket }).on('error', () => undefined);
  const headers = { ':method': 'POST', ':path': KV.methods.range.path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers).on('error', () => undefined);
  stream.end(grpcFrame(Buffer.alloc(0)));
  await once(stream, 'ready');
  // A ping behind the request: what was sent before it has been taken.
  await new Promise((resolve) => session.ping(resolve));
  wire.destroy();
  await server.stop(0);
  gone.resolve();
  await vi.waitFor(() => expect(asked).toEqual([undefined, []]));
  session.destroy();
});

test('PortMux ends who says nothing, and who drips its headers', async () => {
  const mux = new PortMux({ http: echo, grpc: (socket) => void socket.destroy(), headersMs: 100 });
  const port = await mux.listen(`${host}:0`);
  const over = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connectTcp({ host, port });
      let heard = '';
      socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(heard));
      if (text !== '') socket.write(text);
    });
  expect(await over('')).toBe('');
  expect(await over('G')).toBe('');
  expect(await over('GET / HTTP/1.1\r\nhost: a\r\n')).toContain('408 Request Timeout');
  expect(await ask(port, undefined)).toBe('GET / by nobody: 0');
  mux.close();
});

test('PortMux without gRPC hangs up on anything else', async () => {
  const mux = new PortMux({ http: echo });
  const port = await mux.listen(`${host}:0`);
  expect(await overTcp({ host, port }, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))).toHaveLength(0);
  mux.close();
});

test('PortMux hangs up on one connection too many, and takes the next when there is room', async () => {
  const mux = new PortMux({ http: echo, connectionsMax: 2 });
  const port = await mux.listen(`${host}:0`);
  const open = () =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connectTcp({ host, port }, () => resolve(socket));
      socket.once('error', reject);
    });
  const [first] = await Promise.all([open(), open()]);
  await expect(ask(port, undefined)).rejects.toThrow();
  first!.destroy();
  await vi.waitFor(async () => expect(await ask(port, undefined)).toBe('GET / by nobody: 0'));
  mux.close();
});

test('connectionsMax() leaves files for the log and the database', () => {
  expect(connectionsMax(1024)).toBe(646);
  expect(connectionsMax(20_000)).toBe(13_930);
  expect(connectionsMax(50)).toBe(1);
  expect(connectionsMax()).toBeGreaterThan(1);
});
