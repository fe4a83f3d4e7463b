import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';

let directory: string;
beforeEach(() => (directory = join(mkdtempSync(join(tmpdir(), 'podium-pki-')), 'pki')));
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

const identities = [
  { name: 'store-1', commonName: 'store-1' },
  { name: 'admin', commonName: 'admin', organization: 'system:masters' },
];
const now = new Date();

function material(name: string) {
  const { caFile, certFile, keyFile } = tlsFiles(directory, name);
  return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** Who the server took the client for, or the error that ended the handshake. */
function handshake(server: Server, client: object, host: string): Promise<string> {
  return new Promise((resolve) => {
    server.once('secureConnection', (socket: TLSSocket) => {
      const { CN, O } = socket.getPeerCertificate().subject;
      resolve(`${String(CN)} of ${String(O)}`);
      socket.destroy();
    });
    server.once('tlsClientError', (error) => resolve(`server: ${error.message}`));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const socket = connect({ ...client, port, host: '127.0.0.1', ...(host === '127.0.0.1' ? {} : { servername: host }) });
    socket.on('error', (error) => resolve(`client: ${error.message}`));
  });
}

describe('ensurePki()', () => {
  test('its certificates carry a mutual handshake, by address and by name', async () => {
    expect(await ensurePki(directory, identities, now)).toEqual(['ca', 'store-1', 'admin']);
    const server = createServer({ ...material('store-1'), requestCert: true, rejectUnauthorized: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      expect(await handshake(server, material('admin'), '127.0.0.1')).toBe('admin of system:masters');
      expect(await handshake(server, material('admin'), 'localhost')).toBe('admin of system:masters');
      expect(await handshake(server, { ca: material('admin').ca }, 'localhost')).toContain('server: ');
      expect(await handshake(server, material('admin'), 'elsewhere.example')).toContain("does not match certificate's altnames");
    } finally {
      server.close();
    }
  });

  test('keys are for their owner alone', async () => {
    await ensurePki(directory, identities, now);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'ca.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'admin.key')).mode & 0o777).toBe(0o600);
  });

  test('what is valid is kept, what is missing, broken or near its end is made again', async () => {
    await ensurePki(directory, identities, now);
    const before = readFileSync(join(directory, 'admin.crt'), 'utf8');
    expect(await ensurePki(directory, identities, now)).toEqual([]);
    expect(await ensurePki(directory, [...identities, { name: 'node-1', commonName: 'system:node:node-1' }], now)).toEqual(['node-1']);
    expect(readFileSync(join(directory, 'admin.crt'), 'utf8')).toBe(before);
    writeFileSync(join(directory, 'admin.key'), readFileSync(join(directory, 'store-1.key')));
    expect(await ensurePki(directory, identities, now)).toEqual(['admin']);
    const nearTheEnd = new Date(now.getTime() + 340 * 24 * 3600_000);
    expect(await ensurePki(directory, identities, nearTheEnd)).toEqual(['store-1', 'admin']);
  });
});
