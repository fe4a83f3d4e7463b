/**
 * A certificate authority of our own: a local cluster's, and that of a store member's --auto-tls. Any local user could otherwise create pods that run as this one, so every
 * port speaks TLS and gRPC wants a client certificate. One certificate an identity, good for both ends of a connection;
 * made once, kept in `<data-dir>/pki` (0700, keys 0600), made again when it nears its end.
 *
 * This is the only file that loads the X.509 library, and only when something is missing: it takes a quarter of a second.
 */
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

export interface Identity {
  /** The file name below pki/, such as `apiserver`. */
  readonly name: string;
  /** Who it is to a server: the user and group of Kubernetes' authorization. */
  readonly commonName: string;
  readonly organization?: string;
  /** Names and addresses that its certificate is for, besides those of this machine. */
  readonly hosts?: readonly string[];
}

export interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const YEAR_MS = 365 * 24 * 3600_000;
const CA_LIFETIME_MS = 10 * YEAR_MS;
const CERTIFICATE_LIFETIME_MS = YEAR_MS;
/** Renewed before this much is left, so that a running cluster never meets the end. */
const RENEW_BEFORE_MS = 30 * 24 * 3600_000;
/** A clock that is a little behind must not find a fresh certificate "not yet valid". */
const BACKDATE_MS = 5 * 60_000;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export function tlsFiles(directory: string, name: string): TlsFiles {
  return {
    caFile: join(directory, 'ca.crt'),
    certFile: join(directory, `${name}.crt`),
    keyFile: join(directory, `${name}.key`),
  };
}

/** Sees to it that the CA and a valid certificate of each identity exist. Answers the names that were made. */
export async function ensurePki(directory: string, identities: readonly Identity[], now: Date): Promise<string[]> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const ca = readValid(directory, 'ca', undefined, now);
  const isThere = ({ name, hosts = [] }: Identity) => {
    const certificate = ca === undefined ? undefined : readValid(directory, name, ca, now);
    return certificate !== undefined && hosts.every((host) => isFor(certificate, host));
  };
  const missing = identities.filter((identity) => !isThere(identity));
  if (ca !== undefined && missing.length === 0) return [];
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);

  const notBefore = new Date(now.getTime() - BACKDATE_MS);
  const newKeys = async () => (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const save = async (name: string, certificate: { toString(format: 'pem'): string }, keys: webcrypto.CryptoKeyPair) => {
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    const key = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`;
    write(join(directory, `${name}.key`), key, 0o600);
    write(join(directory, `${name}.crt`), `${certificate.toString('pem')}\n`, 0o644);
  };

  let authority: { readonly name: string; readonly key: webcrypto.CryptoKey };
  if (ca === undefined) {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=podium-ca',
      serialNumber: serial(),
      notBefore,
      notAfter: new Date(now.getTime() + CA_LIFETIME_MS),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    await save('ca', certificate, keys);
    authority = { name: certificate.subject, key: keys.privateKey };
  } else {
    const pem = createPrivateKey(readFileSync(join(directory, 'ca.key')));
    const der = pem.export({ type: 'pkcs8', format: 'der' });
    const key = await webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), ALGORITHM, false, ['sign']);
    authority = { name: 'CN=podium-ca', key };
  }

  await Promise.all(
    missing.map(async ({ name, commonName, organization, hosts = [] }) => {
      const keys = await newKeys();
      const subject = [{ CN: [commonName] }, ...(organization === undefined ? [] : [{ O: [organization] }])];
      const certificate = await x509.X509CertificateGenerator.create({
        subject,
        issuer: authority.name,
        serialNumber: serial(),
        notBefore,
        notAfter: new Date(now.getTime() + CERTIFICATE_LIFETIME_MS),
        publicKey: keys.publicKey,
        signingKey: authority.key,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: 'localhost' },
            { type: 'ip', value: '127.0.0.1' },
            ...hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host })),
          ]),
        ],
      });
      await save(name, certificate, keys);
    }),
  );
  return [...(ca === undefined ? ['ca'] : []), ...missing.map(({ name }) => name)];
}

/** The certificate if it, its key and its issuer still belong together and it has time left. */
function readValid(directory: string, name: string, ca: X509Certificate | undefined, now: Date): X509Certificate | undefined {
  const certFile = join(directory, `${name}.crt`);
  const keyFile = join(directory, `${name}.key`);
  if (!existsSync(certFile) || !existsSync(keyFile)) return undefined;
  try {
    chmodSync(keyFile, 0o600);
    const certificate = new X509Certificate(readFileSync(certFile));
    if (Date.parse(certificate.validTo) - now.getTime() < RENEW_BEFORE_MS) return undefined;
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) return undefined;
    if (ca !== undefined && !certificate.verify(ca.publicKey)) return undefined;
    return certificate;
  } catch {
    return undefined;
  }
}

function isFor(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
}

/** A positive serial number of 15 random bytes. */
function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = 1;
  return Buffer.from(bytes).toString('hex');
}

function write(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
