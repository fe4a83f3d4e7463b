/**
 * A store member as a process: the real disk, LevelDB, sockets and certificates around a `Member`. Only `podium store`
 * calls it; tests and the simulator build a `Member` from seams of their own.
 */
import { join } from 'node:path';
import type { Disk } from '../base/disk.ts';
import { describeError } from '../base/errors.ts';
import { FileDisk } from '../base/file-disk.ts';
import { createLog, type Log } from '../base/log.ts';
import { systemClock } from '../base/system-clock.ts';
import { systemRandom } from '../base/system-random.ts';
import { connect } from '../grpc/channel.ts';
import { HealthService } from '../grpc/health.ts';
import { reflectionServices } from '../grpc/reflection.ts';
import { PortMux } from '../grpc/port-mux.ts';
import { flushAll } from '../grpc/lean/flush.ts';
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { LeanServer } from '../grpc/lean/lean-server.ts';
import { GrpcServer } from '../grpc/server.ts';
import { directChannel } from '../proto/direct-channel.ts';
import type { BoundService } from '../proto/rpc.ts';
import { threadedScryptHasher } from './auth/passwords.ts';
import { openCertificates } from './certificates.ts';
import { DividedDisk } from './disk/divided-disk.ts';
import type { FaultHooks } from './faults/fault-hooks.ts';
import { addressOf, type StoreFlags } from './flags.ts';
import { Gateway } from './http/gateway.ts';
import { StoreMetrics } from './http/metrics.ts';
import { PeerMetrics } from './http/peer-metrics.ts';
import { storeHttp } from './http/routes.ts';
import { identify } from './join.ts';
import { CorruptionCheck } from './maintenance/corruption-check.ts';
import { Member } from './member.ts';
import { WAL_DIR } from './member-config.ts';
import { levelBackends } from './mvcc/level-backend.ts';
import { onlyFor } from './peer-names.ts';
import { Peers } from './peers.ts';
import { ChannelTransport } from './raft/channel-transport.ts';
import { clientServices } from './services.ts';

/** Calls that run when the member is told to stop have so long to end. */
const STOP_GRACE_MS = 1_000;
/** A message between members: an append of a megabyte, and what is around it. */
const PEER_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Around a request of --max-request-bytes. */
const GRPC_OVERHEAD_BYTES = 512 * 1024;
const TICK_MS_MAX = 10;
/** For the day that the disk is full: LevelDB opened anew, segments of the log, what is on its way. */
const RESERVE_BYTES = 16 * 1024 * 1024;

export interface RunningStore {
  /** Ends calls, flushes, closes. */
  stop(): Promise<void>;
}

/** Resolves when clients are served. `onFatal`: the member has stopped by itself and the process should end. */
export async function startStore(flags: StoreFlags, onFatal: (error: unknown) => void, faults?: FaultHooks): Promise<RunningStore> {
  const log = createLog(flags.name, flags.logLevel, flags.logOutputs);
  warnOfPlainText(flags, log);
  const random = systemRandom();
  const certificates = await openCertificates(flags, log);
  const isLean = flags.grpcServer === 'lean';
  const open = isLean ? connectLean : connect;
  const dial = ({ peerUrls }: { readonly peerUrls: readonly string[] }) =>
    open({ addresses: peerUrls.map(addressOf), tls: certificates.toPeers });
  const disk = diskOf(flags);
  const identity = await identify(flags, { disk, dial });
  const { clusterId, id } = identity;
  const transport = new ChannelTransport({
    clock: systemClock,
    random: random.fork('transport'),
    log,
    clusterId,
    self: id,
    dial,
  });
  const { strictReconfigCheck, leaseCheckpoints, learnersMax, compactHashCheckMs } = flags;
  const behaviour = { strictReconfigCheck, leaseCheckpoints, learnersMax, hashCompactions: compactHashCheckMs > 0 };
  const metrics = new StoreMetrics(systemClock, flags.hasCallTimes);
  const peerMetrics = new PeerMetrics(metrics.registry, { clock: systemClock, peering: transport });
  const backends = metrics.timedBackends(levelBackends(flags.dataDir));
  const member = await Member.open(
    { clock: systemClock, random, log, disk: metrics.timedDisk(disk), backends, transport, faults },
    { ...identity, ...behaviour, ...raftConfig(flags), ...upkeep(flags), onFatal },
  ).catch((cause: unknown) => {
    throw new Error(`the data directory ${flags.dataDir} cannot be used`, { cause });
  });
  metrics.addMember(member, flags.walDir ?? join(flags.dataDir, WAL_DIR));
  const peers = new Peers({ channel: (to) => transport.channel(to) });
  const intervals = { intervalMs: flags.corruptCheckTimeMs, compactionIntervalMs: compactHashCheckMs };
  const corruption = new CorruptionCheck({ clock: systemClock, log, member, peers, ...intervals });
  const health = new HealthService('not-serving');
  member.onRole(({ leader }) => health.set('', leader === 0n ? 'not-serving' : 'serving'));

  const Server = isLean ? LeanServer : GrpcServer;
  const peerServer = new Server({
    log,
    services: [transport.service, peers.service(member)].map((bound) => onlyFor(bound, flags.peerAllowedCns)),
    tls: certificates.forPeers,
    requestBytesMax: PEER_MESSAGE_BYTES_MAX,
  });
  const services = clientServices({
    member,
    peers,
    clock: systemClock,
    random: random.fork('services'),
    limits: flags,
    progressIntervalMs: flags.watchProgressMs,
    electionMs: flags.electionMs,
    faults,
    auth: {
      tokens: flags.authToken,
      hasher: threadedScryptHasher(),
      clientCertAuth: flags.clientTls?.requireClientCertificate ?? false,
    },
  });
  const channel = directChannel({ services, clock: systemClock, log, peer: 'gateway' });
  const gateway = flags.enableGateway ? new Gateway({ channel, services, requestBytesMax: flags.requestBytesMax }) : undefined;
  const clientServer = new Server({
    log,
    services: withTools(services, health),
    tls: certificates.forClients,
    ...grpcLimits(flags),
    http: storeHttp({ member, metrics, gateway, log }),
    observe: metrics.observe,
  });
  const metricsPorts = new PortMux({ tls: certificates.forClients, http: storeHttp({ member, metrics, log }) });
  const plainMetricsPorts = new PortMux({ http: storeHttp({ member, metrics, log }) });
  try {
    for (const url of flags.listenMetricsUrls) {
      await (url.startsWith('https:') ? metricsPorts : plainMetricsPorts).listen(addressOf(url));
    }
    await peerServer.listen(flags.listenPeerUrls.map(addressOf));
    if (flags.initialCorruptCheck) {
      // Else there is no way to the others yet, none is asked, and every state passes.
      member.membership.follow();
      await corruption.checkAtStart();
    }
    await clientServer.listen(flags.listenClientUrls.map(addressOf));
    await member.start();
    member.membership.publish({ name: flags.name, clientUrls: flags.advertiseClientUrls });
    corruption.start();
    peerMetrics.start();
  } catch (error) {
    await member.stop().catch((cause: unknown) => log.error({ error: describeError(cause) }, 'store: stop failed'));
    throw error;
  }
  onFirstLeader(member, () => {
    log.info({ address: flags.listenClientUrls, member: id.toString(16) }, 'ready to serve client requests');
  });
  return {
    stop: async () => {
      health.set('', 'not-serving');
      corruption.stop();
      peerMetrics.stop();
      metricsPorts.close();
      plainMetricsPorts.close();
      await clientServer.stop(STOP_GRACE_MS);
      await member.stop();
      await peerServer.stop(0);
      certificates.close();
    },
  };
}

/** As with etcd, a member is ready once its cluster has a leader: what listens before can only say that there is none. */
function onFirstLeader(member: Member, ready: () => void): void {
  if (member.leader !== 0n) return ready();
  const off = member.onRole(({ leader }) => {
    if (leader === 0n) return;
    off();
    ready();
  });
}

function withTools(services: readonly BoundService[], health: HealthService): BoundService[] {
  const all = [...services, health.bound];
  return [...all, ...reflectionServices(all.map(({ service }) => service.typeName))];
}

function upkeep({ quotaBytes, autoCompactionMode: mode, autoCompactionRetention: retention }: StoreFlags) {
  const common = { quotaBytes, reserveBytes: RESERVE_BYTES };
  return retention === 0 ? common : { ...common, autoCompaction: { mode, retention } };
}

function grpcLimits({ requestBytesMax, streamsPerConnectionMax, keepaliveTimeMs, keepaliveTimeoutMs }: StoreFlags) {
  const bytes = requestBytesMax + GRPC_OVERHEAD_BYTES;
  return { requestBytesMax: bytes, streamsPerConnectionMax, keepaliveTimeMs, keepaliveTimeoutMs };
}

function diskOf({ dataDir, walDir }: StoreFlags): Disk {
  const main = new FileDisk(dataDir, { beforeHoldUp: flushAll });
  return walDir === undefined ? main : new DividedDisk(main, WAL_DIR, new FileDisk(walDir, { beforeHoldUp: flushAll }));
}

function raftConfig({ electionMs, heartbeatMs, snapshotEntries, catchUpEntries }: StoreFlags) {
  if (heartbeatMs === undefined) return { electionMs, snapshotEntries, catchUpEntries };
  // A tick must not be longer than what is counted in ticks.
  return { electionMs, heartbeatMs, snapshotEntries, catchUpEntries, tickMs: Math.min(heartbeatMs, TICK_MS_MAX) };
}

function warnOfPlainText({ listenClientUrls, listenPeerUrls, name }: StoreFlags, log: Log): void {
  const plain = [...listenClientUrls, ...listenPeerUrls].filter((url) => url.startsWith('http:'));
  if (plain.length > 0) log.warn({ address: plain, member: name }, 'plain text: whoever reaches these addresses reads and writes everything');
}
