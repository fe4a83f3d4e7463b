/**
 * Certificates that are renewed while a process runs: the files are read again when they change, and new connections
 * use what was read. A pair of files is not replaced at one moment, so what does not fit together yet is passed over
 * until it does; the connections meanwhile use the last that did.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { experimental } from '@grpc/grpc-js';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string | undefined;
  /** Of certificates that count no more; Node.js wants one of every CA in a chain, and none past its next update. */
  readonly crlFile?: string | undefined;
}

interface Pems {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
  readonly crl: Buffer | undefined;
}

/** A change is looked at so long after it was heard of, with all that came meanwhile. */
const SETTLE_MS = 1_000;
/** Not every file system tells of changes. */
const POLL_MS = 60_000;

export class RenewedTls implements experimental.CertificateProvider {
  readonly #paths: TlsPaths;
  readonly #log: Log;
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  readonly #identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  readonly #caListeners = new Set<experimental.CaCertificateUpdateListener>();
  readonly #listeners = new Set<() => void>();
  #settling: NodeJS.Timeout | undefined;
  #pems: Pems;

  /** Throws where the files cannot be read or do not fit together: a process does not start on them. */
  constructor(paths: TlsPaths, log: Log) {
    this.#paths = paths;
    this.#log = log;
    this.#pems = readPems(paths);
    const files = [paths.certFile, paths.keyFile, paths.caFile ?? paths.certFile, paths.crlFile ?? paths.certFile];
    // Folders: a renewed file is another file of the same name, and Kubernetes swaps a link above them.
    for (const folder of new Set(files.map(dirname))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#heard());
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch (error) {
        log.debug({ error: describeError(error) }, 'tls: changes of the files are not told, they are looked at');
      }
    }
    this.#poll = setInterval(() => this.#reload(), POLL_MS);
    this.#poll.unref();
  }

  get current(): Pems {
    return this.#pems;
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
  }

  /** Of servers of our own, which read `current`. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.add(listener);
    // Not at once: grpc-js would pass what it hears now on to a server that it has not entered in its list yet.
    process.nextTick(() => listener({ certificate: this.#pems.cert, privateKey: this.#pems.key }));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.delete(listener);
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#caListeners.add(listener);
    process.nextTick(() => listener({ caCertificate: this.#pems.ca }));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#caListeners.delete(listener);
  }

  #heard(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#reload();
    }, SETTLE_MS);
    this.#settling.unref();
  }

  #reload(): void {
    let read: Pems;
    try {
      read = readPems(this.#paths);
    } catch (error) {
      this.#log.warn({ error: describeError(error) }, 'tls: the files have changed and cannot be used yet');
      return;
    }
    if (isSame(read, this.#pems)) return;
    this.#pems = read;
    this.#log.info({ file: this.#paths.certFile }, 'tls: new connections use the renewed certificate');
    for (const listener of this.#caListeners) listener({ caCertificate: read.ca });
    for (const listener of this.#identityListeners) listener({ certificate: read.cert, privateKey: read.key });
    for (const listener of this.#listeners) listener();
  }
}

function isSame(a: Pems, b: Pems): boolean {
  const isSameList = a.crl === b.crl || (a.crl !== undefined && b.crl !== undefined && a.crl.equals(b.crl));
  return a.cert.equals(b.cert) && a.key.equals(b.key) && a.ca.equals(b.ca) && isSameList;
}

/** Without a CA the certificate is its own: whoever has a copy of it trusts it. */
function readPems({ certFile, keyFile, caFile, crlFile }: TlsPaths): Pems {
  const cert = readFileSync(certFile);
  const key = readFileSync(keyFile);
  const ca = caFile === undefined ? cert : readFileSync(caFile);
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`${keyFile} is not the key of ${certFile}`);
  if (caFile !== undefined) void new X509Certificate(ca);
  return { cert, key, ca, crl: crlFile === undefined ? undefined : readCrl(crlFile) };
}

function readCrl(path: string): Buffer {
  const crl = readFileSync(path);
  try {
    createSecureContext({ crl });
  } catch (cause) {
    throw new Error(`${path} is no list of revoked certificates in PEM`, { cause });
  }
  return crl;
}
