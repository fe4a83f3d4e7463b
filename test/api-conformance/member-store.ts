/** Podium's own store for an API server of this process: one real `Member`, its disk and its backend in memory. */
import type { Clock } from '../../src/base/clock.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { Member } from '../../src/store/member.ts';
import { memoryBackends } from '../../src/store/mvcc/memory-backend.ts';
import { Peers } from '../../src/store/peers.ts';
import { ChannelTransport } from '../../src/store/raft/channel-transport.ts';
import { clientServices } from '../../src/store/services.ts';
import { quiet as log } from '../api/fixture.ts';

const CLUSTER_ID = 1n;

export interface MemberStore {
  readonly client: StoreClient;
  stop(): Promise<void>;
}

export async function startMemberStore(clock: Clock): Promise<MemberStore> {
  const random = seededRandom('member');
  const disk = new MemoryDisk({ clock, random: random.fork('disk') });
  const dial = () => {
    throw new Error('this member is alone');
  };
  const transport = new ChannelTransport({ clock, random: random.fork('transport'), log, clusterId: CLUSTER_ID, self: 1n, dial });
  let failure: unknown;
  const member = await Member.open(
    { clock, random, log, disk: disk.incarnation(), backends: memoryBackends(), transport },
    {
      clusterId: CLUSTER_ID,
      id: 1n,
      initialMembers: [{ id: 1n, name: 'alone', peerUrls: ['http://alone:1'], clientUrls: ['http://alone:2'], isLearner: false }],
      onFatal: (error) => (failure = error),
    },
  );
  const peers = new Peers({ channel: (id) => transport.channel(id) });
  const services = clientServices({ member, peers, clock, random: random.fork('services') });
  await member.start();
  const client = channelStoreClient({ channels: [directChannel({ services, clock, log })] });
  return {
    client,
    stop: async () => {
      client.close();
      await member.stop();
      if (failure !== undefined) throw failure;
    },
  };
}
