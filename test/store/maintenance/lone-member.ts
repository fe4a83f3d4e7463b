/** A cluster of one on a clock that moves by itself while a call is under way: a real `Member`, its disk in memory. */
import { silentLog } from '../../../src/base/log.ts';
import { MemoryDisk } from '../../../src/base/memory-disk.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import type { Channel } from '../../../src/proto/rpc.ts';
import { Member } from '../../../src/store/member.ts';
import type { MemberConfig } from '../../../src/store/member-config.ts';
import type { BackendFactory } from '../../../src/store/mvcc/backend.ts';
import { memoryBackends } from '../../../src/store/mvcc/memory-backend.ts';
import { Peers } from '../../../src/store/peers.ts';
import { clientServices } from '../../../src/store/services.ts';
import { TestClock } from '../../../src/testing/test-clock.ts';

export const LONE_ID = 7n;

export interface LoneWorld {
  readonly clock: TestClock;
  readonly disk: MemoryDisk;
  readonly backends: BackendFactory;
}

export function loneWorld(): LoneWorld {
  const clock = new TestClock();
  return { clock, disk: new MemoryDisk({ clock, random: seededRandom(1) }), backends: memoryBackends() };
}

export interface LoneMember extends LoneWorld {
  readonly member: Member;
  readonly channel: Channel;
  /** Waits for it, moving the clock. */
  drive<T>(work: Promise<T>): Promise<T>;
}

export async function startLoneMember(config: Partial<MemberConfig> = {}, world = loneWorld()): Promise<LoneMember> {
  const { clock } = world;
  const random = seededRandom(1);
  const transport = { start: async () => {}, setPeers: () => {}, send: () => {}, sendSnapshot: async () => {}, close: async () => {} };
  const drive = <T>(work: Promise<T>) => clock.drive(work, { what: 'a call' });
  const member = await drive(
    Member.open(
      { clock, random, log: silentLog, disk: world.disk.incarnation(), backends: world.backends, transport },
      {
        clusterId: 9n,
        id: LONE_ID,
        initialMembers: [{ id: LONE_ID, name: 'lone', peerUrls: [], clientUrls: [], isLearner: false }],
        onFatal: (error) => {
          throw error;
        },
        ...config,
      },
    ),
  );
  await drive(member.start());
  await clock.advanceUntil(() => member.isLeader, 10_000, 'it leads');
  const peers = new Peers({ channel: () => undefined });
  const services = clientServices({ member, peers, clock, random });
  return { ...world, member, channel: directChannel({ services, clock, log: silentLog }), drive };
}
