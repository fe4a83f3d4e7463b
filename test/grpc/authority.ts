/** A certificate authority for a test, and what it signs. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface Issued {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const utf8 = (text: string) => new TextEncoder().encode(text);

export async function authority() {
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
  let serial = 1;
  /** A list of the certificates of these names. */
  const revoke = async (...names: readonly string[]): Promise<Uint8Array> => {
    const crl = await x509.X509CrlGenerator.create({
      issuer: ca.subject,
      thisUpdate: new Date('2020-01-02'),
      nextUpdate: new Date('2044-01-01'),
      signingAlgorithm: algorithm,
      signingKey: keys.privateKey,
      entries: names.map((name) => ({ serialNumber: serials.get(name)!, revocationDate: new Date('2020-01-02') })),
    });
    // RFC 7468 §6: its label is X509 CRL, as OpenSSL wants it and the library does not write it.
    return utf8(crl.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL'));
  };
  const serials = new Map<string, string>();
  const issue = async (name: string, organization = ''): Promise<Issued> => {
    const serialNumber = (++serial).toString(16).padStart(2, '0');
    serials.set(name, serialNumber);
    const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber,
      subject: organization === '' ? `CN=${name}` : `CN=${name}, O=${organization}`,
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
  return { ca: utf8(ca.toString('pem')), issue, revoke };
}
