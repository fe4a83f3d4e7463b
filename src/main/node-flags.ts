/**
 * A node that is started by hand: flags in place of the file that `podium up` writes. It joins a cluster of this machine by its
 * data directory, which gives it a certificate of its own, or any cluster by a kubeconfig, whose certificate it then shows.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import { parseCidr } from '../agent/core/address-pool.ts';
import { describeError, UserError } from '../base/errors.ts';
import { ensurePki, tlsFiles, type TlsFiles } from '../base/pki.ts';
import { systemClock } from '../base/system-clock.ts';
import { isEndpoint, RUNTIME_ENDPOINT } from '../cluster/config.ts';
import { clusterFile, pkiDir } from '../cluster/data-dir.ts';
import type { PartConfig } from '../cluster/parts.ts';

export const NODE_HELP = `Join this machine to a cluster as a worker.

Usage: podium node --container-runtime-endpoint unix:///run/containerd/containerd.sock [flags]
       podium node --config FILE [--container-runtime-endpoint SOCKET]
       podium node --purge [--name NAME] [--node-dir DIR]

  --container-runtime-endpoint SOCKET   where containerd or CRI-O listens (default: ${RUNTIME_ENDPOINT})
  --data-dir DIR      the cluster's data directory, where it is one of this machine (default: .podium)
  --kubeconfig FILE   in place of --data-dir: a cluster's kubeconfig with a client certificate
  --api-server LIST   with --kubeconfig: gRPC addresses of API servers (default: the port above the kubeconfig's)
  --name NAME         of the node (default: the machine's)
  --address ADDRESS   of the node, where its agent listens (default: 127.0.0.1)
  --port PORT         the agent's (default: 10260)
  --node-dir DIR      where the node keeps logs and volumes of its pods (default: ./podium-NAME)
  --cpu, --memory     what the scheduler may hand out, such as 4 and 8Gi (default: what the machine has)
  --pods N            (default: 110)
  --label KEY=VALUE   added to the Node object; may come several times
  --pod-manifest-path DIR               of manifests of pods that the node runs by itself
  --cluster-cidr CIDR of all pods: they reach each other under their own addresses (default: 10.244.0.0/16)
  --service-cidr CIDR with --kubeconfig (default: 10.96.0.0/16)
  --purge             ends the pods of this node, whose agent has ended, and takes away what it has in this machine
  --config FILE       of a node of \`podium up\`, as it writes it to <data-dir>/parts/

Examples:
  podium node --name w1 --container-runtime-endpoint unix:///run/containerd/containerd.sock
  podium node --name w1 --kubeconfig ./kubeconfig --container-runtime-endpoint unix:///run/crio/crio.sock
  podium node --config .podium/parts/node-1.json      # after \`podium fault kill node-1\`
`;

const OPTIONS = {
  'container-runtime-endpoint': { type: 'string' },
  'data-dir': { type: 'string' },
  kubeconfig: { type: 'string' },
  'api-server': { type: 'string' },
  name: { type: 'string' },
  address: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '10260' },
  'node-dir': { type: 'string' },
  cpu: { type: 'string' },
  memory: { type: 'string' },
  pods: { type: 'string', default: '110' },
  label: { type: 'string', multiple: true },
  config: { type: 'string' },
  'pod-manifest-path': { type: 'string' },
  'cluster-cidr': { type: 'string', default: '10.244.0.0/16' },
  'service-cidr': { type: 'string', default: '10.96.0.0/16' },
  purge: { type: 'boolean', default: false },
} as const;

const TIMINGS = { nodeHeartbeatSeconds: 3, nodeGraceSeconds: 9, podEvictionSeconds: 4, leaderLeaseSeconds: 9 };

type Flags = ReturnType<typeof parse>;

/** With --purge: where the node keeps what is to be taken away. */
export function purgedDirectory(argv: readonly string[]): string | undefined {
  const flags = parse(argv);
  return flags.purge ? nodeDirOf(flags) : undefined;
}

const nodeDirOf = (flags: Flags) => resolve(flags['node-dir'] ?? `podium-${nameOf(flags)}`);

/** Throws a UserError that says which flag is wrong, and what would be right. */
export async function nodeConfig(argv: readonly string[]): Promise<PartConfig> {
  const flags = parse(argv);
  const config = await nodeConfigOf(flags);
  const podManifestPath = flags['pod-manifest-path'];
  return podManifestPath === undefined || config.node === undefined ? config : { ...config, node: { ...config.node, podManifestPath } };
}

async function nodeConfigOf(flags: Flags): Promise<PartConfig> {
  const endpoint = flags['container-runtime-endpoint'];
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    throw new UserError(`--container-runtime-endpoint ${endpoint}: it is a Unix socket, such as ${RUNTIME_ENDPOINT}`);
  }
  if (flags.config !== undefined) return withEndpoint(readConfig(flags.config), endpoint);
  if (endpoint === undefined) throw new UserError(`podium node needs --container-runtime-endpoint, such as ${RUNTIME_ENDPOINT}, or --config (see podium node --help)`);
  const name = nameOf(flags);
  const nodeDir = nodeDirOf(flags);
  const { address, port } = flags;
  if (isIP(address) === 0) throw new UserError(`--address ${address}: it is an IP address of this machine`);
  const listenAddress = `${address}:${numberOf('--port', port, 65_535)}`;
  mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
  const cluster = flags.kubeconfig === undefined ? await ofDataDir(resolve(flags['data-dir'] ?? process.env['PODIUM_DATA_DIR'] ?? '.podium'), { name, address }) : ofKubeconfig(flags.kubeconfig, { nodeDir, apiServers: flags['api-server'], address, serviceCidr: cidrOf('--service-cidr', flags['service-cidr']) });
  return {
    ...cluster,
    name,
    dataDir: nodeDir,
    listenAddress,
    node: {
      runtime: 'cri',
      runtimeWhy: 'asked for by --container-runtime-endpoint',
      runtimeEndpoint: endpoint,
      cpu: flags.cpu ?? String(availableParallelism()),
      memory: flags.memory ?? `${Math.floor(totalmem() / 2 ** 20)}Mi`,
      pods: numberOf('--pods', flags.pods, 5_000),
      labels: labelsOf(flags.label ?? []),
      podCidr: '',
      clusterPodCidr: cidrOf('--cluster-cidr', flags['cluster-cidr']),
      // The plugins of CNI lead pods out, or do not.
      egress: 'none',
      networkDirectory: join(nodeDir, 'network'),
      clusterDirectory: nodeDir,
      apiServerRestAddresses: [],
    },
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UserError(`podium node: ${describeError(error)} (see podium node --help)`, { cause: error });
  }
}

function readConfig(path: string): PartConfig {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PartConfig; // written by the launcher, which has checked what it was made from
  } catch (cause) {
    throw new UserError(`the configuration ${path} cannot be read`, { cause });
  }
}

function withEndpoint(config: PartConfig, endpoint: string | undefined): PartConfig {
  if (endpoint === undefined || config.node === undefined) return config;
  return { ...config, node: { ...config.node, runtime: 'cri', runtimeWhy: 'asked for by --container-runtime-endpoint', runtimeEndpoint: endpoint } };
}

function nameOf({ name = hostname().toLowerCase().split('.')[0]! }: Flags): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return name;
  throw new UserError(`--name ${name}: it is lower-case letters, digits and '-', at most 63`);
}

function cidrOf(flag: string, text: string): string {
  if (/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(text) && parseCidr(text) !== undefined) return text;
  throw new UserError(`${flag} ${text}: it is a block of IPv4 addresses, such as 10.96.0.0/16`);
}

function numberOf(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value <= max) return value;
  throw new UserError(`${flag} ${text}: it is a whole number from 1 to ${max}`);
}

function labelsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => {
    const at = text.indexOf('=');
    if (at <= 0) throw new UserError(`--label ${text}: it is KEY=VALUE`);
    return [text.slice(0, at), text.slice(at + 1)];
  }));
}

type ClusterSide = Omit<PartConfig, 'name' | 'dataDir' | 'listenAddress' | 'node' | 'rest'>;

/** What the others of the cluster were told, and a certificate that its authority signs. */
async function ofDataDir(dataDir: string, { name, address }: { readonly name: string; readonly address: string }): Promise<ClusterSide> {
  const parts = join(dataDir, 'parts');
  const path = existsSync(clusterFile(dataDir)) && existsSync(parts) ? readdirSync(parts).filter((file) => file === 'scheduler.json').map((file) => join(parts, file))[0] : undefined;
  if (path === undefined) throw new UserError(`no cluster in ${dataDir}: start one with \`podium up\`, or name its directory with --data-dir, or its kubeconfig with --kubeconfig`);
  const { name: _, dataDir: __, listenAddress: ___, tls, ...cluster } = readConfig(path);
  if (tls === undefined) return cluster;
  const identity = { name: `node-${name}`, commonName: `system:node:${name}`, organization: 'system:nodes', hosts: [address] };
  await ensurePki(pkiDir(dataDir), [identity], new Date(systemClock.wall()));
  return { ...cluster, tls: tlsFiles(pkiDir(dataDir), identity.name) };
}

interface Kubeconfig {
  readonly clusters?: readonly { readonly name: string; readonly cluster?: { readonly server?: string; readonly 'certificate-authority-data'?: string; readonly 'certificate-authority'?: string } }[];
  readonly users?: readonly { readonly name: string; readonly user?: { readonly 'client-certificate-data'?: string; readonly 'client-key-data'?: string; readonly 'client-certificate'?: string; readonly 'client-key'?: string } }[];
  readonly contexts?: readonly { readonly name: string; readonly context?: { readonly cluster?: string; readonly user?: string } }[];
  readonly 'current-context'?: string;
}

function ofKubeconfig(path: string, { nodeDir, apiServers, address, serviceCidr }: { readonly nodeDir: string; readonly apiServers: string | undefined; readonly address: string; readonly serviceCidr: string }): ClusterSide {
  let config: Kubeconfig;
  try {
    config = (parseYaml(readFileSync(path, 'utf8')) ?? {}) as Kubeconfig; // each field is looked for below
  } catch (cause) {
    throw new UserError(`--kubeconfig ${path} cannot be read`, { cause });
  }
  const context = config.contexts?.find(({ name }) => name === config['current-context'])?.context;
  const cluster = config.clusters?.find(({ name }) => name === context?.cluster)?.cluster;
  const user = config.users?.find(({ name }) => name === context?.user)?.user;
  const bytes = (data: string | undefined, file: string | undefined) => (data !== undefined ? Buffer.from(data, 'base64') : file !== undefined ? readFileSync(resolve(path, '..', file)) : undefined);
  const pem = { ca: bytes(cluster?.['certificate-authority-data'], cluster?.['certificate-authority']), cert: bytes(user?.['client-certificate-data'], user?.['client-certificate']), key: bytes(user?.['client-key-data'], user?.['client-key']) };
  if (cluster?.server === undefined || pem.ca === undefined || pem.cert === undefined || pem.key === undefined) {
    throw new UserError(`--kubeconfig ${path}: its current context needs a server, a certificate authority and a client certificate with its key`);
  }
  if (new X509Certificate(pem.cert).checkIP(address) === undefined) {
    throw new UserError(`--kubeconfig ${path}: its certificate is not for ${address}, at which API servers would ask this node for logs: sign one for it, or choose another --address`);
  }
  const { hostname: host, port } = new URL(cluster.server);
  const apiServerAddresses = apiServers?.split(',') ?? [`${host}:${Number(port === '' ? 443 : port) + 1}`];
  const tls = writeTls(join(nodeDir, 'pki'), pem.ca, pem.cert, pem.key);
  return { clusterName: context?.cluster ?? '', clusterId: '', tls, storeAddresses: [], apiServerAddresses, portBase: 0, serviceCidr, timings: TIMINGS, onContainerFailure: 'restart' };
}

function writeTls(directory: string, ca: Buffer, cert: Buffer, key: Buffer): TlsFiles {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = tlsFiles(directory, 'node');
  writeFileSync(files.caFile, ca);
  writeFileSync(files.certFile, cert);
  writeFileSync(files.keyFile, key, { mode: 0o600 });
  return files;
}
