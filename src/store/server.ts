/**
 * A store member as a process: the real disk, LevelDB, sockets and certificates around a `Member`. Only `podium store`
 * calls it; tests and the simulator build a `Member` from seams of their own.
 */
import { readFileSync } from 'node:fs';
import { describeError } from '../base/errors.ts';
import { FileDisk } from '../base/file-disk.ts';
import { createLog, type Log } from '../base/log.ts';
import { systemClock } from '../base/system-clock.ts';
import { systemRandom } from '../base/system-random.ts';
import { connect } from '../grpc/channel.ts';
import { HealthService } from '../grpc/health.ts';
import { reflectionServices } from '../grpc/reflection.ts';
import { PortMux } from '../grpc/port-mux.ts';
import { GrpcServer } from '../grpc/server.ts';
import type { BoundService } from '../proto/rpc.ts';
import { directChannel } from '../proto/direct-channel.ts';
import { addressOf, type StoreFlags, type TlsPaths } from './flags.ts';
import { Gateway } from './http/gateway.ts';
import { StoreMetrics } from './http/metrics.ts';
import { storeHttp } from './http/routes.ts';
import { Member } from './member.ts';
import { levelBackends } from './mvcc/level-backend.ts';
import { Peers } from './peers.ts';
import { ChannelTransport } from './raft/channel-transport.ts';
import { clientServices } from './services.ts';

/** Calls that run when the member is told to stop have so long to end. */
const STOP_GRACE_MS = 1_000;
/** A message between members: an append of a megabyte, and what is around it. */
const PEER_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

export interface RunningStore {
  /** Ends calls, flushes, closes. */
  stop(): Promise<void>;
}

export interface StoreHttpAddresses {
  /** etcd's --listen-metrics-urls: health and metrics without the rest. */
  readonly listenMetricsUrls?: readonly string[];
}

/** Resolves when clients are served. `onFatal`: the member has stopped by itself and the process should end. */
export async function startStore(
  flags: StoreFlags,
  onFatal: (error: unknown) => void,
  options: StoreHttpAddresses = {},
): Promise<RunningStore> {
  const log = createLog(flags.name, flags.logLevel);
  warnOfPlainText(flags, log);
  const random = systemRandom();
  const others = flags.members.filter(({ id }) => id !== flags.id);
  const clientTls = flags.peerTls === undefined ? undefined : readTls(flags.peerTls);
  const channels = new Map(
    others.map(({ id, peerUrls }) => [id, connect({ addresses: peerUrls.map(addressOf), tls: clientTls })]),
  );
  const transport = new ChannelTransport({
    clock: systemClock,
    random: random.fork('transport'),
    log,
    clusterId: flags.clusterId,
    self: flags.id,
    peers: channels,
  });
  const metrics = new StoreMetrics(systemClock);
  const disk = metrics.timedDisk(new FileDisk(flags.dataDir));
  const member = await Member.open(
    { clock: systemClock, random, log, disk, backends: metrics.timedBackends(levelBackends(flags.dataDir)), transport },
    { clusterId: flags.clusterId, id: flags.id, voters: flags.members.map(({ id }) => id), onFatal },
  ).catch((cause: unknown) => {
    throw new Error(`the data directory ${flags.dataDir} cannot be used`, { cause });
  });
  metrics.addMember(member);
  const self = { id: flags.id, name: flags.name, peerUrls: selfPeerUrls(flags), clientUrls: flags.advertiseClientUrls };
  const peers = new Peers({ self, others: others.map((other) => ({ ...other, clientUrls: [] })), channels });
  const health = new HealthService('not-serving');
  member.onRole(({ leader }) => health.set('', leader === 0n ? 'not-serving' : 'serving'));

  const peerServer = new GrpcServer({
    log,
    services: [transport.service, peers.service(member)],
    tls: serverTls(flags.peerTls),
    requestBytesMax: PEER_MESSAGE_BYTES_MAX,
  });
  const services = clientServices({ member, peers, clock: systemClock, random: random.fork('services') });
  const gateway = new Gateway(directChannel({ services, clock: systemClock, log, peer: 'gateway' }), services);
  const clientServer = new GrpcServer({
    log,
    services: withTools(services, health),
    tls: serverTls(flags.clientTls),
    http: storeHttp({ member, metrics, gateway, log }),
    observe: metrics.observe,
  });
  const metricsPorts = new PortMux({ tls: serverTls(flags.clientTls), http: storeHttp({ member, metrics, log }) });
  const plainMetricsPorts = new PortMux({ http: storeHttp({ member, metrics, log }) });
  try {
    for (const url of options.listenMetricsUrls ?? []) await (url.startsWith('https:') ? metricsPorts : plainMetricsPorts).listen(addressOf(url));
    await peerServer.listen(flags.listenPeerUrls.map(addressOf));
    await clientServer.listen(flags.listenClientUrls.map(addressOf));
    await member.start();
  } catch (error) {
    await member.stop().catch((cause: unknown) => log.error({ error: describeError(cause) }, 'store: stop failed'));
    throw error;
  }
  log.info({ address: flags.listenClientUrls, member: flags.id.toString(16) }, 'ready to serve client requests');
  return {
    stop: async () => {
      health.set('', 'not-serving');
      metricsPorts.close();
      plainMetricsPorts.close();
      await clientServer.stop(STOP_GRACE_MS);
      await member.stop();
      await peerServer.stop(0);
    },
  };
}

function withTools(services: readonly BoundService[], health: HealthService): BoundService[] {
  const all = [...services, health.bound];
  return [...all, ...reflectionServices(all.map(({ service }) => service.typeName))];
}

function selfPeerUrls({ members, id }: StoreFlags): readonly string[] {
  return members.find((member) => member.id === id)!.peerUrls;
}

function readTls({ certFile, keyFile, caFile }: TlsPaths) {
  const cert = readFileSync(certFile);
  return { cert, key: readFileSync(keyFile), ca: caFile === undefined ? cert : readFileSync(caFile) };
}

function serverTls(paths: TlsPaths | undefined) {
  if (paths === undefined) return undefined;
  return { ...readTls(paths), requireClientCertificate: paths.requireClientCertificate };
}

function warnOfPlainText({ listenClientUrls, listenPeerUrls, name }: StoreFlags, log: Log): void {
  const plain = [...listenClientUrls, ...listenPeerUrls].filter((url) => url.startsWith('http:'));
  if (plain.length > 0) log.warn({ address: plain, member: name }, 'plain text: whoever reaches these addresses reads and writes everything');
}
