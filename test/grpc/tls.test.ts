/** Mutual TLS: who shows no certificate of the cluster's authority is not let in. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { connect, type ConnectOptions } from '../../src/grpc/channel.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { KV } from '../../src/proto/etcd.ts';
import { bind, RpcCode, RpcError } from '../../src/proto/rpc.ts';

interface Issued {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const utf8 = (text: string) => new TextEncoder().encode(text);

async function authority() {
  x509.cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2045-01-01') };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=test-ca',
    ...validity,
    signingAlgorithm: algorithm,
    keys: keys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const issue = async (name: string): Promise<Issued> => {
    const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '02',
      subject: `CN=${name}`,
      issuer: ca.subject,
      ...validity,
      signingAlgorithm: algorithm,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    });
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
    const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
    return { cert: utf8(certificate.toString('pem')), key: utf8(key) };
  };
  return { ca: utf8(ca.toString('pem')), issue };
}

let server: GrpcServer;
let port: number;
let ours: Awaited<ReturnType<typeof authority>>;
const identities: (string | undefined)[] = [];

beforeAll(async () => {
  ours = await authority();
  server = new GrpcServer({
    log: silentLog,
    services: [
      bind(KV, {
        range: (_, { identity }) => {
          identities.push(identity);
          return { count: 1 };
        },
      }),
    ],
    tls: { ca: ours.ca, ...(await ours.issue('server')), requireClientCertificate: true },
  });
  [port] = (await server.listen(['127.0.0.1:0'])) as [number];
});
afterAll(() => server.stop(0));

async function call(tls: ConnectOptions['tls'], host = '127.0.0.1'): Promise<number> {
  const channel = connect({ addresses: [`${host}:${port}`], tls });
  try {
    await channel.unary(KV.methods.range, {}, { timeoutMs: 5000 });
    return RpcCode.OK;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return error.code;
  } finally {
    channel.close();
  }
}

test('a certificate of the authority lets in, and says who it is', async () => {
  expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')) })).toBe(RpcCode.OK);
  expect(identities).toEqual(['node-1']);
});

test("without a certificate, with a stranger's, or in plain text nobody gets in", async () => {
  const stranger = await authority();
  expect(await call({ ca: ours.ca })).toBe(RpcCode.UNAVAILABLE);
  expect(await call({ ca: ours.ca, ...(await stranger.issue('node-1')) })).toBe(RpcCode.UNAVAILABLE);
  expect(await call(undefined)).toBe(RpcCode.UNAVAILABLE);
  // And a client does not talk to a server that it cannot trust.
  expect(await call({ ca: stranger.ca, ...(await ours.issue('node-1')) })).toBe(RpcCode.UNAVAILABLE);
  // Nor to one whose certificate is for another address.
  expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')) }, 'localhost')).toBe(RpcCode.UNAVAILABLE);
  expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')), serverName: 'other' })).toBe(RpcCode.UNAVAILABLE);
  expect(identities).toEqual(['node-1']);
});
