/** Certificates that change while a server and a channel run; real sockets on loopback. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { connect } from '../../src/grpc/channel.ts';
import { HealthService } from '../../src/grpc/health.ts';
import { RenewedTls } from '../../src/grpc/renewed-tls.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { Health } from '../../src/proto/health.ts';

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

async function serve(tls: RenewedTls, requireClientCertificate: boolean, seen: (string | undefined)[] = []): Promise<number> {
  const { bound } = new HealthService('serving');
  const check = bound.handlers['check']!;
  const handlers = {
    ...bound.handlers,
    check: (request: never, context: Parameters<typeof check>[1]) => {
      seen.push(context.identity);
      return check(request, context);
    },
  };
  const server = new GrpcServer({
    log: silentLog,
    services: [{ ...bound, handlers }],
    tls: { renewed: tls, requireClientCertificate },
  });
  closers.push(() => server.stop(0));
  const [port] = await server.listen(['127.0.0.1:0']);
  return port!;
}

/** The name in the certificate that a new connection is shown. */
function shownAt(port: number): Promise<string> {
  const { certFile, keyFile } = tlsFiles(dir, 'old');
  const socket = connectTls({
    ...{ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ca: readFileSync(join(dir, 'ca.crt')) },
    ...{ cert: readFileSync(certFile), key: readFileSync(keyFile) },
  });
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

test('RenewedTls gives a channel its renewed certificate for its next connection, and who shows none is refused', async () => {
  const seen: (string | undefined)[] = [];
  const port = await serve(new RenewedTls({ ...paths(), ...tlsFiles(dir, 'new') }, silentLog), true, seen);
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
