/** `podium env`: export lines that make kubectl, etcdctl and grpcurl work without a flag. */
import { join } from 'node:path';
import { isStoreMember, pkiDir, requireCluster } from '../cluster/data-dir.ts';
import { ADMIN } from '../cluster/parts.ts';
import { tlsFiles } from '../base/pki.ts';
import { EXIT_OK } from './context.ts';

export async function env({ dataDir }: { readonly dataDir: string }): Promise<number> {
  const record = requireCluster(dataDir);
  const { caFile, certFile, keyFile } = tlsFiles(pkiDir(dataDir), ADMIN.name);
  const stores = record.parts.filter(isStoreMember).map(({ addresses }) => addresses[0]);
  // Without a scheme in plain text: with one, etcdctl 3.4 sends an authority that HTTP/2 does not allow.
  const scheme = record.insecure ? '' : 'https://';
  const tls = { ETCDCTL_CACERT: caFile, ETCDCTL_CERT: certFile, ETCDCTL_KEY: keyFile };
  const variables = {
    KUBECONFIG: join(dataDir, 'kubeconfig'),
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: stores.map((address) => `${scheme}${address}`).join(','),
    ...(record.insecure ? {} : tls),
    // Words split by the shell, so its paths must not hold blanks: grpcurl has no variables of its own.
    PODIUM_GRPCURL: record.insecure ? '-plaintext' : `-cacert ${caFile} -cert ${certFile} -key ${keyFile}`,
  };
  for (const [name, value] of Object.entries(variables)) process.stdout.write(`export ${name}=${quote(value)}\n`);
  if (record.insecure) process.stdout.write('unset ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY\n');
  return EXIT_OK;
}

function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
