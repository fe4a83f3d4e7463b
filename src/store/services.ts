/** What a member serves to clients: etcd's services over their handlers. Transport-free; server.ts and tests bind it. */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { KV, Lease, Watch } from '../proto/etcd.ts';
import { bind, type BoundService } from '../proto/rpc.ts';
import { kvHandlers } from './kv-service/kv.ts';
import { leaseHandlers } from './kv-service/lease.ts';
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
}

export function clientServices({ member, peers, clock, random }: ClientServicesOptions): BoundService[] {
  const leases = leaseHandlers(member, {
    random: random.fork('leases'),
    renewLease: (id) => peers.renewLease(member, id),
    leaseRemaining: (id) => peers.leaseRemaining(member, id),
  });
  const services = [
    bind(KV, kvHandlers(member), mapStoreError),
    bind(Watch, watchHandlers(member, { clock, random: random.fork('watches') }), mapStoreError),
    bind(Lease, leases, mapStoreError),
    clusterService(member, peers),
    maintenanceService(member),
  ];
  return services.map((service) => refusingLearners(service, () => member.membership.isLearner));
}
