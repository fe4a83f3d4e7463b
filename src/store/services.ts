/** What a member serves to clients: etcd's services over their handlers. Transport-free; server.ts and tests bind it. */
import type { Clock, Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { Election, KV, Lease, Lock, Watch } from '../proto/etcd.ts';
import { bind, type BoundService } from '../proto/rpc.ts';
import { electionHandlers } from './kv-service/election.ts';
import { kvHandlers } from './kv-service/kv.ts';
import { leaseHandlers } from './kv-service/lease.ts';
import { lockHandlers } from './kv-service/lock.ts';
import { DEFAULT_LIMITS, type RequestLimits } from './kv-service/validate.ts';
import { watchHandlers } from './kv-service/watch.ts';
import { refusingLearners } from './membership/learner.ts';
import type { Member } from './member.ts';
import type { Peers } from './peers.ts';
import { clusterService } from './rpc/cluster.ts';
import { mapStoreError } from './rpc/errors.ts';
import { maintenanceService } from './rpc/maintenance.ts';

export interface ClientServicesOptions {
  readonly member: Member;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: RequestLimits;
  readonly progressIntervalMs?: Millis;
  readonly electionMs?: Millis;
}

export function clientServices(options: ClientServicesOptions): BoundService[] {
  const { member, peers, clock, random, limits = DEFAULT_LIMITS, progressIntervalMs, electionMs } = options;
  const { requestBytesMax } = limits;
  const watches = {
    clock,
    random: random.fork('watches'),
    requestBytesMax,
    ...(progressIntervalMs === undefined ? {} : { progressIntervalMs }),
    ...(electionMs === undefined ? {} : { electionMs }),
  };
  const leases = leaseHandlers(member, {
    random: random.fork('leases'),
    renewLease: (id) => peers.renewLease(member, id),
    leaseRemaining: (id) => peers.leaseRemaining(member, id),
    ...(electionMs === undefined ? {} : { ttlSecondsMin: Math.ceil((1.5 * electionMs) / 1000) }),
  });
  const kv = kvHandlers(member, limits);
  const queues = { core: member, clock, kv, lease: leases };
  const services = [
    bind(KV, kv, mapStoreError),
    bind(Watch, watchHandlers(member, watches), mapStoreError),
    bind(Lease, leases, mapStoreError),
    bind(Lock, lockHandlers(queues), mapStoreError),
    bind(Election, electionHandlers(queues), mapStoreError),
    clusterService(member, peers),
    maintenanceService(member),
  ];
  return services.map((service) => refusingLearners(service, () => member.membership.isLearner));
}
