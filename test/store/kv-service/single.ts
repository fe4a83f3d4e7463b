/** A store of one: what is proposed is applied at once. Handlers are called through the direct channel, as clients do. */
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { Credentials } from '../../../src/proto/auth.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Election, KV, Lease, Lock, Watch } from '../../../src/proto/etcd.ts';
import { bind } from '../../../src/proto/rpc.ts';
import { electionHandlers } from '../../../src/store/kv-service/election.ts';
import { kvHandlers } from '../../../src/store/kv-service/kv.ts';
import { leaseHandlers } from '../../../src/store/kv-service/lease.ts';
import { lockHandlers } from '../../../src/store/kv-service/lock.ts';
import { watchHandlers } from '../../../src/store/kv-service/watch.ts';
import { encodeProposal, type Command } from '../../../src/store/mvcc/command.ts';
import { mapStoreError } from '../../../src/store/rpc/errors.ts';
import { StateMachine, type CommandOutcome } from '../../../src/store/state-machine.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';

export class SingleStore {
  readonly clock = new DrivenClock();
  readonly machine: StateMachine;
  leader = 1n;
  reads = 0;
  proposals = 0;

  constructor(machine: StateMachine) {
    this.machine = machine;
    machine.leases.promote(0);
  }

  static async open(): Promise<SingleStore> {
    return new SingleStore(await StateMachine.open(new PlainBackend()));
  }

  async propose(command: Command, credentials?: Credentials): Promise<CommandOutcome> {
    this.proposals++;
    const { index } = this.machine.applied;
    const data = encodeProposal({ id: 1n, command, credentials });
    return this.machine.apply({ index: index + 1, term: 1, data }, this.clock.monotonic()).outcome;
  }

  async linearizable(): Promise<void> {
    this.reads++;
  }

  async scrubbed(): Promise<void> {
    while (this.machine.scrub(1));
  }

  header() {
    return { clusterId: 7n, memberId: 1n, revision: this.machine.revision, raftTerm: 1 };
  }

  connect() {
    const random = seededRandom(1);
    const { clock } = this;
    const { leases } = this.machine;
    const kv = kvHandlers(this);
    const lease = leaseHandlers(this, {
      random,
      renewLease: async (id) => leases.renew(id, clock.monotonic()),
      leaseRemaining: async (id) => leases.remainingSeconds(id, clock.monotonic()),
    });
    const queues = { core: this, clock, kv, lease };
    const services = [
      bind(KV, kv, mapStoreError),
      bind(Watch, watchHandlers(this, { clock, random, progressIntervalMs: 1000 }), mapStoreError),
      bind(Lease, lease, mapStoreError),
      bind(Lock, lockHandlers(queues), mapStoreError),
      bind(Election, electionHandlers(queues), mapStoreError),
    ];
    return directChannel({ services, clock, log: silentLog });
  }
}
