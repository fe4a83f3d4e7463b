/** `podium apiserver`: an API server over gRPC, on the store members of its configuration. */
import { ApiServer } from '../api/server.ts';
import { systemClock } from '../base/system-clock.ts';
import { channelStoreClient } from '../etcd/channel-store-client.ts';
import { connect, type GrpcChannel } from '../grpc/channel.ts';
import { REQUEST_BODY_BYTES_MAX } from '../kube/limits.ts';
import { aborted, partWorld, readPartConfig, readTls, runUntilStopped, serve } from './world.ts';

/** Channels to node agents that are kept; past it the one unused for longest is closed. */
const NODE_CHANNELS_MAX = 256;
/** What a request holds beside its object: names and options. */
const ENVELOPE_BYTES_MAX = 64 * 1024;

export function run(argv: readonly string[]): Promise<number> {
  const config = readPartConfig('apiserver', argv);
  const world = partWorld(config);
  const { log, random, signal } = world;
  return runUntilStopped(world, async () => {
    const tls = readTls(config);
    const storeClient = channelStoreClient({ channels: config.storeAddresses.map((address) => connect({ addresses: [address], tls })) });
    const nodes = new NodeChannels((address) => connect({ addresses: [address], tls }));
    const apiServer = new ApiServer({
      clock: systemClock,
      random,
      log,
      storeClient,
      connectToNode: (address) => nodes.get(address),
      config: { serviceCidr: config.serviceCidr, evictionTolerationSeconds: config.timings.podEvictionSeconds },
    });
    const served = await serve(world, apiServer.services, { requestBytesMax: REQUEST_BODY_BYTES_MAX + ENVELOPE_BYTES_MAX });
    apiServer.start();
    apiServer.ready().then(
      () => served.health.set('', 'serving'),
      () => undefined,
    );
    await aborted(signal);
    await served.stop();
    await apiServer.stop();
    storeClient.close();
    nodes.close();
  });
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
