/** Ways to the members of a store: named with --endpoints and etcdctl's TLS flags, or those of the cluster in --data-dir. */
import { readFileSync } from 'node:fs';
import { describeError, UserError } from '../base/errors.ts';
import { requireCluster } from '../cluster/data-dir.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { adminTls, storeAddresses, type ClientTls } from './admin.ts';

export interface EndpointFlags {
  readonly dataDir?: string | undefined;
  readonly endpoints?: string | undefined;
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface Endpoints {
  readonly addresses: readonly string[];
  /** Undefined: plain text. */
  readonly tls: ClientTls | undefined;
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
    const channels = all.map((address) => connectLean({ addresses: [address], tls }));
    const client = channelStoreClient({ channels, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) });
    clients.push(client);
    return client;
  };
  return {
    addresses,
    tls,
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

/**
 * Flags, and what they leave open by etcdctl's variables, as `podium env` sets them. Who names endpoints still has his
 * certificates from there; who names a data directory means that cluster, whatever is set.
 */
export function withEtcdctlVariables(flags: EndpointFlags, env: Readonly<Record<string, string | undefined>>): EndpointFlags {
  if (flags.dataDir !== undefined && flags.endpoints === undefined) return flags;
  return {
    dataDir: env['PODIUM_DATA_DIR'],
    ...flags,
    endpoints: flags.endpoints ?? env['ETCDCTL_ENDPOINTS'],
    cacert: flags.cacert ?? env['ETCDCTL_CACERT'],
    cert: flags.cert ?? env['ETCDCTL_CERT'],
    key: flags.key ?? env['ETCDCTL_KEY'],
  };
}

type Found = Pick<Endpoints, 'addresses' | 'tls'>;

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
  const addresses = storeAddresses(record);
  if (addresses.length === 0) throw new UserError(`the cluster in ${dataDir} has no store`);
  return { addresses, tls: adminTls(dataDir, record) };
}
