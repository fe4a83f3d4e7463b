/** What a member serves to clients: etcd's services over their handlers. Transport-free; server.ts and tests bind it. */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { Auth, KV, Lease, Watch } from '../proto/etcd.ts';
import { bind, type BoundService } from '../proto/rpc.ts';
import { simpleTokenScheme, type TokenScheme } from './auth/auth-token.ts';
import { guarded, Guard } from './auth/guard.ts';
import { scryptHasher, type PasswordHasher } from './auth/passwords.ts';
import { AUTH_NEEDS, CLUSTER_NEEDS, KV_NEEDS, LEASE_NEEDS, MAINTENANCE_NEEDS } from './auth/service-needs.ts';
import { kvHandlers } from './kv-service/kv.ts';
import { leaseHandlers } from './kv-service/lease.ts';
import { watchHandlers } from './kv-service/watch.ts';
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
  readonly auth?: AuthOptions;
}

export function clientServices({ member, peers, clock, random, auth = {} }: ClientServicesOptions): BoundService[] {
  const { tokens = simpleTokenScheme(), hasher = scryptHasher(), clientCertAuth = false } = auth;
  const guard = new Guard({ core: member, clock, tokens, clientCertAuth });
  const leaseOptions = {
    random: random.fork('leases'),
    renewLease: (id: bigint) => peers.renewLease(member, id),
    leaseRemaining: (id: bigint) => peers.leaseRemaining(member, id),
  };
  const watchOptions = {
    clock,
    random: random.fork('watches'),
    refuse: guard.refuseWatch.bind(guard),
  };
  const cluster = clusterService(member, () => peers.members());
  const maintenance = maintenanceService(member);
  return [
    guarded(guard, KV_NEEDS, (core) => bind(KV, kvHandlers(core), mapStoreError)),
    bind(Watch, watchHandlers(member, watchOptions), mapStoreError),
    guarded(guard, LEASE_NEEDS, (core) => bind(Lease, leaseHandlers(core, leaseOptions), mapStoreError)),
    guarded(guard, AUTH_NEEDS, (core) => bind(Auth, authHandlers(core, { clock, hasher, tokens }), mapStoreError)),
    guarded(guard, CLUSTER_NEEDS, () => cluster),
    guarded(guard, MAINTENANCE_NEEDS, () => maintenance),
  ];
}
