/** What a member serves to clients: etcd's services over their handlers. Transport-free; server.ts and tests bind it. */
import type { Clock, Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { Auth, Election, Lease, Lock, Watch } from '../proto/etcd.ts';
import { bind, type BoundService } from '../proto/rpc.ts';
import { simpleTokenScheme, type TokenScheme } from './auth/auth-token.ts';
import { guarded, Guard } from './auth/guard.ts';
import { scryptHasher, type PasswordHasher } from './auth/passwords.ts';
import {
  AUTH_NEEDS,
  CLUSTER_NEEDS,
  ELECTION_NEEDS,
  KV_NEEDS,
  LEASE_NEEDS,
  LOCK_NEEDS,
  MAINTENANCE_NEEDS,
} from './auth/service-needs.ts';
import type { FaultHooks } from './faults/fault-hooks.ts';
import type { StoreCore } from './kv-service/core.ts';
import { electionHandlers } from './kv-service/election.ts';
import { KV_IN_PLACE, kvHandlers } from './kv-service/kv.ts';
import { leaseHandlers } from './kv-service/lease.ts';
import { lockHandlers } from './kv-service/lock.ts';
import { DEFAULT_LIMITS, type RequestLimits } from './kv-service/validate.ts';
import { watchHandlers } from './kv-service/watch.ts';
import { refusingLearners } from './membership/learner.ts';
import type { Member } from './member.ts';
import type { Peers } from './peers.ts';
import { authHandlers } from './rpc/auth.ts';
import { clusterService } from './rpc/cluster.ts';
import { mapStoreError } from './rpc/errors.ts';
import { maintenanceService } from './rpc/maintenance.ts';

export interface AuthOptions {
  readonly tokens?: TokenScheme;
  readonly hasher?: PasswordHasher;
  /** Clients had to show a certificate: its common name is a user. */
  readonly clientCertAuth?: boolean;
}

export interface ClientServicesOptions {
  readonly member: Member;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: RequestLimits;
  readonly progressIntervalMs?: Millis;
  readonly electionMs?: Millis;
  readonly auth?: AuthOptions;
  readonly faults?: FaultHooks | undefined;
}

export function clientServices(options: ClientServicesOptions): BoundService[] {
  const { member, peers, clock, random, limits = DEFAULT_LIMITS, progressIntervalMs, electionMs, auth = {} } = options;
  const { tokens = simpleTokenScheme(), hasher = scryptHasher(), clientCertAuth = false } = auth;
  const { requestBytesMax } = limits;
  const guard = new Guard({ core: member, clock, tokens, clientCertAuth });
  const watches = {
    clock,
    random: random.fork('watches'),
    requestBytesMax,
    faults: options.faults,
    refuse: guard.refuseWatch.bind(guard),
    ...(progressIntervalMs === undefined ? {} : { progressIntervalMs }),
    ...(electionMs === undefined ? {} : { electionMs }),
  };
  const leaseOptions = {
    random: random.fork('leases'),
    renewLease: (id: bigint) => peers.renewLease(member, id),
    leaseRemaining: (id: bigint) => peers.leaseRemaining(member, id),
    ...(electionMs === undefined ? {} : { ttlSecondsMin: Math.ceil((1.5 * electionMs) / 1000) }),
  };
  const queues = (core: StoreCore) => {
    return { core, clock, kv: kvHandlers(core, limits), lease: leaseHandlers(core, leaseOptions) };
  };
  const cluster = clusterService(member, peers);
  const maintenance = maintenanceService(member);
  const services = [
    guarded(guard, KV_NEEDS, (core) => bind(KV_IN_PLACE, kvHandlers(core, limits), mapStoreError)),
    bind(Watch, watchHandlers(member, watches), mapStoreError),
    guarded(guard, LEASE_NEEDS, (core) => bind(Lease, leaseHandlers(core, leaseOptions), mapStoreError)),
    guarded(guard, LOCK_NEEDS, (core) => bind(Lock, lockHandlers(queues(core)), mapStoreError)),
    guarded(guard, ELECTION_NEEDS, (core) => bind(Election, electionHandlers(queues(core)), mapStoreError)),
    guarded(guard, AUTH_NEEDS, (core) => bind(Auth, authHandlers(core, { clock, hasher, tokens }), mapStoreError)),
    guarded(guard, CLUSTER_NEEDS, () => cluster),
    guarded(guard, MAINTENANCE_NEEDS, () => maintenance),
  ];
  return services.map((service) => refusingLearners(service, () => member.membership.isLearner));
}
