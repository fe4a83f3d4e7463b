/** Certificates that change while a server and a channel run; real sockets on loopback. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type SecureContextOptions } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { HealthService } from '../../src/grpc/health.ts';
import { RenewedTls } from '../../src/grpc/renewed-tls.ts';
import { TRANSPORTS } from './transports.ts';
import { Health } from '../../src/proto/health.ts';
import { authority } from './authority.ts';

let dir: string;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'podium-tls-'));
  await ensurePki(dir, ['old', 'new'].map((name) => ({ name, commonName: name })), new Date());
  use('old');
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(dir, { recursive: true });
});

const paths = () => ({ certFile: join(dir, 'live.crt'), keyFile: join(dir, 'live.key'), caFile: join(dir, 'ca.crt') });

function use(name: string): void {
  const files = tlsFiles(dir, name);
  copyFileSync(files.certFile, paths().certFile);
  copyFileSync(files.keyFile, paths().keyFile);
}

function renewed(): RenewedTls {
  const tls = new RenewedTls(paths(), silentLog);
  closers.push(() => tls.close());
  return tls;
}

describe.each(TRANSPORTS.slice(0, 2))('$name', ({ Server, connect }) => {
interface Serving {
  readonly seen?: (string | undefined)[];
  readonly http?: RequestListener;
}

async function serve(tls: RenewedTls, requireClientCertificate: boolean, { seen = [], http }: Serving = {}): Promise<number> {
  const { bound } = new HealthService('serving');
  const check = bound.handlers['check']!;
  const handlers = {
    ...bound.handlers,
    check: (request: never, context: Parameters<typeof check>[1]) => {
      seen.push(context.identity);
      return check(request, context);
    },
  };
  const server = new Server({
    log: silentLog,
    services: [{ ...bound, handlers }],
    tls: { renewed: tls, requireClientCertificate },
    http,
  });
  closers.push(() => server.stop(0));
  const [port] = await server.listen(['127.0.0.1:0']);
  return port!;
}

function identityOf(name: string) {
  const { caFile, certFile, keyFile } = tlsFiles(dir, name);
  return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** The name in the certificate that a new connection is shown. */
function shownAt(port: number, protocol = 'h2'): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, ALPNProtocols: [protocol], ...identityOf('old') });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).subject);
      socket.destroy();
    });
  });
}

test.each([true, false])('RenewedTls shows new connections a renewed certificate, client certificates: %s', async (required) => {
  const port = await serve(renewed(), required);
  expect(await shownAt(port)).toBe('CN=old');
  use('new');
  await expect.poll(() => shownAt(port), { timeout: 10_000 }).toBe('CN=new');
});

test.each([true, false])('RenewedTls on a port that HTTP shares: both are shown the renewed certificate, client certificates: %s', async (required) => {
  const port = await serve(renewed(), required, { http: (_, response) => void response.end() });
  const shown = async () => [await shownAt(port, 'h2'), await shownAt(port, 'http/1.1')];
  // One that is open goes on, whatever comes.
  const channel = connect({ addresses: [`127.0.0.1:${port}`], tls: identityOf('old') });
  closers.push(() => channel.close());
  const check = () => channel.unary(Health.methods.check, {}, { timeoutMs: 2000 });
  await check();
  expect(await shown()).toEqual(['CN=old', 'CN=old']);
  use('new');
  await expect.poll(shown, { timeout: 10_000 }).toEqual(['CN=new', 'CN=new']);
  await check();
});

test('RenewedTls gives a channel its renewed certificate for its next connection, and who shows none is refused', async () => {
  const seen: (string | undefined)[] = [];
  const port = await serve(new RenewedTls({ ...paths(), ...tlsFiles(dir, 'new') }, silentLog), true, { seen });
  const tls = renewed();
  const call = async (options: Parameters<typeof connect>[0]['tls']) => {
    const channel = connect({ addresses: [`127.0.0.1:${port}`], tls: options });
    try {
      await channel.unary(Health.methods.check, {}, { timeoutMs: 2000 });
    } finally {
      channel.close();
    }
  };
  await call({ renewed: tls });
  use('new');
  await expect.poll(() => tls.current.cert.equals(readFileSync(paths().certFile)), { timeout: 10_000 }).toBe(true);
  await call({ renewed: tls });
  expect(seen).toEqual(['old', 'new']);
  await expect(call({ ca: readFileSync(join(dir, 'ca.crt')) })).rejects.toThrow();
});

test('RenewedTls passes over files that do not fit together, and does not begin on them', async () => {
  const port = await serve(renewed(), false);
  copyFileSync(tlsFiles(dir, 'new').certFile, paths().certFile);
  expect(() => new RenewedTls(paths(), silentLog)).toThrow(/live.key is not the key of/);
  expect(await shownAt(port)).toBe('CN=old');
  writeFileSync(paths().certFile, 'half of a certif');
  expect(await shownAt(port)).toBe('CN=old');
  use('new');
  await expect.poll(() => shownAt(port), { timeout: 10_000 }).toBe('CN=new');
});

describe.each(['gRPC alone', 'gRPC and HTTP on one port'] as const)('RenewedTls on a server of %s', (kind) => {
  const http = kind === 'gRPC alone' ? undefined : (_: unknown, response: { end(): void }) => response.end();

  /** A server, and how a client is let in: its name as the server knows it, or what it was refused with. */
  async function start(listed: readonly string[]) {
    const { ca, issue, revoke } = await authority();
    const files = { certFile: join(dir, 'server.crt'), keyFile: join(dir, 'server.key'), caFile: join(dir, 'own-ca.crt'), crlFile: join(dir, 'list.crl') };
    const clients = new Map<string, SecureContextOptions>();
    for (const name of ['alice', 'bob']) clients.set(name, asBuffers({ ca, ...(await issue(name)) }));
    const server = await issue('server');
    writeFileSync(files.certFile, server.cert);
    writeFileSync(files.keyFile, server.key);
    writeFileSync(files.caFile, ca);
    writeFileSync(files.crlFile, await revoke(...listed));
    const tls = new RenewedTls(files, silentLog);
    closers.push(() => tls.close());
    const grpc = new Server({
      ...{ log: silentLog, services: [new HealthService('serving').bound] },
      ...{ tls: { renewed: tls, requireClientCertificate: true }, http },
    });
    closers.push(() => grpc.stop(0));
    const [port] = (await grpc.listen(['127.0.0.1:0'])) as [number];
    const call = async (name: string): Promise<string> => {
      const { ca: trusted, cert, key } = clients.get(name)!;
      const channel = connect({ addresses: [`127.0.0.1:${port}`], tls: { ca: trusted as Buffer, cert: cert as Buffer, key: key as Buffer } });
      const answer = channel.unary(Health.methods.check, {}, { timeoutMs: 5000 });
      return answer.then(() => 'served', () => 'refused').finally(() => channel.close());
    };
    return { files, clients, port, call, revoke, issue };
  }

  test('refuses a certificate on the list, and, once the list has changed, one that it had served', async () => {
    const { files, call, revoke } = await start(['bob']);
    expect([await call('alice'), await call('bob')]).toEqual(['served', 'refused']);
    writeFileSync(files.crlFile, await revoke('bob', 'alice'));
    await expect.poll(() => call('alice'), { timeout: 10_000 }).toBe('refused');
    writeFileSync(files.crlFile, 'no list');
    expect(() => new RenewedTls(files, silentLog)).toThrow(/list.crl is no list of revoked certificates/);
    writeFileSync(files.crlFile, await revoke('bob'));
    await expect.poll(() => call('alice'), { timeout: 10_000 }).toBe('served');
    expect(await call('bob')).toBe('refused');
  });

  test('a session from before the list is not resumed by one who is on it now', async () => {
    const { files, clients, port, call, revoke } = await start([]);
    const tls13 = await sessionOf(port, { ...clients.get('alice'), minVersion: 'TLSv1.3' });
    const tls12 = await sessionOf(port, { ...clients.get('alice'), maxVersion: 'TLSv1.2' });
    expect(await sayHello(port, { ...clients.get('alice'), session: tls13 })).toBe('let in');
    writeFileSync(files.crlFile, await revoke('alice'));
    await expect.poll(() => call('alice'), { timeout: 10_000 }).toBe('refused');
    expect(await sayHello(port, { ...clients.get('alice'), session: tls13 })).toBe('refused');
    expect(await sayHello(port, { ...clients.get('alice'), session: tls12, maxVersion: 'TLSv1.2' })).toBe('refused');
  });
});

});

function asBuffers(pems: Readonly<Record<'ca' | 'cert' | 'key', Uint8Array>>) {
  return { ca: Buffer.from(pems.ca), cert: Buffer.from(pems.cert), key: Buffer.from(pems.key) };
}

/** What a client may resume by; it comes after the handshake with TLS 1.3. */
function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ...options });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('session', (session) => {
      resolve(session);
      socket.destroy();
    });
    socket.on('data', () => undefined);
  });
}

/** HTTP/2's preface is answered by settings; who is refused hears an alert, after its own handshake with TLS 1.3. */
function sayHello(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ...options });
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + '\0\0\0\u0004\0\0\0\0\0');
  return new Promise((resolve) => {
    socket.once('error', () => resolve('refused'));
    socket.once('close', () => resolve('refused'));
    socket.once('data', () => {
      resolve('let in');
      socket.destroy();
    });
  });
}
