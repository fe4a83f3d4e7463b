/** A store member in a test: a real `Member`, on a disk and a backend in memory that outlive it. */
import { assert } from '../base/assert.ts';
import { describeError } from '../base/errors.ts';
import { MemoryDisk } from '../base/memory-disk.ts';
import { Member } from '../store/member.ts';
import { FaultyBackends } from '../store/mvcc/faulty-backend.ts';
import { Peers } from '../store/peers.ts';
import { ChannelTransport } from '../store/raft/channel-transport.ts';
import { clientServices } from '../store/services.ts';
import { Part, type Life, type PartWorld } from './part.ts';

const CLUSTER_ID = 0x7e57n;

export class StorePart extends Part {
  readonly id: bigint;
  /** Its faults may be set: slow, full, failing. */
  readonly disk: MemoryDisk;
  readonly #backends: FaultyBackends;
  readonly #count: number;
  #member: Member | undefined;

  /** Members are numbered from 1 to `count`. */
  constructor(number: number, count: number, world: PartWorld) {
    super(storeName(number), world);
    this.id = BigInt(number);
    this.#count = count;
    const random = world.random.fork(this.name);
    this.disk = new MemoryDisk({ clock: world.clock, random: random.fork('disk') });
    this.#backends = new FaultyBackends({ clock: world.clock, random: random.fork('backend') });
  }

  get isLeader(): boolean {
    return this.#member?.isLeader ?? false;
  }

  /** The member that lives, to look into. */
  get member(): Member {
    assert(this.#member !== undefined, `${this.name} runs`);
    return this.#member;
  }

  /** Kills the part and takes away what was not synced, as far as chance has it. */
  powerCut(): void {
    this.kill();
    this.disk.powerCut();
    this.#backends.powerCut();
  }

  protected override async begin({ process, random, log }: Life): Promise<void> {
    const { network } = this.world;
    const { clock } = process;
    const all = Array.from({ length: this.#count }, (_, index) => infoOf(index + 1));
    const self = infoOf(Number(this.id));
    const others = all.filter(({ id }) => id !== this.id);
    const channels = new Map(others.map(({ id, name }) => [id, network.channel(process, name)]));
    const transport = new ChannelTransport({
      clock,
      random: random.fork('transport'),
      log,
      clusterId: CLUSTER_ID,
      self: this.id,
      peers: channels,
    });
    const member = await Member.open(
      { clock, random, log, disk: this.disk.incarnation(), backends: this.#backends.incarnation(), transport },
      {
        clusterId: CLUSTER_ID,
        id: this.id,
        voters: all.map(({ id }) => id),
        onFatal: (error) => {
          log.error({ error: describeError(error) }, 'store: the member stopped by itself');
          this.kill();
        },
      },
    );
    this.#member = member;
    const peers = new Peers({ self, others, channels });
    const services = clientServices({ member, peers, clock, random: random.fork('services') });
    network.listen(process, this.name, [transport.service, peers.service(member), ...services]);
    await member.start();
  }

  protected override end(): void {
    this.#member = undefined;
    this.disk.processCrash();
    this.#backends.processCrash();
  }
}

export function storeName(number: number): string {
  return `store-${number}`;
}

function infoOf(number: number) {
  const name = storeName(number);
  return { id: BigInt(number), name, peerUrls: [`test://${name}`], clientUrls: [`test://${name}`] };
}
