/** What the administrator of a local cluster has: the certificate that `podium up` made for him, and the addresses of its store. */
import { readFileSync } from 'node:fs';
import { tlsFiles, type TlsFiles } from '../base/pki.ts';
import { isStoreMember, pkiDir, type ClusterRecord } from '../cluster/data-dir.ts';
import { ADMIN } from '../cluster/parts.ts';

export interface ClientTls {
  readonly ca: Uint8Array;
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
}

export function adminTlsFiles(dataDir: string): TlsFiles {
  return tlsFiles(pkiDir(dataDir), ADMIN.name);
}

/** Undefined where the cluster serves in plain text. */
export function adminTls(dataDir: string, { insecure }: Pick<ClusterRecord, 'insecure'>): ClientTls | undefined {
  if (insecure) return undefined;
  const { caFile, certFile, keyFile } = adminTlsFiles(dataDir);
  return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** Where its store's members serve clients. */
export function storeAddresses({ parts }: Pick<ClusterRecord, 'parts'>): string[] {
  return parts.filter(isStoreMember).map(({ addresses }) => addresses[0]!);
}
