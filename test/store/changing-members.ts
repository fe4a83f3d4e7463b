/** A cluster in this process whose members change, over the services that etcd's clients use. */
import { Cluster, Maintenance, type Member } from '../../src/proto/etcd.ts';
import { RpcError, type Channel } from '../../src/proto/rpc.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';
import { storeName, urlOf, type StorePart, type StoreSettings } from '../../src/testing/store-part.ts';

/** etcd's health interval, and something: before it a change is refused as unhealthy. */
const STEADY_MS = 6_000;

/** What a call fails with. */
export function failure(calling: Promise<unknown>): Promise<string> {
  return calling.then(
    () => 'it did not fail',
    (error: unknown) => (error instanceof RpcError ? error.message : String(error)),
  );
}

export class ChangingMembers {
  readonly cluster: TestCluster;

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  static async start(store: StoreSettings = {}, steadyMs = STEADY_MS, members = 3): Promise<ChangingMembers> {
    const cluster = await startCluster({ nodes: 0, store, members });
    await cluster.clock.advance(steadyMs);
    return new ChangingMembers(cluster);
  }

  async call<T>(part: StorePart, ask: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = this.cluster.channel(part.name);
    try {
      return await this.cluster.clock.drive(ask(channel), { what: 'the members to change' });
    } finally {
      channel.close();
    }
  }

  add(at: StorePart, number: number, isLearner = false) {
    const request = { peerUrls: [urlOf(storeName(number))], isLearner };
    return this.call(at, (channel) => channel.unary(Cluster.methods.memberAdd, request));
  }

  promote(at: StorePart, id: bigint) {
    return this.call(at, (channel) => channel.unary(Cluster.methods.memberPromote, { id }));
  }

  remove(at: StorePart, id: bigint) {
    return this.call(at, (channel) => channel.unary(Cluster.methods.memberRemove, { id }));
  }

  update(at: StorePart, id: bigint, peerUrls: string[]) {
    return this.call(at, (channel) => channel.unary(Cluster.methods.memberUpdate, { id, peerUrls }));
  }

  async list(at: StorePart): Promise<readonly Member[]> {
    return (await this.call(at, (channel) => channel.unary(Cluster.methods.memberList, { linearizable: true }))).members;
  }

  status(at: StorePart) {
    return this.call(at, (channel) => channel.unary(Maintenance.methods.status, {}));
  }

  async follower(): Promise<StorePart> {
    const leader = await this.cluster.leader();
    return this.cluster.members.find((part) => part !== leader && part.isRunning)!;
  }

  /** Adds the member of the next number, at `at`, and starts it. */
  async join(at: StorePart, isLearner: boolean): Promise<{ readonly part: StorePart; readonly id: bigint }> {
    const number = this.cluster.members.length + 1;
    const { member, members } = await this.add(at, number, isLearner);
    const part = this.cluster.joinMember(member!.id, members.map((each) => ({ ...each })));
    await this.cluster.clock.drive(part.start(), { what: 'the new member to start' });
    return { part, id: member!.id };
  }
}
