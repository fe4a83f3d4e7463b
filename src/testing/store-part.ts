/** A store member in a test: a real `Member`, on a disk and a backend in memory that outlive it. */
import { assert } from '../base/assert.ts';
import { describeError } from '../base/errors.ts';
import { MemoryDisk } from '../base/memory-disk.ts';
import { Member } from '../store/member.ts';
import type { MemberConfig } from '../store/member-config.ts';
import type { MemberInfo } from '../store/membership/core/members.ts';
import { MemberRemovedError } from '../store/membership/membership.ts';
import { FaultyBackends } from '../store/mvcc/faulty-backend.ts';
import { Peers } from '../store/peers.ts';
import { ChannelTransport } from '../store/raft/channel-transport.ts';
import { recover, type Recovery } from '../store/recover.ts';
import { clientServices } from '../store/services.ts';
import { Part, type Life, type PartWorld } from './part.ts';

const CLUSTER_ID = 0x7e57n;

export interface Joining {
  readonly id: bigint;
  readonly members: readonly MemberInfo[];
}

/** What a test may want otherwise. */
export type StoreSettings = Partial<Omit<MemberConfig, 'clusterId' | 'id' | 'initialMembers' | 'joined' | 'onFatal'>>;

export interface StorePartOptions {
  readonly settings?: StoreSettings | undefined;
  readonly joining?: Joining;
}

export class StorePart extends Part {
  readonly id: bigint;
  /** Its faults may be set: slow, full, failing. */
  readonly disk: MemoryDisk;
  readonly backends: FaultyBackends;
  readonly #number: number;
  readonly #initial: readonly MemberInfo[];
  /** Of a member that was added while the cluster ran. */
  readonly #joined: readonly MemberInfo[] | undefined;
  readonly #settings: StoreSettings;
  #member: Member | undefined;

  /** Members are numbered from 1 to `count`; one of a higher number joins as `joining` says, once it was added. */
  constructor(number: number, count: number, world: PartWorld, { settings = {}, joining }: StorePartOptions = {}) {
    super(storeName(number), world);
    this.id = joining?.id ?? BigInt(number);
    this.#number = number;
    this.#initial = Array.from({ length: count }, (_, index) => infoOf(index + 1));
    this.#joined = joining?.members;
    this.#settings = settings;
    const random = world.random.fork(this.name);
    this.disk = new MemoryDisk({ clock: world.clock, random: random.fork('disk') });
    this.backends = new FaultyBackends({ clock: world.clock, random: random.fork('backend') });
  }

  get hasJoined(): boolean {
    return this.#joined !== undefined;
  }

  get isLeader(): boolean {
    return this.#member?.isLeader ?? false;
  }

  /** The member that lives, to look into. */
  get member(): Member {
    assert(this.#member !== undefined, `${this.name} runs`);
    return this.#member;
  }

  /** What `podium store recover` does to the data of a member that does not run. */
  recover(): Promise<Recovery> {
    assert(!this.isRunning, `${this.name} does not run while it is recovered`);
    const { log } = this.world;
    return recover({ disk: this.disk.incarnation(), backends: this.backends.incarnation(), log });
  }

  /** Kills the part and takes away what was not synced, as far as chance has it. */
  powerCut(): void {
    this.kill();
    this.disk.powerCut();
    this.backends.powerCut();
  }

  protected override async begin({ process, random, log }: Life): Promise<void> {
    const { network } = this.world;
    const { clock } = process;
    const transport = new ChannelTransport({
      clock,
      random: random.fork('transport'),
      log,
      clusterId: CLUSTER_ID,
      self: this.id,
      dial: ({ peerUrls }) => network.channel(process, nameOf(peerUrls)),
    });
    const member = await Member.open(
      { clock, random, log, disk: this.disk.incarnation(), backends: this.backends.incarnation(), transport },
      {
        ...this.#settings,
        clusterId: CLUSTER_ID,
        id: this.id,
        initialMembers: this.#initial,
        ...(this.#joined === undefined ? {} : { joined: this.#joined }),
        onFatal: (error) => {
          if (error instanceof MemberRemovedError) log.warn({ error: error.message }, 'store: removed from the cluster');
          else log.error({ error: describeError(error) }, 'store: the member stopped by itself');
          this.kill();
        },
      },
    );
    this.#member = member;
    const peers = new Peers({ channel: (id) => transport.channel(id) });
    const services = clientServices({ member, peers, clock, random: random.fork('services') });
    network.listen(process, this.name, [transport.service, peers.service(member), ...services]);
    await member.start();
    const { name, clientUrls } = infoOf(this.#number);
    member.membership.publish({ name, clientUrls });
  }

  protected override end(): void {
    this.#member = undefined;
    this.disk.processCrash();
    this.backends.processCrash();
  }
}

export function storeName(number: number): string {
  return `store-${number}`;
}

function infoOf(number: number) {
  const name = storeName(number);
  return { id: BigInt(number), name, peerUrls: [urlOf(name)], clientUrls: [urlOf(name)], isLearner: false };
}

const SCHEME = 'http://';
const PORT = ':1';

/** By its form a URL like a real one, so that members can be added by it. */
export function urlOf(name: string): string {
  return SCHEME + name + PORT;
}

function nameOf(peerUrls: readonly string[]): string {
  return (peerUrls[0] ?? '').slice(SCHEME.length, -PORT.length);
}
