/** Ways to the members of a store: named with --endpoints and etcdctl's TLS flags, or those of the cluster in --data-dir. */
import { readFileSync } from 'node:fs';
import { describeError, UserError } from '../base/errors.ts';
import { isStoreMember, pkiDir, requireCluster } from '../cluster/data-dir.ts';
import { ADMIN } from '../cluster/parts.ts';
import { tlsFiles } from '../base/pki.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { connect } from '../grpc/channel.ts';

export interface EndpointFlags {
  readonly dataDir?: string;
  readonly endpoints?: string;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface Endpoints {
  readonly addresses: readonly string[];
  /** A client with connections of its own, which begins with endpoint `first` and goes on to the others. */
  client(options?: { readonly first?: number; readonly requestTimeoutMs?: number }): StoreClient;
  /** A client of one endpoint. */
  clientOf(endpoint: number): StoreClient;
  close(): void;
}

const ENDPOINT = /^(?:(https?):\/\/)?((?:[^\s:/[\]]+|\[[0-9a-fA-F:]+\]):\d+)\/?$/;

export function openEndpoints(flags: EndpointFlags): Endpoints {
  const { addresses, tls } = flags.endpoints === undefined ? localEndpoints(flags) : namedEndpoints(flags, flags.endpoints);
  const clients: StoreClient[] = [];
  const open = (all: readonly string[], requestTimeoutMs?: number) => {
    const channels = all.map((address) => connect({ addresses: [address], tls }));
    const client = channelStoreClient({ channels, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) });
    clients.push(client);
    return client;
  };
  return {
    addresses,
    client: ({ first = 0, requestTimeoutMs } = {}) => {
      const at = first % addresses.length;
      return open([...addresses.slice(at), ...addresses.slice(0, at)], requestTimeoutMs);
    },
    clientOf: (endpoint) => open([addresses[endpoint]!]),
    close: () => {
      for (const client of clients) client.close();
    },
  };
}

interface Found {
  readonly addresses: readonly string[];
  readonly tls: { readonly ca: Uint8Array; readonly cert?: Uint8Array; readonly key?: Uint8Array } | undefined;
}

function namedEndpoints({ cacert, cert, key }: EndpointFlags, text: string): Found {
  const matches = text.split(',').map((part) => {
    const match = ENDPOINT.exec(part.trim());
    if (match === null) throw new UserError(`--endpoints ${JSON.stringify(part)}: write host:port, http://host:port or https://host:port, separated by commas`);
    return { scheme: match[1], address: match[2]! };
  });
  const schemes = new Set(matches.map(({ scheme }) => scheme ?? (cacert === undefined ? 'http' : 'https')));
  if (schemes.size > 1) throw new UserError('--endpoints: either all with https, or none');
  const addresses = matches.map(({ address }) => address);
  if (!schemes.has('https')) return { addresses, tls: undefined };
  if (cacert === undefined) throw new UserError('--endpoints with https need --cacert <file>: the CA that signed the certificates of the members');
  if ((cert === undefined) !== (key === undefined)) throw new UserError('--cert and --key go together: one of them is missing');
  const identity = cert === undefined || key === undefined ? {} : { cert: readPem('cert', cert), key: readPem('key', key) };
  return { addresses, tls: { ca: readPem('cacert', cacert), ...identity } };
}

function readPem(flag: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UserError(`--${flag}: ${describeError(error)}`, { cause: error });
  }
}

function localEndpoints({ dataDir = '.podium' }: EndpointFlags): Found {
  const record = requireCluster(dataDir);
  // Store members are the parts with a second address, for their peers.
  const addresses = record.parts.filter(isStoreMember).map((part) => part.addresses[0]!);
  if (addresses.length === 0) throw new UserError(`the cluster in ${dataDir} has no store`);
  if (record.insecure) return { addresses, tls: undefined };
  const { caFile, certFile, keyFile } = tlsFiles(pkiDir(dataDir), ADMIN.name);
  return { addresses, tls: { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) } };
}
