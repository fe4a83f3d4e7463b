/** `podium apiserver`: an API server with both its faces, on the store members of its configuration. */
import { readFileSync } from 'node:fs';
import { parseTokenFile } from '../api/access/token-file.ts';
import { RestFace } from '../api/rest/face.ts';
import { parseServer } from '../api/core/kubernetes-service.ts';
import { ApiServer, type AccessOptions } from '../api/server.ts';
import { AuditFile } from '../api/audit-file.ts';
import { createLog } from '../base/log.ts';
import { systemClock } from '../base/system-clock.ts';
import { systemRandom } from '../base/system-random.ts';
import type { TlsFiles } from '../base/pki.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import type { GrpcChannel } from '../grpc/connect-options.ts';
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { REQUEST_BODY_BYTES_MAX } from '../kube/limits.ts';
import { DEFAULT_ISSUER, apiServerHelp, parseApiServerFlags, type ApiServerSettings } from '../api/flags.ts';
import type { PartConfig } from '../cluster/parts.ts';
import { readVersion } from './version.ts';
import { aborted, logLevel, readPartConfig, runUntilStopped, serve, stopSignal } from './world.ts';

/** Channels to node agents that are kept; past it the one unused for longest is closed. */
const NODE_CHANNELS_MAX = 256;
/** What a request holds beside its object: names and options. */
const ENVELOPE_BYTES_MAX = 64 * 1024;

export async function run(argv: readonly string[]): Promise<number> {
  if (argv.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(apiServerHelp());
    return 0;
  }
  const isPart = argv[0] === '--config' || argv[0]?.startsWith('--config=') === true;
  return runWith(isPart ? settingsOf(readPartConfig('apiserver', argv)) : parseApiServerFlags(argv));
}

function runWith(settings: ApiServerSettings): Promise<number> {
  const world = { log: createLog(settings.name, logLevel()), random: systemRandom(), signal: stopSignal() };
  const { log, random, signal } = world;
  return runUntilStopped(world, async () => {
    const storeTls = readTls(settings.store.tls);
    const storeChannels = settings.store.addresses.map((address) => connectLean({ addresses: [address], tls: storeTls }));
    const storeClient = channelStoreClient({ channels: storeChannels });
    const nodeTls = readTls(settings.nodeTls);
    const nodes = new NodeChannels((address) => connectLean({ addresses: [address], tls: nodeTls }));
    const audit = settings.auditLogPath === undefined ? undefined : new AuditFile(settings.auditLogPath, log);
    const apiServer = new ApiServer({
      clock: systemClock,
      random,
      log,
      storeClient,
      stores: storeChannels.map((channel) => channelStoreClient({ channels: [channel] })),
      connectToNode: (address) => nodes.get(address),
      connectAnew: (address) => connectLean({ addresses: [address], tls: nodeTls }),
      config: settings.config,
      advertised: settings.advertised,
      access: { ...accessOf(settings), ...(audit === undefined ? {} : { writeAudit: (line: string) => audit.write(line) }) },
    });
    const { rest } = settings;
    const tls = { cert: readFileSync(rest.tls.certFile), key: readFileSync(rest.tls.keyFile), clientCa: readFileSync(rest.clientCaFile) };
    const face = new RestFace({ apiServer, tls, clock: systemClock, random, log, programVersion: readVersion() });
    const stops: (() => Promise<void>)[] = [];
    if (settings.grpc !== undefined) {
      const endpoint = { listenAddress: settings.grpc.address, tls: settings.grpc.tls };
      const served = await serve({ endpoint, log }, apiServer.services, { requestBytesMax: REQUEST_BODY_BYTES_MAX + ENVELOPE_BYTES_MAX });
      apiServer.ready().then(
        () => served.health.set('', 'serving'),
        () => undefined,
      );
      stops.push(() => served.stop());
    }
    await face.listen(rest.address);
    log.info({ address: rest.address }, 'serving REST');
    stops.push(() => face.stop(settings.shutdownDelayMs));
    apiServer.start();
    await aborted(signal);
    await apiServer.leave();
    await Promise.all(stops.map((stop) => stop()));
    await apiServer.stop();
    storeClient.close();
    nodes.close();
    await audit?.close();
  });
}

function accessOf({ access }: ApiServerSettings): AccessOptions {
  const { tokenFile, serviceAccounts } = access;
  return {
    ...(tokenFile === undefined ? {} : { tokens: [parseTokenFile(readFileSync(tokenFile, 'utf8'), tokenFile)] }),
    ...(serviceAccounts === undefined
      ? {}
      : {
          serviceAccounts: {
            issuer: serviceAccounts.issuer,
            audiences: serviceAccounts.audiences,
            keys: serviceAccounts.keyFiles.map((file) => readFileSync(file)),
            signingKey: serviceAccounts.signingKeyFile === undefined ? undefined : readFileSync(serviceAccounts.signingKeyFile),
          },
        }),
  };
}

/** What the launcher has written for it. */
function settingsOf(config: PartConfig): ApiServerSettings {
  const { name, rest, tls, storeAddresses, listenAddress, serviceCidr, timings } = config;
  if (rest === undefined) throw new Error(`the configuration of ${name} does not say where it serves REST`);
  return {
    name,
    store: { addresses: storeAddresses, tls },
    nodeTls: tls,
    grpc: { address: listenAddress, tls },
    rest: { address: rest.listenAddress, tls: rest.tls, clientCaFile: rest.tls.caFile },
    access: {
      tokenFile: rest.tokenFile,
      serviceAccounts: { issuer: DEFAULT_ISSUER, audiences: [], keyFiles: [], signingKeyFile: rest.serviceAccountKeyFile },
    },
    config: { serviceCidr, evictionTolerationSeconds: timings.podEvictionSeconds },
    auditLogPath: process.env['PODIUM_AUDIT_LOG_PATH'],
    shutdownDelayMs: 0,
    advertised: parseServer(rest.listenAddress),
  };
}

function readTls(files: TlsFiles | undefined) {
  if (files === undefined) return undefined;
  return { ca: readFileSync(files.caFile), cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
}

class NodeChannels {
  readonly #open: (address: string) => GrpcChannel;
  /** In the order of their last use. */
  readonly #channels = new Map<string, GrpcChannel>();

  constructor(open: (address: string) => GrpcChannel) {
    this.#open = open;
  }

  get(address: string): GrpcChannel {
    const channel = this.#channels.get(address) ?? this.#open(address);
    this.#channels.delete(address);
    this.#channels.set(address, channel);
    if (this.#channels.size > NODE_CHANNELS_MAX) {
      const [oldest, unused] = this.#channels.entries().next().value!;
      this.#channels.delete(oldest);
      unused.close();
    }
    return channel;
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
  }
}
