/**
 * What the parts of a local cluster are: from its configuration to processes. The store is started by etcd's flags, as
 * anybody may start it; the other parts read `<data-dir>/parts/<part>.json`, a `PartConfig`, written here.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { API_SERVER_PORT_STEP, type ClusterConfig, type EgressChoice, type ImageSettings, type Timings } from './config.ts';
import { isApiServer, logFile, networkDir, pkiDir, serviceAccountKeyFile, tokensFile } from './data-dir.ts';
import { chooseRuntime } from './isolation.ts';
import { type Identity, type TlsFiles, tlsFiles } from '../base/pki.ts';
import type { WantedPort } from './ports.ts';
import type { PartSpec } from './supervisor.ts';

/** What a part other than a store member is told. Addresses are `host:port`; `tls` is absent with --insecure-local. */
export interface PartConfig {
  readonly name: string;
  readonly clusterName: string;
  readonly clusterId: string;
  /** The part's own directory, absolute; only agents keep anything in it. */
  readonly dataDir: string;
  /** Where the part serves gRPC: health and reflection, and what it is there for. */
  readonly listenAddress: string;
  /** One certificate for both ends: server and client. */
  readonly tls?: TlsFiles;
  readonly storeAddresses: readonly string[];
  /** gRPC; any of them will do. */
  readonly apiServerAddresses: readonly string[];
  /** Added to a NodePort's number to get its listener's. */
  readonly portBase: number;
  /** Service addresses are drawn from here: `10.96.0.0/16`, or `127.x.0.0/16` where pods share the machine's network. */
  readonly serviceCidr: string;
  readonly timings: Timings;
  readonly onContainerFailure: 'restart' | 'replace-pod';
  /** Only for an API server: its REST face, which speaks TLS always. */
  readonly rest?: {
    readonly listenAddress: string;
    readonly tls: TlsFiles;
    readonly tokenFile: string;
    readonly serviceAccountKeyFile: string;
  };
  /** Only for the controllers: what signed the certificate of the API's REST face. */
  readonly rootCaFile?: string;
  /** Only for a node agent. */
  readonly node?: {
    readonly runtime: string;
    /** Why it is this one, for people. */
    readonly runtimeWhy: string;
    /** Of `cri`: `unix:///run/containerd/containerd.sock`. */
    readonly runtimeEndpoint?: string;
    readonly cpu: string;
    readonly memory: string;
    readonly pods: number;
    readonly labels: Readonly<Record<string, string>>;
    /** Of manifests of pods that the node runs without anybody's order; empty or absent: none. */
    readonly podManifestPath?: string;
    /** Pod addresses are drawn from here: `10.244.n.0/24`, or `127.x.y.0/20` where pods share the machine's network. */
    readonly podCidr: string;
    /** Of all nodes' pods. */
    readonly clusterPodCidr: string;
    /** How pods get out of this machine. */
    readonly egress: EgressChoice;
    /** Shared by the cluster's nodes on this machine. */
    readonly networkDirectory: string;
    /** The cluster's data directory: its images are shared by its nodes and by `podium image`. */
    readonly clusterDirectory: string;
    /** Absent: as the kubelet has them. */
    readonly images?: ImageSettings | undefined;
    /** Kubernetes' API, as pods find it behind the Service `kubernetes`. */
    readonly apiServerRestAddresses: readonly string[];
  };
}

export interface ClusterPlan {
  readonly specs: readonly PartSpec[];
  /** By part: the files to write below parts/. */
  readonly configs: ReadonlyMap<string, PartConfig>;
  readonly identities: readonly Identity[];
  readonly ports: ReadonlyMap<string, readonly WantedPort[]>;
}

export interface PlanOptions {
  readonly config: ClusterConfig;
  readonly dataDir: string;
  readonly clusterId: string;
  readonly portBase: number;
  readonly insecure: boolean;
  /** The compiled main.js. */
  readonly entry: string;
  readonly node: string;
}

/**
 * A store's loop is helped by a larger young generation: with 16 MiB it is collected half as often as with 8, and a tenth
 * less is copied for a put, for 13 MiB of memory under load. With 32 MiB no less is copied: what survives is what is kept,
 * keys, values and the log. The other parts are idle most of the time and shall be small.
 */
const V8_FLAGS_STORE = ['--max-semi-space-size=16'];
const V8_FLAGS_SMALL = ['--max-semi-space-size=2', '--optimize-for-size'];
/**
 * An API server's requests are short and many: a young generation of 2 MiB, and code made to be small, cost half of its
 * speed. A heap of twice what lives, where V8 would let it be four times that, costs no time that could be measured.
 */
export const V8_FLAGS_API_SERVER: readonly string[] = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

/** How pods of any cluster know it. */
const API_SERVER_HOSTS = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];

export const ADMIN: Identity = { name: 'admin', commonName: 'admin', organization: 'system:masters' };

export function planCluster(options: PlanOptions): ClusterPlan {
  const { config, dataDir, clusterId, portBase, insecure, entry, node } = options;
  const at = (port: number) => `127.0.0.1:${port + portBase}`;
  const scheme = insecure ? 'http' : 'https';
  const specs: PartSpec[] = [];
  const configs = new Map<string, PartConfig>();
  const identities: Identity[] = [ADMIN];
  const ports = new Map<string, WantedPort[]>();
  const members = config.store.members;
  const initialCluster = members.map(({ name, peerPort }) => `${name}=${scheme}://${at(peerPort)}`).join(',');
  const addressSpace = addressSpaceOf(clusterId);
  const apiServers = apiServersOf(config);
  const choices = config.nodes.map(({ runtime }) => chooseRuntime(runtime));
  // Services have addresses that the pods can reach: one kind of them for all nodes.
  const isIsolated = choices.every(({ runtime }) => runtime === 'linux' || runtime === 'cri');
  const services = isIsolated ? '10.96' : `127.${addressSpace.services}`;

  for (const member of members) {
    identities.push({ name: member.name, commonName: member.name, organization: 'podium:store' });
    const tls = tlsFiles(pkiDir(dataDir), member.name);
    const client = `${scheme}://${at(member.clientPort)}`;
    const peer = `${scheme}://${at(member.peerPort)}`;
    const flags = [
      `--name=${member.name}`,
      `--data-dir=${join(dataDir, member.name)}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${initialCluster}`,
      '--initial-cluster-state=new',
      `--initial-cluster-token=${clusterId}`,
    ];
    const tlsFlags = [
      `--cert-file=${tls.certFile}`,
      `--key-file=${tls.keyFile}`,
      `--trusted-ca-file=${tls.caFile}`,
      '--client-cert-auth',
      `--peer-cert-file=${tls.certFile}`,
      `--peer-key-file=${tls.keyFile}`,
      `--peer-trusted-ca-file=${tls.caFile}`,
      '--peer-client-cert-auth',
    ];
    specs.push({
      name: member.name,
      command: node,
      args: [...V8_FLAGS_STORE, entry, 'store', ...flags, ...(insecure ? [] : tlsFlags)],
      // Syncs and reads of LevelDB share the pool's threads with everything else that waits on the disk.
      env: { UV_THREADPOOL_SIZE: '16' },
      logFile: logFile(dataDir, member.name),
      addresses: [at(member.clientPort), at(member.peerPort)],
      healthAddress: at(member.clientPort),
    });
    ports.set(member.name, [
      { port: member.clientPort + portBase, purpose: `clients of ${member.name}` },
      { port: member.peerPort + portBase, purpose: `peers of ${member.name}` },
    ]);
  }

  const add = (name: string, verb: string, port: number, identity: Omit<Identity, 'name'>, extra: Partial<PartConfig> = {}) => {
    identities.push({ name, ...identity });
    const restAddress = extra.rest === undefined ? [] : [extra.rest.listenAddress];
    const listenAddress = at(port);
    configs.set(name, {
      name,
      clusterName: config.name,
      clusterId,
      dataDir: join(dataDir, name),
      listenAddress,
      ...(insecure ? {} : { tls: tlsFiles(pkiDir(dataDir), name) }),
      storeAddresses: members.map(({ clientPort }) => at(clientPort)),
      apiServerAddresses: apiServers.map((server) => at(server.grpcPort)),
      portBase,
      serviceCidr: `${services}.0.0/16`,
      timings: config.timings,
      onContainerFailure: config.controllers.onContainerFailure,
      ...extra,
    });
    specs.push({
      name,
      command: node,
      args: [...(verb === 'apiserver' ? V8_FLAGS_API_SERVER : V8_FLAGS_SMALL), entry, verb, `--config=${join(dataDir, 'parts', `${name}.json`)}`],
      env: {},
      logFile: logFile(dataDir, name),
      addresses: [listenAddress, ...restAddress],
      healthAddress: listenAddress,
    });
    ports.set(name, [
      { port: port + portBase, purpose: `gRPC of ${name}` },
      ...restAddress.map((address) => ({ port: Number(address.split(':')[1]), purpose: `REST of ${name}` })),
    ]);
  };
  // The address of the Service `kubernetes`: the first of its range.
  const hosts = [...API_SERVER_HOSTS, `${services}.0.1`];
  const apiServerIdentity = { commonName: 'podium-apiserver', organization: 'system:masters', hosts };
  for (const { name, grpcPort, restPort } of apiServers) {
    const rest = {
      listenAddress: at(restPort),
      tls: tlsFiles(pkiDir(dataDir), name),
      tokenFile: tokensFile(dataDir),
      serviceAccountKeyFile: serviceAccountKeyFile(dataDir),
    };
    add(name, 'apiserver', grpcPort, apiServerIdentity, { rest });
  }
  add('scheduler', 'scheduler', config.scheduler.port, { commonName: 'system:kube-scheduler' });
  add('controllers', 'controllers', config.controllers.port, { commonName: 'system:kube-controller-manager' }, { rootCaFile: tlsFiles(pkiDir(dataDir), ADMIN.name).caFile });
  config.nodes.forEach(({ name, port, ...own }, i) => {
    const { runtime, why: runtimeWhy } = choices[i]!;
    const shared = `127.${addressSpace.pods + Math.floor(i / 16)}.${(i % 16) * 16}.0/20`;
    const hasOwnNetwork = runtime === 'linux' || runtime === 'cri';
    const podCidr = hasOwnNetwork ? `10.244.${i}.0/24` : shared;
    const clusterPodCidr = hasOwnNetwork ? '10.244.0.0/16' : '127.0.0.0/8';
    const networkDirectory = networkDir(dataDir);
    const identity = { commonName: `system:node:${name}`, organization: 'system:nodes' };
    add(name, 'node', port, identity, { node: { ...own, runtime, runtimeWhy, podCidr, clusterPodCidr, egress: config.network.egress, networkDirectory, clusterDirectory: dataDir, images: config.images, apiServerRestAddresses: apiServers.map(({ restPort }) => at(restPort)) } });
  });
  // In plain text only the REST face needs what the others have no use for.
  const needed = insecure ? identities.filter(({ name }) => name === ADMIN.name || isApiServer({ name })) : identities;
  return { specs, configs, identities: needed, ports };
}

/** The first is `apiserver`, the next `apiserver-2`. */
export function apiServersOf({ apiServer: { count, grpcPort, restPort } }: Pick<ClusterConfig, 'apiServer'>) {
  return Array.from({ length: count }, (_, index) => {
    const step = index * API_SERVER_PORT_STEP;
    return { name: index === 0 ? 'apiserver' : `apiserver-${index + 1}`, grpcPort: grpcPort + step, restPort: restPort + step };
  });
}

/**
 * Second octets of 127.0.0.0/8 for a cluster's services and pods, drawn from its id, so that clusters on one machine
 * seldom meet. One of 30 blocks of eight octets: the first for services, up to four for pods (16 nodes an octet). The
 * block of 127.0 stays free for everything else.
 */
function addressSpaceOf(clusterId: string): { readonly services: number; readonly pods: number } {
  const digest = createHash('sha256').update(clusterId).digest();
  const block = 1 + (digest[0]! % 30);
  return { services: block * 8, pods: block * 8 + 1 };
}
